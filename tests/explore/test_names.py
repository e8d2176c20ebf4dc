"""Names on the explorer's maps: of any script, at every zoom, none over another."""

from types import SimpleNamespace

import jscatter
import numpy as np
import pandas as pd
import pytest

from unpadded.evaluation import count_terms
from unpadded.explore.panels import colours, density
from unpadded.explore.panels import names as panel
from unpadded.explore.panels.colours import clusters_of
from unpadded.explore.panels.density import DensityPanel
from unpadded.explore.panels.in_view import SIDE
from unpadded.explore.panels.names import LONGEST, NONE, TOPICS, WORDS, NamePanel
from unpadded.explore.panels.theme import DARK, LIGHT

GROUPS, PARTS, EACH = 4, 5, 60
SCRIPTS = ["новости дня", "日本語の新聞", "العربية", "a name of far more letters than there is room for on any map"]


def opened(topics: list[str]) -> tuple[SimpleNamespace, pd.DataFrame, dict[str, jscatter.Scatter]]:
    """GROUPS far groups of PARTS near ones, of words of the group and of the part; topics are the groups."""
    rng = np.random.default_rng(0)
    part = np.repeat(np.arange(GROUPS * PARTS), EACH)
    group, angle = part // PARTS, 2 * np.pi * (part % PARTS) / PARTS
    centre = np.stack([30 * (group % 2) + 4 * np.cos(angle), 30 * (group // 2) + 4 * np.sin(angle)], axis=1)
    xy = centre + rng.normal(size=centre.shape) * 0.5
    texts = [
        f"group{'abcd'[g]} " * 3 + f"part{'abcdefghijklmnopqrst'[p]} " * 2 for g, p in zip(group, part, strict=True)
    ]
    points = pd.DataFrame({"row": np.arange(len(xy)), "topic": [topics[g] for g in group], "tokens": 5})
    points["mean_x"], points["mean_y"] = xy.T
    data = SimpleNamespace(corpus=SimpleNamespace(texts=texts))
    return data, points, {"mean": jscatter.Scatter(data=points, x="mean_x", y="mean_y", height=340)}


def labels_of(scatter: jscatter.Scatter) -> pd.DataFrame:
    found = scatter._label_placement.labels
    return found[np.isfinite(found["zoom_in"])]


def seen_at(labels: pd.DataFrame, zoom: float) -> pd.DataFrame:
    return labels[(labels["zoom_in"] <= zoom) & (zoom < labels["zoom_out"])]


def test_topics_of_any_script_are_named_and_long_names_are_cut():
    """Names without a letter of ASCII once kept the explorer from opening."""
    data, points, scatters = opened(SCRIPTS)
    names = NamePanel(data, points, scatters)
    assert names.kind.value == TOPICS
    labels = labels_of(scatters["mean"])
    shown = set(labels["label"])
    assert set(SCRIPTS[:3]) <= shown
    assert max(map(len, shown)) <= LONGEST
    assert any(name.startswith("a name of far more letters") for name in shown)
    width = labels.set_index("label")["width"]
    assert width["日本語の新聞"] > 1.2 * width["العربية"]  # six wide letters, seven narrow ones


def test_zooming_in_names_finer_regions_and_no_name_lies_over_another():
    data, points, scatters = opened(["a", "b", "c", "d"])
    names = NamePanel(data, points, scatters)
    for kind, coarse in ((TOPICS, set("abcd")), (WORDS, {f"group{letter}" for letter in "abcd"})):
        names.kind.value = kind
        labels = labels_of(scatters["mean"])
        far, near = seen_at(labels, 1), seen_at(labels, 6)
        assert coarse <= {name.split(",")[0] for name in far["label"]}
        assert len(near) > len(far)
        assert any(name.startswith("part") for name in near["label"])
        for zoom in 2.0 ** np.arange(-1, 5, 0.5):
            shown = seen_at(labels, zoom)
            assert len(shown)
            across = np.abs(np.subtract.outer(shown["x"].to_numpy(), shown["x"].to_numpy()))
            upright = np.abs(np.subtract.outer(shown["y"].to_numpy(), shown["y"].to_numpy()))
            widths, heights = (shown[side].to_numpy() / zoom for side in ("width", "height"))
            free = across >= np.add.outer(widths, widths) / 2 - 1e-9
            free |= upright >= np.add.outer(heights, heights) / 2 - 1e-9
            assert free[~np.eye(len(shown), dtype=bool)].all(), (kind, zoom)
    names.kind.value = NONE
    assert scatters["mean"]._label_placement is None


def test_what_is_in_view_is_counted_from_a_grid_of_the_maps_documents():
    """Of every scale each document once, in its cell, under the name that it has at that scale."""
    data, points, scatters = opened(["a", "b", "c", "d"])
    names = NamePanel(data, points, scatters)
    shown = names.in_view["mean"]
    rows = np.frombuffer(shown.counts, "<i4").reshape(-1, 4)
    said = names._said("mean")
    assert shown.names[0] == list("abcd")
    assert len(said) == len(shown.names) > 2
    for scale, column in enumerate(said):
        own = rows[rows[:, 0] == scale]
        assert own[:, 3].sum() == len(points)
        for place, name in enumerate([*shown.names[scale], None]):
            wanted = (column == name).sum() if name else column.isna().sum()
            assert own[own[:, 2] == (place if name else -1), 3].sum() == wanted
    low_x, low_y, high_x, high_y = shown.limits
    in_corner = rows[(rows[:, 0] == 0) & (rows[:, 1] % SIDE < SIDE // 2) & (rows[:, 1] // SIDE < SIDE // 2)]
    corner = (points["mean_x"] < (low_x + high_x) / 2) & (points["mean_y"] < (low_y + high_y) / 2)
    assert in_corner[:, 3].sum() == corner.sum()
    names.kind.value = NONE
    assert (shown.names, shown.counts) == ([], b"")


def test_lines_of_density_are_there_for_many_documents_and_for_who_asks(monkeypatch):
    _, points, scatters = opened(["same"] * GROUPS)
    box = DensityPanel(points, scatters).shown
    assert not box.value
    assert not scatters["mean"].annotations()["annotations"]
    box.value = True
    assert len(scatters["mean"].annotations()["annotations"]) >= 4 * GROUPS
    box.value = False
    assert not scatters["mean"].annotations()["annotations"]
    monkeypatch.setattr(density, "MANY", 100)
    assert DensityPanel(points, scatters).shown.value


def test_names_and_lines_are_of_the_papers_ink(monkeypatch):
    data, points, scatters = opened(SCRIPTS)
    names, lines, scatter = NamePanel(data, points, scatters), DensityPanel(points, scatters), scatters["mean"]
    lines.shown.value = True
    places = [line.vertices for line in scatter.annotations()["annotations"]]
    for paper, ink in ((DARK, 1.0), (LIGHT, 0.0)):
        names.paint(paper)
        lines.paint(paper)
        assert set(labels_of(scatter)["font_color"]) == {paper.ink}
        assert scatter.widget.label_shadow_color == paper.background
        drawn = scatter.annotations()["annotations"]
        assert {line.line_color[:3] for line in drawn} == {(ink, ink, ink)}
        assert [line.vertices for line in drawn] == places
    names.kind.value = NONE
    names.paint(DARK)
    lines.shown.value = False
    lines.paint(DARK)
    assert not scatter.annotations()["annotations"]


def test_clusters_are_learned_from_some_and_every_document_is_in_the_nearest(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = (np.repeat(np.eye(4) * 9, 50, axis=0) + rng.normal(size=(200, 4))).astype(np.float32)
    whole = clusters_of(vectors, 4)
    monkeypatch.setattr(colours, "MOST_LEARNED", 40)
    for found in (whole, clusters_of(vectors, 4)):
        groups = found.reshape(4, 50)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == 4


def test_terms_are_counted_once_and_of_a_sample(monkeypatch):
    counted = []
    monkeypatch.setattr(panel, "MOST_READ", 100)
    monkeypatch.setattr(panel, "count_terms", lambda texts: counted.append(texts) or count_terms(texts))
    data, points, scatters = opened(["same"] * GROUPS)
    points["last_x"], points["last_y"] = points["mean_y"], points["mean_x"]
    scatters["last"] = jscatter.Scatter(data=points, x="last_x", y="last_y", height=340)
    names = NamePanel(data, points, scatters)
    assert names.kind.options == (WORDS, NONE)
    names.kind.value = NONE
    names.kind.value = WORDS
    (texts,) = counted
    assert len(texts) == 100
    assert names._terms.counts.shape[0] == len(points)
    assert all(len(labels_of(scatter)) >= GROUPS for scatter in scatters.values())


def test_a_map_of_one_scale_has_names_of_any_script_too():
    data, points, scatters = opened(SCRIPTS)
    few = points.iloc[::EACH].iloc[:18].reset_index(drop=True)  # too few for regions of their own
    few["topic"] = ["новости", "спорт"] * (len(few) // 2)
    few["mean_x"] = np.where(few["topic"] == "спорт", 100.0, 0) + np.arange(len(few)) % 3
    scatters = {"mean": jscatter.Scatter(data=few, x="mean_x", y="mean_y", height=340)}
    NamePanel(data, few, scatters)
    assert set(labels_of(scatters["mean"])["label"]) == {"новости", "спорт"}


@pytest.mark.parametrize("n", [1, 3, 15])
def test_few_documents_without_words_have_no_names(n):
    points = pd.DataFrame({"row": np.arange(n), "topic": "", "mean_x": np.arange(n) * 1.0, "mean_y": 0.0})
    data = SimpleNamespace(corpus=SimpleNamespace(texts=["..."] * n))
    scatters = {"mean": jscatter.Scatter(data=points, x="mean_x", y="mean_y", height=340)}
    NamePanel(data, points, scatters)
    assert scatters["mean"]._label_placement is None

"""Figures: they show what the table says, in the fixed colours, and an empty choice is refused."""

import re
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text
from PIL import Image

from unpadded.common import glyphs
from unpadded.common.errors import InputError
from unpadded.common.names import POSTPROCESSES
from unpadded.evaluation.clustering.describe import confusion
from unpadded.evaluation.scores import Representation, score_row, to_frame
from unpadded.evaluation.statistics import Interval
from unpadded.evaluation.vector_geometry import geometry, norms_by_length
from unpadded.report.maps.colours import oklab
from unpadded.report.maps.picture import STEPS, umap_maps
from unpadded.report.maps.topics import neighbourhood_purity, topic_colours, topic_marks
from unpadded.report.maps.umap_maps import sample_documents, umap_coordinates
from unpadded.report.plots import scores as plots
from unpadded.report.plots.palette import POOLING_COLOURS, TOPIC_COLOURS
from unpadded.report.plots.style import as_drawn, label_ends, method_colours, save_figure
from vector_tools import clouds, lm, noise


def scores_of(values: dict[tuple[str, str, str], float]) -> pd.DataFrame:
    options = {"corpus": "tiny", "task": "clustering", "metric": "v_measure", "n": 9, "seed": 0, "seconds": 1.0}
    rows = [
        score_row(Representation(*key, noise(9)), Interval(v, v - 0.05, v + 0.02), **options)
        for key, v in values.items()
    ]
    return to_frame(rows)


def texts_of(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def test_bars_are_sorted_labelled_and_in_the_poolings_colours():
    scores = scores_of({("lm", "mean", "none"): 0.6, ("lm", "last", "none"): 0.2, ("tfidf", "", "none"): 0.4})
    axis = plots.score_bars(scores, "v_measure").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["last", "tfidf", "mean"]
    assert [bar.get_width() for bar in axis.patches] == [0.2, 0.4, 0.6]
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axis.patches]
    assert [colours[0], colours[2]] == [POOLING_COLOURS["last"], POOLING_COLOURS["mean"]]
    assert texts_of(axis) == ["0.200", "0.400", "0.600"]
    words = "Bars of v_measure with 95 % intervals. tiny: mean 0.6, tfidf 0.4, last 0.2."
    assert axis.figure.get_label() == words
    with pytest.raises(InputError, match="no 'accuracy'; they hold v_measure"):
        plots.score_bars(scores, "accuracy")


def test_post_processing_keeps_the_colour_and_baselines_get_different_greys():
    colours = method_colours(["mean", "mean + l2", "tfidf", "lsa"])
    assert colours["mean"] == colours["mean + l2"] == POOLING_COLOURS["mean"]
    assert colours["tfidf"] != colours["lsa"]
    assert len(set(method_colours(f"baseline {i}" for i in range(13)).values())) == 13


def test_what_was_done_to_the_models_vectors_darkens_the_colour_of_the_pooling():
    names = ["mean", "lm_tuned mean", "lm_words mean + idf", "lm_bm25 mean", "lm_tuned max"]
    colours = [np.array(to_rgb(colour)) for colour in method_colours(names).values()]
    brightness = [colour.sum() for colour in colours[:4]]
    assert brightness == sorted(brightness, reverse=True)
    assert all(np.argmax(colour) == 2 for colour in colours[:4])  # blue, all of them
    assert np.argmax(colours[4]) == 1  # and green


def test_post_processing_is_a_line_per_pooling():
    values = {("lm", p, s): 0.3 for p in ("last", "mean") for s in ("none", "l2", "whiten")}
    axis = plots.postprocess_lines(scores_of(values), "v_measure").axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["none", "l2", "whiten"]
    assert sorted(texts_of(axis)) == ["last", "mean"]
    assert "tiny: last 0.3, last + l2 0.3" in axis.figure.get_label()


def test_the_post_processings_of_many_corpora_are_legible():
    values = {("lm", p, s): 0.3 for p in ("last", "mean") for s in POSTPROCESSES}
    corpora = [scores_of(values).assign(corpus=f"corpus {i}") for i in range(7)]
    figure = plots.postprocess_lines(pd.concat(corpora), "v_measure")
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == 7
    for axis in shown:
        boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize("validated", [True, False])
def test_the_loss_curve_names_the_last_validation_loss(validated):
    training = pd.DataFrame({"step": [1, 2], "tokens": [9, 18], "minutes": [0.1, 0.2], "train_loss": [6.0, 5.0]})
    valid = [np.nan, 5.25] if validated else [np.nan, np.nan]
    training = training.assign(valid_loss=valid, valid_perplexity=np.exp(valid), learning_rate=[0.1, 0.2])
    figure = plots.loss_curve(training, x="tokens")
    assert figure.axes[1].get_xlabel() == "tokens"
    assert any("validation 5.25" in text for text in texts_of(figure.axes[0])) == validated
    ends = "perplexity 191, validation 5.25, training 5." if validated else "training 5."
    assert figure.get_label().endswith(f"At the end: {ends}")


def test_the_confusion_map_writes_the_shares():
    table = confusion(np.array([0, 0, 0, 1]), list("aabb"))
    axis = plots.confusion_map(table).axes[0]
    assert sorted(texts_of(axis)) == ["100", "50", "50"]
    np.testing.assert_allclose(axis.images[0].get_array(), [[1, 0], [0.5, 0.5]])
    assert axis.figure.get_label().endswith("in one cluster: a in 0 1, b in 0 0.5.")


def test_learning_curves_and_geometry_draw_a_line_or_bar_per_method():
    frame = {"method": ["mean"] * 2 + ["tfidf"] * 2, "n_train": [10, 90] * 2, "accuracy": [0.4, 0.6, 0.3, 0.7]}
    curve = pd.DataFrame(frame).assign(ci_low=lambda t: t["accuracy"] - 0.1, ci_high=lambda t: t["accuracy"] + 0.1)
    axis = plots.learning_curves(curve).axes[0]
    assert axis.lines[1].get_ydata().tolist() == [0.3, 0.7]
    assert axis.figure.get_label().endswith("With all of them: tfidf 0.7, mean 0.6.")
    representations = [lm(noise(60), "last"), lm(noise(60) + 3, "mean")]
    lengths = np.arange(5, 65)
    figure = plots.geometry_panel(geometry(representations, lengths), norms_by_length(representations, lengths))
    assert [len(axis.patches) for axis in figure.axes] == [2, 2, 2, 0]
    assert len(figure.axes[3].lines) == 2
    assert all(axis.get_ylabel() for axis in figure.axes)
    assert "mean cosine of random pairs: mean " in figure.get_label()


def test_end_labels_do_not_overlap():
    figure, axis = plt.subplots()
    axis.set_ylim(0, 1)
    label_ends(axis, {name: (1, 0.5 + i / 1000) for i, name in enumerate("abcde")})
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in axis.texts), key=lambda box: box.y0)
    plt.close(figure)
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))


def test_a_saved_figure_is_a_readable_picture_and_no_figure_stays_open(tmp_path):
    scores = scores_of({("lm", "mean", "none"): 0.6})
    save_figure(plots.score_bars(scores, "v_measure"), tmp_path / "bars.png")
    with Image.open(tmp_path / "bars.png") as image:
        assert image.width > 500
    assert [path.name for path in tmp_path.iterdir()] == ["bars.png"]
    assert not plt.get_fignums()


def test_maps_keep_topics_together_and_repeat_with_their_seed():
    vectors, labels, _ = clouds(3, 25, noise=0.05)
    xy, seconds = umap_coordinates(vectors, seed=1)
    again, _ = umap_coordinates(vectors, seed=1)
    np.testing.assert_array_equal(xy, again)
    assert (xy.shape, xy.dtype, seconds > 0) == ((75, 2), np.float32, True)
    labels = np.array(labels)
    centres = np.stack([xy[labels == topic].mean(axis=0) for topic in np.unique(labels)])
    nearest = np.argmin(((xy[:, None] - centres) ** 2).sum(axis=2), axis=1)
    assert (np.unique(labels)[nearest] == labels).mean() > 0.95
    figure = umap_maps({"mean": xy, "last": xy}, labels)
    assert "Topics that lie together, of 3: mean 3, last 3." in figure.get_label()
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["mean", "last"]
    assert sorted(texts_of(figure.axes[0])) == ["3 of 3 topics lie together", "topic0", "topic1", "topic2"]


def test_a_map_leaves_the_threads_of_who_asked_for_it():
    torch.set_num_threads(1)
    umap_coordinates(noise(20))
    assert torch.get_num_threads() == 1


def test_maps_of_bad_vectors_are_refused():
    with pytest.raises(InputError, match="at least four"):
        umap_coordinates(noise(3))
    with pytest.raises(InputError, match="same vector"):
        umap_coordinates(np.ones((9, 2), dtype=np.float32))


def test_topics_have_different_colours():
    assert len(set(topic_colours(["rec.autos", "rec.bikes", "sci.med", "misc"]).values())) == 4
    for topics in ("abcdefg", [f"t{i}" for i in range(60)], [f"a.{i}" for i in range(9)]):
        assert len(set(topic_colours(topics).values())) == len(topics)


def test_up_to_seven_topics_have_okabe_and_itos_colours_and_a_family_one_hue():
    assert [to_hex(colour).upper() for colour in topic_colours("abcdefg").values()] == TOPIC_COLOURS
    colours = topic_colours(["comp.a", "comp.b", "comp.c", "sci"])
    light = [oklab(np.array(colours[f"comp.{name}"][:3]))[0] for name in "abc"]
    assert light == sorted(light)  # dark to light, which nobody's eyes confuse
    assert to_hex(colours["sci"]).upper() == TOPIC_COLOURS[1]


def test_only_topics_that_lie_together_are_named_inside_themselves_and_no_two_names_overlap():
    rng = np.random.default_rng(0)
    apart = np.concatenate([rng.normal((x, 0), 0.1, (30, 2)) for x in (0, 6)])
    lobes = np.concatenate([rng.normal((3, y), 0.1, (20, 2)) for y in (-4, 4)])
    spread = rng.uniform(-5, 8, (60, 2))
    xy = np.concatenate([apart, lobes, spread]).astype(np.float32)
    labels = ["a"] * 30 + ["b"] * 30 + ["two lobes"] * 40 + ["s", "t", "u"] * 20
    table = neighbourhood_purity(xy, labels)
    assert set(table.index[table["purity"] >= 0.5]) == {"a", "b", "two lobes"}
    assert abs(table.loc["two lobes", "y"]) > 3  # in one lobe, not between them
    figure = umap_maps({"last": xy}, labels)
    assert sorted(texts_of(figure.axes[0])) == ["3 of 6 topics lie together", "a", "b", "two lobes"]
    close = umap_maps({"last": np.concatenate([apart * [0.02, 1], lobes]).astype(np.float32)}, labels[:100])
    boxes = [text.get_window_extent() for text in close.axes[0].texts if not text.get_text()[0].isdigit()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_topics_of_one_hue_have_different_shapes():
    marks = topic_marks([f"t{i:02d}" for i in range(52)])
    assert len({colour for colour, _ in marks.values()}) == len(marks)
    for hue in range(len(TOPIC_COLOURS)):
        own = [marker for _, marker in (marks[f"t{i:02d}"] for i in range(hue, 52, len(TOPIC_COLOURS)))]
        assert len(set(own)) == len(own)


NEWSGROUPS = "alt.atheism comp.graphics comp.os.ms comp.sys.ibm comp.sys.mac comp.windows.x misc.forsale rec.autos"
NEWSGROUPS += " rec.motorcycles rec.sport.baseball rec.sport.hockey sci.crypt sci.electronics sci.med sci.space"
NEWSGROUPS += " soc.religion talk.politics.guns talk.politics.mideast talk.politics.misc talk.religion"


@pytest.mark.parametrize(
    ("topics", "least"),
    [([f"t{i}" for i in range(20)], 0.15), (NEWSGROUPS.split(), 0.11), ([f"t{i}" for i in range(52)], 0.09)],
)
def test_the_colours_of_many_topics_are_far_apart_and_can_be_seen_on_white_and_on_black(topics, least):
    """0.02 in OKLab is what an eye can just tell; hues used again in other shades came down to 0.04, 0.034 and 0.016."""
    found = oklab(np.array([colour[:3] for colour in topic_colours(topics).values()]))
    gaps = np.linalg.norm(found[:, None] - found[None], axis=2)
    assert gaps[~np.eye(len(topics), dtype=bool)].min() > least
    assert found[:, 0].min() > 0.35
    assert found[:, 0].max() < 0.91  # Okabe and Ito's yellow


def test_oklab_is_what_its_author_says():
    """White, and the red and blue of a screen, as https://bottosson.github.io/posts/oklab/ gives and others compute them."""
    np.testing.assert_allclose(oklab(np.array([1.0, 1, 1])), [1, 0, 0], atol=1e-4)
    np.testing.assert_allclose(oklab(np.array([1.0, 0, 0])), [0.628, 0.225, 0.126], atol=1e-3)
    np.testing.assert_allclose(oklab(np.array([0, 0, 1.0])), [0.452, -0.032, -0.312], atol=1e-3)


def spots(n_topics: int, *, together: int, n: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """A map of topics of which the first lie together, each by itself, and the others all over one place, pair by pair."""
    rng, which = np.random.default_rng(0), np.repeat(np.arange(n_topics), n)
    centres = np.stack([np.arange(n_topics) % 5 * 4.0, np.arange(n_topics) // 5 * 4.0], axis=1)
    centres[together:] = centres[together:][(np.arange(n_topics - together) // 2) * 2]
    return centres[which] + rng.normal(size=(len(which), 2)) * 0.3, np.array([f"topic {i:02d}" for i in which])


def test_a_picture_of_the_maps_alone_has_no_small_ones():
    clear, labels = spots(9, together=7)
    small = umap_maps({"mean": clear, "last": clear}, labels, alone=False)
    assert len(small.axes) == 2
    assert len(umap_maps({"mean": clear, "last": clear}, labels).axes) == 2 + 9


def test_of_more_topics_than_hues_each_is_shown_alone_on_the_clearest_map():
    clear, labels = spots(9, together=7)
    vague = np.random.default_rng(1).normal(size=clear.shape)
    figure = umap_maps({"last": vague, "mean": clear}, labels)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[:2] == ["last", "mean"]
    assert [title.partition("  ")[2] for title in titles[2:]] == [f"topic {i:02d}" for i in range(9)]
    shares = {title.partition("  ")[2]: int(title.partition("%")[0]) for title in titles[2:]}
    assert min(shares[f"topic {i:02d}"] for i in range(7)) > 95
    assert max(shares[f"topic {i:02d}"] for i in (7, 8)) < 70
    for place, axis in enumerate(figure.axes[2:]):
        grey, own = (points.get_offsets() for points in axis.collections)
        np.testing.assert_array_equal(own, clear[labels == f"topic {place:02d}"])
        assert len(grey) == len(labels) - len(own)
    assert len(umap_maps({"mean": clear}, np.char.str_len(labels).astype(str)).axes) == 1


def test_a_map_says_which_topics_stand_apart_and_which_mix():
    xy, labels = spots(6, together=2)
    table = neighbourhood_purity(xy, labels)
    assert table["mixed_with"]["topic 02"] == "topic 03"
    assert table["mixed_with"]["topic 05"] == "topic 04"
    assert 0.3 < table["share"]["topic 02"] < 0.7
    mixed = neighbourhood_purity(np.random.default_rng(0).normal(size=(40, 2)), ["a", "b"] * 20)
    assert dict(mixed["mixed_with"]) == {"a": "b", "b": "a"}
    said = umap_maps({"mean": np.random.default_rng(0).normal(size=(40, 2))}, ["a", "b", "c", "d"] * 10).get_label()
    assert "On mean most mixed are" in said
    assert "most apart" not in said
    said = umap_maps({"mean": xy}, np.where(labels > "topic 01", "others", labels)).get_label()
    assert re.search("On mean most apart are (topic 0[01]|others), (topic 0[01]|others), (topic 0[01]|others)[.]", said)
    assert "mixed" not in said


@pytest.mark.parametrize("n_topics", [2, 20, 90])
def test_names_of_however_many_topics_lie_within_the_panel_and_apart(n_topics):
    xy, _ = spots(n_topics, together=n_topics)
    names = np.array([f"{'日本語の新聞 ' if i % 3 else 'a rather long name of '}{i}" for i in range(n_topics)])
    figure = umap_maps({"mean": xy}, np.repeat(names, 25))
    panel = figure.axes[0].get_window_extent().padded(1)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if "topics" not in text.get_text()]
    assert len(boxes) >= min(n_topics, 20)
    assert not any(one.padded(-1).overlaps(other.padded(-1)) for one, other in combinations(boxes, 2))
    assert all(panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1 for box in boxes)
    assert STEPS[0] == (0, 0)  # a name with room stays where it belongs


def test_a_sample_of_documents_is_sorted_unique_and_small_enough():
    rows = sample_documents(100, n_sample=30, seed=2)
    assert len(set(rows.tolist())) == 30
    assert (np.diff(rows) > 0).all()
    assert sample_documents(5).tolist() == [0, 1, 2, 3, 4]


TOPICS = [
    "$$",
    "$0_$50",
    "a^b_{",
    "_hidden",
    r"\frac{1}{",
    "😀 film",
    "عربي",
    "עברית",
    "日本語",
    "two\nlines",
    "x" * 200,
    "\x07",
]


def test_topics_are_drawn_as_they_are_called(tmp_path, recwarn):
    labels = np.repeat(TOPICS, 20)
    xy = np.repeat(np.arange(len(TOPICS)), 20)[:, None] * [5.0, 3.0] + np.random.default_rng(0).normal(
        size=(20 * len(TOPICS), 2)
    )
    drawn = {
        "map": umap_maps({"$mean_": xy}, labels),
        "confusion": plots.confusion_map(confusion(np.arange(20 * len(TOPICS)) // 20, labels), title="of $a^b_{"),
        "bars": plots.score_bars(scores_of({("lm", "mean", "none"): 0.6}).assign(corpus="_$0_$50"), "v_measure"),
    }
    assert {as_drawn(topic) for topic in TOPICS} == {
        text.get_text() for text in drawn["confusion"].axes[0].get_yticklabels()
    }
    assert {"$$", "$0_$50", "a^b_{", "_hidden", "عربي", "two lines", "x" * 39 + "…"} <= set(
        texts_of(drawn["map"].axes[0])
    )
    assert drawn["bars"].axes[0].get_title(loc="left") == "v_measure on _$0_$50"
    for name, figure in drawn.items():
        assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text())
        save_figure(figure, tmp_path / f"{name}.png")
        assert max(Image.open(tmp_path / f"{name}.png").size) < 5000
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


def test_what_no_font_has_is_written_out_and_named_in_words(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(glyphs, "_others", dict)  # a machine with no other fonts
    topics = ["体育新闻", "한국", "体" * 60, "flag\U000e0067"]
    figure = plots.confusion_map(confusion(np.arange(40) % 3, topics * 10), title="of 体")
    axis = figure.axes[0]
    drawn = [r"\u4f53\u80b2\u65b0\u95fb", r"\ud55c\uad6d", r"\u4f53" * 6 + "…", "flag"]
    assert {text.get_text() for text in axis.get_yticklabels()} == set(drawn)
    assert axis.get_title(loc="left") == r"of \u4f53"
    assert all(topic in figure.get_label() for topic in topics[:2])  # the words for who cannot see it keep the name
    save_figure(figure, tmp_path / "confusion.png")
    xy = np.repeat(np.arange(4), 10)[:, None] * [5.0, 3.0] + np.random.default_rng(0).normal(size=(40, 2))
    named = set(texts_of(umap_maps({"mean": xy}, np.repeat(topics, 10)).axes[0]))
    assert named & set(drawn)
    assert not named & set(topics)
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


def test_what_another_font_of_the_machine_has_is_drawn_with_it(tmp_path, monkeypatch):
    made = TTFont(font_manager.findfont("DejaVu Sans"))
    for table in made["cmap"].tables:
        table.cmap[ord("体")] = table.cmap[ord("A")]
    for name in made["name"].names:
        name.string = "Made For A Test"
    made.save(tmp_path / "made.ttf")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist])
    font_manager.fontManager.addfont(tmp_path / "made.ttf")
    glyphs._others.cache_clear()
    try:
        axis = plots.confusion_map(confusion(np.arange(8) % 2, ["体 b", "plain"] * 4)).axes[0]
        families = {text.get_text(): text.get_fontfamily() for text in axis.get_yticklabels()}
        assert families == {"体 b": ["sans-serif", glyphs._others()[ord("体")]], "plain": ["sans-serif"]}
        assert len(families["体 b"]) == 2
    finally:
        glyphs._others.cache_clear()


@pytest.mark.filterwarnings("error:constrained_layout not applied")
def test_a_few_long_names_leave_room_for_the_picture():
    figure = plots.confusion_map(confusion(np.arange(6) % 2, ["x" * 200, "y" * 200] * 3), title="t" * 30)
    assert figure.axes[0].get_window_extent().width > 20


def test_of_hundreds_of_topics_the_largest_are_drawn():
    sizes = [3 if topic < 60 else 1 for topic in range(500)]
    labels = np.repeat([f"topic {topic:03d}" for topic in range(500)], sizes)
    figure = plots.confusion_map(confusion(np.arange(len(labels)) % 400, labels))
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert shown == [f"topic {topic:03d}" for topic in range(50)]
    assert "the 50 largest of 500 topics" in figure.axes[0].get_title(loc="left")
    assert max(figure.get_size_inches()) < 20
    map_of_all = umap_maps({"mean": np.random.default_rng(0).normal(size=(len(labels), 2))}, labels)
    assert "of 500 topics lie together" in " ".join(texts_of(map_of_all.axes[0]))


def test_numbers_along_logarithmic_axes_are_written_out():
    """Their default form is a formula, which the style does not read."""
    frame = {
        "method": ["mean"] * 2,
        "n_train": [10, 9000],
        "accuracy": [0.4, 0.6],
        "ci_low": [0.3, 0.5],
        "ci_high": [0.5, 0.7],
    }
    figure = plots.learning_curves(pd.DataFrame(frame))
    assert not [text for text in figure.findobj(Text) if "mathdefault" in text.get_text()]

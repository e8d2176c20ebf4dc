"""What studies hand back: their tables hold the right rows, and their pictures draw those tables."""

import numpy as np
import pandas as pd
import pytest

from encoder_tools import as_corpus, random_documents, random_model
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.report import SpeedFound, find_faded, find_moved, find_nearest, find_topics
from unpadded.report.findings.last_state import PartsFound
from unpadded.report.findings.padding import LABELS, PaddingFound
from unpadded.studies import METHODS, UNPADDED
from unpadded.studies.last_state.edits import partners
from unpadded.studies.last_state.samples import Sample
from unpadded.studies.padding.downstream import COSTS

PARTS = range(1, 11)


def title_of(axis) -> str:
    return axis.get_title(loc="left")


def texts_of(axis) -> set[str]:
    return {text.get_text() for text in axis.texts}


@pytest.fixture(scope="module")
def encoders() -> dict[str, DocumentEncoder]:
    return {"two layers": DocumentEncoder(random_model(), layer="all")}


@pytest.fixture(scope="module")
def samples() -> dict[str, Sample]:
    documents = random_documents([12, 20, 30, 40, 60, 80])
    topics = ["a", "b", "a", "b", "a", "a"]
    return {"tiny": Sample("tiny", as_corpus(documents), topics, partners(topics, len(documents)))}


@pytest.fixture
def parts() -> PartsFound:
    """Two layers, two poolings and two thirds by length: each value says where it stands."""
    rows = [
        ("tiny", "m", document, length, layer, pooling, part, 100 * layer + 10 * (pooling == "mean") + document)
        for document, length in enumerate(["short", "short", "long"])
        for layer in (1, 2)
        for pooling in ("last", "mean")
        for part in PARTS
    ]
    names = ["corpus", "model", "document", "length_group", "layer", "pooling", "part", "value"]
    return PartsFound(pd.DataFrame(rows, columns=names), "value", "distance moved")


def test_parts_are_told_of_the_last_layer_unless_layers_are_asked_for(parts):
    plain = parts.table().set_index(["pooling", "part"]).value
    assert plain["last", 1] == pytest.approx(201)  # documents 0, 1 and 2 of layer 2
    assert plain["mean", 10] == pytest.approx(211)
    by_length = parts.table("length_group").set_index(["pooling", "length_group", "part"]).value
    assert by_length["last", "short", 1] == pytest.approx(200.5)
    assert by_length["mean", "long", 1] == pytest.approx(212)
    assert set(parts.table("layer").layer) == {1, 2}


@pytest.mark.parametrize(
    ("lines", "names"),
    [("pooling", {"last", "mean"}), ("length_group", {"short", "long"}), ("layer", {"layer 1", "layer 2"})],
)
def test_pictures_of_parts_draw_a_line_for_each(parts, lines, names):
    (axis,) = parts.plot(lines).axes
    assert title_of(axis) == "tiny, m"
    assert axis.get_ylabel() == "distance moved"
    assert texts_of(axis) == names
    drawn = {tuple(line.get_ydata()) for line in axis.lines}
    table = parts.table(lines)
    shown = table if lines == "pooling" else table[table.pooling == "last"]
    assert drawn == {tuple(line.value) for _, line in shown.groupby(lines)}


def test_only_the_nearest_tenth_has_a_level_that_equal_tenths_would_give(encoders, samples):
    nearest, moved = find_nearest(encoders, samples), find_moved(encoders, samples)
    assert nearest.table().groupby("pooling").value.sum().tolist() == pytest.approx([1.0] * 4)  # one tenth of each
    levels = [[line.get_ydata()[0] for line in found.plot().axes[0].lines[4:]] for found in (nearest, moved)]
    assert levels == [[0.1], []]


def test_fading_counts_documents_and_the_tokens_that_are_remembered(encoders, samples):
    faded = find_faded(encoders, samples)
    assert faded.documents().loc["tiny", "two layers"].to_dict() == {1: 6, 8: 6, 64: 1}
    enough = faded.remembered()
    assert set(enough.cosine) == {0.5, 0.9, 0.99}
    by_layer = enough.set_index(["layer", "cosine"]).value.unstack()
    assert (by_layer[0.5] <= by_layer[0.9]).all()
    assert (by_layer[0.9] <= by_layer[0.99]).all()
    thirds = faded.remembered_by_length()
    assert thirds.n.tolist() == [2, 2, 2]
    assert thirds.value.mean() == pytest.approx(by_layer.loc[2, 0.9])
    assert title_of(faded.plot().axes[0]) == "tiny"


def test_topics_are_drawn_beside_what_guessing_gives(encoders, samples):
    named = find_topics(encoders, samples, train=samples, part_tokens=[3, 5])
    assert named.chance_said() == ["chance, tiny: 0.667 of 6"]
    assert set(named.table().part_tokens) == {3, 5}
    (axis,) = named.plot().axes
    table = named.table()
    shown = table[(table.part_tokens == 5) & (table.layer == 2)]
    whole = shown[shown.place == "whole"].set_index("pooling").value
    heights = {bars.get_label(): bars.patches[0].get_height() for bars in axis.containers if bars.get_label() in whole}
    assert heights == pytest.approx(whole.to_dict())
    assert any(np.allclose(line.get_ydata(), 4 / 6) for line in axis.lines)


def test_nothing_long_enough_is_said_in_place_of_a_picture(encoders):
    none = {"tiny": Sample("tiny", as_corpus(random_documents([3])).select([]), [], np.empty(0, int))}
    for found in (find_moved(encoders, none), find_nearest(encoders, none), find_faded(encoders, none)):
        assert found.table().empty
        assert found.plot().axes[0].texts
    faded = find_faded(encoders, none)
    assert faded.documents().empty
    assert faded.remembered_by_length().empty


@pytest.fixture
def padded() -> PaddingFound:
    settings = [(place, reading) for place in ("before", "behind") for reading in ("naive", "length-aware")]
    rows = [
        {"corpus": corpus, "model": model, "n": 7, "method": "padded", "placement": place, "reading": reading}
        | {"pads": pads, "pooling": pooling}
        for corpus, model in (("news", "small"), ("talk", "large"))
        for place, reading in settings
        for pads in (1, 8, "batch")
        for pooling in ("last", "mean")
    ]
    rng, effects = np.random.default_rng(0), pd.DataFrame(rows)
    for name in ("cosine_distance", "centred_cosine_distance", "neighbours_lost", "kl", "changed"):
        effects[name] = rng.random(len(effects))
    own = effects.iloc[[0]].assign(method=UNPADDED, placement="none", reading="in a batch", pads=0)
    costs = pd.DataFrame(rows).assign(**{name: rng.random(len(rows)) for name in COSTS})
    costs["nDCG@10_low"], costs["nDCG@10_high"] = costs["nDCG@10_change"] - 0.1, costs["nDCG@10_change"] + 0.1
    return PaddingFound(pd.concat([effects, own]), costs)


@pytest.mark.parametrize("column", LABELS)
def test_dots_are_of_a_shuffled_minibatch_and_have_the_intervals_that_there_are(padded, column):
    figure = padded.plot(column)
    table = padded.effects if column in padded.effects else padded.costs
    of = table[(table.pads == "batch") & (table.corpus == "news") & (table.pooling == "last")]
    axis = figure.axes[0]
    assert axis.get_xlabel() == LABELS[column]
    dots, _, bars = axis.containers[0]
    np.testing.assert_allclose(dots.get_xdata(), of[column])
    assert bool(bars) == (column == "nDCG@10_change")
    assert len(axis.containers) == (1 if column == "kl" else 2)  # the next token is foretold from "last" alone


def test_numbers_of_pads_are_drawn_of_the_first_corpus_and_model(padded):
    figure = padded.plot_numbers()
    assert "news, small, 7 documents" in figure.get_suptitle()
    first = padded.effects[(padded.effects.corpus == "news") & (padded.effects.method != UNPADDED)]
    for centred, column in ((False, "cosine_distance"), (True, "centred_cosine_distance")):
        drawn = padded.plot_numbers(centred=centred).axes[0].lines
        naive = first[(first.reading == "naive") & (first.placement == "before") & (first.pooling == "mean")]
        numbered = 1 - naive[naive.pads != "batch"][column].to_numpy()
        assert any(len(line.get_ydata()) == 2 and np.allclose(line.get_ydata(), numbered) for line in drawn)


def test_the_table_of_padding_is_of_pads_behind_text_that_is_read_by_its_length(padded):
    table = padded.table()
    assert list(table.index) == [("news", "small"), ("talk", "large")]
    rows = padded.effects[(padded.effects.placement == "behind") & (padded.effects.reading == "length-aware")]
    assert table.loc[("talk", "large"), 8] == pytest.approx(
        rows[(rows.corpus == "talk") & (rows.pads == 8)].changed.mean()
    )


def test_speed_is_told_at_each_ways_best_batch_size_and_memory_of_one_corpus():
    rows = [("loop", 1, 100.0)] + [
        (method, size, rate) for method in METHODS[1:] for size, rate in ((8, 300.0), (64, 900.0))
    ]
    speed = pd.DataFrame(rows, columns=["method", "batch_size", "tokens_per_second"])
    speed.loc[speed.method == "naive padded", "tokens_per_second"] = [500.0, 400.0]
    speed = speed.assign(
        documents_per_second=speed.tokens_per_second / 10, times_the_loop=speed.tokens_per_second / 100
    )
    speed = speed.assign(max_relative_diff=0.25, wrong_documents=1, compared=9, share_of_limit=0.5, model="4/4/1")
    both = pd.concat([speed.assign(corpus=name) for name in ("news", "talk")], ignore_index=True)
    peak = {
        "tokens": 9,
        "documents": 8,
        "longest": 9,
        "limit_mib": 0,
        "cpu_seconds": 0.5,
        "outcome": "finished",
        "message": "",
    }
    memory = pd.DataFrame([peak | {"model": "4/4/1", "method": "unpadded", "batch_size": 8, "peak_mib": 10.0}])
    found = SpeedFound(both, memory, measured_on="news")
    best = found.table()
    assert len(best) == 2 * len(METHODS)
    assert best[best.corpus == "talk"].batch_size.to_dict() == {"loop": 1, "naive padded": 8} | {
        method: 64 for method in METHODS[1:] if method != "naive padded"
    }
    assert found.errors().loc[("news", "4/4/1")].to_dict() == {8: "2.5e-01", 64: "2.5e-01"}
    assert list(found.share_of_limit().columns) == list(METHODS)
    assert [len(found.plot(name).axes) for name in ("news", "talk")] == [2, 1]

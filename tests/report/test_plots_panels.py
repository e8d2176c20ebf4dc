"""What stands in place of large tables: every value is drawn, in the panel of its corpus and model."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from unpadded.report.plots.padding_panels import LOST, ROWS, setting_dots, zeroed_lines
from unpadded.report.plots.palette import POOLING_COLOURS
from unpadded.studies import UNPADDED

PLACEMENTS, POOLINGS = ("before", "after xxbos", "behind"), ("last", "mean")
PAIRS = [("news", "small"), ("news", "large"), ("talk", "small")]


@pytest.fixture
def effects() -> pd.DataFrame:
    settings = [(p, reading) for p in PLACEMENTS for reading in ("naive", "length-aware")] + [("none", "in a batch")]
    rows = [(*pair, *setting, pooling) for pair in PAIRS for setting in settings for pooling in POOLINGS]
    table = pd.DataFrame(rows, columns=["corpus", "model", "placement", "reading", "pooling"])
    table["moved"] = np.random.default_rng(0).random(len(table))
    return table.assign(low=table["moved"] - 0.1, high=table["moved"] + 0.2)


def test_every_value_is_a_dot_in_its_own_panel_row_and_colour(effects):
    figure = setting_dots(effects, "moved", label="way moved", ends=["low", "high"])
    assert [axis.get_title(loc="left") for axis in figure.axes] == [", ".join(pair) for pair in PAIRS]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [
        "naive, before the text",
        "length-aware, before the text",
        "naive, after xxbos",
        "length-aware, after xxbos",
        "naive, behind the text",
        "length-aware, behind the text",
        UNPADDED,
    ]
    for axis, (corpus, model) in zip(figure.axes, PAIRS, strict=True):
        panel = effects[(effects["corpus"] == corpus) & (effects["model"] == model)]
        for container, pooling in zip(axis.containers, POOLINGS, strict=True):
            dots, _, (bars,) = container
            rows = panel[panel["pooling"] == pooling]
            assert to_hex(dots.get_color()).upper() == POOLING_COLOURS[pooling]
            np.testing.assert_allclose(dots.get_xdata(), rows["moved"])
            np.testing.assert_array_equal(np.round(dots.get_ydata()), range(7))
            found = [(left, right) for (left, _), (right, _) in bars.get_segments()]
            np.testing.assert_allclose(found, rows[["low", "high"]])


def test_its_words_hold_the_means_of_each_panel(effects):
    said = setting_dots(effects, "moved", label="way moved").get_label()
    first = effects[(effects["corpus"] == "news") & (effects["model"] == "small") & (effects["placement"] == "none")]
    assert f"{UNPADDED} {first['moved'].mean():.3g}" in said.split("news, small: ")[1].split("news, large")[0]


def test_where_nothing_was_scored_there_is_nothing_to_draw(effects):
    assert "nothing was scored" in setting_dots(effects[:0], "moved", label="way moved").get_label()


@pytest.fixture
def zeroed() -> pd.DataFrame:
    rows = [(*pair, row, pads, "mean") for pair in PAIRS for row, pads in itertools.product(ROWS, (1, 8, 64))]
    rows += [(*pair, UNPADDED, 0, "mean") for pair in PAIRS]
    table = pd.DataFrame(rows, columns=["corpus", "model", "pad_row", "pads", "pooling"])
    table["moved"] = np.where(table["pad_row"] == UNPADDED, 0, 1e-5 * np.arange(1, len(table) + 1) ** 3)
    return pd.concat([table, table.assign(pooling="last", moved=9.0)], ignore_index=True)


def test_both_rows_have_a_line_over_the_pads_and_unpadded_its_value(zeroed):
    figure = zeroed_lines(zeroed, "moved", label="way moved")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["\n".join(pair) for pair in PAIRS]
    for axis, (corpus, model) in zip(figure.axes, PAIRS, strict=True):
        assert axis.get_yscale() == "log"
        own, *lines = axis.lines
        assert own.get_label() == "Unpadded: 0"
        for line, (row, colour) in zip(lines, ROWS.items(), strict=True):
            of = (zeroed["corpus"] == corpus) & (zeroed["model"] == model) & (zeroed["pooling"] == "mean")
            expected = zeroed[of & (zeroed["pad_row"] == row)]
            np.testing.assert_array_equal(line.get_xdata(), expected["pads"])
            np.testing.assert_array_equal(line.get_ydata(), expected["moved"])
            assert to_hex(line.get_color()).upper() == colour.upper()
    assert ROWS["as it is"] == LOST
    assert "news, small, with the most pads: zeroed 0.00216, as it is 0.00027, Unpadded 0." in figure.get_label()
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert not any("$" in tick for tick in ticks)


def test_values_of_one_size_have_a_plain_axis_with_unpaddeds_zero_on_it(zeroed):
    table = zeroed.assign(moved=np.where(zeroed["pad_row"] == UNPADDED, 0, 0.5))
    (axis, *_) = zeroed_lines(table, "moved", label="way moved").axes
    assert axis.get_yscale() == "linear"
    assert set(axis.lines[0].get_ydata()) == {0}

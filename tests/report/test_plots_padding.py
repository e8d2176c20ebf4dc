"""Figures about padding: they draw what their tables say."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from encoder_tools import random_documents, random_model
from unpadded.report.plots.padding import (
    LOST,
    READ,
    changed_bars,
    chunk_grid,
    cosine_lines,
    injection_lines,
    pad_row_panels,
)
from unpadded.report.plots.palette import POOLING_COLOURS
from unpadded.studies.padding.effects import padding_effects, read_all, read_unpadded
from unpadded.studies.padding.pad_row import row_norms


def test_the_cosines_have_a_panel_for_each_placement_and_reading_and_a_line_for_each_pooling():
    lm, documents = random_model(), random_documents([3, 9, 20, 5])
    effects = padding_effects(lm, [*read_all(lm, documents, pads=[1, 8]), *read_unpadded(lm, documents)])
    figure = cosine_lines(effects, title="tiny")
    assert len(figure.axes) == 6
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == [
        "before the text",
        "after xxbos",
        "behind the text",
    ]
    last = figure.axes[0].lines[1]
    assert to_hex(last.get_color()).upper() == POOLING_COLOURS["last"]
    rows = effects[
        (effects["placement"] == "before") & (effects["reading"] == "naive") & (effects["pooling"] == "last")
    ]
    np.testing.assert_allclose(last.get_ydata(), 1 - rows["cosine_distance"].iloc[:2])
    assert figure.axes[0].lines[0].get_ydata()[0] == 1  # Unpadded's own
    words = figure.get_label()
    assert words.startswith(
        "tiny: cosine to the unpadded vector against the number of pads. Unpadded: 1. With the most pads, "
    )
    assert "length-aware, behind the text: last 1, mean 1, max 1" in words
    behind = figure.axes[5]  # length-aware
    assert all((np.asarray(line.get_ydata()) == 1).all() for line in behind.lines)


def test_the_grid_shows_what_is_never_read():
    words = [["a", "b", "c"], ["d", "", ""], ["", "", "e"]]
    figure = chunk_grid(words, np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0]], bool), bptt=2)
    assert figure.get_label().endswith("of its cells 4 are text that is read, 1 text that is never read, 4 pads.")
    image = figure.axes[0].images[0]
    assert image.get_array().tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 2]]
    assert [to_hex(image.cmap(k)).upper() for k in (1, 2)] == [READ, LOST]
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b", "c", "d", "pad", "pad", "pad", "pad", "e"]


def test_the_pad_rows_bars_are_the_tables():
    table = pd.DataFrame(
        {
            "row": ["xxpad", "others, median"],
            "norm": [0.4, 1.0],
            "input_gradient": [0.0, 0.2],
            "output_gradient": [0.1, 0.3],
        }
    )
    figure = pad_row_panels(row_norms(random_model()), table)
    right = figure.axes[1]
    assert [bar.get_height() for bar in right.patches] == [0.0, 0.1, 0.2, 0.3]
    assert "0" in [text.get_text() for text in right.texts]
    assert "Gradient as an input: others, median 0.2, xxpad 0." in figure.get_label()


def test_changed_predictions_are_shares_with_their_counts():
    changes = pd.DataFrame(
        {"way": ["naive padding", "Unpadded"], "n": [50, 50], "label_changed": [5, 0], "probability_changed": [50, 0]}
    )
    figure = changed_bars(changes)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [100.0, 0.0]
    assert [bar.get_width() for bar in figure.axes[1].patches] == [10.0, 0.0]
    assert [text.get_text() for text in figure.axes[1].texts] == ["5", "0"]
    assert figure.get_label().endswith("another label predicted: naive padding 5, Unpadded 0.")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["naive padding", "Unpadded"]


def test_injection_draws_a_line_for_each_way_of_training():
    rows = []
    for model, share, injected in (("plain", 0.0, "before"), ("b", 0.1, "before"), ("r", 0.1, "random")):
        for placement in ("before", "after xxbos", "behind"):
            facts = {
                "model": model,
                "share": share,
                "injected": injected,
                "perplexity": 100 + share,
                "v_measure": np.nan,
            }
            rows.append(facts | {"placement": placement, "pads": "4", "reading": "naive", "pooling": "mean"})
    table = pd.DataFrame(rows).assign(method="padded batch", centred_cosine_distance=0.25, neighbours_lost=0.5)
    figure = injection_lines(table, pads="4")
    assert figure.axes[0].get_title(loc="left") == "validation perplexity"
    assert len(figure.axes) == 4  # no V-measure without topics
    assert all(len(axis.lines) == 2 for axis in figure.axes)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 10]
    assert figure.get_suptitle() == "mean, read naively"
    assert figure.axes[1].get_title(loc="left") == "centred cosine distance,\npads before the text"
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.25, 0.25]
    assert "validation perplexity: b 100, r 100, plain 100." in figure.get_label()
    other = injection_lines(table, pads="4", column="neighbours_lost")
    assert other.axes[1].lines[0].get_ydata().tolist() == [0.5, 0.5]

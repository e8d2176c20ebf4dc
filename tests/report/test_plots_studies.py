"""Pictures of speed, memory and what a vector keeps: they show their tables' numbers, and say where there are none."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from unpadded.report.plots import last_state as plots_probes
from unpadded.report.plots import speed as plots_speed
from unpadded.report.plots.palette import POOLING_COLOURS
from unpadded.report.plots.speed import METHOD_COLOURS
from unpadded.report.plots.style import label_ends
from unpadded.studies.speed.memory import COLUMNS

SIZES = [1, 8, 64]


def speed_rows() -> pd.DataFrame:
    rows = [("4/4/1", "loop", 1, 100.0)]
    rows += [("4/4/1", m, s, rate * s) for m, rate in (("naive padded", 90), ("unpadded", 200)) for s in SIZES]
    return pd.DataFrame(rows, columns=["model", "method", "batch_size", "tokens_per_second"])


def memory_rows(x: str = "batch_size") -> pd.DataFrame:
    base = {"tokens": 1_000, "documents": 8, "longest": 9, "batch_size": 8, "limit_mib": 500, "message": ""}
    rows = []
    for method in ("naive padded", "unpadded"):
        for size in SIZES:
            died = method == "naive padded" and size == 64
            outcome = {"outcome": "out of memory"} if died else {"outcome": "finished", "peak_mib": 10.0 * size}
            rows.append(base | {"method": method, x: size, "cpu_seconds": 0.5} | outcome)
    return pd.DataFrame(rows, columns=COLUMNS)


def intervals(rows: list[tuple], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*columns, "value"])
    return table.assign(ci_low=table["value"] - 0.05, ci_high=table["value"] + 0.05, n=9)


def texts_of(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


def lines_with(axis, marker: str) -> list:
    return [line for line in axis.lines if line.get_marker() == marker]


def test_speed_and_memory_draw_each_method_and_a_cross_where_it_died():
    figure = plots_speed.speed_and_memory(speed_rows(), memory_rows().assign(model="4/4/1"))
    speed, memory = figure.axes
    drawn = {to_hex(line.get_color()).upper(): list(line.get_ydata()) for line in lines_with(speed, "o")}
    assert drawn == {METHOD_COLOURS["naive padded"]: [90, 720, 5760], METHOD_COLOURS["unpadded"]: [200, 1600, 12800]}
    assert sorted(texts_of(speed)) == ["loop", "naive padded", "unpadded"]
    assert "4/4/1" in speed.get_title(loc="left")
    (cross,) = lines_with(memory, "X")
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (64, 500)
    assert "4/4/1" in memory.get_title(loc="left")
    words = figure.get_label()
    assert "4/4/1, tokens a second: unpadded 12,800, naive padded 5,760, loop 100." in words
    assert words.endswith("4/4/1, MiB: unpadded 640, naive padded 500; failed: naive padded.")
    assert len(plots_speed.speed_and_memory(speed_rows(), memory_rows()[:0]).axes) == 1
    assert not plt.get_fignums()


def test_growth_has_memory_above_and_time_a_token_below():
    figure = plots_speed.growth_panels(memory_rows("documents"), memory_rows("longest"))
    assert len(figure.axes) == 4
    assert "one long document among others, MiB at the end: unpadded 640, naive padded 500;" in figure.get_label()
    below = [axis for axis in figure.axes if axis.get_xlabel() == "documents"]
    assert [list(line.get_ydata()) for line in lines_with(below[0], "o")] == [[500.0] * 2, [500.0] * 3]  # µs a token
    assert len(plots_speed.growth_panels(memory_rows("documents"), memory_rows().iloc[:0]).axes) == 2


def test_the_small_machine_names_the_batch_that_killed():
    axis = plots_speed.small_machine(memory_rows()).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["naive padded", "unpadded"]
    assert texts_of(axis) == ["out of memory at 64"]
    assert [line.get_xdata()[0] for line in lines_with(axis, "X")] == [64]
    assert [list(line.get_xdata()) for line in lines_with(axis, "o")] == [[1, 8], SIZES]
    assert "500 MiB" in axis.get_title(loc="left")
    assert axis.figure.get_label().endswith("that did: unpadded 64, naive padded 8; failed: naive padded.")


def test_the_price_of_a_precision_is_two_bars_a_pooling():
    table = intervals([("last", 0.9), ("mean", 0.99)], ["pooling"]).rename(columns={"value": "neighbours_kept"})
    figure = plots_speed.precision_panel(table.assign(moved=[0.02, 0.01], k=10))
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.02, 0.01]
    assert [bar.get_height() for bar in figure.axes[1].patches] == [0.9, 0.99]
    assert figure.get_label().endswith("10 nearest neighbours kept: mean 0.99, last 0.9.")


def part_rows() -> pd.DataFrame:
    rows = [
        ("news", "4/4/1", p, part, v * part / 10) for p, v in (("last", 1.0), ("mean", 0.3)) for part in range(1, 11)
    ]
    return intervals(rows, ["corpus", "model", "pooling", "part"])


def test_parts_are_a_line_a_pooling_in_its_colour():
    (axis,) = plots_probes.part_lines(part_rows(), ylabel="moved", even=0.1).axes
    lines = {to_hex(line.get_color()).upper(): line for line in lines_with(axis, "o")}
    assert set(lines) == {POOLING_COLOURS["last"], POOLING_COLOURS["mean"]}
    np.testing.assert_allclose(lines[POOLING_COLOURS["last"]].get_ydata(), np.arange(1, 11) / 10)
    assert [axis.get_title(loc="left"), axis.get_ylabel()] == ["news, 4/4/1", "moved"]
    words = "news, 4/4/1: first part last 0.1, mean 0.03; last part last 1, mean 0.3."
    assert axis.figure.get_label().endswith(words)
    assert len(axis.collections) == 2  # the bands
    assert any(set(line.get_ydata()) == {0.1} for line in axis.lines)


def test_other_columns_can_be_lines_and_panels():
    rows = part_rows()
    figure = plots_probes.part_lines(rows.assign(layer=1), ylabel="moved", panels=["pooling"], lines="layer")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["last", "mean"]


def test_fading_is_a_line_a_model_and_layer_with_chance_dashed():
    rows = [
        ("news", model, layer, n, 0.1 + 0.2 * n) for model, layer in (("a", 1), ("b", 1), ("b", 2)) for n in (0, 1, 4)
    ]
    (axis,) = plots_probes.fade_lines(intervals(rows, ["corpus", "model", "layer", "final_tokens"])).axes
    assert sorted(texts_of(axis)) == ["a", "b, layer 1", "b, layer 2"]
    assert axis.figure.get_label().endswith(
        "news, fewest tokens with a similarity of 0.9: a 4, b, layer 1 4, b, layer 2 4."
    )
    solid = [line for line in axis.lines if line.get_linestyle() == "-"]
    assert [line.get_xdata().tolist() for line in solid] == [[1, 4]] * 3
    assert sum(line.get_linestyle() == "--" for line in axis.lines) == 3


def test_the_probe_is_a_bar_for_each_place_and_pooling():
    rows = [("news", "a", p, place, v) for p, v in (("last", 0.2), ("max", 0.7)) for place in ("beginning", "end")]
    table = intervals(rows, ["corpus", "model", "pooling", "place"])
    (axis,) = plots_probes.probe_bars(table, chance={"news": 0.05}).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["beginning", "end"]
    heights = {to_hex(bar.get_facecolor()).upper(): bar.get_height() for bar in axis.patches}
    assert heights == {POOLING_COLOURS["last"]: 0.2, POOLING_COLOURS["max"]: 0.7}
    assert "news, a: max, beginning 0.7, max, end 0.7, last, beginning 0.2" in axis.figure.get_label()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots_probes.part_lines(part_rows().iloc[:0], ylabel="moved"),
        lambda: plots_probes.fade_lines(pd.DataFrame()),
        lambda: plots_probes.probe_bars(pd.DataFrame()),
        lambda: plots_speed.small_machine(memory_rows().iloc[:0]),
        lambda: plots_speed.precision_panel(pd.DataFrame()),
        lambda: plots_speed.growth_panels(memory_rows().iloc[:0], memory_rows().iloc[:0]),
    ],
)
def test_an_empty_table_says_that_nothing_was_measured(draw):
    figure = draw()
    assert figure.axes[0].texts[0].get_text().startswith("Nothing to show: ")
    assert figure.get_label() == figure.axes[0].texts[0].get_text()


def test_labels_at_the_ends_of_a_logarithmic_axis_do_not_overlap():
    figure, axis = plt.subplots()
    axis.set(yscale="log", ylim=(1, 1e6))
    label_ends(axis, {name: (1, 1_000 + i) for i, name in enumerate("abcd")})
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in axis.texts), key=lambda box: box.y0)
    plt.close(figure)
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    assert boxes[0].y0 > axis.bbox.y0

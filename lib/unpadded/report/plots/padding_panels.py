"""What padding does on every corpus with every model: a panel for each, in place of tables that nobody reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from unpadded.report.plots.padding import LOST, PLACEMENT_NAMES
from unpadded.report.plots.palette import FAINT, MARKERS, POOLING_COLOURS
from unpadded.report.plots.speed import nothing_measured
from unpadded.report.plots.style import in_words, panel_grid, plain_log_ticks, say, styled
from unpadded.studies import UNPADDED

BETWEEN = 0.16  # rows between the marks of two poolings, so that equal values do not hide each other
ROWS = {"as it is": LOST, "zeroed": "#0072B2"}  # of the pad token in the embedding


@styled
def setting_dots(table: pd.DataFrame, column: str, *, label: str, ends: Sequence[str] = ()) -> Figure:
    """A row for each way to read and to pad, a mark for each pooling, a panel for each corpus and model.

    `table` has the rows of one number of pads, with the columns of `padding_effects` or `padding_costs`, corpus and model;
    `ends` names the two columns of an interval.
    """
    if table.empty:
        return nothing_measured("nothing was scored")
    table = table.assign(row=[_row(*names) for names in zip(table["reading"], table["placement"], strict=True)])
    rows, panels = list(dict.fromkeys(table["row"])), list(table.groupby(["corpus", "model"], sort=False))
    figure, axes = panel_grid(len(panels), width=4.9, height=1.0 + 0.27 * len(rows), sharex=True, sharey=True)
    poolings, said = list(dict.fromkeys(table["pooling"])), []
    for axis, (names, panel) in zip(axes, panels, strict=True):
        axis.axvline(0, color=FAINT, linewidth=1, zorder=0)
        for n, pooling in enumerate(poolings):
            marks = panel[panel["pooling"] == pooling]
            y = np.array([rows.index(row) for row in marks["row"]]) + BETWEEN * (n - (len(poolings) - 1) / 2)
            x = marks[column].to_numpy(dtype=float)
            around = [np.abs(marks[end].to_numpy(dtype=float) - x) for end in ends] or None
            style = {"color": POOLING_COLOURS[pooling], "marker": MARKERS[n % len(MARKERS)], "markersize": 4}
            axis.errorbar(x, y, xerr=around, linestyle="none", elinewidth=0.9, label=pooling, **style)
        axis.set(title=", ".join(names), xlabel=label)
        axis.set_yticks(range(len(rows)), rows)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        means = panel.groupby("row", sort=False)[column].mean()
        said.append(f"{', '.join(names)}: {in_words(means)}")
    if len(poolings) > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return say(figure, f"Dots of the {label} for each way to read and to pad; here the means over poolings", *said)


def _row(reading: str, placement: str) -> str:
    """A way to read and to pad in words; Unpadded's own has no padding to name."""
    return f"{reading}, {PLACEMENT_NAMES[placement]}" if placement in PLACEMENT_NAMES else UNPADDED


@styled
def zeroed_lines(table: pd.DataFrame, column: str, *, label: str, pooling: str = "mean") -> Figure:
    """Against the number of leading pads, with the pad row as it is and with a row of zeros; a panel a corpus and model.

    `table` is `zeroed_row_effects`' with the columns corpus and model. Where values differ by orders of magnitude the axis
    is logarithmic, and Unpadded's own value, 0, is in the legend alone.
    """
    panels = list(table[table["pooling"] == pooling].groupby(["corpus", "model"], sort=False))
    figure, axes = panel_grid(len(panels), columns=3, width=3.3, height=2.3, sharex=True, sharey=True)
    moved = table[(table["pooling"] == pooling) & (table["pad_row"] != UNPADDED)][column]
    scale = "log" if moved.min() > 0 and moved.max() > 100 * moved.min() else "linear"
    said = []
    for axis, (names, panel) in zip(axes, panels, strict=True):
        own = panel.loc[panel["pad_row"] == UNPADDED, column].max()
        height = own if own or scale == "linear" else np.nan
        grey = {"color": "#BBBBBB", "linewidth": 5, "solid_capstyle": "butt", "zorder": 0}
        axis.plot(panel["pads"].clip(1), [height] * len(panel), label=f"{UNPADDED}: {own:.3g}", **grey)
        most = {}
        for n, (row, colour) in enumerate(ROWS.items()):
            line = panel[panel["pad_row"] == row]
            axis.plot(line["pads"], line[column], color=colour, marker=MARKERS[n], markersize=4, label=f"pad row {row}")
            most[row] = line[column].iloc[-1]
        axis.set(title="\n".join(names), xscale="log", yscale=scale, xlabel="leading pads", ylabel=label)
        axis.title.set_fontsize(9)
        if scale == "log":
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        plain_log_ticks(axis)
        said.append(f"{', '.join(names)}, with the most pads: {in_words(most | {UNPADDED: own})}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return say(figure, f"{label} of {pooling} under leading pads, the pad row as it is or zeroed", *said)

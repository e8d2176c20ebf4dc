"""Pictures of what a vector keeps: lines over the parts of a document, the fading of the last state, the topic probe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unpadded.report.plots.palette import INK, MARKERS, POOLING_COLOURS
from unpadded.report.plots.speed import nothing_measured
from unpadded.report.plots.style import in_words, label_ends, method_colours, panel_grid, plain_log_ticks, say, styled

SHADES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # for lines that are not poolings


@styled
def part_lines(
    table: pd.DataFrame,
    *,
    ylabel: str,
    panels: Sequence[str] = ("corpus", "model"),
    lines: str = "pooling",
    even: float | None = None,
) -> Figure:
    """A line with its interval band for each value of the column `lines` over the parts of a document, a panel for each
    combination of `panels`; `table` is `with_intervals`'s, `even` marks equal parts' level."""
    if table.empty:
        return nothing_measured("no document is long enough")
    groups = list(table.groupby(list(panels), sort=False))
    figure, axes = panel_grid(len(groups), width=4.7, height=2.9, sharey=True)
    low, high = min(0, table["ci_low"].min()), table["ci_high"].max()
    said = []
    for axis, (names, rows) in zip(axes, groups, strict=True):
        colours = method_colours(rows[lines]) if lines == "pooling" else _shades(rows[lines])
        ends = {}
        for name, line in rows.groupby(lines, sort=False):
            ends[str(name)] = _banded(axis, line, "part", colour=colours[name])
        if even is not None:
            axis.axhline(even, color=INK, linewidth=0.8, linestyle=":")
        n_parts = int(rows["part"].max())
        axis.set_xticks([1, n_parts], ["beginning", "end"])
        axis.set_xticks(range(1, n_parts + 1), minor=True)
        axis.set(title=", ".join(map(str, names)), ylim=(low, high + 0.04 * (high - low)), ylabel=ylabel)
        label_ends(axis, ends, colours={str(k): v for k, v in colours.items()})
        values = rows.groupby(lines, sort=False)["value"]
        parts = f"first part {in_words(values.first())}; last part {in_words(values.last())}"
        said.append(f"{', '.join(map(str, names))}: {parts}")
    return say(figure, f"{ylabel} over the parts of a document, a line for each {lines}", *said)


@styled
def fade_lines(table: pd.DataFrame) -> Figure:
    """Similarity to the last state of the whole document against the final tokens given, a panel a corpus, a line for each
    model and layer with its band; dashed: another document's last state. `table` is `with_intervals`'s."""
    if table.empty:
        return nothing_measured("no document is long enough")
    groups = list(table.groupby("corpus", sort=False))
    figure, axes = panel_grid(len(groups), width=4.7, height=2.9, sharey=True)
    said = []
    for axis, (corpus, rows) in zip(axes, groups, strict=True):
        several = rows.groupby("model")["layer"].transform("max") > 1
        names = rows["model"] + np.where(several, ", layer " + rows["layer"].astype(str), "")
        colours, ends = _shades(names), {}
        for i, (name, line) in enumerate(rows.groupby(names, sort=False)):
            given, chance = line[line["final_tokens"] > 0], line[line["final_tokens"] == 0]
            ends[name] = _banded(axis, given, "final_tokens", colour=colours[name], marker=MARKERS[i % len(MARKERS)])
            for level in chance["value"]:
                axis.axhline(level, color=colours[name], linewidth=1, linestyle="--")
        axis.set(xscale="log", xlabel="final tokens given", ylabel="similarity of the last state", title=corpus)
        axis.set_ylim(min(-0.05, table["ci_low"].min()), 1.03)
        plain_log_ticks(axis)
        label_ends(axis, ends, colours=colours)
        near = rows[rows["value"] >= 0.9].groupby(names)["final_tokens"].min()
        said.append(f"{corpus}, fewest tokens with a similarity of 0.9: {in_words(near) or 'none'}")
    return say(figure, "Similarity to the last state of the whole document against the final tokens given", *said)


@styled
def probe_bars(table: pd.DataFrame, *, chance: dict[str, float] | None = None) -> Figure:
    """Accuracy of the topic probe for each place that is on topic, a bar a pooling with its interval, in a panel for each
    corpus and model; `chance` (corpus -> level) is dotted. `table` is `with_intervals`'s."""
    if table.empty:
        return nothing_measured("there are no topics to ask for")
    groups = list(table.groupby(["corpus", "model"], sort=False))
    figure, axes = panel_grid(len(groups), width=4.7, height=2.9, sharey=True)
    said = []
    for axis, ((corpus, model), rows) in zip(axes, groups, strict=True):
        places, poolings = list(dict.fromkeys(rows["place"])), list(dict.fromkeys(rows["pooling"]))
        width = 0.8 / len(poolings)
        for i, pooling in enumerate(poolings):
            line = rows[rows["pooling"] == pooling].set_index("place").reindex(places)
            errors = np.abs(line[["ci_low", "ci_high"]].to_numpy().T - line["value"].to_numpy())
            x = np.arange(len(places)) + width * (i - (len(poolings) - 1) / 2)
            axis.bar(x, line["value"], width, yerr=errors, capsize=1.5, color=POOLING_COLOURS[pooling], label=pooling)
        if chance and corpus in chance:
            axis.axhline(chance[corpus], color=INK, linewidth=0.8, linestyle=":")
        axis.set_xticks(range(len(places)), places)
        axis.set(title=f"{corpus}, {model}", ylabel="topic named", xlabel="what alone is on topic")
        values = dict(zip(rows["pooling"] + ", " + rows["place"], rows["value"], strict=True))
        said.append(f"{corpus}, {model}: {in_words(values)}")
    axes[0].legend(fontsize=8, ncols=2)
    return say(figure, "Bars of the topic probe's accuracy for each pooling and place that is on topic", *said)


def _shades(names: Iterable) -> dict:
    """A colour for each different name."""
    return dict(zip(dict.fromkeys(names), cycle(SHADES), strict=False))


def _banded(axis, rows: pd.DataFrame, x: str, *, colour: str, marker: str = "o") -> tuple[float, float]:
    """A line with its interval as a band; returns its right end."""
    axis.plot(rows[x], rows["value"], color=colour, marker=marker, markersize=3.5, linewidth=1.3)
    axis.fill_between(rows[x], rows["ci_low"], rows["ci_high"], color=colour, alpha=0.18, linewidth=0)
    return rows[x].iloc[-1], rows["value"].iloc[-1]

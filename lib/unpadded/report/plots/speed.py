"""Pictures of speed and memory: a fixed colour for each method, the encoder in black."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from unpadded.report.plots.palette import BASELINE_GREYS, INK, OTHER_COLOURS, POOLING_COLOURS
from unpadded.report.plots.style import in_words, label_ends, say, styled

ORANGE, BLUE, _ = OTHER_COLOURS
METHOD_COLOURS = {"loop": BASELINE_GREYS[2], "naive padded": ORANGE, "sorted padded": BLUE, "unpadded": INK}
FAILED = ("out of memory", "died")


@styled
def speed_and_memory(speed: pd.DataFrame, memory: pd.DataFrame) -> Figure:
    """Tokens a second against batch size, a panel a model (`speed_table`'s rows), and below them peak memory
    (`measure_memory`'s rows with a column model; a cross where the process died;
    left out where nothing was measured)."""
    models = list(dict.fromkeys(speed["model"]))
    n_rows = 1 + bool(len(memory))
    figure, axes = plt.subplots(n_rows, len(models), figsize=(4.4 * len(models), 3.0 * n_rows), squeeze=False)
    said = []
    for axis, model in zip(axes[0], models, strict=False):
        rows = speed[speed["model"] == model]
        one = float(rows.loc[rows["method"] == "loop", "tokens_per_second"].iloc[0])
        axis.axhline(one, color=METHOD_COLOURS["loop"], linestyle="--", linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel="batch size", ylabel="tokens a second", title=f"speed, {model}")
        ends = _method_lines(axis, rows[rows["method"] != "loop"], "batch_size", "tokens_per_second")
        _finish(axis, "batch_size", rows, ends | {"loop": (1, one)})
        said.append(f"{model}, tokens a second: {_ends_in_words(ends | {'loop': (1, one)})}")
    for axis, model in zip(axes[1] if len(memory) else (), models, strict=False):
        rows = memory[memory["model"] == model]
        axis.set(xscale="log", yscale="log", xlabel="batch size", ylabel="peak memory (MiB)", title=f"memory, {model}")
        ends = _method_lines(axis, _done(rows), "batch_size", "peak_mib", died=_died(rows))
        _finish(axis, "batch_size", rows, ends)
        said.append(f"{model}, MiB: {_ends_in_words(ends)}; failed: {_names(_died(rows))}")
    return say(figure, "Speed and peak memory against batch size, here of each method's largest batch", *said)


@styled
def growth_panels(by_documents: pd.DataFrame, by_longest: pd.DataFrame) -> Figure:
    """Peak memory and time a token against the number of documents and against the longest one's length, in the rows of
    `measure_memory`; a table without rows is left out, a cross marks a process that died."""
    longest = ("longest", by_longest, "tokens of the longest document", "one long document among others")
    columns = [("documents", by_documents, "documents", "more documents"), longest]
    columns = [column for column in columns if len(column[1])]
    if not columns:
        return nothing_measured("growth was not measured")
    figure, axes = plt.subplots(2, len(columns), figsize=(4.4 * len(columns), 5.4), squeeze=False)
    said = []
    for (x, table, label, title), (memory, seconds) in zip(columns, axes.T, strict=True):
        done = _done(table).assign(micros=lambda t: 1e6 * t["cpu_seconds"] / t["tokens"])
        memory.set(xscale="log", yscale="log", ylabel="peak memory (MiB)", title=title)
        ends = _method_lines(memory, done, x, "peak_mib", died=_died(table))
        _finish(memory, x, table, ends)
        said.append(f"{title}, MiB at the end: {_ends_in_words(ends)}; failed: {_names(_died(table))}")
        seconds.set(xscale="log", yscale="log", ylabel="processor time (µs a token)", xlabel=label)
        ends = _method_lines(seconds, done, x, "micros")
        _finish(seconds, x, table, ends)
        said.append(f"{title}, µs a token at the end: {_ends_in_words(ends)}")
    return say(figure, "Peak memory and processor time against the number and the length of documents", *said)


@styled
def small_machine(table: pd.DataFrame) -> Figure:
    """Which batches fit into limited memory: a dot for a batch that finished, a cross where the process died; `table`
    holds `measure_memory`'s rows."""
    if table.empty:
        return nothing_measured("no limit could be set on this system")
    methods = list(dict.fromkeys(table["method"]))
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.55 * len(methods)))
    for place, method in enumerate(methods):
        rows, colour = table[table["method"] == method], METHOD_COLOURS.get(method, INK)
        done = _done(rows)
        axis.plot(done["batch_size"], [place] * len(done), "o-", color=colour, markersize=6)
        for _, row in _died(rows).iterrows():
            axis.plot(row["batch_size"], place, "X", color=colour, markersize=11)
            at, offset = (row["batch_size"], place), {"xytext": (10, 0), "textcoords": "offset points"}
            axis.annotate(f"{row['outcome']} at {row['batch_size']}", at, va="center", fontsize=8, **offset)
    axis.set(xscale="log", xlabel="documents in one batch", ylim=(len(methods) - 0.5, -0.5))
    axis.set_title(f"a process that may take {table['limit_mib'].max():,} MiB more")
    axis.set_yticks(range(len(methods)), methods)
    _batch_ticks(axis, table["batch_size"])
    largest = in_words(_done(table).groupby("method")["batch_size"].max())
    limit, failed = f"a process that may take {table['limit_mib'].max():,} MiB more", _names(_died(table))
    return say(figure, f"Which batches fit into {limit}", f"Largest that did: {largest}; failed: {failed}")


@styled
def precision_panel(price: pd.DataFrame) -> Figure:
    """How far vectors move and which nearest neighbours they keep under each pooling;
    bars with intervals, `price` is `precision_price`'s table."""
    if price.empty:
        return nothing_measured("too few documents to compare precisions")
    figure, (moved, kept) = plt.subplots(1, 2, figsize=(7.2, 2.6))
    colours = [POOLING_COLOURS[name] for name in price["pooling"]]
    bars = moved.bar(price["pooling"], price["moved"], color=colours)
    moved.bar_label(bars, fmt="{:.2g}", fontsize=8)
    moved.set(title="how far a vector moves", ylabel="distances between documents")
    errors = np.abs(price[["ci_low", "ci_high"]].to_numpy().T - price["neighbours_kept"].to_numpy())
    bars = kept.bar(price["pooling"], price["neighbours_kept"], color=colours, yerr=errors, capsize=2)
    kept.bar_label(bars, fmt="{:.3f}", fontsize=8, padding=2)
    kept.set(title=f"{price['k'].iloc[0]} nearest neighbours kept", ylabel="share", ylim=(0, 1.12))
    how_far, how_many = (in_words(price.set_index("pooling")[column]) for column in ("moved", "neighbours_kept"))
    return say(
        figure,
        f"Bars of how far a vector moves, in distances between documents: {how_far}",
        f"Bars of the share of {price['k'].iloc[0]} nearest neighbours kept: {how_many}",
    )


@styled
def nothing_measured(words: str) -> Figure:
    """A small picture that says why there is no other."""
    figure, axis = plt.subplots(figsize=(4, 0.6))
    axis.axis("off")
    axis.text(0, 0.5, f"Nothing to show: {words}.", va="center")
    return say(figure, f"Nothing to show: {words}")


def _method_lines(axis, rows: pd.DataFrame, x: str, y: str, *, died: pd.DataFrame | None = None) -> dict[str, tuple]:
    """A line for each method; where its process died, on to a cross at the memory it was allowed. Returns the ends."""
    ends = {}
    for method in dict.fromkeys([*rows["method"], *(died["method"] if died is not None else ())]):
        own = rows[rows["method"] == method].sort_values(x)
        colour = METHOD_COLOURS.get(method, INK)
        dashes = ":" if method not in METHOD_COLOURS else "-"
        axis.plot(own[x], own[y], dashes, color=colour, marker="o", markersize=3.5)
        points = list(zip(own[x], own[y], strict=True))
        if died is not None and len(fallen := died[died["method"] == method]):
            first = fallen.sort_values(x).iloc[0]
            points.append((first[x], first["limit_mib"]))
            axis.plot(*zip(*points[-2:], strict=True), ":", color=colour)
            axis.plot(*points[-1], "X", color=colour, markersize=9)
        ends[method] = points[-1]
    return ends


def _ends_in_words(ends: dict[str, tuple]) -> str:
    return in_words({method: value for method, (_, value) in ends.items()})


def _names(died: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(died["method"])) or "none"


def _finish(axis, x: str, table: pd.DataFrame, ends: dict[str, tuple]) -> None:
    (_batch_ticks if x == "batch_size" else _plain_ticks)(axis, table[x])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    label_ends(axis, ends, colours={**METHOD_COLOURS})


def _plain_ticks(axis, values: Sequence[int]) -> None:
    ticks = sorted(set(values))
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.minorticks_off()


def _batch_ticks(axis, sizes: Sequence[int]) -> None:
    sizes = sorted(set(sizes))
    _plain_ticks(axis, sizes[:: -(-len(sizes) // 6)])


def _done(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["outcome"] == "finished"]


def _died(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["outcome"].isin(FAILED)]

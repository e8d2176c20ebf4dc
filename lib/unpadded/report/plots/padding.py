"""Pictures of what padding does: cosines to unpadded, fastai's batches cell by cell, the pad row, predictions that change."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from unpadded.report.plots.palette import FAINT, INK, MARKERS, POOLING_COLOURS
from unpadded.report.plots.speed import nothing_measured
from unpadded.report.plots.style import in_words, label_ends, number_in_words, plain_log_ticks, say, styled
from unpadded.studies import UNPADDED

PLACEMENT_NAMES = {"before": "before the text", "after xxbos": "after xxbos", "behind": "behind the text"}
LOST, READ, PAD = "#D55E00", "#56B4E9", "#F2F2F2"


@styled
def cosine_lines(effects: pd.DataFrame, *, column: str = "cosine_distance", title: str = "") -> Figure:
    """Similarity to the unpadded vector against the number of pads: a row a reading, a column a placement, a line a pooling.

    `effects` is padding_effects' table of one model and corpus, `column` cosine_distance or centred_cosine_distance;
    what is drawn is 1 minus that. The grey band is Unpadded's own; the hollow marks at the right are what a shuffled
    minibatch does.
    """
    rows = effects[effects["method"] != UNPADDED]
    readings, placements = list(dict.fromkeys(rows["reading"])), list(dict.fromkeys(rows["placement"]))
    size = (3.2 * len(placements) + 0.8, 2.4 * len(readings) + 0.4)
    figure, axes = plt.subplots(len(readings), len(placements), figsize=size, sharex=True, sharey=True, squeeze=False)
    own = 1 - effects.loc[effects["method"] == UNPADDED, column].max()
    low, said = min(1 - rows[column].max(), 0.9), []
    for (i, j), axis in np.ndenumerate(axes):
        panel = rows[(rows["reading"] == readings[i]) & (rows["placement"] == placements[j])]
        axis.axhline(own, color="#BBBBBB", linewidth=5, solid_capstyle="butt", zorder=0)
        axis.set(xscale="log", ylim=(low - 0.15 * (1 - low), 1 + 0.04 * (1 - low)))
        ends = _lines(axis, panel, column)
        where = f"{readings[i]}, {PLACEMENT_NAMES.get(placements[j], placements[j])}"
        said.append(f"{where}: {in_words({pooling: cosine for pooling, (_, cosine) in ends.items()})}")
        plain_log_ticks(axis)
        if j == len(placements) - 1:
            label_ends(axis, ends, colours=POOLING_COLOURS)
        if i == 0:
            axis.set_title(PLACEMENT_NAMES.get(placements[j], placements[j]))
        if j == 0:
            axis.set_ylabel(f"{readings[i]}\ncosine to unpadded")
        if i == len(readings) - 1:
            axis.set_xlabel("pad tokens")
    axes[0, 0].text(0.03, 0.05, "grey: Unpadded", transform=axes[0, 0].transAxes, fontsize=7, color="#777777")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10)
    what = f"{title + ': ' if title else ''}cosine to the unpadded vector against the number of pads"
    return say(figure, what, f"Unpadded: {number_in_words(own)}", *(f"With the most pads, {words}" for words in said))


def _lines(axis, panel: pd.DataFrame, column: str) -> dict[str, tuple[float, float]]:
    """Draw a line for each pooling; returns where each ends."""
    ends = {}
    for n, (pooling, line) in enumerate(panel.groupby("pooling", sort=False)):
        numbered = line[line["pads"] != "batch"]
        x, y = numbered["pads"].astype(int).to_numpy(), 1 - numbered[column].to_numpy()
        style = {"color": POOLING_COLOURS[pooling], "marker": MARKERS[n % len(MARKERS)], "markersize": 4}
        axis.plot(x, y, linewidth=1.2, **style)
        batch = 1 - line.loc[line["pads"] == "batch", column]
        axis.plot([x.max() * 1.6] * len(batch), batch, linestyle="none", markerfacecolor="white", **style)
        ends[pooling] = (x[-1], y[-1])
    if ends:
        at = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points"}
        axis.annotate("batch", (x.max() * 1.6, 0), **at, ha="center", fontsize=7, color="#777777")
    return ends


@styled
def chunk_grid(words: Sequence[Sequence[str]], read: np.ndarray, *, bptt: int) -> Figure:
    """A batch of fastai's, a cell a token: text that the encoder reads, text that it never reads, and pads.

    `words`: the tokens of each row, "" for a pad; `read`: bool [n_rows, n_steps], what SentenceEncoder runs. The thick
    lines are the chunks of `bptt` steps in which it reads.
    """
    is_text = np.array([[bool(word) for word in row] for row in words])
    kinds = np.where(is_text & ~read, 2, np.where(is_text, 1, 0))
    figure, axis = plt.subplots(figsize=(1.0 + 0.95 * kinds.shape[1], 1.0 + 0.42 * kinds.shape[0]))
    axis.imshow(kinds, cmap=ListedColormap([PAD, READ, LOST]), vmin=0, vmax=2, aspect="auto")
    for (i, j), kind in np.ndenumerate(kinds):
        text = words[i][j] or "pad"
        axis.text(j, i, text, ha="center", va="center", fontsize=8, color=INK if kind else "#999999")
    for edge in np.arange(0.5, kinds.shape[1] - 1):
        axis.axvline(edge, color="white", linewidth=1)
    for edge in np.arange(0.5, kinds.shape[0] - 1):
        axis.axhline(edge, color="white", linewidth=4)
    for edge in range(bptt, kinds.shape[1], bptt):
        axis.axvline(edge - 0.5, color=INK, linewidth=2)
    axis.set_xticks(range(kinds.shape[1]))
    axis.set_yticks(range(kinds.shape[0]), [f"document {i + 1}" for i in range(kinds.shape[0])])
    axis.set(xlabel=f"step (read in chunks of {bptt})", title="Blue is read, orange is text that is never read")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    pads, is_read, is_lost = np.bincount(kinds.ravel(), minlength=3)
    cells = f"{is_read} are text that is read, {is_lost} text that is never read, {pads} pads"
    return say(figure, f"A batch of {kinds.shape[0]} documents and {kinds.shape[1]} steps: of its cells {cells}")


@styled
def pad_row_panels(norms: np.ndarray, table: pd.DataFrame, *, pad_id: int = 1) -> Figure:
    """The embedding rows' norms with the pad row's marked, and the gradients of the pad row beside those of other rows.

    `norms` is `row_norms`' array, `table` that of `pad_row`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 2.9), width_ratios=[3, 2])
    left.hist(norms, bins=60, color=FAINT, edgecolor="#B0B0B0", linewidth=0.4)
    left.axvline(norms[pad_id], color=LOST, linewidth=2)
    at = {"xycoords": left.get_xaxis_transform(), "xytext": (4, -4), "textcoords": "offset points"}
    left.annotate("xxpad", (norms[pad_id], 1), **at, va="top", color=LOST, fontsize=8)
    left.set(xlabel="norm of the token's row", ylabel="tokens", title="Rows of the embedding")
    shown = table[table["row"].isin([table["row"].iloc[0], "others, median"])]
    uses = {"as an input": "input_gradient", "as a class to predict": "output_gradient"}
    places = np.arange(len(uses))
    for k, (_, row) in enumerate(shown.iterrows()):
        values = [row[column] for column in uses.values()]
        colour = LOST if k == 0 else "#8F8F8F"
        bars = right.bar(places + (k - 0.5) * 0.38, values, width=0.36, color=colour, label=row["row"])
        right.bar_label(bars, labels=[f"{value:.1g}" if value else "0" for value in values], fontsize=8)
    right.set_xticks(places, list(uses))
    right.set(ylabel="norm of the gradient", title="What reaches the row in training")
    right.margins(y=0.15)
    right.legend(fontsize=8)
    gradients = (f"Gradient {use}: {in_words(shown.set_index('row')[column])}" for use, column in uses.items())
    rows = {"xxpad": norms[pad_id], "median": np.median(norms)}
    return say(figure, f"Histogram of the norms of the embedding's rows: {in_words(rows)}", *gradients)


@styled
def changed_bars(changes: pd.DataFrame) -> Figure:
    """Share of documents whose predicted label, and whose probability, depends on how they were asked for; a bar a way.

    `changes` is `prediction_changes`' table.
    """
    if changes.empty:
        return nothing_measured("there are no topics to predict")
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 0.9 + 0.36 * len(changes)), sharey=True)
    probability = "probability changed by more than 0.001"
    titles = {"probability_changed": probability, "label_changed": "another label predicted"}
    places, n = np.arange(len(changes))[::-1], f"{int(changes['n'].max()):,}"
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        shares = 100 * changes[column] / changes["n"]
        colours = [POOLING_COLOURS["mean"] if way == UNPADDED else LOST for way in changes["way"]]
        bars = axis.barh(places, shares, color=colours, height=0.66)
        axis.bar_label(bars, labels=[str(n) for n in changes[column]], padding=3, fontsize=8)
        axis.set(title=title, xlabel=f"% of {n} documents", xlim=(0, max(shares.max() * 1.15, 1)))
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(places, changes["way"])
    counts = (f"{title}: {in_words(changes.set_index('way')[column])}" for column, title in titles.items())
    return say(figure, f"Bars of how many of {n} documents depend on how they are asked for", *counts)


@styled
def injection_lines(table: pd.DataFrame, *, pads: str, column: str = "centred_cosine_distance") -> Figure:
    """Against the share of pads in the training text: perplexity, V-measure without padding, and `column` by placement.

    `table` is injection_effects'; of its rows those of mean pooling, the naive reading and `pads`; `column` is
    cosine_distance, centred_cosine_distance or neighbours_lost. A line for each place of the pads in training; the model
    trained without any is the first point of all lines.
    """
    rows = table[(table["pooling"] == "mean") & (table["method"] != UNPADDED)]
    rows = rows[(rows["pads"] == pads) & (rows["reading"] == "naive")]
    name = column.replace("_", " ")
    distances = [(f"{name},\npads {PLACEMENT_NAMES[p]}", rows[rows["placement"] == p], column) for p in PLACEMENT_NAMES]
    panels = [("validation perplexity", rows, "perplexity"), ("V-measure, unpadded", rows, "v_measure"), *distances]
    panels = [panel for panel in panels if panel[1][panel[2]].notna().any()]
    figure, axes = plt.subplots(1, len(panels), figsize=(2.5 * len(panels), 2.6), squeeze=False)
    top = max(frame[column].max() for _, frame, shown in panels if shown == column)
    said = []
    for axis, (heading, frame, shown) in zip(axes[0], panels, strict=True):
        values = frame.drop_duplicates("model").set_index("model")[shown]
        said.append(f"{heading}: {in_words(values)}")
        for k, injected in enumerate(dict.fromkeys(frame.loc[frame["share"] > 0, "injected"])):
            line = frame[(frame["injected"] == injected) | (frame["share"] == 0)]
            line = line.drop_duplicates("model").sort_values("share")
            style = {"marker": MARKERS[k], "markersize": 4, "linewidth": 1.2, "color": ["#0072B2", "#E69F00"][k % 2]}
            axis.plot(100 * line["share"], line[shown], label=f"trained with pads {injected}", **style)
        axis.set_title(heading, fontsize=8.5)
        axis.set_xlabel("% pads in training")
        if shown == column:
            axis.set_ylim(0, 1.08 * max(top, 1e-9))
    handles, labels = axes[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    figure.suptitle("mean, read naively", x=0.01, ha="left", fontweight="bold", fontsize=10)
    return say(figure, "Against the share of pads in the training text, mean pooling, read naively", *said)

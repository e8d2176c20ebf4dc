"""Figures: functions of data frames that return a matplotlib Figure, all in one style, safe for colour-blind readers."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unpadded.common import POSTPROCESSES, InputError
from unpadded.report.plots.palette import INK, MARKERS, POOLING_COLOURS
from unpadded.report.plots.speed import nothing_measured
from unpadded.report.plots.style import (
    as_drawn,
    as_named,
    in_words,
    label_ends,
    method_colours,
    panel_grid,
    plain_log_ticks,
    say,
    styled,
)

MOST_CHOICES = 16  # bars of what was to choose from
MOST_TOPICS = 50  # rows of a confusion map; 500 would be a picture of ten metres


def method_names(scores: pd.DataFrame) -> pd.Series:
    """The short name of every row of a long table, as Representation.name makes it."""
    base = scores["pooling"].where(scores["method"] == "lm", (scores["method"] + " " + scores["pooling"]).str.strip())
    return base.where(scores["postprocess"] == "none", base + " + " + scores["postprocess"])


@styled
def score_bars(scores: pd.DataFrame, metric: str) -> Figure:
    """Bars of one metric, best on top, with intervals and values; a panel per corpus. `scores` is a long table."""
    rows = scores[scores["metric"] == metric].assign(name=method_names)
    if rows.empty:
        have = ", ".join(sorted(set(scores["metric"])))
        raise InputError(f"metric: the scores hold no {metric!r}; they hold {have}.")
    corpora = list(dict.fromkeys(rows["corpus"]))
    tallest = int(rows.groupby("corpus").size().max())
    size = (6.4 * len(corpora) ** 0.7, 0.8 + 0.32 * tallest)
    figure, axes = plt.subplots(1, len(corpora), figsize=size, squeeze=False)
    colours = method_colours(rows["name"])
    for axis, corpus in zip(axes[0], corpora, strict=True):
        table = rows[rows["corpus"] == corpus].sort_values("value", kind="stable")
        _bars(axis, table, [colours[name] for name in table["name"]])
        axis.set(xlabel=metric, title=f"{metric} on {corpus}")
    return say(figure, f"Bars of {metric} with 95 % intervals", *_by_corpus(rows))


def _by_corpus(rows: pd.DataFrame) -> list[str]:
    """For each corpus the values of its methods (column name), in words."""
    groups = rows.groupby("corpus", sort=False)
    return [f"{corpus}: {in_words(part.set_index('name')['value'])}" for corpus, part in groups]


def _bars(axis, table: pd.DataFrame, colours: list[str]) -> None:
    places, values = np.arange(len(table)), table["value"].to_numpy()
    errors = np.abs(table[["ci_low", "ci_high"]].to_numpy().T - values)
    axis.barh(places, values, color=colours, height=0.72)
    axis.errorbar(values, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    room = max(table["ci_high"].max(), 0) - min(table["ci_low"].min(), 0) or 1.0
    for place, value, high in zip(places, values, table["ci_high"], strict=True):
        axis.text(max(high, 0) + 0.015 * room, place, f"{value:.3f}", va="center", fontsize=8)
    axis.set_yticks(places, table["name"])
    axis.set_xlim(min(0, table["ci_low"].min()), max(table["ci_high"].max(), 0) + 0.13 * room)
    axis.tick_params(axis="y", length=0)


@styled
def postprocess_lines(scores: pd.DataFrame, metric: str) -> Figure:
    """One metric after each post-processing, points in a pooling's colour with intervals; a panel per corpus.

    A dotted line runs on from each pooling's unprocessed value. `scores` is a long table. Three panels fill a row.
    """
    rows = scores[(scores["metric"] == metric) & (scores["method"] == "lm")]
    corpora = list(dict.fromkeys(rows["corpus"]))
    steps = [step for step in POSTPROCESSES if step in set(rows["postprocess"])]
    figure, axes = panel_grid(len(corpora), columns=3, width=6.4 / max(1, min(3, len(corpora))) ** 0.2, height=3.6)
    for axis, corpus in zip(axes, corpora, strict=True):
        _postprocess_points(axis, rows[rows["corpus"] == corpus], steps)
        axis.set(ylabel=metric, title=f"{metric} after post-processing, {corpus}")
    values = _by_corpus(rows.assign(name=method_names))
    return say(figure, f"{metric} of each pooling after each post-processing", *values)


def _postprocess_points(axis, rows: pd.DataFrame, steps: list[str]) -> None:
    poolings = list(dict.fromkeys(rows["pooling"]))
    ends, colours = {}, method_colours(poolings)
    for i, pooling in enumerate(poolings):
        table = rows[rows["pooling"] == pooling].set_index("postprocess")
        table = table.loc[[step for step in steps if step in table.index]]
        x = np.array([steps.index(step) for step in table.index]) + 0.14 * (i - (len(poolings) - 1) / 2)
        errors = np.abs(table[["ci_low", "ci_high"]].to_numpy().T - table["value"].to_numpy())
        style = {"color": colours[pooling], "marker": MARKERS[i % len(MARKERS)], "markersize": 5, "linestyle": "none"}
        axis.errorbar(x, table["value"], yerr=errors, capsize=2, elinewidth=1, **style)
        start = float(table["value"].iloc[0])
        axis.hlines(start, x[0], len(steps) - 0.5, color=colours[pooling], linewidth=0.8, linestyle=":")
        ends[pooling] = (len(steps) - 0.5, start)
    axis.set_xlim(-0.5, len(steps) - 0.5)
    label_ends(axis, ends, colours=colours)
    axis.set_xticks(range(len(steps)), [step.replace("_", "\n") for step in steps])


@styled
def loss_curve(training: pd.DataFrame, *, x: str = "minutes") -> Figure:
    """Training and validation loss against `x` (step, tokens or minutes), and below it the learning rate.

    Columns step, tokens, minutes, train_loss, valid_loss, valid_perplexity, learning_rate; valid_* may be missing in places.
    """
    figure, (loss, rate) = plt.subplots(2, 1, figsize=(6.4, 4), sharex=True, height_ratios=[3, 1])
    loss.plot(training[x], training["train_loss"], color="#A0A0A0", linewidth=1)
    ends = {"training": (training[x].iloc[-1], training["train_loss"].iloc[-1])}
    measured = training.dropna(subset=["valid_loss"])
    if len(measured):
        loss.plot(measured[x], measured["valid_loss"], color=POOLING_COLOURS["mean"], marker="o", markersize=3.5)
        last = measured.iloc[-1]
        name = f"validation {last['valid_loss']:.2f}\n(perplexity {last['valid_perplexity']:.0f})"
        ends[name] = (last[x], last["valid_loss"])
    label_ends(loss, ends, lines=2)
    loss.set(ylabel="cross-entropy (nats per token)", title="Loss of the language model")
    rate.plot(training[x], training["learning_rate"], color=INK, linewidth=1)
    rate.set(ylabel="learning rate", xlabel=x, ylim=(0, None))
    names = {"train_loss": "training", "valid_loss": "validation", "valid_perplexity": "perplexity"}
    at_end = in_words(training.rename(columns=names).ffill().iloc[-1][list(names.values())])
    return say(figure, f"Loss of the language model against {x}, above the learning rate", f"At the end: {at_end}")


@styled
def choice_bars(table: pd.DataFrame) -> Figure:
    """Bars of what pieces of documents find by each kind of vectors, best on top; `table` is `choose`'s, best first."""
    shown = table.head(MOST_CHOICES).iloc[::-1].rename(columns={"score": "value"})
    figure, axis = plt.subplots(figsize=(6.4, 0.8 + 0.32 * len(shown)))
    colours = method_colours(shown["name"])
    _bars(axis, shown, [colours[name] for name in shown["name"]])
    axis.set(xlabel="mean reciprocal rank", title="Pieces of documents that find the rest, without labels")
    found = in_words(shown.iloc[::-1].set_index("name")["value"])
    return say(figure, "Mean reciprocal rank of the rest of a document, asked by pieces of it", found)


@styled
def tuning_curve(tuning: pd.DataFrame) -> Figure:
    """Share of held-out documents whose halves find each other, and below it the training loss, against minutes.

    `tuning`: the columns of a tuned model's `tuning`: step, tokens, minutes, train_loss, learning_rate, halves_found.
    """
    figure, (found, loss) = plt.subplots(2, 1, figsize=(6.4, 4), sharex=True, height_ratios=[3, 2])
    measured, losses = tuning.dropna(subset=["halves_found"]), tuning.dropna(subset=["train_loss"])
    said = []
    if len(measured):
        found.plot(
            measured["minutes"], measured["halves_found"], color=POOLING_COLOURS["mean"], marker="o", markersize=3.5
        )
        first, last = measured.iloc[0], measured.iloc[-1]
        label_ends(found, {f"{last['halves_found']:.0%}": (last["minutes"], last["halves_found"])})
        said.append(f"{first['halves_found']:.0%} find each other at first, {last['halves_found']:.0%} at the end")
    loss.plot(losses["minutes"], losses["train_loss"], color="#A0A0A0", linewidth=1)
    found.set(ylabel="halves found", ylim=(0, 1), title="Tuning: halves of held-out documents that find each other")
    loss.set(ylabel="loss", xlabel="minutes")
    return say(
        figure, "Share of held-out documents whose halves find each other, against minutes, above the loss", *said
    )


@styled
def confusion_map(table: pd.DataFrame, *, title: str = "Topics (rows) and clusters (columns)") -> Figure:
    """Heat map of `confusion`'s table: the share of each topic's documents in each cluster.

    Of more than MOST_TOPICS topics the largest are drawn, each with the cluster that holds most of it.
    """
    shares = table.div(table.sum(axis=1), axis=0)
    if len(table) > MOST_TOPICS:
        largest = np.sort(np.argsort(-table.sum(axis=1).to_numpy(), kind="stable")[:MOST_TOPICS])
        fullest = dict.fromkeys(shares.iloc[largest].to_numpy().argmax(axis=1).tolist())
        shares = shares.iloc[largest, list(fullest)]
        title = f"{title}: the {MOST_TOPICS} largest of {len(table)} topics"
    topics = [as_drawn(topic) for topic in shares.index]
    room = max(2.2, 1.3 + 0.06 * max(map(len, topics)))  # inches beside the cells, for the names and the colours
    figure, axis = plt.subplots(figsize=(room + 0.27 * shares.shape[1], 1.2 + 0.24 * shares.shape[0]))
    image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares.to_numpy()):
        if share >= 0.05:
            colour = "black" if share > 0.55 else "white"
            axis.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5, color=colour)
    axis.set_xticks(range(shares.shape[1]), shares.columns, fontsize=7)
    axis.set_yticks(range(shares.shape[0]), topics, fontsize=7)
    axis.set(title=title, xlabel="cluster")
    figure.colorbar(image, label="share of the topic", shrink=0.8)
    largest = in_words(
        {f"{as_named(topic)} in {shares.columns[row.argmax()]}": row.max() for topic, row in shares.iterrows()}
    )
    return say(figure, title, f"Largest share of a topic's documents in one cluster: {largest}")


@styled
def learning_curves(curve: pd.DataFrame) -> Figure:
    """Accuracy against training documents, with interval bands, a line per method; `curve` is `learning_curve`'s table."""
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    ends, colours = {}, method_colours(curve["method"])
    for i, (name, group) in enumerate(curve.groupby("method", sort=False)):
        baseline = name.split(" + ")[0] not in POOLING_COLOURS
        style = {"linestyle": "--" if baseline else "-", "marker": MARKERS[i % len(MARKERS)], "markersize": 4}
        axis.plot(group["n_train"], group["accuracy"], color=colours[name], linewidth=1.2, **style)
        band = {"color": colours[name], "alpha": 0.15, "linewidth": 0}
        axis.fill_between(group["n_train"], group["ci_low"], group["ci_high"], **band)
        ends[name] = (group["n_train"].iloc[-1], group["accuracy"].iloc[-1])
    axis.set(xscale="log", xlabel="training documents", ylabel="accuracy on the test split", title="Learning curve")
    plain_log_ticks(axis)
    label_ends(axis, ends, colours=colours)
    reached = in_words({name: accuracy for name, (_, accuracy) in ends.items()})
    return say(figure, "Accuracy on the test split against training documents", f"With all of them: {reached}")


@styled
def geometry_panel(table: pd.DataFrame, norms: pd.DataFrame, parts: pd.DataFrame | None = None) -> Figure:
    """Small panels from `geometry`'s `table` and `norms_by_length`'s `norms`, a bar or line per method.

    With `part_contributions`' `parts` a last panel shows what raw concat's distances are made of.
    """
    if table.empty:
        return nothing_measured("all documents have the same vector")
    figure, axes = plt.subplots(1, 4 if parts is None else 5, figsize=(12 if parts is None else 14.5, 2.9))
    titles = {
        "mean_cosine": ("mean cosine of random pairs", "cosine"),
        "effective_dimension": ("effective dimension", "dimensions"),
        "component_1_length_correlation": ("|correlation| of the first\ncomponent with length", "|Spearman|"),
    }
    colours, said = method_colours([*table["method"], *norms["method"]]), []
    for axis, (column, (title, ylabel)) in zip(axes, titles.items(), strict=False):
        bars = axis.bar(table["method"], table[column], color=[colours[name] for name in table["method"]])
        axis.bar_label(bars, fmt="{:.2f}" if column != "effective_dimension" else "{:.0f}", fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.set_ylabel(ylabel)
        axis.tick_params(axis="x", labelrotation=30 if len(table) > 4 else 0)
        axis.margins(y=0.12)
        said.append(f"{title}: {in_words(table.set_index('method')[column])}")
    ends = {}
    for name, group in norms.groupby("method", sort=False):
        axes[3].plot(group["length"], group["relative_norm"], color=colours[name], marker=".")
        ends[name] = (group["length"].iloc[-1], group["relative_norm"].iloc[-1])
    axes[3].set(xscale="log", xlabel="document length (tokens)", ylabel="norm / mean norm")
    axes[3].set_title("norm relative to its mean", fontsize=9)
    plain_log_ticks(axes[3])
    label_ends(axes[3], ends, colours=colours)
    said.append(f"norm of the longest documents / mean norm: {in_words({name: y for name, (_, y) in ends.items()})}")
    if parts is not None:
        bars = axes[4].bar(parts["part"], parts["share"], color=list(method_colours(parts["part"]).values()))
        axes[4].bar_label(bars, fmt="{:.0%}", fontsize=8)
        axes[4].set_title("share of each part in the\ndistances of raw concat", fontsize=9)
        axes[4].set_ylabel("share of squared distances")
        axes[4].margins(y=0.12)
        said.append(f"share in the distances of raw concat: {in_words(parts.set_index('part')['share'])}")
    return say(figure, "Bars about the geometry of the vectors", *said)

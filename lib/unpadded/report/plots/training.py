"""Pictures of how training went."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from unpadded.report.plots.palette import BASELINE_GREYS, INK, LINE_COLOURS, MARKERS, POOLING_COLOURS
from unpadded.report.plots.style import in_words, label_ends, say, styled

TICKS = (20, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 2_000, 5_000, 10_000, 20_000)


@styled
def perplexity_curves(curves: pd.DataFrame, published: Mapping[str, float] | None = None) -> Figure:
    """Validation perplexity, on a logarithmic scale, against minutes, a line a model.

    `curves` has the columns model, minutes and valid_perplexity; `published`, {"valid": 68.6, "test": 65.8} for the
    AWD-LSTM paper, is drawn as a horizontal line at the validation figure.
    """
    longest = curves["model"].str.len().max()
    figure, axis = plt.subplots(figsize=(max(6.4, 4.2 + 0.065 * longest), 4))  # inches; a name stands beside its line
    ends, colours = {}, {}
    for number, (name, group) in enumerate(curves.groupby("model", sort=False)):
        colour, marker = LINE_COLOURS[number % len(LINE_COLOURS)], MARKERS[number % len(MARKERS)]
        axis.plot(group["minutes"], group["valid_perplexity"], color=colour, marker=marker, markersize=3.5)
        last = group.iloc[-1]
        label = f"{name} ({last['valid_perplexity']:.0f})"
        ends[label], colours[label] = (last["minutes"], last["valid_perplexity"]), colour
    if published is not None:
        axis.axhline(published["valid"], color="#6B6B6B", linestyle="--", linewidth=0.9)
        words = f"AWD-LSTM paper, WikiText-2: {published['valid']} (test {published['test']})"
        at = {"xycoords": axis.get_yaxis_transform(), "xytext": (3, 3), "textcoords": "offset points"}
        axis.annotate(words, (0, published["valid"]), **at, fontsize=8, color="#6B6B6B")
    axis.set(yscale="log", xlabel="minutes of training", ylabel="validation perplexity", title="What a minute buys")
    low, high = axis.get_ylim()
    axis.set_yticks([tick for tick in TICKS if low <= tick <= high])
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())
    label_ends(axis, ends, colours=colours)
    reached = in_words(curves.groupby("model", sort=False)["valid_perplexity"].last())
    return say(figure, "Validation perplexity against minutes of training, a line a model", f"At the end: {reached}")


@styled
def recipe_points(table: pd.DataFrame, title: str) -> Figure:
    """V-measure and precision@10 of each trained model's mean and of each baseline, with intervals; a row each, best on top.

    `table` has the columns of `benchmarks/recipe.py`: point, pooling, v_measure, P@10, and for either metric a column
    "... interval" of the form "0.1 to 0.2". Dotted lines run up from the default, which is in mean pooling's colour.
    """
    baseline = table["point"] == "baselines"
    rows = table[baseline | (table["pooling"] == "mean")]
    rows = rows.assign(name=rows["point"].where(~baseline, rows["pooling"])).sort_values("P@10", kind="stable")
    places = np.arange(len(rows))
    colours = np.where(baseline[rows.index], BASELINE_GREYS[3], INK)
    colours[rows["name"] == "default"] = POOLING_COLOURS["mean"]
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 1.1 + 0.21 * len(rows)), sharey=True)
    for axis, (metric, words) in zip(axes, {"v_measure": "V-measure", "P@10": "precision@10"}.items(), strict=True):
        low, high = rows[f"{metric} interval"].str.split(" to ", expand=True).astype(float).to_numpy().T
        axis.hlines(places, low, high, color=colours, linewidth=1.2)
        axis.scatter(rows[metric], places, color=colours, s=22, zorder=3)
        for value in rows.loc[rows["name"] == "default", metric]:
            axis.axvline(value, color=POOLING_COLOURS["mean"], linestyle=":", linewidth=0.9, zorder=0)
        axis.set(xlabel=f"{words}, 95 % interval")
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(places, rows["name"])
    axes[0].set_title(title)
    v_measure, precision = (in_words(rows.set_index("name")[m]) for m in ("v_measure", "P@10"))
    return say(figure, title, f"V-measure: {v_measure}", f"Precision@10: {precision}")

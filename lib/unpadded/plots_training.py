"""Pictures of how training went."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from .plot_style import MARKERS, OTHER_COLOURS, POOLING_COLOURS, label_ends, styled

TICKS = (20, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 2_000, 5_000, 10_000, 20_000)
COLOURS = (POOLING_COLOURS["mean"], POOLING_COLOURS["last"], POOLING_COLOURS["max"], *OTHER_COLOURS)


@styled
def perplexity_curves(curves: pd.DataFrame, published: Mapping[str, float] | None = None) -> Figure:
    """Validation perplexity, on a logarithmic scale, against minutes, a line a model.

    `curves` has the columns model, minutes and valid_perplexity; `published`, {"valid": 68.6, "test": 65.8} for the
    AWD-LSTM paper, is drawn as a horizontal line at the validation figure.
    """
    figure, axis = plt.subplots(figsize=(6.4, 4))
    ends, colours = {}, {}
    for number, (name, group) in enumerate(curves.groupby("model", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        axis.plot(group["minutes"], group["valid_perplexity"], color=colour, marker=MARKERS[number], markersize=3.5)
        last = group.iloc[-1]
        label = f"{name} ({last['valid_perplexity']:.0f})"
        ends[label], colours[label] = (last["minutes"], last["valid_perplexity"]), colour
    if published is not None:
        axis.axhline(published["valid"], color="#6B6B6B", linestyle="--", linewidth=0.9)
        axis.annotate(
            f"AWD-LSTM paper, WikiText-2: {published['valid']} (test {published['test']})", (0, published["valid"]),
            xycoords=axis.get_yaxis_transform(), xytext=(3, 3), textcoords="offset points", fontsize=8, color="#6B6B6B",
        )  # fmt: skip
    axis.set(yscale="log", xlabel="minutes of training", ylabel="validation perplexity", title="What a minute buys")
    low, high = axis.get_ylim()
    axis.set_yticks([tick for tick in TICKS if low <= tick <= high])
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())
    label_ends(axis, ends, colours=colours)
    return figure

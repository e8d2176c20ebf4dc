"""Small multiples of what each parameter of a sweep does."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unpadded.common import InputError
from unpadded.report.plots.palette import FAINT, INK, POOLING_COLOURS
from unpadded.report.plots.style import in_words, say, styled


@styled
def effect_panels(effects: pd.DataFrame, metric: str) -> Figure:
    """A panel for each corpus (rows) and parameter (columns): the metric's mean under each level, with its interval.

    `effects` is the table of the sweeps' function `effects`. A row of panels shares its scale: the steeper, the stronger.
    Raises `InputError` where the table has no such metric.
    """
    rows = effects[effects["metric"] == metric]
    if rows.empty:
        raise InputError(
            f"metric: there are no effects on {metric!r}; there are on {', '.join(sorted(set(effects.metric)))}."
        )
    corpora, parameters = list(dict.fromkeys(rows["corpus"])), list(dict.fromkeys(rows["parameter"]))
    widths = [1 + 0.45 * rows[rows["parameter"] == parameter]["level"].nunique() for parameter in parameters]
    grid = {"sharey": "row", "squeeze": False, "width_ratios": widths}
    size = (1 + 1.25 * sum(widths), 0.6 + 2.3 * len(corpora))
    figure, axes = plt.subplots(len(corpora), len(parameters), figsize=size, **grid)
    for line, corpus in zip(axes, corpora, strict=True):
        for axis, parameter in zip(line, parameters, strict=True):
            _panel(axis, rows[(rows["corpus"] == corpus) & (rows["parameter"] == parameter)])
            axis.set_title(parameter if len(corpora) == 1 else f"{parameter}, {corpus}", fontsize=9)
        line[0].set_ylabel(metric)
    groups = rows.groupby(["corpus", "parameter"], sort=False)
    levels = [f"{name}, {corpus}: {in_words(part.set_index('level')['mean'])}" for (corpus, name), part in groups]
    return say(figure, f"Mean {metric} under each level", *levels)


def _panel(axis, rows: pd.DataFrame) -> None:
    places, means = np.arange(len(rows)), rows["mean"].to_numpy()
    numeric = all(isinstance(level, int | float | np.number) for level in rows["level"])
    if numeric:  # a line joins levels that have values between them
        axis.plot(places, means, color=FAINT, linewidth=1.5, zorder=1)
    for place, row in zip(places, rows.itertuples(), strict=True):
        colour = POOLING_COLOURS.get(str(row.level), INK)
        if np.isfinite(row.ci_low):
            axis.plot([place, place], [row.ci_low, row.ci_high], color=colour, linewidth=1.5)
        axis.plot(place, row.mean, "o", color=colour, markersize=5)
        axis.annotate(f"{row.mean:.3f}", (place, row.mean), xytext=(6, 3), textcoords="offset points", fontsize=7.5)
    names = [str(level) for level in rows["level"]]
    tilted = max(map(len, names), default=0) > 6
    axis.set_xticks(places, names, rotation=30 * tilted, ha="right" if tilted else "center")
    axis.set_xlim(-0.5, len(rows) - 0.3)
    axis.grid(axis="y", linewidth=0.5)

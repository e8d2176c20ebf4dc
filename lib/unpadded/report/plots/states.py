"""One document's hidden states over its words, and what each pooling takes of them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unpadded.report.plots.palette import INK, POOLING_COLOURS
from unpadded.report.plots.style import as_drawn, say, styled

WORD_LENGTH = 14  # characters of a token under the picture
LEGEND = {
    "last": "last: the state after the final token",
    "mean": "mean: every column counts alike",
    "max": "max: the largest value of each unit, wherever it stands",
}


@styled
def state_map(words: Sequence[str], states: np.ndarray, *, title: str = "", n_units: int = 16) -> Figure:
    """The units whose states differ most, a row each, over the tokens `words`; beside them last, mean and max of each row.

    `states`: float [n_tokens, width]. Rows stand in the order of the token at which they are largest.
    """
    rows = _most_alive(states, n_units)
    shown = states[:, rows].T
    pooled = np.stack([shown[:, -1], shown.mean(1), shown.max(1)], axis=1)
    tops, (n, n_tokens) = shown.argmax(1), shown.shape
    size = (1.8 + 0.24 * n_tokens + 1.4, 1.7 + 0.17 * n)
    widths = {"width_ratios": [max(n_tokens, 4), 4]}
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, gridspec_kw=widths)
    options = {"cmap": "PuOr_r", "vmin": -np.abs(shown).max(), "vmax": np.abs(shown).max(), "aspect": "auto"}
    left.imshow(shown, **options)
    right.imshow(pooled, **options)
    left.scatter(tops, range(n), marker="^", s=16, color=POOLING_COLOURS["max"], edgecolors="white", linewidths=0.4)
    corner = (n_tokens - 1.5, -0.5)
    left.add_patch(Rectangle(corner, 1, n, fill=False, edgecolor=POOLING_COLOURS["last"], linewidth=2, clip_on=False))
    left.plot([-0.5, n_tokens - 0.5], [n + 0.1] * 2, color=POOLING_COLOURS["mean"], linewidth=3, clip_on=False)
    left.set_ylim(n + 0.3, -0.6)
    left.set_xticks(range(n_tokens), [as_drawn(word, WORD_LENGTH) for word in words], rotation=90)
    left.set(title=title, yticks=[], ylabel=f"{n} of {states.shape[1]} units")
    right.set_xticks(range(3), list(LEGEND), rotation=90)
    for label in right.get_xticklabels():
        label.set(color=POOLING_COLOURS[label.get_text()], fontweight="bold")
    for axis in (left, right):
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    lines = [(meaning, POOLING_COLOURS[name]) for name, meaning in LEGEND.items()]
    for place, (meaning, colour) in enumerate(
        [*lines, ("a cell: one unit's value, orange above 0, violet below", INK)]
    ):
        figure.text(0.01, -0.01 - 0.19 * place / size[1], meaning, color=colour, fontsize=8.5, va="top")
    return say(figure, *_in_words(words, states, n))


def _most_alive(states: np.ndarray, n: int) -> np.ndarray:
    """The `n` units that vary most, in the order of the token at which they are largest."""
    some = np.argsort(-states.var(axis=0), kind="stable")[:n]
    return some[np.argsort(states[:, some].argmax(axis=0), kind="stable")]


def _in_words(words: Sequence[str], states: np.ndarray, n: int) -> list[str]:
    at_the_end = float((states.argmax(axis=0) == len(states) - 1).mean())
    beginning = " ".join(as_drawn(word, WORD_LENGTH) for word in words[:6])
    return [
        f"Heat map of {n} of the {states.shape[1]} units of the hidden state over the {len(words)} tokens of a document, "
        f"which begins: {beginning}",
        f"Last is the state after the final token, {as_drawn(words[-1], WORD_LENGTH)}; mean takes all of them alike",
        f"Max takes each unit's largest value: for {at_the_end:.0%} of the units that is at the final token",
    ]

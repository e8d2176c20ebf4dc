"""The style of every figure: direct labels, alternative text, and how a figure is saved."""

from __future__ import annotations

import functools
import io
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from unicodedata import category

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.optimize import isotonic_regression

from unpadded.common import atomic_write
from unpadded.common.glyphs import letter_drawn, make_legible
from unpadded.report.plots.palette import BASELINE_GREYS, DARKENED, INK, POOLING_COLOURS, STYLE

DPI = 192  # of a saved picture: two pixels for each of a page's 96 to the inch
NAME_LENGTH = 40  # characters of a topic's name in a figure: longer ones would leave no room for the picture
LONGEST_TEXT, MOST_VALUES = 900, 16  # characters of an alternative text, values in one list: a listener cannot skim


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: draw within the project's style, and leave the figure out of pyplot's list so it is shown only once."""

    @functools.wraps(function)
    def draw(*args, **kwargs) -> Figure:
        with plt.rc_context(STYLE), _without_glyph_warnings():
            figure = function(*args, **kwargs)
            figure.draw_without_rendering()  # the style is gone when a notebook draws it later, so lay it out now
            if make_legible(figure):
                figure.draw_without_rendering()
        plt.close(figure)
        return figure

    return draw


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    """A character that its font lacks is written out before the picture is kept; a warning of each would hide the output."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def as_named(name: object, at_most: int = NAME_LENGTH) -> str:
    """A name from the data in one line, cut with an ellipsis after `at_most` characters."""
    words = _in_line(name)
    return words if len(words) <= at_most else words[: at_most - 1] + "…"


def as_drawn(name: object, at_most: int = NAME_LENGTH) -> str:
    """The same as a figure shows it: what no font of this machine has is an escape, none of which is cut in two."""
    letters = [letter_drawn(letter) for letter in _in_line(name)]
    if sum(map(len, letters)) <= at_most:
        return "".join(letters)
    ends = [end for end in accumulate(map(len, letters)) if end < at_most]
    return "".join(letters[: len(ends)]) + "…"


def _in_line(name: object) -> str:
    words = " ".join(str(name).encode("utf-8", "replace").decode().split())
    return "".join("\N{REPLACEMENT CHARACTER}" if category(letter) == "Cc" else letter for letter in words)


def panel_grid(n: int, *, columns: int = 2, width: float, height: float, **options) -> tuple[Figure, list]:
    """A figure with `n` panels of that size in inches, at most `columns` side by side, and nothing in the places left over."""
    columns = max(1, min(n, columns))
    rows = max(1, -(-n // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options)
    for axis in axes.flat[n:]:
        axis.remove()
    return figure, list(axes.flat[:n])


def say(figure: Figure, *sentences: str) -> Figure:
    """Make the sentences (without full stops) the figure's alternative text, which is its label; return the figure."""
    words = " ".join(f"{sentence}." for sentence in sentences)
    figure.set_label(textwrap.shorten(words, LONGEST_TEXT, placeholder="…"))
    return figure


def in_words(values: Mapping[str, float] | pd.Series) -> str:
    """ "mean 0.6, last 0.12": names with their values, the largest first; what was not measured is left out."""
    found = sorted(((name, value) for name, value in values.items() if np.isfinite(value)), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {number_in_words(value)}" for name, value in found[:MOST_VALUES])


def number_in_words(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write the figure as PNG with a palette of 256 colours, a third of the size; it appears whole or not at all.

    Its alternative text (`say`) goes into the file's PNG text chunk "Description".
    """
    buffer, words = io.BytesIO(), PngInfo()
    words.add_itxt("Description", figure.get_label())
    with plt.rc_context({"text.parse_math": False}), _without_glyph_warnings():
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
    with Image.open(buffer) as drawn, atomic_write(Path(path)) as file:
        few = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(file, format="PNG", optimize=True, pnginfo=words)


def method_colours(names: Iterable[str]) -> dict[str, str]:
    """The fixed colour of each pooling ("mean", also "mean + l2"), the darker the more was done to the model's vectors
    ("lm_tuned mean", "lm_words mean"), and a grey for each other method in turn."""
    colours: dict[str, str] = {}
    for name in dict.fromkeys(names):
        kind, _, pooling = name.split(" + ")[0].rpartition(" ")
        if pooling in POOLING_COLOURS and kind in DARKENED:
            colours[name] = to_hex(DARKENED[kind] * np.array(to_rgb(POOLING_COLOURS[pooling]))).upper()
        else:
            used = sum(colour in BASELINE_GREYS for colour in colours.values())
            colours[name] = BASELINE_GREYS[used % len(BASELINE_GREYS)]
    return colours


def plain_log_ticks(axis) -> None:
    """At most five round numbers along a logarithmic x axis, written out instead of as powers."""
    low, high = axis.get_xlim()
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [digit * 10.0**e for e in exponents for digit in (1, 2, 5) if low <= digit * 10.0**e <= high]
    axis.set_xticks(ticks[:: -(-len(ticks) // 5) or 1])
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())


def label_ends(
    axis, ends: Mapping[str, tuple[float, float]], *, colours: Mapping[str, str] | None = None, lines: int = 1
) -> None:
    """Write each name (name -> data point) right of its line's end, in its colour, pushed apart so that none overlap."""
    scale = axis.yaxis.get_transform()  # distances are measured on paper, also where the axis is logarithmic
    low, high = scale.transform(np.array(axis.get_ylim()))
    height = axis.get_window_extent().height * 72 / axis.figure.dpi  # points
    step = 10.0 * lines * (high - low) / max(height, 1)
    order = sorted(ends, key=lambda name: ends[name][1])
    gaps = step * np.arange(len(order))  # least squares with a smallest gap is isotonic regression of what is left
    heights = scale.transform(np.array([float(ends[name][1]) for name in order]))
    places = scale.inverted().transform(isotonic_regression(heights - gaps).x + gaps)
    for name, place in zip(order, places, strict=True):
        at = {"xycoords": axis.get_yaxis_transform(), "xytext": (5, 0), "textcoords": "offset points"}
        colour = (colours or {}).get(name, INK)
        axis.annotate(name, (1, place), **at, va="center", fontsize=8, color=colour, annotation_clip=False)

"""The words that stand for a figure where it cannot be seen."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

LONGEST = 600  # characters; a listener cannot skim
MOST_BARS = 16


def describe(figure: Figure) -> str:
    """One paragraph: each panel's title, axes, and what is written in it; bars are read out with their values."""
    title = figure.get_suptitle()
    panels = [words for axes in figure.axes if (words := _describe_axes(axes))]
    text = " ".join([f"{title}." if title else "", *(f"{panel}." for panel in panels)])
    text = " ".join(text.replace("..", ".").split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0] + "…"


def _describe_axes(axes: Axes) -> str:
    if axes.get_label() == "<colorbar>":
        return f"Colour: {axes.get_ylabel()}" if axes.get_ylabel() else ""
    title = axes.get_title(loc="left") or axes.get_title()
    parts = [title]
    for name, label in (("across", axes.get_xlabel()), ("up", axes.get_ylabel())):
        parts += [f"{name}: {label}"] if label and label != title else []
    bars = _bars(axes)
    parts += [bars] if bars else []
    written = [] if bars else [text.get_text() for text in axes.texts if text.get_visible()]
    names = [word for word in written if word.strip() and not _is_number(word)]
    parts += [f"named: {', '.join(names)}"] if names else []
    return " ".join("; ".join(part for part in parts if part).split())


def _bars(axes: Axes) -> str:
    """Names and lengths of horizontal or upright bars, longest first."""
    found = []
    for container in (c for c in axes.containers if isinstance(c, BarContainer)):
        lies = container.orientation == "horizontal"
        names = [label.get_text() for label in (axes.get_yticklabels() if lies else axes.get_xticklabels())]
        values = [patch.get_width() if lies else patch.get_height() for patch in container.patches]
        found += list(zip(names, values, strict=False)) if len(names) == len(values) else []
    found = sorted(found, key=lambda pair: -pair[1])[:MOST_BARS]
    return ", ".join(f"{name} {value:.3g}" for name, value in found)


def _is_number(word: str) -> bool:
    try:
        float(word.strip().rstrip("%"))
    except ValueError:
        return False
    return True

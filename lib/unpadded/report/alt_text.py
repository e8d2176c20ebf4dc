"""The words that stand for a figure where it cannot be seen."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Annotation

LONGEST = 900  # characters; a listener cannot skim
MOST_BARS = 16


def describe(figure: Figure) -> str:
    """One paragraph: each panel's title, axes, and what it shows: bars with their values, lines with those at their ends,
    other marks with the value written at them; and what else is written in it."""
    title = figure.get_suptitle()
    labels = [text for axes in figure.axes for text in axes.texts if text.get_label()]
    names = {text.get_color(): text.get_text() for text in labels}  # of lines in panels that do not name them again
    panels = [words for axes in figure.axes if (words := _describe_axes(axes, names))]
    text = " ".join([f"{title}." if title else "", *(f"{panel}." for panel in panels)])
    text = " ".join(text.replace("..", ".").split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0] + "…"


def _describe_axes(axes: Axes, names_of_lines: dict[str, str]) -> str:
    if axes.get_label() == "<colorbar>":
        return f"Colour: {axes.get_ylabel()}" if axes.get_ylabel() else ""
    title = axes.get_title(loc="left") or axes.get_title()
    parts = [title]
    for name, label in (("across", axes.get_xlabel()), ("up", axes.get_ylabel())):
        parts += [f"{name}: {label}"] if label and label != title else []
    bars, ends, marks = _bars(axes), _ends(axes, names_of_lines), _marks(axes)
    parts += [bars or marks] if bars or marks else []
    parts += [f"at the end: {ends}"] if ends else []
    written = [] if bars else [text.get_text() for text in axes.texts if text.get_visible() and not text.get_label()]
    names = [word for word in written if word.strip() and not _is_number(word)]
    parts += [f"named: {', '.join(names)}"] if names else []
    return " ".join("; ".join(part for part in parts if part).split())


def _bars(axes: Axes) -> str:
    """Names and lengths of horizontal or upright bars, longest first."""
    found = []
    for container in (c for c in axes.containers if isinstance(c, BarContainer)):
        lies = container.orientation == "horizontal"
        names = [label.get_text() for label in (axes.get_yticklabels() if lies else axes.get_xticklabels())]
        series = container.get_label()  # of several bars at each name
        names = names if series.startswith("_") else [f"{series}, {name}" for name in names]
        values = [patch.get_width() if lies else patch.get_height() for patch in container.patches]
        found += list(zip(names, values, strict=False)) if len(names) == len(values) else []
    found = sorted(found, key=lambda pair: -pair[1])[:MOST_BARS]
    return ", ".join(f"{name} {value:.3g}" for name, value in found)


def _ends(axes: Axes, names: dict[str, str]) -> str:
    """Lines with the value at their end: those that `plot_style.label_ends` names, else by legend or colour (`names`)."""
    found = [(text.get_text(), float(text.get_label())) for text in axes.texts if text.get_label()]
    for line in axes.get_lines() if not found else ():
        label, values = line.get_label(), np.asarray(line.get_ydata(), float)
        name = names.get(line.get_color(), "") if label.startswith("_") else label
        values = values[np.isfinite(values)]
        if name and len(values) and len(line.get_xdata()) > 1 and line.get_linestyle() != "None":
            found.append((name, values[-1]))
    return ", ".join(name if _says(name, value) else f"{name} {value:.3g}" for name, value in found)


def _says(name: str, value: float) -> bool:
    """Whether the value is part of the name already, as in "validation 4.86" or "model (130)"."""
    return f"{value:.2f}" in name or f"({value:.0f})" in name


def _marks(axes: Axes) -> str:
    """Numbers written at marks above named places of the horizontal axis."""
    names = dict(zip(axes.get_xticks(), (label.get_text() for label in axes.get_xticklabels()), strict=False))
    numbers = [text for text in axes.texts if isinstance(text, Annotation) and _is_number(text.get_text())]
    return ", ".join(f"{names[text.xy[0]]} {text.get_text()}" for text in numbers if names.get(text.xy[0]))


def _is_number(word: str) -> bool:
    try:
        float(word.strip().rstrip("%"))
    except ValueError:
        return False
    return True

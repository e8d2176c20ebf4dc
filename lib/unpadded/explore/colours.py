"""Any column as colours: categories by their own, numbers and dates by a sequential scale in few steps, with counts."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex

from unpadded.report import topic_colours

STEPS = 7  # of a sequential scale
MOST_CATEGORIES = 20  # that have a colour of their own; the rest is one more
MISSING, OTHER = "missing", "other"
GREY = "#a6a6a6"


class Colouring(NamedTuple):
    """A name for each document, and the colour of each name in the order of the legend."""

    names: pd.Series  # of strings
    colours: dict[str, str]  # name -> hexadecimal colour

    @property
    def counts(self) -> dict[str, int]:
        """How many documents each name of the legend has."""
        found = self.names.value_counts().to_dict()
        return {name: int(found.get(name, 0)) for name in self.colours}


def colouring(values: pd.Series) -> Colouring:
    """Colours for a column: float64 and datetime64 in STEPS of about as many documents, strings by category.

    A value that is missing or infinite is grey; so are categories beyond the MOST_CATEGORIES most frequent, as OTHER.
    """
    return _of_categories(values) if kind_of(values) == "category" else _of_steps(values)


def kind_of(values: pd.Series) -> str:
    """ "number", "date" or "category"."""
    return {"f": "number", "i": "number", "u": "number", "M": "date"}.get(values.dtype.kind, "category")


def is_telling(values: pd.Series) -> bool:
    """Whether there is something to see: two values that differ, and, of categories, one that two documents share."""
    different = values.dropna().nunique()
    return different > 1 and (kind_of(values) != "category" or different < values.notna().sum())


def as_text(value: float | pd.Timestamp | str) -> str:
    """A value as a legend shows it: numbers to four digits, dates without a time of day that is midnight."""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, str):
        return value
    number = float(value) + 0.0  # so that -0 is 0
    return f"{number:,.0f}" if number.is_integer() and abs(number) >= 1000 else f"{number:.4g}"


def _of_categories(values: pd.Series) -> Colouring:
    counts = values.value_counts()
    own = sorted(map(str, counts.index[:MOST_CATEGORIES]))
    n_others = max(0, len(counts) - MOST_CATEGORIES)
    others = f"{OTHER} ({n_others:,} values)"
    names = values.where(values.isna() | values.isin(own), others).fillna(MISSING).astype(str)
    colours = {name: to_hex(colour) for name, colour in topic_colours(own).items()}
    return Colouring(names, colours | _greys(names, others if n_others else None))


def _of_steps(values: pd.Series) -> Colouring:
    finite = values.where(np.isfinite(values)) if values.dtype.kind == "f" else values
    different = np.sort(finite.dropna().unique())
    if len(different) <= STEPS:
        names = finite.map(as_text, na_action="ignore")
        ordered = list(dict.fromkeys(as_text(value) for value in pd.Series(different)))
    else:
        steps, ends = pd.qcut(finite, STEPS, labels=False, retbins=True, duplicates="drop")
        shown = [as_text(end) for end in pd.Series(ends)]
        labels = [f"{low} to {high}" for low, high in pairwise(shown)]
        names, ordered = steps.map(lambda step: labels[int(step)], na_action="ignore"), list(dict.fromkeys(labels))
    scale = colormaps["viridis"](np.linspace(0, 0.95, max(len(ordered), 2)))
    colours = {name: to_hex(colour) for name, colour in zip(ordered, scale, strict=False)}
    names = names.astype(object).fillna(MISSING).astype(str)
    return Colouring(names, colours | _greys(names, None))


def _greys(names: pd.Series, others: str | None) -> dict[str, str]:
    return {name: GREY for name in (others, MISSING) if name is not None and (names == name).any()}

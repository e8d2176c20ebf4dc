"""Any column as colours: categories by their own, numbers and dates by a sequential scale in few steps, with counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    names: pd.Series  # categories: codes are counted and drawn, not a hundred thousand strings
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
    codes, different = pd.factorize(values)  # -1: missing
    frequent = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(different)), kind="stable")[:MOST_CATEGORIES]
    own = {int(code): str(different[code]) for code in frequent}
    n_others = len(different) - len(own)
    others = f"{OTHER} ({n_others:,} values)"
    colours = {name: to_hex(colour) for name, colour in topic_colours(sorted(own.values())).items()}
    names = [*(own.get(code, others) for code in range(len(different))), MISSING]
    return _named(codes, names, colours, values.index)


def _of_steps(values: pd.Series) -> Colouring:
    finite = values.where(np.isfinite(values)) if values.dtype.kind == "f" else values
    different = np.sort(finite.dropna().unique())
    if len(different) <= STEPS:
        codes = np.where(finite.isna(), -1, np.searchsorted(different, finite.to_numpy()))
        names = [as_text(value) for value in pd.Series(different)]
    else:
        steps, ends = pd.qcut(finite, STEPS, labels=False, retbins=True, duplicates="drop")
        codes = steps.fillna(-1).to_numpy(int)
        names = [f"{low} to {high}" for low, high in pairwise(as_text(end) for end in pd.Series(ends))]
    ordered = list(dict.fromkeys(names))
    scale = colormaps["viridis"](np.linspace(0, 0.95, max(len(ordered), 2)))
    colours = {name: to_hex(colour) for name, colour in zip(ordered, scale, strict=False)}
    return _named(codes, [*names, MISSING], colours, values.index)


def _named(codes: np.ndarray, names: Sequence[str], colours: Mapping[str, str], index: pd.Index) -> Colouring:
    """`names` by code (the last for -1) as categories, two of one name as one; those without a colour are grey."""
    used = np.bincount(codes % len(names), minlength=len(names)) > 0
    found = dict(colours) | {
        name: GREY for name, is_used in zip(names, used, strict=True) if is_used and name not in colours
    }
    places = {name: place for place, name in enumerate(found)}
    by_code = np.array([places.get(name, -1) for name in names])
    return Colouring(pd.Series(pd.Categorical.from_codes(by_code[codes], list(found)), index=index), found)

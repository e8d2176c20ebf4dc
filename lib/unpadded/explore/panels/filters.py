"""Filters: by ranges of numbers and dates, by categories with their counts, by words of a text; together they are and-ed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as widgets
import numpy as np
import pandas as pd

from unpadded.explore import render
from unpadded.explore.colours import MISSING, as_text, kind_of
from unpadded.explore.quiet import WRAPPED

NONE = "no column"
MOST_LISTED = 300  # categories
STOPS = 200  # of a range of dates or numbers, at most


class FilterPanel:
    """One control for each column of a table, of which the chosen one is shown; all that are set hold at once.

    `columns`: name -> float64, datetime64 or strings, a value a document. `then` is called when `kept`, bool
    [n_documents], has changed.
    """

    def __init__(self, columns: Mapping[str, pd.Series], *, n_documents: int, then: Callable[[], None]):
        self._columns, self._then, self._n = columns, then, n_documents
        self._controls: dict[str, widgets.Widget] = {}
        self._kept: dict[str, np.ndarray] = {}
        self.column = widgets.Dropdown(options=[NONE, *columns], description="Filter by")
        self.clear = widgets.Button(description="Clear filters")
        self._box, self._about = widgets.VBox(), widgets.HTML()
        self.column.observe(lambda change: self._show(change["new"]), names="value")
        self.clear.on_click(lambda _: self.reset())
        self.widget = widgets.VBox([widgets.HBox([self.column, self.clear], layout=WRAPPED), self._box, self._about])
        self._say()

    @property
    def kept(self) -> np.ndarray:
        """Which documents every filter keeps, bool [n_documents]."""
        return np.logical_and.reduce([np.ones(self._n, bool), *self._kept.values()])

    @property
    def active(self) -> bool:
        """Whether anything is filtered."""
        return bool(self._kept)

    def control(self, name: str) -> widgets.Widget:
        """The control of a column: a range of numbers or dates, a list of categories, or a line for words."""
        if name not in self._controls:
            values = self._columns[name]
            make = _categories if kind_of(values) == "category" else _range
            self._controls[name] = control = make(values)
            control.observe(lambda _: self._changed(name), names="value")
        return self._controls[name]

    def reset(self) -> None:
        """Filter nothing."""
        self._controls, self._kept = {}, {}
        self._show(self.column.value)
        self._say()
        self._then()

    def _show(self, name: str) -> None:
        self._box.children = [] if name == NONE else [self.control(name)]

    def _changed(self, name: str) -> None:
        mask = _mask(self._columns[name], self._controls[name])
        self._kept.pop(name, None)
        if mask is not None:
            self._kept[name] = mask
        self._say()
        self._then()

    def _say(self) -> None:
        shown = (
            f"{int(self.kept.sum()):,} of {self._n:,} documents pass: {', '.join(self._kept)}" if self.active else ""
        )
        self._about.value = f'<b class="unpadded-filtered">{render.escape(shown)}</b>' if shown else ""


def _range(values: pd.Series) -> widgets.SelectionRangeSlider:
    """A range whose stops are values that are there, so that as many documents lie between any two."""
    different = np.sort(values.dropna().unique())
    stops = different[np.unique(np.linspace(0, len(different) - 1, min(STOPS, len(different))).round().astype(int))]
    options = [(as_text(stop), place) for place, stop in enumerate(pd.Series(stops))]
    slider = widgets.SelectionRangeSlider(
        options=options, index=(0, len(options) - 1), continuous_update=False, layout={"width": "100%"}
    )
    slider.stops = stops
    return slider


def _categories(values: pd.Series) -> widgets.Widget:
    counts = values.fillna(MISSING).astype(str).value_counts()
    if len(counts) > MOST_LISTED or counts.max() < 2:
        return widgets.Text(placeholder="words that the value holds; Enter", continuous_update=False)
    options = [(f"{name} ({count:,})", name) for name, count in counts.items()]
    return widgets.SelectMultiple(options=options, rows=min(8, len(options)), layout={"width": "100%"})


def _mask(values: pd.Series, control: widgets.Widget) -> np.ndarray | None:
    """What the control keeps, bool [n_documents]; None where that is everything."""
    if isinstance(control, widgets.SelectionRangeSlider):
        low, high = control.index
        if (low, high) == (0, len(control.stops) - 1):
            return None
        return values.between(control.stops[low], control.stops[high]).to_numpy()
    if not control.value:
        return None
    names = values.fillna(MISSING).astype(str)
    if isinstance(control, widgets.Text):
        return names.str.contains(control.value, case=False, regex=False).to_numpy(bool)
    return names.isin(control.value).to_numpy()

"""Linked maps: one scatter plot a pooling, in which the same documents are selected and pointed at together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets
import jscatter
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba

from unpadded.explore import render
from unpadded.explore.data import Explorable
from unpadded.explore.panels.colours import ColourPanel, named_columns
from unpadded.explore.panels.density import DensityPanel
from unpadded.explore.panels.filters import FilterPanel
from unpadded.explore.panels.moving import FewWhileMoving
from unpadded.explore.panels.names import NamePanel
from unpadded.explore.panels.selection import SelectionPanel
from unpadded.explore.panels.theme import LIGHT, Theme
from unpadded.explore.panels.wheel import MAP_CLASS, WheelGuard
from unpadded.explore.quiet import WRAPPED, Quiet
from unpadded.report import limits_without_outliers, poolings_of

HEIGHT = 340  # pixels of one map
MOST_LISTED = 500  # documents of a selection in the list
RETICLE = 0.12  # opacity of the lines through a document that is pointed at
POINT_SIZES = ((5_000, 5), (20_000, 3), (50_000, 2))  # up to so many documents: pixels of a point; beyond, one


class MapPanel(Quiet):
    """The maps of an opened corpus with their colours, the selection and its list.

    `on_document` is called with the row of a document that was clicked, or chosen in the list. `selected` gives the rows
    selected; `select(rows)` selects those of them that are on the maps. `chosen` gives the rows that are taken along.
    """

    def __init__(self, data: Explorable, *, on_document: Callable[[int], None]):
        self.data, self._on_document = data, on_document
        self.points = _without_outliers(data.maps.reset_index(drop=True))
        self._positions = pd.Series(self.points.index, index=self.points["row"])
        self.scatters = {pooling: self._scatter(pooling) for pooling in poolings_of(self.points)}
        self.colours = ColourPanel(data, self.points, self.scatters)
        self.names = NamePanel(data, self.points, self.scatters)
        self.density = DensityPanel(self.points, self.scatters)
        self.filters = FilterPanel(_filterable(data), n_documents=len(data), then=self._filter)
        self.taken = SelectionPanel(data, rows=lambda: self.chosen)
        self.clear = widgets.Button(description="Clear selection")
        self._summary = widgets.HTML()
        self.list = widgets.Select(rows=6, layout={"width": "100%", "display": "none"})
        self.list.observe(self._chosen, names="value")
        self.clear.on_click(lambda _: self.select([]))
        self._show_selection(np.empty(0, int))
        self.theme = Theme()
        self.theme.observe(lambda _: self._paint(), names="dark")
        menus = [self.colours.colour, self.colours.alone, self.names.kind, self.density.shown, self.clear]
        above = [widgets.HBox(menus, layout=WRAPPED), self.colours.legend, self.filters.widget]
        below = [self._summary, self.list, self.taken.widget]
        self.widget = widgets.VBox([WheelGuard(), self.theme, *above, self._grid(), *below])

    @property
    def selected(self) -> np.ndarray:
        """Rows of the selected documents in the corpus, int64."""
        positions = next(iter(self.scatters.values())).widget.selection
        return self.points["row"].to_numpy()[_as_positions(positions)]

    @property
    def chosen(self) -> np.ndarray:
        """Rows of the documents that are selected and pass the filters; where none is selected, of all that pass a filter."""
        selected, kept = self.selected, self.filters.kept
        if len(selected):
            return selected[kept[selected]]
        return np.flatnonzero(kept) if self.filters.active else np.empty(0, int)

    def select(self, rows: Sequence[int]) -> None:
        """Select the documents at `rows` of the corpus on every map; those that are not on the maps are left out."""
        found = self._positions.reindex(rows).dropna().to_numpy(int)
        self._link("selection", found, None)
        self._show_selection(found)

    def _scatter(self, pooling: str) -> jscatter.Scatter:
        scatter = jscatter.Scatter(data=self.points, x=f"{pooling}_x", y=f"{pooling}_y", height=HEIGHT, axes=False)
        scatter.mouse("lasso")
        scatter.size(default=point_size(len(self.points)))
        scatter.opacity(unselected=0.12)
        scatter.color(selected=LIGHT.ink, hover=LIGHT.ink)
        scatter.tooltip(True, properties=["title", "topic", "tokens"], histograms=False, preview="beginning")
        for name, then in (("selection", self._show_selection), ("hovering", None)):
            scatter.widget.observe(lambda change, name=name, then=then: self._changed(name, change, then), names=name)
        return scatter

    def _changed(self, name: str, change: dict, then: Callable | None) -> None:
        """One map has a new selection (or document pointed at): give it to the others, once."""
        if self._busy:
            return
        value = _as_positions(change["new"]) if name == "selection" else change["new"]
        self._link(name, value, change["owner"])
        if then is not None:
            then(value)

    def _link(self, name: str, value, source) -> None:
        with self._quietly():
            for scatter in self.scatters.values():
                if scatter.widget is not source:
                    setattr(scatter.widget, name, value.astype(np.uint32) if name == "selection" else value)

    def _show_selection(self, positions: np.ndarray) -> None:
        points = self.points.iloc[positions]
        self._summary.value = render.selection(points, n_documents=len(self.points))
        listed = points.head(MOST_LISTED)
        options = [(f"{p.title} · {p.topic}" if p.topic else p.title, int(p.row)) for p in listed.itertuples()]
        with self._quietly():
            self.list.options = [("choose one to see what is near it", -1), *options]
            self.list.value = -1
        self.list.layout.display = "" if options else "none"
        if len(points) == 1:
            self._on_document(int(points["row"].iloc[0]))

    def _chosen(self, change: dict) -> None:
        if not self._busy and change["new"] is not None and change["new"] >= 0:
            self._on_document(change["new"])

    def _paint(self) -> None:
        """Draw the maps on the paper of the page's theme."""
        paper = self.theme.paper
        for scatter in self.scatters.values():
            # Not `scatter.background`: that sets the colours of axes and legend too, and the page shows both whenever it hears
            # of those, wanted or not.
            scatter.widget.background_color = list(to_rgba(paper.background))
            scatter.widget.tooltip_color = list(to_rgba(paper.tip))
            scatter.widget.reticle_color = list(to_rgba(paper.ink, RETICLE))
            scatter.color(selected=paper.ink, hover=paper.ink)
        self.names.paint(paper)
        self.density.paint(paper)

    def _filter(self) -> None:
        """Show on the maps what passes the filters."""
        kept = self.filters.kept[self.points["row"].to_numpy()]
        shown = np.flatnonzero(kept) if self.filters.active else None
        for scatter in self.scatters.values():
            scatter.filter(shown)

    def _grid(self) -> widgets.GridBox:
        cells = []
        for pooling, scatter in self.scatters.items():
            name = widgets.HTML(f'<b style="font-size:1.05em">{pooling}</b>')
            over = [self.names.in_view[pooling], FewWhileMoving()]
            cell = widgets.VBox([name, scatter.widget, *over], layout={"min_width": "0"})
            cell.add_class(MAP_CLASS)
            cells.append(cell)
        columns = "repeat(auto-fit, minmax(min(420px, 100%), 1fr))"  # two beside each other, four on a wide screen
        return widgets.GridBox(cells, layout={"grid_template_columns": columns, "grid_gap": "6px", "width": "100%"})


def point_size(n_documents: int) -> int:
    """Pixels of a document's point on the whole map: many small ones are told apart, and drawn in half the time."""
    return next((size for most, size in POINT_SIZES if n_documents <= most), 1)


def _filterable(data: Explorable) -> dict[str, pd.Series]:
    """What documents can be filtered by: their topic, their length, and the columns of the corpus's file."""
    topics = {} if data.corpus.labels is None else {"topic": pd.Series(data.corpus.labels, dtype=object)}
    return topics | {"tokens": pd.Series(np.asarray(data.tokens.lengths, float))} | named_columns(data)


def _without_outliers(points: pd.DataFrame) -> pd.DataFrame:
    """The map table with the documents that lie far from the others drawn at the map's edge."""
    points = points.copy()
    for name in (f"{pooling}_{axis}" for pooling in poolings_of(points) for axis in "xy"):
        points[name] = points[name].clip(*limits_without_outliers(points[name]))
    return points


def _as_positions(selection) -> np.ndarray:
    return np.empty(0, int) if selection is None else np.asarray(selection, dtype=int).ravel()

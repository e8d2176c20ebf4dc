"""What a choice changes, document by document: on the maps as colours, in numbers, and as a list of the most changed."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
import pandas as pd

from unpadded.common import InputError
from unpadded.explore import render
from unpadded.explore.changes import NEIGHBOURS, by_quarter, comparisons, reasons
from unpadded.explore.data import Explorable
from unpadded.explore.quiet import WRAPPED
from unpadded.report import title_and_beginning

MOST_LISTED = 100


class ChangePanel:
    """A menu of choices; `compare()` computes the one chosen, colours the maps by it and lists the most changed documents.

    `colour` is called with a name and the share changed of each document (NaN where it was not measured), `on_document` with
    the row of one that was chosen in the list.
    """

    def __init__(
        self, data: Explorable, *, colour: Callable[[str, pd.Series], None], on_document: Callable[[int], None]
    ):
        self._data, self._colour, self._on_document = data, colour, on_document
        self._choices = comparisons(data)
        self.choice = widgets.Dropdown(options=list(self._choices), description="Choice", layout={"width": "32em"})
        self.button = widgets.Button(description="Show the changes", button_style="primary")
        self.result = widgets.HTML()
        self.list = widgets.Select(rows=8, layout={"width": "100%", "display": "none"})
        self.button.on_click(lambda _: self.compare())
        self.list.observe(self._chosen, names="value")
        self.widget = widgets.VBox([widgets.HBox([self.choice, self.button], layout=WRAPPED), self.result, self.list])
        self.table = pd.DataFrame()

    def compare(self) -> None:
        """Compute what the choice changes and show it; `table` keeps it, the most changed first."""
        name = self.choice.value
        self.result.value = "Comparing the neighbours of every document ..."
        try:
            table = self._choices[name](self._data)
        except InputError as error:
            self.result.value = render.problem(error)
            return
        quarters = {column: by_quarter(table, column) for column in reasons(table)}
        self.result.value = render.changes(name, table, reasons(table), quarters, k=NEIGHBOURS)
        self._colour(f"changed: {name}", table["changed"])
        self.table = table.dropna(subset=["changed"]).sort_values("changed", ascending=False, kind="stable")
        self._list()

    def _list(self) -> None:
        texts, ids = self._data.corpus.texts, self._data.corpus.ids
        options = [
            (
                f"{row.changed:.0%} · {row.tokens:,} tokens · {title_and_beginning(texts[place])[0]} · {ids[place]}",
                place,
            )
            for place, row in zip(self.table.index.tolist(), self.table.itertuples(), strict=True)
        ]
        self.list.options = [("the most changed; choose one to see what is near it", -1), *options[:MOST_LISTED]]
        self.list.value = -1
        self.list.layout.display = ""

    def _chosen(self, change: dict) -> None:
        if change["new"] is not None and change["new"] >= 0:
            self._on_document(change["new"])

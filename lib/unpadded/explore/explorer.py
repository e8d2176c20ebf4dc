"""The explorer: choose a run and a corpus, and every panel follows."""

from __future__ import annotations

import os
from pathlib import Path

import ipywidgets as widgets
import pandas as pd

from unpadded.common import InputError
from unpadded.explore import render
from unpadded.explore.data import Explorable, corpora_of, explorable_runs
from unpadded.explore.panels.changes import ChangePanel
from unpadded.explore.panels.maps import MapPanel
from unpadded.explore.panels.neighbours import NeighbourPanel
from unpadded.explore.panels.pairs import PairPanel
from unpadded.explore.quiet import WRAPPED, Quiet
from unpadded.explore.selection import selection_frame


class Explorer(Quiet):
    """The widgets of `explore.ipynb`: `chooser`, `maps`, `neighbours`, `pairs` and `changes`, each for a cell of its own.

    `run` is the folder of a run; without one, the largest below `outputs`. Raises `InputError` where there is none.
    """

    def __init__(self, run: str | os.PathLike = "", *, corpus: str = "", outputs: str | os.PathLike = "../outputs"):
        runs = explorable_runs(outputs)
        if run:
            runs = [Path(run), *(other for other in runs if other.resolve() != Path(run).resolve())]
        if not runs:
            where = os.path.abspath(outputs)
            raise InputError(f"{where} holds no run to explore: make one with 'make lab' or 'unpadded run'.")
        self.run = widgets.Dropdown(options=[(path.name, path) for path in runs], description="Run")
        self.corpus = widgets.Dropdown(description="Corpus")
        self._about = widgets.HTML()
        boxes = (widgets.VBox(layout={"width": "100%"}) for _ in range(4))
        self.maps, self.neighbours, self.pairs, self.changes = boxes
        self.chooser = widgets.VBox([widgets.HBox([self.run, self.corpus], layout=WRAPPED), self._about])
        self.panels: dict[str, MapPanel | NeighbourPanel | PairPanel | ChangePanel] = {}
        self._choose_run(corpus)
        self.run.observe(lambda _: self._choose_run(), names="value")
        self.corpus.observe(lambda _: self._open(), names="value")

    @property
    def selection(self) -> pd.DataFrame:
        """What is selected on the maps, or else passes the filters: id, text, label, split and the file's own columns."""
        maps = self.panels.get("maps")
        return pd.DataFrame() if maps is None else selection_frame(maps.data, maps.chosen)

    def _choose_run(self, corpus: str = "") -> None:
        names = corpora_of(self.run.value)
        with self._quietly():  # a new list of corpora changes the choice, more than once
            self.corpus.options = names
            self.corpus.value = corpus or names[0]
        self._open()

    def _open(self) -> None:
        """Open what is chosen and fill every panel; what cannot be opened is said where it was chosen."""
        if self._busy:
            return
        self._about.value = "Opening ..."
        try:
            data = Explorable.open(self.run.value, self.corpus.value)
        except InputError as error:
            self._about.value = render.problem(error)
            for box in (self.maps, self.neighbours, self.pairs, self.changes):
                box.children = []  # of what was open before
            return
        near = NeighbourPanel(data, show=lambda rows: self.panels["maps"].select(rows))
        maps, pairs = MapPanel(data, on_document=near.ask_document), PairPanel(data)
        changes = ChangePanel(data, colour=maps.colours.colour_by, on_document=near.ask_document)
        self.panels = {"neighbours": near, "maps": maps, "pairs": pairs, "changes": changes}
        for name, panel in self.panels.items():
            getattr(self, name).children = [panel.widget]
        self._about.value = f"{len(data):,} documents, {len(data.maps):,} of them on the maps; {render.escape(data.lm)}"

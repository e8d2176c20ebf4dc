"""How the maps are coloured: by topic, by any column, by length, by cluster, or by what another panel found out."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets
import jscatter
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from sklearn.cluster import KMeans

from unpadded.explore import render
from unpadded.explore.changes import pooled
from unpadded.explore.colours import GREY, Colouring, colouring, is_telling
from unpadded.explore.data import Explorable
from unpadded.explore.quiet import Quiet
from unpadded.report import sample_documents, topic_colours

N_CLUSTERS = 12  # where no topics say how many there are
MOST_LEARNED = 3_000  # documents that clusters are learned from
TOPIC, LENGTH, CLUSTER = "topic", "length (tokens, logarithmic)", "cluster of "
ALL = "all together"
COLOUR = "colour: "  # before a colouring's name in the table of the maps, where no column of that name can be


class ColourPanel(Quiet):
    """Menus for the colours of the maps and for one of their names against the rest, and the legend.

    `points` is the table that the `scatters` draw; it gets a column for each colouring. `colour_by` adds one.
    """

    def __init__(self, data: Explorable, points: pd.DataFrame, scatters: Mapping[str, jscatter.Scatter]):
        self._data, self._points, self._scatters = data, points, scatters
        self._columns = {name: values for name, values in named_columns(data).items() if is_telling(values)}
        self._extra: dict[str, pd.Series] = {}
        self._made: dict[str, Colouring] = {}
        self._shown: Colouring | None = None
        self.colour = widgets.Dropdown(options=self._names(), description="Colour")
        self.alone = widgets.Dropdown(options=[ALL], description="Show")
        self.legend = widgets.HTML()
        self.colour.observe(lambda _: self._recolour(), names="value")
        self.alone.observe(lambda _: self._busy or self._paint(), names="value")
        self._recolour()

    def colour_by(self, name: str, values: pd.Series) -> None:
        """Colour the maps by `values`, one a document of the corpus, and offer them among the colours from now on."""
        self._extra[name] = values
        self._made.pop(name, None)
        with self._quietly():
            self.colour.options = self._names()
            self.colour.value = name
        self._recolour()

    def _names(self) -> list[str]:
        topics = [TOPIC] if self._points["topic"].nunique() > 1 else []
        return [*topics, *self._columns, *self._extra, LENGTH, *(CLUSTER + pooling for pooling in self._scatters)]

    def _recolour(self) -> None:
        if self._busy:
            return
        name = self.colour.value
        self._shown = None if name == LENGTH else self._colouring(name)
        with self._quietly():
            self.alone.options = [
                ALL,
                *(name for name, count in (self._shown.counts if self._shown else {}).items() if count),
            ]
            self.alone.value = ALL
        self._paint()

    def _colouring(self, name: str) -> Colouring:
        """Made when it is first asked for: of a hundred thousand documents, clusters take a while."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Colouring:
        if name == TOPIC or name.startswith(CLUSTER):
            values = self._points["topic"] if name == TOPIC else self._clusters(name.removeprefix(CLUSTER))
            names = values.astype(str).astype("category")
            found = topic_colours(names.cat.categories.tolist())
            return Colouring(names, {topic: to_hex(colour) for topic, colour in found.items()})
        values = self._extra.get(name, self._columns.get(name))
        return colouring(values.iloc[self._points["row"]].reset_index(drop=True))

    def _paint(self) -> None:
        """Colour the maps as was chosen, or one of its names against the rest in grey."""
        if self._shown is None:
            tokens = self._points["tokens"]
            values = np.log10(np.maximum(tokens, 1))
            self._colour_all(values, "viridis", norm=(float(values.min()), float(values.max()) + 1e-6))
            self.legend.value = f"dark: {tokens.min():,} tokens, light: {tokens.max():,}"
            return
        colours = self._shown.colours
        if self.alone.value != ALL:
            colours = {name: colour if name == self.alone.value else GREY for name, colour in colours.items()}
        self._colour_all(self._shown.names, colours)
        self.legend.value = render.legend(colours, self._shown.counts)

    def _colour_all(self, values: pd.Series, colours, **options) -> None:
        name = COLOUR + self.colour.value
        self._points[name] = values
        for scatter in self._scatters.values():
            scatter.color(by=name, map=colours, **options)

    def _clusters(self, pooling: str) -> pd.Series:
        """k-means of one pooling's vectors, as many clusters as there are topics; the same colours on every map."""
        n_topics = self._points["topic"].nunique()
        rows = self._points["row"].to_numpy()
        k = min(n_topics if n_topics > 1 else N_CLUSTERS, len(rows))
        found = clusters_of(pooled(self._data, pooling, rows), k)
        names = [f"{cluster + 1:02d}" for cluster in range(k)]
        return pd.Series(pd.Categorical.from_codes(found, names)).cat.remove_unused_categories()


def clusters_of(vectors: np.ndarray, k: int) -> np.ndarray:
    """Which of `k` clusters each of `vectors` [n, width] is nearest, int64 [n]: k-means of MOST_LEARNED of them.

    A hundred thousand move the centres by next to nothing, and would take half a minute.
    """
    learned = vectors[sample_documents(len(vectors), n_sample=MOST_LEARNED)]
    centres = KMeans(k, n_init=1, random_state=0, max_iter=50).fit(learned).cluster_centers_
    return ((centres**2).sum(axis=1) - 2 * (vectors @ centres.T)).argmin(axis=1)


def named_columns(data: Explorable) -> dict[str, pd.Series]:
    """The columns of the corpus's file by the names that the menus have: those of the explorer's own are told apart."""
    own = (TOPIC, LENGTH, "tokens")
    return {f"column {name}" if name in own else str(name): values for name, values in data.columns.items()}

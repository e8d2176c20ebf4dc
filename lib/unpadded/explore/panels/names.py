"""Names on the maps: of the topics, or the words that mark each region."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets
import jscatter
import numpy as np
import pandas as pd

from unpadded.explore.data import Explorable
from unpadded.report import OUTSIDE, region_names, topic_names

TOPICS, WORDS, NONE = "topics", "words of regions", "none"
NAME = "name of "  # before a kind's name in the table of the maps
BEGINNING = 2_000  # characters of a text that its region's words are taken from


class NamePanel:
    """A menu of what stands over the maps. `points` is the table that the `scatters`, one a pooling, draw."""

    def __init__(self, data: Explorable, points: pd.DataFrame, scatters: Mapping[str, jscatter.Scatter]):
        self._data, self._points, self._scatters = data, points, scatters
        topics = [TOPICS] if points["topic"].nunique() > 1 else []
        self.kind = widgets.Dropdown(options=[*topics, WORDS, NONE], description="Names")
        self.kind.observe(lambda _: self._name(), names="value")
        self._name()

    def _name(self) -> None:
        for pooling, scatter in self._scatters.items():
            column = self._column(pooling, self.kind.value)
            if column is None:
                scatter.label(by=None)
            else:
                scatter.label(by=column, size=12, color="#000000", shadow_color="#ffffff")

    def _column(self, pooling: str, kind: str) -> str | None:
        """The column with the name of each document's region or topic, "" for none; made when it is first asked for."""
        if kind == NONE:
            return None
        column = f"{NAME}{kind}, {pooling}"
        if column not in self._points:
            names = self._topics(pooling) if kind == TOPICS else self._regions(pooling)
            self._points[column] = names.astype(str)
        return column if (self._points[column] != "").any() else None

    def _topics(self, pooling: str) -> pd.Series:
        """The topic of each document, where it lies together on this map: elsewhere a name would point at others."""
        names = topic_names(self._places(pooling), self._points["topic"])
        return self._points["topic"].astype(str).where(self._points["topic"].isin([name.words for name in names]), "")

    def _places(self, pooling: str) -> np.ndarray:
        return self._points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy(float)

    def _regions(self, pooling: str) -> pd.Series:
        xy = self._places(pooling)
        texts = [self._data.corpus.texts[row][:BEGINNING] for row in self._points["row"]]
        regions, names = region_names(xy, texts)
        found = np.full(len(regions), "", dtype=object)
        for name in names:
            # A name is at a document of its region.
            region = regions[np.argmin(((xy - (name.x, name.y)) ** 2).sum(axis=1))]
            if region != OUTSIDE:
                found[regions == region] = name.words
        return pd.Series(found)

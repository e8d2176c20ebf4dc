"""Names on the maps at every zoom: of the topics, or the words that mark each region, finer ones where there is room."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import copy
from functools import cache
from unicodedata import east_asian_width

import ipywidgets as widgets
import jscatter
import numpy as np
import pandas as pd
from jscatter.font import Font, arial
from scipy.sparse import csr_array

from unpadded.evaluation import TermCounts, count_terms
from unpadded.explore.data import Explorable
from unpadded.explore.panels.in_view import InView
from unpadded.explore.panels.theme import LIGHT, Paper
from unpadded.report import cut, region_names, sample_documents, topic_names

TOPICS, WORDS, NONE = "topics", "words of regions", "none"
NAME = "name of "  # before a kind's name in the table of the maps
BEGINNING, MOST_READ = 2_000, 20_000  # characters of a text, and documents, that regions' words are taken from
MOST_COMPARED = 5_000  # documents by which it is judged whether topics lie together
LONGEST = 40  # characters of a name
SIZES = (14, 12, 11, 10)  # pixels of a name, by the scale of its region
FROM_ZOOM = (-np.inf, 0.5, 1.5, 2.5)  # logarithm to base 2 of the zoom from which on the names of a scale are shown
HIGHER = 0x20000  # code from which on letters are ideographs


class NamePanel:
    """A menu of what stands over the maps. `points` is the table that the `scatters`, one a pooling, draw."""

    def __init__(self, data: Explorable, points: pd.DataFrame, scatters: Mapping[str, jscatter.Scatter]):
        self._data, self._points, self._scatters = data, points, scatters
        self._terms: TermCounts | None = None
        self._words: dict[str, list[pd.Categorical]] = {}
        self._paper = LIGHT
        self.in_view = {pooling: InView() for pooling in scatters}
        topics = [TOPICS] if points["topic"].nunique() > 1 else []
        self.kind = widgets.Dropdown(options=[*topics, WORDS, NONE], description="Names")
        self.kind.observe(lambda _: self._name(), names="value")
        self._name()

    def paint(self, paper: Paper) -> None:
        """Write the names in the ink of `paper`."""
        self._paper = paper
        self._label()

    def _name(self) -> None:
        for pooling in self._scatters:
            self.in_view[pooling].show(self._places(pooling), self._said(pooling))
        self._label()

    def _label(self) -> None:
        for pooling, scatter in self._scatters.items():
            columns = [] if self.kind.value == NONE else self._columns(pooling, self.kind.value)
            if not columns:
                scatter.label(by=None)
                continue
            scales = [int(column.rpartition(" ")[2]) for column in columns]
            fonts = [_font(bold=scale == 0) for scale in scales]
            scatter.label(
                by=columns,
                size=[SIZES[scale] for scale in scales],
                zoom_range=[(FROM_ZOOM[scale], np.inf) for scale in scales],
                font=fonts if len(fonts) > 1 else fonts[0],  # a list of one would be ignored
                color=self._paper.ink,
                shadow_color=self._paper.background,
            )

    def _columns(self, pooling: str, kind: str) -> list[str]:
        """Columns with the name of each document's topic or region, a scale each; made when they are first asked for."""
        start = f"{NAME}{kind}, {pooling}, scale "
        if f"{start}0" not in self._points:
            names = self._regions(pooling)
            if kind == TOPICS:  # on zooming in, the words of the finer regions follow
                names = [_shortened(self._topics(pooling)), *names[1:]]
            for scale, words in enumerate(names):
                self._points[f"{start}{scale}"] = words
        return [name for name in self._points if name.startswith(start) and self._points[name].notna().any()]

    def _regions(self, pooling: str) -> list[pd.Categorical]:
        """The words of each document's region at each scale."""
        if pooling not in self._words:
            scales = region_names(self._places(pooling), self._counted())
            self._words[pooling] = [_shortened(scale.words) for scale in scales]
        return self._words[pooling]

    def _said(self, pooling: str) -> list[pd.Series]:
        """What is said of the documents in view: their topic, if topics are named, and the words of their regions."""
        if self.kind.value == NONE:
            return []
        topics = [_shortened(self._points["topic"].astype(object).to_numpy())] if self.kind.value == TOPICS else []
        return [pd.Series(column) for column in (*topics, *self._regions(pooling))]

    def _topics(self, pooling: str) -> np.ndarray:
        """The topic of each document, where it lies together on this map: elsewhere a name would point at others."""
        topics, some = self._points["topic"].astype(object), sample_documents(len(self._points), n_sample=MOST_COMPARED)
        named = [name.words for name in topic_names(self._places(pooling)[some], topics[some])]
        return topics.where(topics.isin(named), "").to_numpy()

    def _places(self, pooling: str) -> np.ndarray:
        return self._points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy(float)

    def _counted(self) -> TermCounts:
        """The terms of the documents on the maps; of many, of a sample."""
        if self._terms is None:
            rows = self._points["row"].to_numpy()
            some = sample_documents(len(rows), n_sample=MOST_READ)
            counts, names = count_terms([self._data.corpus.texts[row][:BEGINNING] for row in rows[some].tolist()])
            placed = csr_array((np.ones(len(some), counts.dtype), (some, np.arange(len(some)))), (len(rows), len(some)))
            self._terms = TermCounts(placed @ counts, names)  # a row a document, those that were not read without words
        return self._terms


def _shortened(words: np.ndarray) -> pd.Categorical:
    """Names as categories, cut to LONGEST; "" is none."""
    codes, different = pd.factorize(words)
    shown = [cut(name, LONGEST) for name in different]
    kept = sorted(set(shown) - {""})
    places = np.array([kept.index(name) if name else -1 for name in shown])
    return pd.Categorical.from_codes(places[codes], kept)


@cache
def _font(*, bold: bool) -> Font:
    """jupyter-scatter's Arial, which places names, with about the right widths for the letters of all scripts.

    Its own knows those of ASCII, and fails for a name without any. A browser draws the others in whatever font has them.
    """
    font = copy(arial.bold if bold else arial.regular)
    known = len(font.xadvances)
    lower = [1.0 if east_asian_width(chr(code)) in "WF" else 0.6 for code in range(known, HIGHER)]
    font.xadvances = np.concatenate([font.xadvances, lower, np.ones(sys.maxunicode + 1 - HIGHER)])
    return font

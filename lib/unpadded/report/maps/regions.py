"""Regions of a map, the words that mark each, and where a name on the map covers no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from unpadded.evaluation import TermCounts, best_terms
from unpadded.report.maps.density import densest, density_basins
from unpadded.report.maps.tables import limits_without_outliers
from unpadded.report.maps.topics import TOGETHER, neighbourhood_purity

N_TERMS = 3  # that name a region
FEWEST = 10  # documents of a region
OUTSIDE = -1  # the region of a document that lies in none
NEARLY_ALL = 0.8  # of a region: another name for so much of it would say nothing new
NARROW, HIGH, LETTER, LINE = 340, 300, 6.2, 14  # pixels of a map on a phone, of a letter, of a line


class Name(NamedTuple):
    """Words and where they stand on a map."""

    words: str
    x: float
    y: float
    size: int  # documents


class Scale(NamedTuple):
    """Regions of a map as one scale sees them: each document's, int64 [n], and the names of those that have one."""

    regions: np.ndarray
    names: dict[int, Name]

    @property
    def words(self) -> np.ndarray:
        """The name of each document's region, "" where it has none; strings [n]."""
        words = np.full(self.regions.max() + 2, "", dtype=object)  # the last is that of OUTSIDE
        words[list(self.names)] = [name.words for name in self.names.values()]
        return words[self.regions]


def map_regions(xy: np.ndarray) -> np.ndarray:
    """The region of each document on a map [n, 2] at each scale, int64 [n_scales, n] from 0, the coarsest scale first.

    Regions are the basins of the map's density (`density_basins`), each inside one of the scale before. A document whose
    region has fewer than FEWEST is OUTSIDE. All are in region 0 where there are too few documents.
    """
    if len(xy) < 2 * FEWEST:
        return np.zeros((1, len(xy)), np.int64)
    found = density_basins(xy)
    return np.stack([np.where(np.bincount(basins)[basins] >= FEWEST, basins, OUTSIDE) for basins in found])


def region_names(xy: np.ndarray, terms: TermCounts) -> list[Scale]:
    """The `map_regions` of a map [n, 2] and a name for each: N_TERMS terms by class-based TF-IDF.

    A name stands at the document around which its region is densest, and does not say again what the regions say that it
    lies in. A region has none without a word, where it is nearly all of a coarser one, and where a larger one has the same.
    """
    xy, found = np.asarray(xy, dtype=float), []
    before, said = np.zeros(len(xy), np.int64), {0: frozenset[str]()}
    for regions in map_regions(xy):
        parent_of = _parents(regions, before)
        heard = {region: said[parent] for region, parent in parent_of.items()}
        best = best_terms(regions, terms, k=N_TERMS, without=heard)
        sizes, larger = np.bincount(regions + 1)[1:], np.bincount(before + 1)[1:]
        names: dict[int, Name] = {}
        for region in sorted(best, key=lambda region: -sizes[region]):
            words, most = ", ".join(best[region]), NEARLY_ALL * larger[parent_of[region]]
            is_new = words and all(name.words != words for name in names.values())
            if is_new and (not found or sizes[region] <= most):
                names[region] = Name(words, *densest(xy[regions == region]), int(sizes[region]))
        said = {region: heard[region] | (set(best[region]) if region in names else set()) for region in best}
        found.append(Scale(regions, names))
        before = regions
    return found


def _parents(regions: np.ndarray, before: np.ndarray) -> dict[int, int]:
    """The region of the scale before that each region lies in."""
    found, first = np.unique(regions, return_index=True)
    return {int(region): int(before[at]) for region, at in zip(found, first, strict=True) if region != OUTSIDE}


def topic_names(xy: np.ndarray, topics: Sequence[str]) -> list[Name]:
    """A name for each topic that lies together on a map [n, 2], the purest first, where it is densest."""
    topics = np.asarray(topics)
    if len(xy) < 2 or len(set(topics)) < 2:
        return []
    table = neighbourhood_purity(np.asarray(xy, dtype=float), topics)
    table = table[(table["purity"] >= TOGETHER) & (table.index != "")]
    return [
        Name(str(t), r.x, r.y, int((topics == t).sum())) for t, r in zip(table.index, table.itertuples(), strict=True)
    ]


def apart(names: Sequence[Name], xy: np.ndarray) -> Iterator[Name]:
    """Those of `names` that cover no earlier one where the map [n, 2] is as narrow as a phone; the first always.

    One at the map's edge moves inwards, so that all of it can be read.
    """
    low, high = limits_without_outliers(np.asarray(xy, dtype=float))
    per_pixel = (high - low) / (NARROW, HIGH)
    placed: list[tuple[float, float, float]] = []
    for name in names:
        width = LETTER * len(name.words)
        left, right = low[0] / per_pixel[0] + width / 2, high[0] / per_pixel[0] - width / 2
        x, y = min(max(name.x / per_pixel[0], left), max(left, right)), name.y / per_pixel[1]
        if all(abs(x - px) >= (width + pw) / 2 or abs(y - py) >= LINE for px, py, pw in placed):
            placed.append((x, y, width))
            yield name._replace(x=float(x * per_pixel[0]))


def seen(points: pd.DataFrame, pooling: str, terms: TermCounts) -> str:
    """What a map shows, in a sentence: which topics lie together, or which words its largest regions have."""
    xy = points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy()
    n_topics = points["topic"].nunique()
    if n_topics > 1:
        names = [name.words for name in topic_names(xy, points["topic"])]
        listed = f": {', '.join(sorted(names))}" if names else ""
        return f"{pooling}: {len(names)} of {n_topics} topics lie together{listed}."
    largest = [f"{name.words} ({name.size})" for name in region_names(xy, terms)[0].names.values()][:5]
    return (
        f"{pooling}: its largest regions are about {'; '.join(largest)}."
        if largest
        else f"{pooling}: no words mark a region."
    )

"""Regions of a map, the words that mark each, and where a name on the map covers no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.neighbors import NearestNeighbors

from unpadded.evaluation import cluster_terms
from unpadded.report.maps.tables import limits_without_outliers
from unpadded.report.maps.umap_maps import neighbourhood_purity

N_TERMS = 3  # that name a region
FEWEST = 10  # documents of a region
OUTSIDE = -1  # the region of a document that lies in none
TOGETHER = 0.5  # purity of a topic from which on it is named
NARROW, HIGH, LETTER, LINE = 340, 300, 6.2, 14  # pixels of a map on a phone, of a letter, of a line


class Name(NamedTuple):
    """Words and where they stand on a map."""

    words: str
    x: float
    y: float
    size: int  # documents


def map_regions(xy: np.ndarray) -> np.ndarray:
    """The region of each document on a map [n, 2], int64 from 0, OUTSIDE where it lies in none; by density (HDBSCAN).

    Where density finds fewer than two, k-means divides the map. All are in region 0 where there are too few documents.
    """
    xy = np.asarray(xy, dtype=float)
    if len(xy) < 2 * FEWEST:
        return np.zeros(len(xy), np.int64)
    found = HDBSCAN(min_cluster_size=max(FEWEST, len(xy) // 60), copy=True).fit_predict(xy)
    if found.max() < 1:
        found = KMeans(min(8, len(xy) // FEWEST), n_init=1, random_state=0).fit_predict(xy)
    return found.astype(np.int64)


def region_names(xy: np.ndarray, texts: Sequence[str]) -> tuple[np.ndarray, list[Name]]:
    """(`map_regions`, a name for each region, the largest first): its N_TERMS terms by class-based TF-IDF, of `texts`.

    A name stands at the document around which its region is densest. A region without a word has none.
    """
    xy, regions = np.asarray(xy, dtype=float), map_regions(xy)
    inside = np.flatnonzero(regions != OUTSIDE)
    table = cluster_terms(regions[inside], [texts[i] for i in inside], k=N_TERMS)
    names = []
    for region, size, terms in table[["cluster", "size", "terms"]].itertuples(index=False):
        if terms:
            names.append(Name(terms, *_densest(xy[regions == region]), int(size)))
    return regions, sorted(names, key=lambda name: -name.size)


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


def seen(points: pd.DataFrame, pooling: str, texts: Sequence[str]) -> str:
    """What a map shows, in a sentence: which topics lie together, or which words its largest regions have."""
    xy = points[[f"{pooling}_x", f"{pooling}_y"]].to_numpy()
    n_topics = points["topic"].nunique()
    if n_topics > 1:
        names = [name.words for name in topic_names(xy, points["topic"])]
        listed = f": {', '.join(sorted(names))}" if names else ""
        return f"{pooling}: {len(names)} of {n_topics} topics lie together{listed}."
    names = [f"{name.words} ({name.size})" for name in region_names(xy, texts)[1][:5]]
    return (
        f"{pooling}: its largest regions are about {'; '.join(names)}."
        if names
        else f"{pooling}: no words mark a region."
    )


def _densest(xy: np.ndarray) -> tuple[float, float]:
    """The document around which its quarter nearest others are closest."""
    k = min(len(xy), max(2, len(xy) // 4))
    distances, _ = NearestNeighbors(n_neighbors=k).fit(xy).kneighbors(xy)
    x, y = xy[distances[:, -1].argmin()]
    return float(x), float(y)

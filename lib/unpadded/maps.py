"""UMAP maps: two coordinates per document, drawn side by side for each pooling and coloured by topic."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors

from unpadded.errors import InputError
from unpadded.plot_style import styled
from unpadded.scores import check_vectors


def sample_documents(n: int, *, n_sample: int = 3000, seed: int = 0) -> np.ndarray:
    """Positions of at most ``n_sample`` of ``n`` documents, ascending: the same documents for every map."""
    return np.sort(np.random.default_rng(seed).choice(n, min(n, n_sample), replace=False))


def umap_coordinates(
    vectors, *, seed: int = 0, n_neighbors: int = 15, metric: str = "cosine"
) -> tuple[np.ndarray, float]:
    """(float32 coordinates [n, 2], seconds) by UMAP (McInnes et al., 2018); a fixed seed on one thread repeats exactly.

    The first call of a process also compiles numba code, some seconds which are counted. Raises InputError for fewer than
    four documents and for vectors that are constant or not finite.
    """
    from umap import UMAP  # imported late: it takes seconds, and no other picture needs it

    check_vectors(vectors)
    if vectors.shape[0] < 4:
        raise InputError(f"vectors: a map of {vectors.shape[0]} documents says nothing; pass at least four.")
    start = time.perf_counter()
    if not isinstance(vectors, np.ndarray):  # UMAP wants dense rows
        vectors = TruncatedSVD(min(50, vectors.shape[1] - 1), random_state=seed).fit_transform(vectors)
    vectors = np.asarray(vectors, dtype=np.float32)
    n_neighbors = min(n_neighbors, len(vectors) - 1)
    # Exact neighbours from scikit-learn: UMAP's own search compiles itself anew, and took 8 of 10 seconds on 3,000 documents.
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(vectors).kneighbors(vectors)
    model = UMAP(
        n_neighbors=n_neighbors, metric=metric, random_state=seed, n_jobs=1, n_epochs=200,
        init="pca" if len(vectors) >= 50 else "random", precomputed_knn=(neighbors, distances.astype(np.float32)),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap's own deprecations, and its note that a seed means one thread
        coordinates = model.fit_transform(vectors)
    return np.asarray(coordinates, dtype=np.float32), time.perf_counter() - start


@styled
def umap_maps(maps: Mapping[str, np.ndarray], labels: Sequence[str], *, n_columns: int = 2) -> Figure:
    """One panel per name -> coordinates [n, 2], coloured by topic; each topic is named at the median of its documents."""
    labels = np.asarray(labels)
    topics = np.unique(labels)
    colours = topic_colours(topics)
    n_columns = min(n_columns, len(maps))
    n_rows = -(-len(maps) // n_columns)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(4.6 * n_columns, 4.0 * n_rows), squeeze=False)
    for axis in axes.flat[len(maps) :]:
        axis.remove()
    for axis, (name, xy) in zip(axes.flat, maps.items(), strict=False):
        order = np.random.default_rng(0).permutation(len(xy))  # no topic lies on top of all others
        axis.scatter(
            *xy[order].T, s=3, c=[colours[label] for label in labels[order]], alpha=0.6, linewidths=0, rasterized=True
        )
        _name_topics(axis, xy, labels, colours)
        _crop(axis, xy)
        axis.set(title=name, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.suptitle("UMAP of the document vectors, by topic (distances between far groups mean little)", fontsize=10)
    return figure


def topic_colours(topics: Sequence[str]) -> dict[str, tuple]:
    """A colour per topic; topics that share the part of their name before the first dot share a hue family."""
    families: dict[str, list[str]] = {}
    for topic in topics:
        families.setdefault(str(topic).split(".")[0], []).append(topic)
    if len(families) == len(topics):
        families = {str(topic): [topic] for topic in topics}
    hues = colormaps["turbo"](np.linspace(0.05, 0.95, len(families)))
    colours = {}
    for hue, members in zip(hues, families.values(), strict=True):
        for shade, topic in zip(
            np.linspace(0.6, 1.15, len(members)) if len(members) > 1 else [1.0], members, strict=True
        ):
            colours[topic] = (*np.clip(hue[:3] * shade, 0, 1), 1.0)
    return colours


def _name_topics(axis, xy: np.ndarray, labels: np.ndarray, colours: dict[str, tuple], *, most: int = 20) -> None:
    """Names at the medians of the largest topics, pushed apart vertically where two would overlap."""
    sizes = {topic: int((labels == topic).sum()) for topic in colours}
    named = sorted(colours, key=lambda topic: -sizes[topic])[:most]
    places = np.array([np.median(xy[labels == topic], axis=0) for topic in named])
    low, high = np.percentile(xy, [0.5, 99.5], axis=0)
    places = spread_labels(places, gap=(0.3 * (high[0] - low[0]), 0.036 * (high[1] - low[1])))
    for topic, (x, y) in zip(named, places, strict=True):
        axis.text(
            x, y, str(topic), fontsize=6.5, color=[0.6 * c for c in colours[topic][:3]], ha="center", va="center",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
        )  # fmt: skip


def spread_labels(places: np.ndarray, *, gap: tuple[float, float]) -> np.ndarray:
    """``places`` [m, 2] moved up or down until no two are closer than ``gap`` (width, height) in both directions."""
    placed: list[np.ndarray] = []
    moved = places.copy()
    for i in np.argsort(places[:, 1], kind="stable"):
        for step in range(2 * len(places)):
            offset = (step + 1) // 2 * (1 if step % 2 else -1) * gap[1]
            candidate = places[i] + [0, offset]
            if all(abs(candidate[0] - p[0]) >= gap[0] or abs(candidate[1] - p[1]) >= gap[1] * 0.999 for p in placed):
                break
        placed.append(candidate)
        moved[i] = candidate
    return moved


def _crop(axis, xy: np.ndarray) -> None:
    """Leave far outliers outside: the central 99 % and a margin."""
    low, high = np.percentile(xy, [0.5, 99.5], axis=0)
    margin = 0.08 * (high - low) + 1e-6
    axis.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))

"""UMAP maps: two coordinates per document, drawn side by side for each pooling and coloured by topic."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from unpadded.common import InputError
from unpadded.evaluation import Representation, check_vectors, told_apart
from unpadded.report.maps.tables import limits_without_outliers
from unpadded.report.plots.palette import TOPIC_COLOURS
from unpadded.report.plots.speed import nothing_measured
from unpadded.report.plots.style import as_drawn, in_words, panel_grid, say, styled

FEWEST = 4  # documents of a map
N_NEIGHBORS = 15  # UMAP's own default
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def sample_documents(n: int, *, n_sample: int = 3000, seed: int = 0) -> np.ndarray:
    """Positions of at most `n_sample` of `n` documents, ascending: the same documents for every map."""
    return np.sort(np.random.default_rng(seed).choice(n, min(n, n_sample), replace=False))


def umap_coordinates(vectors, *, seed: int = 0) -> tuple[np.ndarray, float]:
    """(float32 coordinates [n, 2], seconds) by UMAP of cosines (McInnes et al., 2018); a seed on one thread repeats exactly.

    The first call of a process also compiles numba code, some seconds which are counted. Raises InputError for fewer than
    four documents and for vectors that are constant or not finite.
    """
    from umap import UMAP  # imported late: it takes seconds, and no other picture needs it

    check_vectors(vectors)
    if vectors.shape[0] < FEWEST:
        raise InputError(f"vectors: a map of {vectors.shape[0]} documents says nothing; pass at least four.")
    start = time.perf_counter()
    if not isinstance(vectors, np.ndarray):  # UMAP wants dense rows
        vectors = TruncatedSVD(min(50, vectors.shape[1] - 1), random_state=seed).fit_transform(vectors)
    vectors = np.asarray(vectors, dtype=np.float32)
    n_neighbors = min(N_NEIGHBORS, len(vectors) - 1)
    # Exact neighbours from scikit-learn: UMAP's own search compiles itself anew, and took 8 of 10 seconds on 3,000 documents.
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(vectors).kneighbors(vectors)
    knn, init = (neighbors, distances.astype(np.float32)), "pca" if len(vectors) >= 50 else "random"
    model = UMAP(
        n_neighbors, metric="cosine", random_state=seed, n_jobs=1, n_epochs=200, init=init, precomputed_knn=knn
    )
    # numba's OpenMP gives the calling thread, and so torch, all cores from here on: what was set before is put back.
    with threadpool_limits(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap's own deprecations, and its note that a seed means one thread
        coordinates = model.fit_transform(vectors)
    return np.asarray(coordinates, dtype=np.float32), time.perf_counter() - start


def map_coordinates(
    representations: Sequence[Representation], rows: np.ndarray, *, seed: int = 0
) -> tuple[dict[str, np.ndarray], float]:
    """({pooling: float32 coordinates [m, 2]} of the documents at `rows`, seconds), as `umap_coordinates` finds them.

    Vectors of which there is no map, of fewer than four documents or all the same, are left out.
    """
    maps, seconds = {}, 0.0
    for representation in representations:
        vectors = representation.vectors[rows]
        if len(rows) < FEWEST or told_apart([replace(representation, source=vectors)], len(rows))[1]:
            continue
        maps[representation.pooling], taken = umap_coordinates(vectors, seed=seed)
        seconds += taken
    return maps, seconds


@styled
def umap_maps(maps: Mapping[str, np.ndarray], labels: Sequence[str]) -> Figure:
    """One panel per name -> coordinates [n, 2], coloured by topic; a topic is named where its documents lie together."""
    if not maps:
        return nothing_measured("a map needs four documents that differ")
    labels = np.asarray(labels)
    colours = topic_colours(np.unique(labels))
    figure, axes = panel_grid(len(maps), width=4.6, height=4.0)
    together = {}
    for axis, (name, xy) in zip(axes, maps.items(), strict=True):
        order = np.random.default_rng(0).permutation(len(xy))  # no topic lies on top of all others
        size = float(np.clip(9000 / len(xy), 1, 12))
        points = {"c": [colours[label] for label in labels[order]], "s": size, "alpha": 0.6, "linewidths": 0}
        axis.scatter(*xy[order].T, **points, rasterized=True)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        low, high = limits_without_outliers(xy)
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        together[name] = _name_topics(axis, xy, labels, colours)
        axis.set_title(name)
        words = f"{together[name]} of {len(colours)} topics lie together"
        axis.text(1, 1.02, words, transform=axis.transAxes, ha="right", fontsize=8)
    figure.suptitle(
        "UMAP of the document vectors, by topic (distances between far groups mean little)\n"
        "A topic lies together, and is named, where most neighbours of its documents are its own",
        fontsize=10,
    )
    counts = f"Topics that lie together, of {len(colours)}: {in_words(together)}"
    return say(figure, f"UMAP maps of {len(labels):,} documents, coloured by topic", counts)


def topic_colours(topics: Sequence[str]) -> dict[str, tuple]:
    """A colour (red, green, blue, alpha; 0 to 1) per topic; those that share their name up to its first dot share a hue.

    Hues are Okabe and Ito's, used again after the seventh; topics of the same hue differ in lightness, dark to light.
    """
    colours = {}
    for hue, members in _by_hue(topics).items():
        shades = np.linspace(-0.45, 0.25, len(members)) if len(members) > 1 else [0.0]
        for shade, topic in zip(shades, members, strict=True):
            towards = np.full(3, float(shade > 0))  # white or black
            mixed = (1 - abs(shade)) * np.array(to_rgb(TOPIC_COLOURS[hue])) + abs(shade) * towards
            colours[topic] = (*mixed.tolist(), 1.0)
    return colours


def topic_shapes(topics: Sequence[str]) -> dict[str, str]:
    """A shape (Vega's name) per topic: topics of one hue have different shapes, as far as SHAPES go."""
    return {
        topic: SHAPES[place % len(SHAPES)]
        for members in _by_hue(topics).values()
        for place, topic in enumerate(members)
    }


def _by_hue(topics: Sequence[str]) -> dict[int, list[str]]:
    """The topics of each hue, by its position in TOPIC_COLOURS."""
    families = list(dict.fromkeys(str(topic).split(".")[0] for topic in topics))
    hues: dict[int, list[str]] = {}
    for number, topic in enumerate(topics):
        place = families.index(str(topic).split(".")[0]) if len(families) > 1 else number
        hues.setdefault(place % len(TOPIC_COLOURS), []).append(topic)
    return hues


def neighbourhood_purity(xy: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """How each topic lies on a map [n, 2]; index topic, columns purity, x, y, the purest first.

    purity: the mean share of a document's ten nearest on the map that have its topic. x, y: the document around which the
    topic is densest; where a topic lies in several pieces, that is inside one of them and not between them.
    """
    labels = np.asarray(labels)
    n_neighbors = min(10, len(xy) - 1)
    _, nearest = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(xy).kneighbors(xy)
    same = (labels[nearest[:, 1:]] == labels[:, None]).mean(axis=1)
    rows = {}
    for topic in np.unique(labels):
        own = np.flatnonzero(labels == topic)
        k = min(len(own), max(2, len(own) // 4))
        distances, _ = NearestNeighbors(n_neighbors=k).fit(xy[own]).kneighbors(xy[own])
        rows[topic] = (float(same[own].mean()), *xy[own[distances[:, -1].argmin()]].tolist())
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["purity", "x", "y"])
    return table.sort_values("purity", ascending=False, kind="stable")


def _name_topics(axis, xy: np.ndarray, labels: np.ndarray, colours: dict[str, tuple]) -> int:
    """Name the topics whose purity is at least a half, each where it is densest; of names that would overlap the purer
    stays, moved a little where that helps. Returns how many such topics there are, named or not."""
    together = neighbourhood_purity(xy, labels)
    together = together[together["purity"] >= 0.5]
    size = np.array(axis.get_window_extent().size) / axis.figure.dpi * 72  # points
    unit = np.array([np.ptp(axis.get_xlim()), np.ptp(axis.get_ylim())]) / size
    placed: list[tuple[float, float, float]] = []
    for topic, (_, x, y) in together.iterrows():
        name = as_drawn(topic)
        width = (3.7 * len(name) + 4) * unit[0]
        found = _free_place(x, y, width, 10 * unit[1], placed)
        if found is None:
            continue
        placed.append((*found, width))
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
        dark = [0.5 * part for part in colours[topic][:3]]
        axis.text(*found, name, fontsize=6.5, color=dark, ha="center", va="center", bbox=box)
    return len(together)


def _free_place(x: float, y: float, width: float, height: float, placed: list[tuple[float, float, float]]):
    """(x, y) or a place up to two lines above or below it that no name in `placed` (x, y, width) covers, or None."""
    for step in (0, 1, -1, 2, -2):
        middle = y + step * height
        if all(abs(x - px) >= (width + pw) / 2 or abs(middle - py) >= height for px, py, pw in placed):
            return x, middle
    return None

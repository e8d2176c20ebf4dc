"""UMAP maps: two coordinates for each document."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from unpadded.common import InputError
from unpadded.evaluation import Representation, check_vectors, told_apart

FEWEST = 4  # documents of a map
N_NEIGHBORS = 15  # UMAP's own default


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

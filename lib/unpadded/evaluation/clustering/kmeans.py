"""Clustering of document vectors: k-means with the known number of topics, scored against the topics.

The interval of a score covers two spreads: over the seeds of k-means, and over bootstrap resamples of the documents with
the clusters kept. It is value +- 1.96 sqrt(sd_seeds^2 + sd_documents^2): where another seed would fall, scored on other
documents in the same clusters. What clusters formed from other documents would do is not in it.
Clustering is transductive: the documents that are scored are the documents the clusters were formed from.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import metrics
from sklearn.cluster import KMeans, kmeans_plusplus

from unpadded.common import InputError
from unpadded.evaluation.clustering.agreement import METRICS, around, resampled_scores
from unpadded.evaluation.parallel import side_by_side
from unpadded.evaluation.scores import (
    Representation,
    SameVectorsError,
    check_names,
    check_vectors,
    checked_vectors,
    score_row,
    to_frame,
)
from unpadded.evaluation.statistics import Interval

SMALLEST_BLOCK = 8  # documents of a block that is scored by itself
INIT_SAMPLE = 3000  # documents k-means++ looks at: on 20,000 it would take as long as the iterations themselves
MAX_ITERATIONS = 30  # on 20 Newsgroups V-measure is within 0.001 of that after 50, where two seeds differ by 0.01


@dataclass(frozen=True, eq=False)
class Clustering:
    """k-means of one representation: everything a table, a test or a picture needs.

    assignments int32 [n_seeds, n]; values DataFrame [n_seeds x metric]; resampled metric -> [n_seeds, n_resamples];
    blocks DataFrame [n_blocks x metric]; centers [k, width] and `best` belong to the seed of least inertia.
    """

    assignments: np.ndarray
    values: pd.DataFrame
    resampled: dict[str, np.ndarray]
    blocks: pd.DataFrame
    centers: np.ndarray
    best: int
    seconds: float

    @property
    def clusters(self) -> np.ndarray:
        """The cluster of each document under the seed of least inertia, int32 [n]."""
        return self.assignments[self.best]

    def spreads(self) -> pd.DataFrame:
        """One row per metric: the mean over seeds, its standard deviation over seeds and over document resamples."""
        documents = {name: float(np.sqrt(draws.var(axis=1, ddof=1).mean())) for name, draws in self.resampled.items()}
        seeds = self.values.std(ddof=1) if len(self.values) > 1 else self.values.iloc[0] * 0
        table = {"value": self.values.mean(), "sd_seeds": seeds, "sd_documents": pd.Series(documents)}
        return pd.DataFrame(table).reindex(self.values.columns)

    def interval(self, metric: str) -> Interval:
        """The mean over seeds and value +- 1.96 sqrt(sd_seeds^2 + sd_documents^2), cut where the metric ends."""
        value, seeds, documents = (float(x) for x in self.spreads().loc[metric])
        return around(value, np.hypot(seeds, documents), metric)


@dataclass(frozen=True, eq=False)
class ClusteringDetails:
    """Clusterings by representation name, with the topics in the order of the documents."""

    labels: np.ndarray
    clusterings: dict[str, Clustering]
    note: str = "Clustering is transductive: it is scored on the very documents the clusters were formed from."

    def spreads(self) -> pd.DataFrame:
        """Both spreads of every method and metric; columns method, metric, value, sd_seeds, sd_documents."""
        parts = {name: clustering.spreads() for name, clustering in self.clusterings.items()}
        return pd.concat(parts, names=["method", "metric"]).reset_index()

    def best(self, *, among: Sequence[str] = ()) -> str:
        """The name of the representation with the highest mean V-measure over seeds, of those `among` or of all."""
        names = [name for name in self.clusterings if name in among] or list(self.clusterings)
        return max(names, key=lambda name: self.clusterings[name].values["v_measure"].mean())

    def per_item(self, metric: str = "AMI") -> dict[str, np.ndarray]:
        """For statistics.compare: method -> score [n_blocks] of disjoint blocks of documents, each under its own seed.

        AMI by default: it is corrected for chance, which small blocks inflate in the V-measure.
        """
        return {name: clustering.blocks[metric].to_numpy() for name, clustering in self.clusterings.items()}


def cluster_all(
    representations: Sequence[Representation],
    labels: Sequence[str],
    *,
    corpus_name: str,
    ids: Sequence[str] | None = None,
    n_seeds: int = 10,
    seed: int = 0,
    **options,
) -> tuple[pd.DataFrame, ClusteringDetails]:
    """Score every representation of the same documents; returns (long table, details). Options: evaluate_clustering's.

    With `ids` the result does not depend on the order of the documents. Representations whose vectors are all the same are
    left out, and the details' note says so. Raises InputError like evaluate_clustering, and where none is left.
    """
    check_names(representations)
    rows, clusterings, left_out = [], {}, []
    for representation in representations:
        try:
            vectors = checked_vectors(representation, len(labels))
        except SameVectorsError as error:
            left_out.append(str(error))
            continue
        result = evaluate_clustering(vectors, labels, ids=ids, n_seeds=n_seeds, seed=seed, **options)
        clusterings[representation.name] = result
        about = {"corpus": corpus_name, "task": "clustering", "n": len(labels), "seed": seed, "seconds": result.seconds}
        rows += [score_row(representation, result.interval(name), metric=name, **about) for name in result.values]
    if not clusterings:
        raise InputError(left_out[0])
    note = " ".join([ClusteringDetails.note, *left_out])
    return to_frame(rows), ClusteringDetails(np.asarray(labels), clusterings, note)


def evaluate_clustering(
    vectors,
    labels: Sequence[str],
    *,
    ids: Sequence[str] | None = None,
    n_clusters: int | None = None,
    n_seeds: int = 10,
    n_resamples: int = 20,
    n_silhouette: int = 1000,
    seed: int = 0,
) -> Clustering:
    """k-means of `vectors` [n, width] under seeds seed, seed + 1, ...; V-measure, NMI, AMI, ARI and silhouette.

    The silhouette (Euclidean) is taken on a sample and left out where a clustering has fewer than two clusters.
    Raises InputError for one topic only, more clusters than documents, vectors that are constant or not finite.
    """
    start = time.perf_counter()
    check_vectors(vectors, n=len(labels))
    topics, truth = np.unique(np.asarray(labels), return_inverse=True)
    n_clusters = _check_clusters(topics, len(labels), n_clusters)
    order = np.arange(len(truth)) if ids is None else np.argsort(np.asarray(ids), kind="stable")
    vectors, truth = _as_float32(vectors)[order], truth[order]
    fits = _fit_seeds(vectors, n_clusters, range(seed, seed + n_seeds))
    found = np.stack([fit.labels_ for fit in fits])
    values, resampled = _score_seeds(truth, found, n_resamples=n_resamples, seed=seed)
    _add_silhouette(values, resampled, vectors, found, n_sample=n_silhouette, seed=seed)
    best = int(np.argmin([fit.inertia_ for fit in fits]))
    assignments = np.empty_like(found)
    assignments[:, order] = found
    blocks = _score_blocks(truth, found, seed=seed)
    centers = fits[best].cluster_centers_
    return Clustering(assignments, pd.DataFrame(values), resampled, blocks, centers, best, time.perf_counter() - start)


def _check_clusters(topics: np.ndarray, n: int, n_clusters: int | None) -> int:
    if len(topics) < 2:
        raise InputError(
            f"labels: clustering needs at least two topics, got only {topics.tolist()}; use another corpus."
        )
    n_clusters = len(topics) if n_clusters is None else n_clusters
    if not 2 <= n_clusters <= n:
        raise InputError(f"n_clusters: {n_clusters} clusters of {n} documents; choose a number from 2 to {n}.")
    return n_clusters


def _as_float32(vectors):
    if sparse.issparse(vectors):
        return vectors.tocsr().astype(np.float32)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _fit_seeds(vectors, n_clusters: int, seeds: Sequence[int]) -> list[KMeans]:
    """One k-means per seed, side by side, each on one thread: sums keep their order, so a rerun gives the same bits."""
    # An empty document's vector of zeros lies nearer to most unit vectors than they lie to each other: as a first centre
    # it would swallow the corpus, so k-means++ chooses among the others.
    filled = np.flatnonzero(vectors.getnnz(axis=1) if sparse.issparse(vectors) else vectors.any(axis=1))
    filled = filled if len(filled) >= n_clusters else np.arange(vectors.shape[0])
    return side_by_side(partial(_fit_kmeans, vectors, n_clusters, filled), seeds)


def _fit_kmeans(vectors, n_clusters: int, filled: np.ndarray, seed: int) -> KMeans:
    def init(x, k, random_state):
        rows = random_state.choice(filled, min(len(filled), max(INIT_SAMPLE, 10 * k)), replace=False)
        return kmeans_plusplus(x[rows], k, random_state=random_state)[0]

    # Elkan's bounds spare distances, which are slow for sparse vectors; for dense ones they are one matrix product.
    algorithm = "elkan" if sparse.issparse(vectors) else "lloyd"
    k_means = KMeans(
        n_clusters, init=init, n_init=1, max_iter=MAX_ITERATIONS, tol=1e-3, algorithm=algorithm, random_state=seed
    )
    return k_means.fit(vectors)


def _score_seeds(truth: np.ndarray, found: np.ndarray, *, n_resamples: int, seed: int) -> tuple[dict, dict]:
    rng = np.random.default_rng(seed)
    values = {name: np.array([metric(truth, clusters) for clusters in found]) for name, metric in METRICS.items()}
    resampled = [resampled_scores(truth, clusters, n_resamples=n_resamples, rng=rng) for clusters in found]
    return values, {name: np.stack([draws[name] for draws in resampled]) for name in METRICS}


def _add_silhouette(values: dict, resampled: dict, vectors, found: np.ndarray, *, n_sample: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(found.shape[1], min(found.shape[1], n_sample), replace=False))
    if any(not 2 <= len(np.unique(clusters[rows])) < len(rows) for clusters in found):
        return
    distances = metrics.pairwise_distances(vectors[rows], metric="euclidean")
    np.fill_diagonal(distances, 0)
    per_seed = [metrics.silhouette_samples(distances, clusters[rows], metric="precomputed") for clusters in found]
    draws = rng.integers(len(rows), size=(100, len(rows)))
    values["silhouette"] = np.array([samples.mean() for samples in per_seed])
    resampled["silhouette"] = np.array([samples[draws].mean(axis=1) for samples in per_seed])


def _score_blocks(truth: np.ndarray, found: np.ndarray, *, seed: int) -> pd.DataFrame:
    """Disjoint random blocks of documents, as many as seeds: items of a paired test that share no document and no fit.

    With more blocks than seeds, several blocks would be scored on the same clustering and not be independent.
    """
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    blocks = np.array_split(shuffled, max(1, min(len(found), len(truth) // SMALLEST_BLOCK)))
    rows = [
        {name: metric(truth[rows], clusters[rows]) for name, metric in METRICS.items()}
        for rows, clusters in zip(blocks, found, strict=False)
    ]
    return pd.DataFrame(rows)

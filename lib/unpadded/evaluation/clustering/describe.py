"""What the clusters are: against the topics, by their central documents, and without a given number."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA, TruncatedSVD

from unpadded.evaluation.clustering.agreement import METRICS, agreement_intervals
from unpadded.evaluation.clustering.kmeans import Clustering
from unpadded.evaluation.scores import Representation, check_names, checked_vectors, score_row, to_frame, told_apart

AGREEMENT = [name for name in METRICS if name != "NMI"]  # equal to the V-measure
DENSITY_SAMPLE, DENSITY_WIDTH = 3000, 10  # documents and principal components that HDBSCAN sees


def confusion(clusters: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Documents of each topic (row) in each cluster (column, `clusters` int [n]).

    Columns are ordered so that the best one-to-one matching (Kuhn, 1955, through scipy) lies on the diagonal.
    """
    table = pd.crosstab(pd.Series(np.asarray(labels), name="topic"), pd.Series(np.asarray(clusters), name="cluster"))
    _, matched = linear_sum_assignment(table.to_numpy(), maximize=True)
    rest = np.setdiff1d(np.arange(table.shape[1]), matched)
    return table.iloc[:, [*matched, *rest]]


def nearest_documents(
    clustering: Clustering,
    vectors: np.ndarray,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    k: int = 3,
    width: int = 100,
) -> pd.DataFrame:
    """The `k` documents nearest to each centre (Euclidean): columns cluster, size, rank, topic, text (its beginning)."""
    rows = []
    for cluster, centre in enumerate(clustering.centers):
        members = np.flatnonzero(clustering.clusters == cluster)
        if not len(members):
            continue
        distances = metrics.pairwise_distances(vectors[members], centre[None]).ravel()
        for rank, i in enumerate(members[np.argsort(distances, kind="stable")[:k]]):
            rows.append([cluster, len(members), rank + 1, labels[i], " ".join(texts[i].split())[:width]])
    return pd.DataFrame(rows, columns=["cluster", "size", "rank", "topic", "text"])


def density_clusters(
    representations: Sequence[Representation],
    labels: Sequence[str],
    *,
    corpus_name: str,
    ids: Sequence[str],
    min_cluster_size: int = 15,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """HDBSCAN, which is not told the number of clusters, on the first principal components of a sample of documents.

    The components are fitted on the sample itself, without labels. Returns the long table (metrics "HDBSCAN v_measure",
    ... with intervals over documents; the noise counts as one more cluster) and a frame with a row for each representation
    and columns method, n_clusters, noise_share, v_measure, AMI, ARI. Representations whose vectors are all the same have none.
    """
    check_names(representations)
    representations, _ = told_apart(representations, len(labels))
    order = np.argsort(np.asarray(ids), kind="stable")
    sample = order[
        np.sort(np.random.default_rng(seed).choice(len(order), min(DENSITY_SAMPLE, len(order)), replace=False))
    ]
    truth = np.asarray(labels)[sample]
    rows, found = [], []
    for representation in representations:
        start = time.perf_counter()
        vectors = checked_vectors(representation, len(labels))[sample]
        size = max(1, min(DENSITY_WIDTH, *(extent - 1 for extent in vectors.shape)))
        reducer = (PCA if isinstance(vectors, np.ndarray) else TruncatedSVD)(size, random_state=seed)
        density = HDBSCAN(min_cluster_size=max(2, min(min_cluster_size, len(sample) // 4)), copy=True)
        clusters = density.fit_predict(reducer.fit_transform(vectors))
        intervals = agreement_intervals(truth, clusters, seed=seed)
        counted = {"method": representation.name, "n_clusters": int(clusters.max()) + 1}
        counted["noise_share"] = float((clusters < 0).mean())
        found.append(counted | {metric: intervals[metric].value for metric in AGREEMENT})
        about = {"corpus": corpus_name, "task": "clustering", "n": len(sample), "seed": seed}
        about["seconds"] = time.perf_counter() - start
        rows += [score_row(representation, intervals[name], metric=f"HDBSCAN {name}", **about) for name in AGREEMENT]
    return to_frame(rows), pd.DataFrame(found, columns=["method", "n_clusters", "noise_share", *AGREEMENT])

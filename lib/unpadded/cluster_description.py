"""What the clusters are: against the topics, by their central documents, by their terms, and without a given number."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from unpadded.clustering import Clustering
from unpadded.scores import Representation, check_representations


def confusion(clusters: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Documents of each topic (row) in each cluster (column, ``clusters`` int [n]).

    Columns are ordered so that the best one-to-one matching (Kuhn, 1955, through scipy) lies on the diagonal.
    """
    table = pd.crosstab(pd.Series(np.asarray(labels), name="topic"), pd.Series(np.asarray(clusters), name="cluster"))
    _, matched = linear_sum_assignment(table.to_numpy(), maximize=True)
    rest = np.setdiff1d(np.arange(table.shape[1]), matched)
    return table.iloc[:, [*matched, *rest]]


def nearest_documents(
    clustering: Clustering, vectors: np.ndarray, texts: Sequence[str], labels: Sequence[str], *, k: int = 3, width: int = 100
) -> pd.DataFrame:  # fmt: skip
    """The ``k`` documents nearest to each centre (Euclidean): columns cluster, size, rank, topic, text (its beginning)."""
    rows = []
    for cluster, centre in enumerate(clustering.centers):
        members = np.flatnonzero(clustering.clusters == cluster)
        if not len(members):
            continue
        distances = metrics.pairwise_distances(vectors[members], centre[None]).ravel()
        for rank, i in enumerate(members[np.argsort(distances, kind="stable")[:k]]):
            rows.append([cluster, len(members), rank + 1, labels[i], " ".join(texts[i].split())[:width]])
    return pd.DataFrame(rows, columns=["cluster", "size", "rank", "topic", "text"])


def cluster_terms(
    clusters: np.ndarray, texts: Sequence[str], *, k: int = 8, max_features: int = 20_000
) -> pd.DataFrame:
    """The ``k`` terms that mark each cluster, by class-based TF-IDF (Grootendorst, 2022); columns cluster, size, terms.

    Weight of a term in a cluster: its share of the cluster's words times ln(1 + words per cluster / its count).
    """
    vectorizer = CountVectorizer(stop_words="english", max_features=max_features, token_pattern=r"(?u)\b[^\W\d_]{2,}\b")
    members = pd.get_dummies(pd.Series(np.asarray(clusters)), dtype=int)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no document holds a word: then no term marks a cluster
        return pd.DataFrame({"cluster": members.columns, "size": members.sum().to_numpy(), "terms": ""})
    words = members.to_numpy().T @ counts  # [n_clusters, n_terms]
    weights = normalize(words.astype(float), norm="l1") * np.log1p(words.sum() / len(words) / words.sum(axis=0))
    names = vectorizer.get_feature_names_out()
    best = [", ".join(names[i] for i in np.argsort(-row, kind="stable")[:k] if row[i] > 0) for row in weights]
    return pd.DataFrame({"cluster": members.columns, "size": members.sum().to_numpy(), "terms": best})


def density_clusters(
    representations: Sequence[Representation], labels: Sequence[str], *, n_sample: int = 5000, width: int = 10,
    min_cluster_size: int = 25, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """HDBSCAN, which is not told the number of clusters, on ``width`` principal components of a sample of documents.

    Columns method, n_clusters, noise_share, v_measure, AMI, seconds, n. The metrics count the noise as one more cluster.
    """
    check_representations(representations, len(labels))
    labels, rows = np.asarray(labels), []
    sample = np.sort(np.random.default_rng(seed).choice(len(labels), min(n_sample, len(labels)), replace=False))
    for representation in representations:
        start = time.perf_counter()
        vectors = representation.vectors[sample]
        size = min(width, *(extent - 1 for extent in vectors.shape))
        reducer = (PCA if isinstance(vectors, np.ndarray) else TruncatedSVD)(max(1, size), random_state=seed)
        found = HDBSCAN(min_cluster_size=max(2, min(min_cluster_size, len(sample) // 4)), copy=True).fit_predict(
            reducer.fit_transform(vectors)
        )
        truth = labels[sample]
        rows.append({
            "method": representation.name, "n_clusters": int(found.max()) + 1, "noise_share": float((found < 0).mean()),
            "v_measure": metrics.v_measure_score(truth, found), "AMI": metrics.adjusted_mutual_info_score(truth, found),
            "seconds": time.perf_counter() - start, "n": len(sample),
        })  # fmt: skip
    return pd.DataFrame(rows)

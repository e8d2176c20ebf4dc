"""The terms that mark clusters of documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

MOST_TERMS = 20_000  # of a corpus, the most frequent


class TermCounts(NamedTuple):
    """How often each document has each term: `counts` sparse [n, n_terms], `names` [n_terms]."""

    counts: csr_array
    names: np.ndarray


def count_terms(texts: Sequence[str]) -> TermCounts:
    """The words of two letters or more in each of `texts`, without English function words; texts without any have none."""
    vectorizer = CountVectorizer(stop_words="english", max_features=MOST_TERMS, token_pattern=r"(?u)\b[^\W\d_]{2,}\b")
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no document holds a word
        return TermCounts(csr_array((len(texts), 0), dtype=np.int64), np.empty(0, dtype=object))
    return TermCounts(csr_array(counts), vectorizer.get_feature_names_out())


def best_terms(
    clusters: np.ndarray, terms: TermCounts, *, k: int, without: Mapping[int, Collection[str]] | None = None
) -> dict[int, list[str]]:
    """Cluster -> its `k` terms at most, best first, by class-based TF-IDF (Grootendorst, 2022).

    Weight of a term in a cluster: its share of the cluster's words times ln(1 + words per cluster / its count). Documents
    whose `clusters` (int [n]) is negative are left out, as are, of each cluster, the terms that `without` has for it.
    """
    inside = np.flatnonzero(clusters >= 0)
    found, members = np.unique(clusters[inside], return_inverse=True)
    one = np.ones(len(inside), dtype=np.int64)
    words = csr_array((one, (members, inside)), shape=(len(found), len(clusters))) @ terms.counts  # [n_found, n_terms]
    rarity = np.log1p(words.sum() / max(1, len(found)) / np.maximum(words.sum(axis=0), 1))
    best = {}
    for cluster, begin, end in zip(found.tolist(), words.indptr[:-1], words.indptr[1:], strict=True):
        own, weights = words.indices[begin:end], words.data[begin:end]  # its length would divide all of its weights
        unwanted = without.get(cluster, ()) if without else ()
        order = np.lexsort((own, -weights * rarity[own]))[: k + len(unwanted)]
        best[cluster] = [name for name in terms.names[own[order]] if name not in unwanted][:k]
    return best


def cluster_terms(clusters: np.ndarray, texts: Sequence[str], *, k: int = 8) -> pd.DataFrame:
    """The `k` terms that mark each cluster (`clusters` int [n], from 0), as `best_terms` finds them.

    Columns cluster, size, terms (with commas).
    """
    clusters = np.asarray(clusters)
    best = best_terms(clusters, count_terms(texts), k=k)
    sizes = pd.Series(clusters).value_counts()
    rows = [(cluster, int(sizes[cluster]), ", ".join(names)) for cluster, names in best.items()]
    return pd.DataFrame(rows, columns=["cluster", "size", "terms"])

"""How far clusters agree with topics: V-measure, NMI, AMI, ARI, and their spread over resamples of the documents."""

from __future__ import annotations

import numpy as np
from scipy import sparse, stats
from sklearn import metrics
from sklearn.metrics.cluster import contingency_matrix

from unpadded.evaluation.statistics import Interval

# NMI with the arithmetic mean, scikit-learn's default, is the V-measure; both are kept because papers quote either.
METRICS = {
    "v_measure": metrics.v_measure_score,
    "NMI": metrics.v_measure_score,
    "AMI": metrics.adjusted_mutual_info_score,
    "ARI": metrics.adjusted_rand_score,
}
LOWEST = {"v_measure": 0.0, "NMI": 0.0}  # the others can fall below zero


def resampled_scores(
    truth: np.ndarray, clusters: np.ndarray, *, n_resamples: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The metrics of METRICS on bootstrap resamples of documents that keep their clusters, float [n_resamples] each.

    Drawing documents anew is drawing the cells of the contingency table from a multinomial distribution. What AMI expects
    of chance, four fifths of its time, is taken from the whole corpus: it changes far less than the rest.
    """
    table = contingency_matrix(truth, clusters).astype(np.int64)
    n, shape = len(truth), (n_resamples, *table.shape)
    draws = rng.multinomial(n, table.ravel() / n, size=n_resamples).reshape(shape)
    topics, groups = draws.sum(axis=2), draws.sum(axis=1)
    entropies = stats.entropy(topics, axis=1), stats.entropy(groups, axis=1)
    mutual = entropies[0] + entropies[1] - stats.entropy(draws.reshape(n_resamples, -1), axis=1)
    mean = (entropies[0] + entropies[1]) / 2
    expected_mutual = metrics.cluster.expected_mutual_information(sparse.csr_matrix(table), n)
    pairs, of_topics, of_groups = (
        _pairs(counts).sum(axis=1) for counts in (draws.reshape(n_resamples, -1), topics, groups)
    )
    expected = of_topics * of_groups / max(_pairs(n), 1)
    v_measure, ami = _ratio(mutual, mean), _ratio(mutual - expected_mutual, mean - expected_mutual)
    ari = _ratio(pairs - expected, (of_topics + of_groups) / 2 - expected)
    return {"v_measure": v_measure, "NMI": v_measure, "AMI": ami, "ARI": ari}


def _pairs(counts):
    """How many pairs each count makes."""
    return counts * (counts - 1) / 2


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """The quotient; 1 where nothing could be better or worse, as scikit-learn has it for a single topic and cluster."""
    flat = np.abs(under) < 1e-12
    return np.where(flat, 1.0, over / np.where(flat, 1.0, under))


def agreement_intervals(truth: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> dict[str, Interval]:
    """Each metric of one clustering [n] against the topics, value +- 1.96 standard deviations over document resamples."""
    draws = resampled_scores(truth, clusters, n_resamples=200, rng=np.random.default_rng(seed))
    return {name: around(metric(truth, clusters), draws[name].std(ddof=1), name) for name, metric in METRICS.items()}


def around(value: float, spread: float, metric: str) -> Interval:
    """value +- 1.96 `spread`, cut where the metric ends."""
    half = 1.96 * float(spread)
    return Interval(float(value), max(LOWEST.get(metric, -1.0), value - half), max(value, min(1.0, value + half)))

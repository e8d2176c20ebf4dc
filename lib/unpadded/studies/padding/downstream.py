"""What padding costs downstream: topics found without labels (V-measure) and same-topic documents found first (nDCG@10)."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import pandas as pd

from unpadded.corpus import Corpus
from unpadded.evaluation import Representation, bootstrap_mean, evaluate_clustering, rank_topics
from unpadded.studies.padding.effects import SETTING, PaddedVectors, with_references

METRICS = ["v_measure", "nDCG@10"]
INTERVAL = ["nDCG@10_low", "nDCG@10_high"]  # of the change
COSTS = [column for metric in METRICS for column in (metric, f"{metric}_change")] + INTERVAL


def has_topics(corpus: Corpus) -> bool:
    """Whether there are two topics of at least two different texts, so that there is something to find."""
    texts = Counter(label for label, _ in set(zip(corpus.labels or (), corpus.texts, strict=False)))
    return sum(count > 1 for label, count in texts.items() if label is not None) > 1


def padding_costs(
    corpus: Corpus, found: Sequence[PaddedVectors], *, pads: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """Scores of each way to pad and their change against no padding; columns SETTING and COSTS, a row for each pooling.

    `pads` names the numbers of pads that are scored ("256", "batch"). INTERVAL holds the change in nDCG@10 with 95 %
    confidence (bootstrap over the queries, each paired with itself). Vectors that padding has made all the same cannot be
    told apart: they have V-measure 0 and no nDCG (nan). A corpus without topics gives no rows.
    """
    rows, scores = [], {}
    for one, reference in with_references(found) if has_topics(corpus) else ():
        if one.placement != "none" and one.pads not in pads:
            continue
        for pooling in one.vectors:
            pair = [each.vectors[pooling] for each in (one, reference)]
            keys = [sha256(vectors.tobytes()).digest() for vectors in pair]  # many ways to pad end in the same bits
            for key, vectors in zip(keys, pair, strict=True):
                if key not in scores:
                    scores[key] = score(corpus, vectors, seed=seed)
            (now, by_query), (before, by_query_before) = (scores[key] for key in keys)
            changes = {f"{metric}_change": now[metric] - before[metric] for metric in METRICS}
            interval = _interval(by_query - by_query_before, seed)
            rows.append(one.setting | {"pooling": pooling} | now | changes | interval)
    return pd.DataFrame(rows, columns=[*SETTING, *COSTS])


def _interval(changes: np.ndarray, seed: int) -> dict[str, float]:
    """The ends of the mean change's interval, nan where there is no nDCG."""
    ends = bootstrap_mean(changes, seed=seed)[1:] if np.isfinite(changes).all() else (np.nan, np.nan)
    return dict(zip(INTERVAL, ends, strict=True))


def score(corpus: Corpus, vectors: np.ndarray, *, seed: int = 0) -> tuple[dict[str, float], np.ndarray]:
    """V-measure (mean over three k-means) and nDCG@10 of the documents' `vectors` [n, width], by name.

    And nDCG@10 of each query, float64 [n_queries]: every document that another one shares its topic with.
    """
    if None in corpus.labels:
        vectors, corpus = vectors[[label is not None for label in corpus.labels]], corpus.labelled()
    if (vectors == vectors[0]).all():
        return {"v_measure": 0.0, "nDCG@10": np.nan}, np.array([np.nan])
    clustering = evaluate_clustering(
        vectors, corpus.labels, ids=corpus.ids, n_seeds=3, n_resamples=2, n_silhouette=0, seed=seed
    )
    _, details = rank_topics(
        [Representation("lm", "mean", "none", vectors)],
        corpus.labels,
        corpus_name=corpus.name,
        ids=corpus.ids,
        texts=corpus.texts,
        n_queries=len(corpus),
        seed=seed,
    )
    (by_query,) = details.per_item("nDCG@10").values()
    v_measure = float(clustering.values["v_measure"].mean())
    return {"v_measure": v_measure, "nDCG@10": float(by_query.mean())}, by_query

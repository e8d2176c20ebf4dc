"""What padding costs downstream: topics found without labels (V-measure) and same-topic documents found first (nDCG@10)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .clustering import evaluate_clustering
from .corpus import Corpus
from .padding_effects import SETTING, PaddedVectors, with_references
from .ranking import rank_topics
from .scores import Representation

METRICS = ["v_measure", "nDCG@10"]
COSTS = [column for metric in METRICS for column in (metric, f"{metric}_change")]


def has_topics(corpus: Corpus) -> bool:
    """Whether there are two topics of at least two different texts, so that there is something to find."""
    texts = Counter(label for label, _ in set(zip(corpus.labels or (), corpus.texts, strict=False)))
    return sum(count > 1 for count in texts.values()) > 1


def padding_costs(
    corpus: Corpus, found: Sequence[PaddedVectors], *, pads: Sequence[str], n_seeds: int = 3, seed: int = 0
) -> pd.DataFrame:
    """Scores of each way to pad and their change against no padding; columns SETTING and COSTS, a row for each pooling.

    `pads` names the numbers of pads that are scored ("256", "batch"). Vectors that padding has made all the same cannot be
    told apart: they have V-measure 0 and no nDCG (nan). A corpus without topics gives no rows.
    """
    rows, scores = [], {}
    for one, reference in with_references(found) if has_topics(corpus) else ():
        if one.placement != "none" and one.pads not in pads:
            continue
        for pooling in one.vectors:
            for each in (one, reference):
                key = (*each.setting.values(), pooling)
                if key not in scores:
                    scores[key] = score(corpus, each.vectors[pooling], n_seeds=n_seeds, seed=seed)
            now, before = (scores[(*each.setting.values(), pooling)] for each in (one, reference))
            changes = {f"{metric}_change": now[metric] - before[metric] for metric in METRICS}
            rows.append(one.setting | {"pooling": pooling} | now | changes)
    return pd.DataFrame(rows, columns=[*SETTING, *COSTS])


def score(corpus: Corpus, vectors: np.ndarray, *, n_seeds: int = 3, seed: int = 0) -> dict[str, float]:
    """V-measure (mean over `n_seeds` k-means) and nDCG@10 of the documents' `vectors` [n, width]."""
    if (vectors == vectors[0]).all():
        return {"v_measure": 0.0, "nDCG@10": np.nan}
    clustering = evaluate_clustering(
        vectors, corpus.labels, ids=corpus.ids, n_seeds=n_seeds, n_resamples=2, n_silhouette=0, seed=seed
    )
    ranking, _ = rank_topics(
        [Representation("lm", "mean", "none", vectors)],
        corpus.labels,
        corpus_name=corpus.name,
        ids=corpus.ids,
        texts=corpus.texts,
        n_queries=len(corpus),
        seed=seed,
    )
    ndcg = ranking.loc[ranking["metric"] == "nDCG@10", "value"].item()
    return {"v_measure": float(clustering.values["v_measure"].mean()), "nDCG@10": ndcg}

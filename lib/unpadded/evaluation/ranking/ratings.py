"""Agreement of document vectors with human similarity ratings of document pairs (Lee et al., 2005)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import ndcg_score
from sklearn.preprocessing import normalize

from unpadded.common import InputError
from unpadded.evaluation.scores import Representation, check_names, checked_vectors, score_row, to_frame
from unpadded.evaluation.statistics import bootstrap_mean, percentile_interval

N_RESAMPLES = 300  # of the rated documents


@dataclass(frozen=True, eq=False)
class RatingDetails:
    """pairs: columns first, second, rating and the cosine of every method; values: nDCG@10, DataFrame [document x method]."""

    pairs: pd.DataFrame
    values: pd.DataFrame

    def per_item(self) -> dict[str, np.ndarray]:
        """For statistics.compare: method -> nDCG@10 of every rated document."""
        return {name: column.to_numpy() for name, column in self.values.items()}


def rank_ratings(
    representations: Sequence[Representation],
    *,
    corpus_name: str,
    ids: Sequence[str],
    ratings: pd.DataFrame,
    seed: int = 0,
) -> tuple[pd.DataFrame, RatingDetails]:
    """Spearman of cosine against rating over all pairs, and nDCG@10 of each document's neighbours by rating.

    ratings: columns first, second (document ids), rating (0 or more). Intervals resample documents, because pairs that
    share one are not independent. Raises InputError for unknown ids, ratings that are negative or all the same, and vectors
    whose cosines are all the same.
    """
    check_names(representations)
    first, second, rating = _check_ratings(ids, ratings)
    pairs = ratings[["first", "second", "rating"]].reset_index(drop=True)
    rows, values = [], {}
    for representation in representations:
        start, vectors = time.perf_counter(), normalize(checked_vectors(representation, len(ids)))
        product = (
            vectors[first] * vectors[second]
            if isinstance(vectors, np.ndarray)
            else vectors[first].multiply(vectors[second])
        )
        cosine = np.asarray(product.sum(axis=1), dtype=float).ravel()
        if np.ptp(cosine) < 1e-6:  # nothing but rounding, in float32
            raise InputError(
                f"{representation.name}: all rated pairs have the same cosine, so no order agrees with the ratings or not; "
                "check the encoder."
            )
        pairs = pairs.assign(**{representation.name: cosine})
        values[representation.name] = _neighbour_ndcg(first, second, rating, cosine)
        about = {"corpus": corpus_name, "task": "ranking", "seed": seed, "seconds": time.perf_counter() - start}
        spearman = _bootstrap_spearman(first, second, cosine, rating, seed=seed)
        ndcg = bootstrap_mean(values[representation.name].to_numpy(), seed=seed)
        rows.append(score_row(representation, spearman, metric="spearman", n=len(rating), **about))
        rows.append(score_row(representation, ndcg, metric="nDCG@10", n=len(values[representation.name]), **about))
    table = pd.DataFrame(values)
    return to_frame(rows), RatingDetails(pairs, table.set_axis([ids[i] for i in table.index]))


def _check_ratings(ids: Sequence[str], ratings: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    position = {str(name): i for i, name in enumerate(ids)}
    pairs = ratings[["first", "second"]].astype(str).to_numpy()
    unknown = sorted(set(pairs.ravel().tolist()) - set(position))
    if unknown:
        raise InputError(
            f"ratings: document {unknown[0]!r} ({len(unknown)} such) is not in the corpus; drop its pairs."
        )
    first, second = (np.array([position[name] for name in column], dtype=int) for column in pairs.T)
    rating = ratings["rating"].to_numpy(dtype=float)
    if len(rating) < 3 or not np.isfinite(rating).all() or rating.min() < 0 or rating.min() == rating.max():
        raise InputError(
            "ratings: need at least three finite ratings, none negative and not all the same; check the file."
        )
    return first, second, rating


def _bootstrap_spearman(first, second, cosine, rating, *, seed: int):
    """A pair counts as often as both of its documents were drawn; draws without three pairs are repeated."""
    rng, n, resampled = np.random.default_rng(seed), max(first.max(), second.max()) + 1, []
    documents = np.unique(np.concatenate([first, second]))
    attempts = 0
    while len(resampled) < N_RESAMPLES and attempts < 10 * N_RESAMPLES:
        attempts += 1
        drawn = np.bincount(rng.choice(documents, len(documents)), minlength=n)
        pairs = np.repeat(np.arange(len(rating)), drawn[first] * drawn[second])
        if len(np.unique(rating[pairs])) > 1 and len(np.unique(cosine[pairs])) > 1:
            resampled.append(stats.spearmanr(cosine[pairs], rating[pairs]).statistic)
    value = stats.spearmanr(cosine, rating).statistic
    return percentile_interval(value, np.array(resampled or [value]))


def _neighbour_ndcg(first, second, rating, cosine) -> pd.Series:
    """nDCG@10 per rated document over the documents it was rated with; those rated 0 throughout are left out."""
    both = pd.DataFrame(
        {"document": np.concatenate([first, second]), "rating": np.tile(rating, 2), "cosine": np.tile(cosine, 2)}
    )
    values = {
        document: ndcg_score([group["rating"]], [group["cosine"]], k=10)
        for document, group in both.groupby("document")
        if len(group) > 1 and group["rating"].any()
    }
    return pd.Series(values, dtype=float)

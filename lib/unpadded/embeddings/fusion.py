"""Two searches made one: by vectors and by words, their scores standardised and summed."""

import numpy as np


def standardised(scores: np.ndarray) -> np.ndarray:
    """Scores [..., n], each row with mean 0 and standard deviation 1, float64; equal ones say nothing and become 0."""
    scores = scores.astype(np.float64)
    if not scores.size:
        return scores
    equal = scores.min(axis=-1, keepdims=True) == scores.max(axis=-1, keepdims=True)
    spread = np.where(equal, 1, scores.std(axis=-1, keepdims=True))
    return np.where(equal, 0, scores - scores.mean(axis=-1, keepdims=True)) / spread


def summed(rows: np.ndarray, cosines: np.ndarray, bm25: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` of `rows` (ascending) whose standardised cosine and BM25 score have the highest sum, and the sums, float64.

    `cosines` and `bm25` belong to `rows`, over which they are standardised. The earlier of two equal ones comes first.
    """
    sums = standardised(cosines) + standardised(bm25)
    best = np.argsort(-sums, kind="stable")[:k]
    return rows[best], sums[best]


def found_by(rows: np.ndarray, near: np.ndarray, held: np.ndarray) -> list[str]:
    """For each of `rows` whether it is one of those first by vectors (`near`), by words (`held`), or "both".

    One that is in neither was found by both as well: neither alone puts it so high.
    """
    by_vectors, by_words = np.isin(rows, near), np.isin(rows, held)
    return np.where(by_vectors == by_words, "both", np.where(by_vectors, "vectors", "words")).tolist()

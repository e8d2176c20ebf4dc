"""Means over the rows of a token table: how static token vectors become document vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unpadded.tokens.counts import count_matrix

EVEN = 0.5  # what word vectors count beside topics that find as much
POWER = 4  # how fast that changes with what they find
SAME = 1e-5  # of its length, up to which what a vector has beside the mean is what rounding left


def mean_rows(token_ids: Sequence[np.ndarray], table: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of the ``table`` [vocabulary, width] rows of each document's tokens, float32 [n, width].

    token_ids: one int array per document; weights: float [vocabulary], of every occurrence of a token. A document without
    tokens gets zeros. Raises InputError for ids beyond the table.
    """
    from sklearn.preprocessing import normalize

    counts = count_matrix(token_ids, len(table))
    if weights is not None:
        counts = counts.multiply(weights).tocsr()
    return np.asarray(normalize(counts, norm="l1") @ np.asarray(table, dtype=np.float32), dtype=np.float32)


def words_share(by_topics: float, by_words: float) -> float:
    """What mean word vectors count in a cosine beside topics, which count 1: from 0 to 1, EVEN where both find as much.

    `by_topics`, `by_words`: the mean reciprocal ranks at which halves of documents find each other by either.
    """
    return float(np.clip(EVEN * (by_words / max(by_topics, 1e-9)) ** POWER, 0, 1))


def topics_and_words(topics: np.ndarray, words: np.ndarray, *, mean: np.ndarray, share: float) -> np.ndarray:
    """Documents' topics [n, k] and mean word vectors [n, width] side by side, float32 [n, k + width], unit length or 0.

    The words' part counts `share` in a cosine, the topics' 1. `mean` [width] is taken off the words', since the sum that most
    documents share tells none from another; nothing is left of a document without words, nor of one that is just the mean.
    """
    from sklearn.preprocessing import normalize

    left, length = words - mean, np.linalg.norm(words, axis=1)
    told_apart = np.linalg.norm(left, axis=1) > SAME * length
    centred = normalize(left * (told_apart & (length > 0))[:, None])
    return normalize(np.hstack([normalize(topics), np.sqrt(share) * centred])).astype(np.float32, copy=False)

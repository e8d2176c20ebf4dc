"""Means over the rows of a token table: how static token vectors become document vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unpadded.tokens.counts import count_matrix


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

"""Means over the rows of a token table: how static token vectors become document vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from unpadded.errors import InputError


def mean_rows(token_ids: Sequence[np.ndarray], table: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of the ``table`` [vocabulary, width] rows of each document's tokens, float32 [n, width].

    token_ids: one int array per document; weights: float [vocabulary], of every occurrence of a token. A document without
    tokens gets zeros. Raises InputError for ids beyond the table.
    """
    counts = count_matrix(token_ids, len(table))
    if weights is not None:
        counts = counts.multiply(weights).tocsr()
    return np.asarray(normalize(counts, norm="l1") @ np.asarray(table, dtype=np.float32), dtype=np.float32)


def count_matrix(token_ids: Sequence[np.ndarray], n_vocabulary: int) -> sparse.csr_matrix:
    """How often each token stands in each document, sparse float32 [n, n_vocabulary]; raises InputError beyond it."""
    lengths = np.fromiter((len(document) for document in token_ids), dtype=np.int64, count=len(token_ids))
    columns = np.concatenate(
        [np.asarray(document, dtype=np.int32) for document in token_ids] or [np.empty(0, np.int32)]
    )
    if len(columns) and not 0 <= columns.min() <= columns.max() < n_vocabulary:
        raise InputError(
            f"token_ids: ids run to {columns.max()}, the table has {n_vocabulary} rows; use the model's own ids."
        )
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    matrix = sparse.csr_matrix(
        (np.ones(len(columns), np.float32), columns, offsets), shape=(len(lengths), n_vocabulary)
    )
    matrix.sum_duplicates()
    return matrix

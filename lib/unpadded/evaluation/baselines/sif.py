"""Smooth inverse frequency: a mean of word vectors that is hard to beat (Arora, Liang and Ma, ICLR 2017).

A token that is a share p of all tokens weighs a / (a + p), so that frequent ones hardly count; then the direction that all
documents have most in common is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unpadded.tokens import mean_rows

A = 1e-3  # theirs; 1e-4 to 1e-3 did about alike
ROUNDING = 1e-5  # of a vector's length: a document that is nothing but the common direction gets zeros, not noise


def sif_vectors(token_ids: Sequence[np.ndarray], table: np.ndarray, *, train: Sequence[int] | np.ndarray) -> np.ndarray:
    """The vector of every document, float32 [n, width], from the word vectors `table` [vocabulary, width].

    token_ids: one int array per document; `train`: positions of those that the frequencies and the common direction are
    taken from. A document without tokens gets zeros. Raises InputError for ids beyond the table.
    """
    occurrences = np.zeros(len(table))
    for i in train:
        occurrences += np.bincount(token_ids[i], minlength=len(table))
    weights = A / (A + occurrences / max(1, occurrences.sum()))
    return without_common(mean_rows(token_ids, table * weights[:, None]), train=train)


def without_common(vectors: np.ndarray, *, train: Sequence[int] | np.ndarray) -> np.ndarray:
    """`vectors` [n, width] without their part along the first singular direction of the rows `train`, not centred; float32."""
    exact = np.asarray(vectors, np.float64)
    direction = np.linalg.eigh(exact[train].T @ exact[train])[1][:, -1]
    left = exact - np.outer(exact @ direction, direction)
    left[np.linalg.norm(left, axis=1) <= ROUNDING * np.linalg.norm(exact, axis=1)] = 0
    return left.astype(np.float32)

"""Blockwise search: the first documents of every query without the full matrix of scores in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import linear_kernel
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

BLOCK_BYTES = 128 * 2**20  # scores held at once; the partial sort needs about three times as much

Scorer = Callable[[slice], np.ndarray]  # rows of queries -> scores [n_rows, n_documents], higher is better


def cosine_scorer(queries, documents) -> Scorer:
    """Cosine between `queries` [q, width] and `documents` [n, width], dense or sparse; 0 for a vector of zeros."""
    queries, documents = normalize(queries), normalize(documents)
    return lambda rows: linear_kernel(queries[rows], documents, dense_output=True)


def first_documents(
    scorer: Scorer, n_queries: int, n_documents: int, *, depth: int, excluded: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Positions of the `depth` best documents of every query, best first, int32 [n_queries, depth].

    Equal scores keep the documents' order. `excluded` lists the positions a query must not find; -1 fills the rest.
    """
    depth = min(depth, n_documents)
    found = np.empty((n_queries, depth), dtype=np.int32)
    for rows in gen_batches(n_queries, max(1, BLOCK_BYTES // (4 * n_documents))):
        scores = np.array(scorer(rows), dtype=np.float32)
        for row, hidden in zip(scores, excluded[rows] if excluded is not None else (), strict=False):
            row[hidden] = -np.inf
        found[rows] = _sorted_top(scores, depth)
    return found


def nearest_rows(queries: np.ndarray, blocks: Iterable[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and cosines of the `k` nearest vectors of every query, best first: int64 and float32 [n_queries, k].

    `queries` [n_queries, width]; `blocks` are the vectors [*, width] in order, of which one block is held at a time.
    Where there are fewer than `k` vectors, there are fewer columns; equal cosines keep the vectors' order.
    """
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    first = 0
    for block in blocks:
        found = np.asarray(cosine_scorer(queries, block)(slice(None)), dtype=np.float32)
        numbers = np.arange(first, first + len(block))
        best = np.concatenate([best, found], axis=1)  # what was found before stands first, so ties stay in order
        rows = np.concatenate([rows, np.broadcast_to(numbers, found.shape)], axis=1)
        places = _sorted_top(best, min(k, best.shape[1]))
        best, rows = np.take_along_axis(best, places, axis=1), np.take_along_axis(rows, places, axis=1)
        first += len(block)
    return rows, best


def _sorted_top(scores: np.ndarray, depth: int) -> np.ndarray:
    n = scores.shape[1]
    top = (
        np.argpartition(-scores, depth - 1, axis=1)[:, :depth] if depth < n else np.tile(np.arange(n), (len(scores), 1))
    )
    top.sort(axis=1)  # positions ascending, then a stable sort by score: ties stay in the documents' order
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isneginf(values), -1, top)


def reciprocal_places(questions, answers) -> np.ndarray:
    """One over the place of answer i among all `answers` [n, width] asked for by question i, by cosine: float64 [n].

    Dense or sparse. Answers that are equally near share the worst place, so that vectors which are all the same find nothing.
    """
    cosines = normalize(questions) @ normalize(answers).T
    cosines = cosines.toarray() if sparse.issparse(cosines) else np.asarray(cosines)
    return 1 / (cosines >= np.diag(cosines)[:, None] - 1e-7).sum(axis=1)

"""Rows against rows: largest difference, in units of rounding too, cosine, and whose neighbours change."""

import numpy as np

NEIGHBOURS = 10
TIE = 1e-9  # cosines nearer than this are equal
FLOOR = 2.0**-10  # of the largest vector: the scale of vectors near zero


def widened(rows: np.ndarray, width: int) -> np.ndarray:
    """`rows` with zeros on the right up to `width` columns: a sparse encoder's later columns."""
    return np.pad(rows, ((0, 0), (0, max(width - rows.shape[1], 0))))


def differences(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Largest difference of each row, [n]; NaN in the same places is no difference, anything else not finite is inf."""
    if found.shape != expected.shape:
        return np.full(len(found), np.inf)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(found.astype(np.float64) - expected))
    return np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(axis=1, initial=0.0)


def scales(expected: np.ndarray) -> np.ndarray:
    """The largest number of each row, [n], which rounding is relative to; not below a thousandth of the largest of all."""
    largest = np.nan_to_num(np.abs(expected), nan=0.0, posinf=0.0).max(axis=1, initial=0.0)
    return np.maximum(largest, max(FLOOR * largest.max(initial=0.0), np.finfo(np.float32).tiny))


def cosines(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Cosine of each row with the row expected, [n]: 1 where they are the same, 0 where one alone is zero or not finite."""
    if found.shape != expected.shape:
        return np.zeros(len(found))
    a, b = _directions(found), _directions(expected)
    return np.where(differences(found, expected) == 0, 1.0, np.clip((a * b).sum(axis=1), -1, 1))


def neighbours_changed(found: np.ndarray, expected: np.ndarray, k: int = NEIGHBOURS) -> float:
    """How many of the `k` nearest documents (by cosine) of a document are others, mean over the documents.

    A newcomer as near as those that it stands for is no change.
    """
    n = len(expected)
    k = min(k, n - 1)
    if k < 1 or found.shape != expected.shape:
        return 0.0 if k < 1 else float(k)
    before, after = (_directions(rows) @ _directions(rows).T for rows in (expected, found))
    for cosine in (before, after):
        np.fill_diagonal(cosine, -np.inf)
    last = np.sort(before, axis=1)[:, -k]  # cosine of the k-th neighbour
    now = np.argsort(-after, axis=1, kind="stable")[:, :k]
    return float((np.take_along_axis(before, now, axis=1) < last[:, None] - TIE).sum(axis=1).mean())


def _directions(rows: np.ndarray) -> np.ndarray:
    rows = np.nan_to_num(rows.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)

"""A cache of fitted transformers, in files that are named by a hash of the transformer and of what it was fitted on.

Three notebooks compare the same post-processings of the same vectors: the first stores what it fits, the others read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from unpadded.common import READING_HEADERS, atomic_write


def fit(transformer: BaseEstimator, X: np.ndarray, folder: str | os.PathLike | None = None) -> BaseEstimator:
    """`transformer` fitted on `X` [n, width], or with the attributes that an equal fit stored before.

    The learnt attributes go into a .npz file of `folder`, named by the transformer's class and parameters, scikit-learn's
    version and the bytes of `X`, so no other fit is mistaken for it; a damaged file is replaced by a new fit. Without
    `folder` nothing is kept.
    """
    if folder is None:
        return transformer.fit(X)
    path = Path(folder) / f"{_key(transformer, X)}.npz"
    learnt = _read(path)
    if learnt is not None:
        vars(transformer).update(learnt)
        return transformer
    transformer.fit(X)
    learnt = {name: value for name, value in vars(transformer).items() if name not in transformer.get_params()}
    with atomic_write(path) as file:
        np.savez(file, **learnt)
    return transformer


def _key(transformer: BaseEstimator, X: np.ndarray) -> str:
    facts = [type(transformer).__name__, transformer.get_params(), sklearn.__version__, str(X.dtype), X.shape]
    found = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    found.update(np.ascontiguousarray(X))
    return found.hexdigest()


def _read(path: Path) -> dict[str, object] | None:
    """Arrays, and numbers as Python's; None where there is no whole file."""
    try:
        with READING_HEADERS, np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] if stored[name].ndim else stored[name].item() for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None

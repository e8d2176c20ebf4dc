"""Post-processing of document vectors: scikit-learn transformers fitted without labels, on training documents only.

Raw hidden states are anisotropic and concat mixes parts of different scale; each transformer mends one of these. The
sixth post-processing, "idf", is done while pooling (see `extraction`); its weights are `tokens.idf_weights`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils.validation import check_is_fitted, validate_data

from unpadded.common import CONCAT, POSTPROCESSES, InputError
from unpadded.evaluation import fitted
from unpadded.evaluation.scores import FitRecord, Representation


class PartNormalizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale each of `n_parts` equal parts of a row to unit L2 length, so that no part of concat drowns the others."""

    def __init__(self, n_parts: int = 1) -> None:
        self.n_parts = n_parts

    def fit(self, X, y=None) -> PartNormalizer:
        """Check that the width of `X` [n, width] divides into parts; nothing is learnt."""
        X = validate_data(self, X, dtype=(np.float32, np.float64))
        if X.shape[1] % self.n_parts:
            raise InputError(f"n_parts: width {X.shape[1]} does not divide into {self.n_parts} parts; choose another.")
        return self

    def transform(self, X) -> np.ndarray:
        """`X` [n, width] with unit parts; a part of zeros stays zeros."""
        check_is_fitted(self, "n_features_in_")
        X = validate_data(self, X, dtype=(np.float32, np.float64), reset=False)
        return normalize(X.reshape(len(X) * self.n_parts, -1)).reshape(X.shape)


class TopComponentsRemover(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Subtract the mean and the top principal components ("all-but-the-top", Mu and Viswanath, ICLR 2018).

    `n_components`: how many; None takes the paper's rule of thumb, width / 100, at least 1.
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X, y=None) -> TopComponentsRemover:
        """Learn mean [width] and directions [n_components, width] from `X` [n, width]."""
        X = validate_data(self, X, dtype=(np.float32, np.float64), ensure_min_samples=2)
        wanted = max(1, X.shape[1] // 100) if self.n_components is None else self.n_components
        pca = PCA(min(wanted, *X.shape), svd_solver="covariance_eigh").fit(X)
        self.mean_, self.components_ = pca.mean_, pca.components_
        return self

    def transform(self, X) -> np.ndarray:
        """`X` [n, width] without its mean and top directions, in the dtype it came in."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float32, np.float64), reset=False)
        centred = X - self.mean_.astype(X.dtype)
        components = self.components_.astype(X.dtype)
        return centred - (centred @ components.T) @ components


class Whitener(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Rotate to principal components of unit variance; directions below `tolerance` of the largest are dropped."""

    def __init__(self, tolerance: float = 1e-6) -> None:
        self.tolerance = tolerance

    def fit(self, X, y=None) -> Whitener:
        """Learn the whitening of `X` [n, width]; keeps at most n - 1 directions."""
        X = validate_data(self, X, dtype=(np.float32, np.float64), ensure_min_samples=2)
        pca = PCA(svd_solver="covariance_eigh").fit(X)
        variances = pca.explained_variance_
        kept = min(int((variances > self.tolerance * variances[0]).sum()), len(X) - 1)
        self.mean_ = pca.mean_
        self.directions_ = pca.components_[:kept] / np.sqrt(variances[:kept, None])
        self._n_features_out = kept
        return self

    def transform(self, X) -> np.ndarray:
        """`X` [n, width] as [n, kept directions], in the dtype it came in."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float32, np.float64), reset=False)
        return (X - self.mean_.astype(X.dtype)) @ self.directions_.T.astype(X.dtype)


TRANSFORMERS: dict[str, Callable[[int], BaseEstimator]] = {
    "l2": lambda n_parts: PartNormalizer(n_parts),
    "standardize": lambda n_parts: StandardScaler(),
    "remove_top": lambda n_parts: TopComponentsRemover(),
    "whiten": lambda n_parts: Whitener(),
}


def postprocess(
    representation: Representation,
    name: str,
    *,
    ids: Sequence[str],
    train: Sequence[int] | np.ndarray,
    keep: str | os.PathLike | None = None,
) -> Representation:
    """`representation` after "none", "l2" (per part), "standardize", "remove_top" or "whiten", fitted on `train`.

    `train` holds document positions; their ids are recorded. The transformer is fitted when the vectors are first asked
    for, and they are made anew each time; `keep` is the folder of a cache of fitted transformers (`fitted`). Raises
    InputError for another name or sparse vectors.
    """
    if name == "none":
        return representation
    if name not in TRANSFORMERS:
        raise InputError(f"postprocess: unknown {name!r}; choose none, {', '.join(TRANSFORMERS)}.")
    if not isinstance(representation.vectors, np.ndarray):
        raise InputError(f"{representation.name}: sparse vectors are not post-processed; use LSA or another dense one.")
    train = np.asarray(train)
    transformer = TRANSFORMERS[name](len(CONCAT) if representation.pooling == "concat" else 1)
    learns = name != "l2"
    record = FitRecord(name, frozenset(str(ids[i]) for i in train)) if learns else None

    def transformed() -> np.ndarray:
        vectors = representation.vectors
        if not hasattr(transformer, "n_features_in_"):  # which every fit sets
            fitted.fit(transformer, vectors[train], keep if learns else None)
        return transformer.transform(vectors)

    return representation.with_vectors(transformed, postprocess=name, record=record)


def postprocess_all(
    representations: Sequence[Representation],
    names: Sequence[str] = POSTPROCESSES,
    *,
    ids: Sequence[str],
    train: Sequence[int] | np.ndarray,
    keep: str | os.PathLike | None = None,
) -> list[Representation]:
    """Every representation as it is and after every post-processing of `names`, grouped by representation.

    What is post-processed already (the IDF-weighted mean) stays as it is. `keep` as in `postprocess`.
    """
    names = dict.fromkeys(["none", *names])  # what a post-processing is compared with is always there
    names.pop("idf", None)
    return [
        postprocess(rep, name, ids=ids, train=train, keep=keep)
        for rep in representations
        for name in (names if rep.postprocess == "none" else ["none"])
    ]

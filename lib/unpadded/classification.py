"""Classification of frozen vectors: logistic regression, scored on the test split, with a learning curve."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from unpadded.errors import InputError
from unpadded.scores import Representation, check_representations, score_row, to_frame
from unpadded.statistics import bootstrap_mean, bootstrap_metric

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)  # C, for standardised dense vectors
SPARSE_STRENGTHS = (1.0, 10.0)  # C, for sparse vectors of unit length, whose features are far smaller
PER_CLASS = (10, 30, 100, 300)
CV_SAMPLE = 3000  # training documents the cross-validation of C looks at


@dataclass(frozen=True, eq=False)
class ClassificationDetails:
    """``truth`` and predictions of the test documents; ``test`` their positions in the corpus; ``strength`` the chosen C."""

    test: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray]
    strength: dict[str, float]

    def per_item(self) -> dict[str, np.ndarray]:
        """For statistics.compare: method -> 1.0 where the test document was classified correctly, [n_test]."""
        return {name: (predicted == self.truth).astype(float) for name, predicted in self.predictions.items()}


def split_documents(
    labels: Sequence[str] | None, split: Sequence[str] | None = None, *, n: int | None = None, test_size: float = 0.25,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Positions of (training, test) documents: the corpus's own ``split``, or else a seeded, stratified draw.

    Without labels (then ``n`` says how many documents) and split nothing is held out. A topic with one document trains,
    any other has at least one in both parts. Raises InputError when a given split lacks a part, or all topics have one.
    """
    if split is not None:
        split = np.asarray(split)
        train, test = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
        if labels is not None and not (len(train) and len(test)):
            raise InputError(
                f"split: {len(train)} train and {len(test)} test documents; give some of both, or no split."
            )
        return (train if len(train) else np.arange(len(split))), test
    if labels is None:
        return np.arange(n or 0), np.empty(0, dtype=int)
    labels = np.asarray(labels)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    n_test = np.clip(np.round(test_size * counts).astype(int), 1, None) * (counts > 1)
    in_test = _rank_within_topic(labels, seed) < n_test[codes]
    if not in_test.any():
        raise InputError(
            f"labels: each of the {len(labels)} topics has one document; nothing can be held out for a test."
        )
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def classify_all(
    representations: Sequence[Representation], labels: Sequence[str], *, corpus_name: str, ids: Sequence[str],
    train: np.ndarray, test: np.ndarray, seed: int = 0,
) -> tuple[pd.DataFrame, ClassificationDetails]:  # fmt: skip
    """Logistic regression on the ``train`` vectors, C by cross-validation, scored on ``test``; (long table, details).

    accuracy and macro_f1 with bootstrap intervals over test documents. Raises InputError when anything fitted saw a test
    document, when ``train`` and ``test`` overlap, for one topic only, and for a test topic without training document.
    """
    check_representations(representations, len(labels))
    labels, ids = np.asarray(labels), np.asarray(ids).astype(str)
    _check_split(labels, train, test)
    for representation in representations:
        refuse_leak(representation, ids[test])
    train, test = train[np.argsort(ids[train], kind="stable")], test[np.argsort(ids[test], kind="stable")]
    topics, codes = np.unique(labels, return_inverse=True)
    rows, predictions, strength = [], {}, {}
    for representation in representations:
        start = time.perf_counter()
        model, strength[representation.name] = fit_classifier(representation.vectors[train], codes[train], seed=seed)
        predicted = model.predict(representation.vectors[test])
        seconds = time.perf_counter() - start
        predictions[representation.name] = topics[predicted]
        accuracy = bootstrap_mean((predicted == codes[test]).astype(float), seed=seed)
        macro_f1 = bootstrap_metric(_macro_f1, codes[test], predicted, n_resamples=200, seed=seed)
        for metric, interval in (("accuracy", accuracy), ("macro_f1", macro_f1)):
            rows.append(
                score_row(representation, interval, corpus=corpus_name, task="classification", metric=metric,
                          n=len(test), seed=seed, seconds=seconds)
            )  # fmt: skip
    return to_frame(rows), ClassificationDetails(test, labels[test], predictions, strength)


def refuse_leak(representation: Representation, test_ids: Sequence[str]) -> None:
    """Raise InputError when something fitted for ``representation`` saw one of the test documents."""
    test_ids = {str(i) for i in test_ids}
    for record in representation.fitted:
        seen = record.ids & test_ids
        if seen:
            raise InputError(
                f"{representation.name}: {record.fitted} was fitted on {len(seen)} test documents ({min(seen)!r} is one), "
                "so its score would be a leak; fit it on training documents only."
            )


def fit_classifier(
    vectors, codes: np.ndarray, *, seed: int = 0, strength: float | None = None
) -> tuple[Pipeline, float]:
    """(scaler + logistic regression fitted on ``vectors`` [n, width] and class ``codes`` [n], its C).

    C is chosen by three-fold cross-validation on at most CV_SAMPLE documents, unless given; where fewer than two classes
    have three documents, the middle of the grid is taken.
    """
    dense = not sparse.issparse(vectors)
    grid = STRENGTHS if dense else SPARSE_STRENGTHS
    if strength is None:
        strength = _choose_strength(vectors, codes, grid, dense=dense, seed=seed)
    model = _pipeline(strength, dense=dense)
    return _quiet_fit(model, vectors, codes), strength


def _choose_strength(vectors, codes: np.ndarray, grid: Sequence[float], *, dense: bool, seed: int) -> float:
    rows = np.arange(len(codes))
    if len(rows) > CV_SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, CV_SAMPLE, replace=False))
    kept = rows[np.bincount(codes[rows])[codes[rows]] >= 3]
    if len(np.unique(codes[kept])) < 2:
        return grid[len(grid) // 2]
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = [
            cross_val_score(_pipeline(c, dense=dense), vectors[kept], codes[kept], cv=folds).mean() for c in grid
        ]  # fmt: skip
    return grid[int(np.argmax(means))]


def _pipeline(strength: float, *, dense: bool) -> Pipeline:
    steps = [StandardScaler()] if dense else []
    return make_pipeline(*steps, LogisticRegression(C=strength, tol=1e-3, max_iter=200))


def _quiet_fit(model: Pipeline, vectors, codes: np.ndarray) -> Pipeline:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 steps change the score no more
        return model.fit(vectors, codes)


def learning_curve(
    representations: Sequence[Representation], labels: Sequence[str], details: ClassificationDetails, *, train: np.ndarray,
    per_class: Sequence[int] = PER_CLASS, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Test accuracy against training documents per topic, from the first of ``per_class`` to all; nested draws by ``seed``.

    ``details`` are classify_all's: C and the score on all training documents are taken from there, not computed again.
    Returns columns method, per_class (0 for all), n_train, accuracy, ci_low, ci_high.
    """
    labels, test = np.asarray(labels), details.test
    rank = _rank_within_topic(labels[train], seed)
    rows = []
    for representation in representations:
        name = representation.name
        predictions = {0: (len(train), details.predictions[name])}
        for size in (size for size in per_class if (rank >= size).any()):
            some = train[rank < size]
            model, _ = fit_classifier(representation.vectors[some], labels[some], strength=details.strength[name])
            predictions[size] = len(some), model.predict(representation.vectors[test])
        for size in sorted(predictions, key=lambda size: predictions[size][0]):
            n_train, predicted = predictions[size]
            correct = (predicted == labels[test]).astype(float)
            rows.append([name, size, n_train, *bootstrap_mean(correct, n_resamples=200, seed=seed)])
    return pd.DataFrame(rows, columns=["method", "per_class", "n_train", "accuracy", "ci_low", "ci_high"])


def _rank_within_topic(labels: np.ndarray, seed: int) -> np.ndarray:
    """A random order 0, 1, 2, ... of the documents within each topic, int [n]."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), dtype=int)
    rank[shuffled] = pd.Series(labels[shuffled]).groupby(labels[shuffled]).cumcount().to_numpy()
    return rank


def _check_split(labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    both = np.intersect1d(train, test)
    if not len(train) or not len(test) or len(both):
        raise InputError(
            f"split: {len(train)} training, {len(test)} test documents, {len(both)} in both; split them anew."
        )
    if len(np.unique(labels[train])) < 2:
        raise InputError(f"labels: training needs two topics, got only {str(labels[train][0])!r}; use other documents.")
    unseen = np.setdiff1d(labels[test], labels[train])
    if len(unseen):
        raise InputError(
            f"labels: topic {str(unseen[0])!r} is in the test split but not in training; drop it or split anew."
        )


def _macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    return f1_score(truth, predicted, average="macro", labels=np.unique(truth), zero_division=0)

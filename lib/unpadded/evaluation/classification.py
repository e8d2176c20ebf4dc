"""Classification of frozen vectors: logistic regression, scored on the test split, with a learning curve."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unpadded.common import InputError
from unpadded.evaluation.logistic import bootstrap_macro_f1, fit_classifier
from unpadded.evaluation.parallel import side_by_side
from unpadded.evaluation.scores import Representation, check_names, checked_vectors, score_row, to_frame
from unpadded.evaluation.statistics import bootstrap_mean

TEST_SHARE = 0.25  # of each topic, where a corpus has no split of its own
PER_CLASS = (10, 30, 100, 300)  # training documents of each topic that the learning curve is measured at


@dataclass(frozen=True, eq=False)
class ClassificationDetails:
    """`truth` and predictions of the test documents; `test` their positions in the corpus; `C` the chosen ones."""

    test: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray]
    C: dict[str, float]

    def per_item(self) -> dict[str, np.ndarray]:
        """For statistics.compare: method -> 1.0 where the test document was classified correctly, [n_test]."""
        return {name: (predicted == self.truth).astype(float) for name, predicted in self.predictions.items()}


def split_documents(
    labels: Sequence[str] | None,
    split: Sequence[str] | None = None,
    *,
    n: int | None = None,
    texts: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of (training, test) documents: the corpus's own `split`, or else a seeded, stratified draw.

    Without labels (then `n` says how many documents) and split nothing is held out. A topic with one document trains,
    any other has at least one in both parts. With `texts` a drawn test document that is a copy of a training document
    joins it; a given split stays as it is. Raises InputError when a given split lacks a part, or nothing can be held out.
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
    n_test = np.clip(np.round(TEST_SHARE * counts).astype(int), 1, None) * (counts > 1)
    in_test = _rank_within_topic(labels, seed) < n_test[codes]
    if texts is not None:
        in_test[copied(texts, np.flatnonzero(~in_test), np.flatnonzero(in_test))] = False
    if not in_test.any():
        raise InputError(
            f"labels: each of the {len(counts)} topics has one document or copies of it; nothing can be held out for a test."
        )
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def copied(texts: Sequence[str], train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Positions of the `test` documents whose text is also that of a `train` document, int64 [m]."""
    known = {texts[i] for i in train}
    return np.array([i for i in test if texts[i] in known], dtype=np.int64)


def classify_all(
    representations: Sequence[Representation],
    labels: Sequence[str],
    *,
    corpus_name: str,
    ids: Sequence[str],
    train: np.ndarray,
    test: np.ndarray,
    seed: int = 0,
) -> tuple[pd.DataFrame, ClassificationDetails]:
    """Logistic regression on the `train` vectors, C by cross-validation, scored on `test`; (long table, details).

    accuracy and macro_f1 with bootstrap intervals over test documents. Raises InputError when anything fitted saw a test
    document, when `train` and `test` overlap, for one topic only, and for a test topic without training document.
    """
    check_names(representations)
    labels, ids = np.asarray(labels), np.asarray(ids).astype(str)
    _check_split(labels, train, test)
    for representation in representations:
        refuse_leak(representation, ids[test])
    train, test = train[np.argsort(ids[train], kind="stable")], test[np.argsort(ids[test], kind="stable")]
    topics, codes = np.unique(labels, return_inverse=True)
    rows, predictions, chosen_c = [], {}, {}

    def classified(representation: Representation) -> tuple[np.ndarray, float, float]:
        start = time.perf_counter()
        vectors = checked_vectors(representation, len(labels))
        model, C = fit_classifier(vectors[train], codes[train], seed=seed)
        return model.predict(vectors[test]), C, time.perf_counter() - start

    results = side_by_side(classified, representations)
    for representation, (predicted, C, seconds) in zip(representations, results, strict=True):
        predictions[representation.name], chosen_c[representation.name] = topics[predicted], C
        accuracy = bootstrap_mean((predicted == codes[test]).astype(float), seed=seed)
        macro_f1 = bootstrap_macro_f1(codes[test], predicted, seed=seed)
        about = {"corpus": corpus_name, "task": "classification", "n": len(test), "seed": seed, "seconds": seconds}
        rows.append(score_row(representation, accuracy, metric="accuracy", **about))
        rows.append(score_row(representation, macro_f1, metric="macro_f1", **about))
    return to_frame(rows), ClassificationDetails(test, labels[test], predictions, chosen_c)


def refuse_leak(representation: Representation, test_ids: Sequence[str]) -> None:
    """Raise InputError when something fitted for `representation` saw one of the test documents."""
    test_ids = {str(i) for i in test_ids}
    for record in representation.fitted:
        seen = record.ids & test_ids
        if seen:
            raise InputError(
                f"{representation.name}: {record.fitted} was fitted on {len(seen)} test documents ({min(seen)!r} is one), "
                "so its score would be a leak; fit it on training documents only."
            )


def learning_curve(
    representations: Sequence[Representation],
    labels: Sequence[str],
    details: ClassificationDetails,
    *,
    train: np.ndarray,
    seed: int = 0,
) -> pd.DataFrame:
    """Test accuracy against training documents per topic, from the first of PER_CLASS to all; nested draws by `seed`.

    `details` are classify_all's: C and the score on all training documents are taken from there, not computed again, so C
    was chosen with all labels. Intervals are over test documents, for the labels as they were drawn once.
    Returns columns method, per_class (0 for all), n_train, accuracy, ci_low, ci_high.
    """
    labels, test = np.asarray(labels), details.test
    rank = _rank_within_topic(labels[train], seed)

    def rows_of(representation: Representation) -> list[list]:
        """One row a number of training documents."""
        name, vectors, rows = representation.name, representation.vectors, []
        for size in (*(size for size in PER_CLASS if (rank >= size).any()), 0):  # 0: all, which is the most
            some, predicted = train[rank < size] if size else train, details.predictions[name]
            if size:
                predicted = fit_classifier(vectors[some], labels[some], C=details.C[name])[0].predict(vectors[test])
            correct = (predicted == labels[test]).astype(float)
            rows.append([name, size, len(some), *bootstrap_mean(correct, n_resamples=200, seed=seed)])
        return rows

    rows = [row for rows in side_by_side(rows_of, representations) for row in rows]
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

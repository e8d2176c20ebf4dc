"""Classification of frozen vectors: logistic regression, scored on the test split, with a learning curve."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unpadded.common import InputError
from unpadded.corpus import Corpus
from unpadded.evaluation.logistic import bootstrap_macro_f1, fit_classifier
from unpadded.evaluation.parallel import side_by_side
from unpadded.evaluation.scores import (
    Representation,
    SameVectorsError,
    check_names,
    checked_vectors,
    score_row,
    to_frame,
)
from unpadded.evaluation.statistics import bootstrap_mean

TEST_SHARE = 0.25  # of each topic, where a corpus has no split of its own
LEARNED_FROM = ("train", "unlabelled")  # splits
PER_CLASS = (10, 30, 100, 300)  # training documents of each topic that the learning curve is measured at


@dataclass(frozen=True, eq=False)
class ClassificationDetails:
    """`truth` and predictions of the test documents; `train` and `test` are the positions in the corpus of the documents
    that could be used, and `note` says which could not; `C` the chosen ones."""

    train: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray]
    C: dict[str, float]
    note: str

    def per_item(self) -> dict[str, np.ndarray]:
        """For statistics.compare: method -> 1.0 where the test document was classified correctly, [n_test]."""
        return {name: (predicted == self.truth).astype(float) for name, predicted in self.predictions.items()}


def split_documents(
    labels: Sequence[str | None] | None,
    split: Sequence[str] | None = None,
    *,
    n: int | None = None,
    texts: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of (training, test) documents: the corpus's own `split`, or else a seeded, stratified draw.

    Of a split, train and unlabelled are trained on and test is tested on, or valid where there is no test with topics.
    Without any the test is drawn from the training documents. Without labels (then `n` says how many documents) and split
    nothing is held out. A topic with one document trains, as does a document without topic; any other topic has at least
    one in both parts. With `texts` a drawn test document that is a copy of a training document joins it; a given split
    stays as it is. The test is empty where nothing can be held out. Raises InputError for a split without training documents.
    """
    if labels is None:
        train = np.arange(n or 0) if split is None else np.flatnonzero(np.isin(split, LEARNED_FROM))
        test = np.flatnonzero(np.asarray(split or ()) == "test")
        return (train if len(train) or split is None else np.arange(len(split))), test
    names = np.array([label or "" for label in labels])
    learned = np.ones(len(names), dtype=bool) if split is None else np.isin(split, LEARNED_FROM)
    if not learned.any():
        raise InputError("split: 0 train documents; call the part that may be learned from train, or give no split.")
    for part in () if split is None else ("test", "valid"):
        test = np.flatnonzero((np.asarray(split) == part) & (names != ""))
        if len(test):
            return np.flatnonzero(learned), test
    _, codes, counts = np.unique(np.where(learned, names, ""), return_inverse=True, return_counts=True)
    n_test = np.clip(np.round(TEST_SHARE * counts).astype(int), 1, None) * (counts > 1)
    in_test = (_rank_within_topic(np.where(learned, names, ""), seed) < n_test[codes]) & learned & (names != "")
    if texts is not None:
        in_test[copied(texts, np.flatnonzero(learned & ~in_test), np.flatnonzero(in_test))] = False
    return np.flatnonzero(learned & ~in_test), np.flatnonzero(in_test)


def training_documents(corpus: Corpus, seed: int = 0) -> np.ndarray:
    """Positions of the documents that anything may be fitted on, int64 [n]: never those that classification tests on.

    The corpus's own training split, or else the seeded draw that classification makes; without topics, all documents.
    """
    return split_documents(corpus.labels, corpus.split, n=len(corpus), seed=seed)[0]


def copied(texts: Sequence[str], train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Positions of the `test` documents whose text is also that of a `train` document, int64 [m]."""
    known = {texts[i] for i in train}
    return np.array([i for i in test if texts[i] in known], dtype=np.int64)


def classify_all(
    representations: Sequence[Representation],
    labels: Sequence[str | None],
    *,
    corpus_name: str,
    ids: Sequence[str],
    train: np.ndarray,
    test: np.ndarray,
    seed: int = 0,
) -> tuple[pd.DataFrame, ClassificationDetails]:
    """Logistic regression on the `train` vectors, C by cross-validation, scored on `test`; (long table, details).

    accuracy and macro_f1 with bootstrap intervals over test documents. Documents without a topic, and test documents of a
    topic that training has not, are left out, and so are representations whose vectors are all the same; the note counts
    them. Raises InputError when anything fitted saw a test document, when `train` and `test` overlap, and for one topic only.
    """
    check_names(representations)
    ids = np.asarray(ids).astype(str)
    train, test, note = usable_split(labels, train, test)
    labels = np.array([label or "" for label in labels])
    _check_split(labels, train, test)
    for representation in representations:
        refuse_leak(representation, ids[test])
    train, test = train[np.argsort(ids[train], kind="stable")], test[np.argsort(ids[test], kind="stable")]
    topics, codes = np.unique(labels, return_inverse=True)
    rows, predictions, chosen_c = [], {}, {}

    def classified(representation: Representation) -> tuple[np.ndarray, float, float] | str:
        """What is predicted of the test, the chosen C and the seconds, or why nothing can be."""
        start = time.perf_counter()
        try:
            vectors = checked_vectors(representation, len(labels))
        except SameVectorsError as error:
            return str(error)
        model, C = fit_classifier(vectors[train], codes[train], seed=seed)
        return model.predict(vectors[test]), C, time.perf_counter() - start

    results = dict(zip(representations, side_by_side(classified, representations), strict=True))
    left_out = [result for result in results.values() if isinstance(result, str)]
    if len(left_out) == len(results):
        raise InputError(left_out[0])
    note = " ".join([note, *left_out]).strip()
    for representation, result in results.items():
        if isinstance(result, str):
            continue
        predicted, C, seconds = result
        predictions[representation.name], chosen_c[representation.name] = topics[predicted], C
        accuracy = bootstrap_mean((predicted == codes[test]).astype(float), seed=seed)
        macro_f1 = bootstrap_macro_f1(codes[test], predicted, seed=seed)
        about = {"corpus": corpus_name, "task": "classification", "n": len(test), "seed": seed, "seconds": seconds}
        rows.append(score_row(representation, accuracy, metric="accuracy", **about))
        rows.append(score_row(representation, macro_f1, metric="macro_f1", **about))
    return to_frame(rows), ClassificationDetails(train, test, labels[test], predictions, chosen_c, note)


def usable_split(
    labels: Sequence[str | None], train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, str]:
    """The positions among (`train`, `test`) that can be used, and a note about the others.

    A document without a topic can be neither trained on nor tested on; one of a topic that no training document has
    cannot be tested on.
    """
    names = np.array([label or "" for label in labels])
    taught = train[names[train] != ""]
    named = test[names[test] != ""]
    known = named[np.isin(names[named], names[taught])]
    notes = []
    if len(taught) < len(train) or len(named) < len(test):
        n = len(train) - len(taught) + len(test) - len(named)
        notes.append(f"{n:,} documents without a topic are left out.")
    if len(known) < len(named):
        lost = len(np.unique(names[np.setdiff1d(named, known)]))
        notes.append(
            f"{len(named) - len(known):,} test documents are left out: training has none of their {lost} topics."
        )
    return taught, known, " ".join(notes)


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
    seed: int = 0,
) -> pd.DataFrame:
    """Test accuracy against training documents per topic, from the first of PER_CLASS to all; nested draws by `seed`.

    `details` are classify_all's: C and the score on all training documents are taken from there, not computed again, so C
    was chosen with all labels. Intervals are over test documents, for the labels as they were drawn once.
    Returns columns method, per_class (0 for all), n_train, accuracy, ci_low, ci_high.
    """
    labels, train, test = np.array([label or "" for label in labels]), details.train, details.test
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

    measured = [representation for representation in representations if representation.name in details.predictions]
    rows = [row for rows in side_by_side(rows_of, measured) for row in rows]
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

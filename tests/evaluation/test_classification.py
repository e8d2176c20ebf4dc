"""Classification: the limits, the split, leaks, and every bad input by name."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import f1_score

from unpadded.common.errors import InputError
from unpadded.evaluation import classification
from unpadded.evaluation.classification import classify_all, copied, learning_curve, refuse_leak, split_documents
from unpadded.evaluation.logistic import DENSE_GRID, bootstrap_macro_f1, fit_classifier
from unpadded.evaluation.scores import FitRecord, Representation
from vector_tools import clouds, lm, noise


def classify(representations, labels, ids, **options):
    train, test = split_documents(labels)
    return classify_all(representations, labels, corpus_name="tiny", ids=ids, train=train, test=test, **options)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_perfect_vectors_score_one(kind):
    vectors, labels, ids = clouds()
    representation = lm(vectors)
    if kind == "sparse":
        representation = Representation("tfidf", "", "none", sparse.csr_matrix(vectors))
    scores, details = classify([representation], labels, ids)
    assert scores["metric"].tolist() == ["accuracy", "macro_f1"]
    assert scores[["value", "ci_low", "ci_high"]].to_numpy().ravel().tolist() == pytest.approx([1] * 6)
    assert scores["n"].tolist() == [32, 32]  # a quarter of each topic's 30, rounded
    assert details.per_item()[representation.name].mean() == 1


def test_random_vectors_score_chance_within_the_interval():
    _, labels, ids = clouds(per_topic=100)
    scores, _ = classify([lm(noise(400))], labels, ids)
    row = scores.set_index("metric").loc["accuracy"]
    assert row["ci_low"] <= 0.25 <= row["ci_high"]


def test_permuting_documents_changes_nothing():
    vectors, labels, ids = clouds(noise=0.5)
    train, test = split_documents(labels)
    order = np.random.default_rng(1).permutation(len(ids))
    place = np.argsort(order)
    first, _ = classify_all([lm(vectors)], labels, corpus_name="tiny", ids=ids, train=train, test=test)
    labels, ids = np.array(labels)[order].tolist(), np.array(ids)[order].tolist()
    second, _ = classify_all(
        [lm(vectors[order])], labels, corpus_name="tiny", ids=ids, train=place[train], test=place[test]
    )
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"), check_exact=True)


def test_a_given_split_is_kept_and_background_documents_stay_out():
    train, test = split_documents(list("abab"), ["train", "test", "background", "test"])
    assert train.tolist() == [0]
    assert test.tolist() == [1, 3]
    with pytest.raises(InputError, match="0 train documents"):
        split_documents(list("abab"), ["test"] * 4)


def test_valid_is_tested_on_where_there_is_no_test_with_topics_and_else_the_test_is_drawn():
    train, test = split_documents(list("ababab"), ["train", "train", "valid", "valid", "test", "test"])
    assert (train.tolist(), test.tolist()) == ([0, 1], [4, 5])
    train, test = split_documents(list("abab"), ["train", "train", "valid", "valid"])
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])
    train, test = split_documents(["a", "b", "a", "b", None, None], ["train"] * 2 + ["valid"] * 2 + ["test"] * 2)
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])  # nobody knows what a test without topics should be
    split = ["train"] * 8 + ["test"] * 2 + ["unlabelled"]
    train, test = split_documents([*"aaaabbbb", None, None, None], split)
    assert sorted([*train, *test]) == [*range(8), 10]
    assert len(test) == 2
    assert 10 in train  # for the language model


@pytest.mark.parametrize("seed", [0, 1])
def test_documents_without_a_topic_are_learned_from_and_never_tested_on(seed):
    labels = ["a", "b", None] * 10
    train, test = split_documents(labels, seed=seed)
    assert {labels[i] for i in test} == {"a", "b"}
    assert {i for i, label in enumerate(labels) if label is None} <= set(train)
    assert sorted([*train, *test]) == list(range(30))


@settings(max_examples=30)
@given(st.lists(st.sampled_from("aaabbc"), min_size=12, max_size=60), st.integers(0, 3))
def test_a_drawn_split_is_complete_disjoint_and_shows_every_topic_in_training(labels, seed):
    counts = pd.Series(labels).value_counts()
    train, test = split_documents(labels, seed=seed)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert set(labels) == {labels[i] for i in train}
    assert {labels[i] for i in test} == set(counts.index[counts > 1])
    again = split_documents(labels, seed=seed)
    np.testing.assert_array_equal(again[1], test)


def test_of_topics_of_one_document_each_nothing_is_held_out():
    for labels, texts in ((list("abc"), None), (list("aabb"), ["x", "x", "y", "y"])):
        train, test = split_documents(labels, texts=texts)
        assert (train.tolist(), test.tolist()) == (list(range(len(labels))), [])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=12, max_size=60), st.integers(0, 3))
def test_a_drawn_split_keeps_copies_together(documents, seed):
    documents = [*documents, *(("a", 10 + i) for i in range(9))]  # so many texts that some of them are tested on
    labels, texts = [label for label, _ in documents], [f"text {number}" for _, number in documents]
    drawn_train, drawn_test = split_documents(labels, seed=seed)
    moved = copied(texts, drawn_train, drawn_test)
    train, test = split_documents(labels, texts=texts, seed=seed)
    assert not {texts[i] for i in train} & {texts[i] for i in test}
    assert set(test) == set(drawn_test) - set(moved)  # and nothing else is drawn anew
    assert set(train) == set(drawn_train) | set(moved)


def test_a_given_split_keeps_its_copies_and_they_are_counted():
    labels, split, texts = list("abab"), ["train", "train", "test", "test"], ["x", "y", "x", "z"]
    train, test = split_documents(labels, split, texts=texts)
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])
    assert copied(texts, train, test).tolist() == [2]


def test_without_labels_nothing_is_held_out():
    train, test = split_documents(None, n=3)
    assert (train.tolist(), test.tolist()) == ([0, 1, 2], [])


def test_a_fit_that_saw_the_test_split_is_refused():
    vectors, labels, ids = clouds()
    train, test = split_documents(labels)
    honest = Representation(
        "lm", "mean", "none", vectors, (FitRecord("language model", frozenset(np.array(ids)[train])),)
    )
    leaky = Representation("lm", "mean", "none", vectors, (FitRecord("language model", frozenset(ids)),))
    options = {"corpus_name": "tiny", "ids": ids, "train": train, "test": test}
    assert len(classify_all([honest], labels, **options)[0]) == 2
    with pytest.raises(InputError, match="mean: language model was fitted on 32 test documents"):
        classify_all([leaky], labels, **options)
    with pytest.raises(InputError, match="leak"):
        refuse_leak(leaky, [ids[0]])


@pytest.mark.parametrize(
    ("labels", "train", "test", "message"),
    [
        ("aabb", [0, 2], [2, 3], "1 in both"),
        ("aabb", [0, 1, 2, 3], [], "0 test documents"),
        ("aaaa", [0, 1], [2, 3], "training needs two topics, got only 'a'"),
        ("aabbc", [0, 1, 2], [4], "0 test documents"),
    ],
)
def test_bad_splits_are_named(labels, train, test, message):
    ids = [str(i) for i in range(len(labels))]
    with pytest.raises(InputError, match=message):
        classify_all(
            [lm(noise(len(labels)))],
            list(labels),
            corpus_name="tiny",
            ids=ids,
            train=np.array(train, dtype=int),
            test=np.array(test, dtype=int),
        )


def test_what_cannot_be_used_is_left_out_with_a_note():
    vectors, labels, ids = clouds()
    train, test = split_documents(labels)
    changed = list(labels)
    changed[test[0]] = "in the test alone"
    for i in (train[0], train[1], test[1]):
        changed[i] = None
    same = Representation("same", "", "none", np.ones((len(ids), 2)))
    options = {"corpus_name": "tiny", "ids": ids, "train": train, "test": test}
    scores, details = classify_all([lm(vectors), same], changed, **options)
    assert details.note == (
        "3 documents without a topic are left out. 1 test documents are left out: training has none of their 1 topics. "
        "same: every document has the same vector, so there is nothing to score; check the encoder."
    )
    assert (scores["n"] == len(test) - 2).all()
    assert list(details.predictions) == ["mean"]
    curve = learning_curve([lm(vectors), same], changed, details)
    assert set(curve["method"]) == {"mean"}
    assert curve["n_train"].iloc[-1] == len(train) - 2
    with pytest.raises(InputError, match="same: every document has the same vector"):
        classify_all([same], changed, **options)


def test_broken_vectors_are_refused():
    vectors, labels, ids = clouds()
    vectors[3, 0] = np.inf
    with pytest.raises(InputError, match="mean: 1 vectors hold nan or infinity, the first in row 3"):
        classify([lm(vectors)], labels, ids)


def test_a_topic_with_one_document_is_only_trained_on():
    vectors, labels, ids = clouds()
    scores, details = classify([lm(vectors)], ["alone", *labels[1:]], ids)
    assert 0 not in details.test
    assert scores["value"].min() > 0.95


def test_the_interval_of_macro_f1_is_that_of_documents_drawn_anew():
    rng = np.random.default_rng(0)
    truth = rng.choice(4, size=200, p=[0.5, 0.3, 0.15, 0.05])
    predicted = np.where(rng.random(200) < 0.7, truth, rng.integers(5, size=200))  # class 4 is only ever predicted
    value, low, high = bootstrap_macro_f1(truth, predicted)
    rows = [rng.integers(200, size=200) for _ in range(300)]
    options = {"average": "macro", "labels": np.unique(truth), "zero_division": 0}
    expected = np.quantile([f1_score(truth[r], predicted[r], **options) for r in rows], [0.025, 0.975])
    assert value == pytest.approx(f1_score(truth, predicted, **options))
    assert [low, high] == pytest.approx(expected, abs=0.03)


def test_the_penalty_is_the_one_that_cross_validation_prefers():
    vectors, labels, _ = clouds(noise=0.8, per_topic=40)
    codes = np.unique(labels, return_inverse=True)[1]
    wide = np.hstack([vectors, noise(160, width=60)])  # many directions of noise ask for a strong penalty
    _, strong = fit_classifier(wide, codes)
    _, weak = fit_classifier(vectors * [1, 1, 1, 1], codes)
    assert strong < max(DENSE_GRID)
    assert strong <= weak
    assert fit_classifier(wide, codes, C=0.5)[1] == 0.5


def test_the_learning_curve_ends_at_the_classification_score_and_rises(monkeypatch):
    vectors, labels, ids = clouds(noise=0.6, per_topic=60)
    train, test = split_documents(labels)
    scores, details = classify_all([lm(vectors)], labels, corpus_name="tiny", ids=ids, train=train, test=test)
    monkeypatch.setattr(classification, "PER_CLASS", (2, 10, 1000))
    curve = learning_curve([lm(vectors)], labels, details)
    assert curve["per_class"].tolist() == [2, 10, 0]
    assert curve["n_train"].tolist() == [8, 40, 180]
    assert curve["accuracy"].iloc[-1] == scores["value"].iloc[0]
    assert curve["accuracy"].iloc[0] < curve["accuracy"].iloc[-1]

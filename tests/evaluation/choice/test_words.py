"""The model's vectors and the words' own side by side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.preprocessing import normalize

from unpadded.evaluation.choice.pieces import cut
from unpadded.evaluation.choice.words import WEIGHTS, Part, best_weight, joined_with_words
from unpadded.evaluation.scores import FitRecord, Representation

N = 60
IDS = [f"d{i}" for i in range(N)]
TRAIN = np.arange(40)


def representations(*, scale: float = 1.0, shift: float = 0.0, words=None):
    rng = np.random.default_rng(0)
    model = (scale * rng.standard_normal((N, 6)) + shift).astype(np.float32)
    counted = rng.standard_normal((N, 9)).astype(np.float32) if words is None else words
    fitted = (FitRecord("tfidf", frozenset(IDS[:40])),)
    return [
        Representation("lm", "mean", "none", model.copy()),
        Representation("lm_tuned", "mean", "none", model),
        Representation("lm_tuned", "mean", "idf", model),
        Representation("lm_tuned", "max", "none", model),
        Representation("lsa", "", "none", counted, fitted),
    ]


def test_cosines_are_the_sum_of_both_parts_cosines_over_their_spreads():
    given_ones = representations(shift=3.0)
    plain, weighted = joined_with_words(given_ones, ids=IDS, train=TRAIN)
    assert [(r.method, r.pooling, r.postprocess) for r in (plain, weighted)] == [
        ("lm_words", "mean", "none"),
        ("lm_words", "mean", "idf"),
    ]
    found = plain.vectors @ plain.vectors.T
    expected = 0
    for vectors in (given_ones[1].vectors, given_ones[-1].vectors):
        unit = normalize(vectors - vectors[TRAIN].mean(0))
        cosines = unit @ unit.T
        among = np.random.default_rng(0).integers(0, len(TRAIN), (2, 20_000))
        first, second = among[:, among[0] != among[1]]
        expected = expected + cosines / cosines[first, second].std()
    np.testing.assert_allclose(found, expected / expected[0, 0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(plain.vectors, axis=1), 1, rtol=1e-5)


@given(st.floats(1e-3, 1e3))
def test_the_scale_of_the_vectors_changes_nothing(scale):
    (plain, _), (scaled, _) = (joined_with_words(representations(scale=s), ids=IDS, train=TRAIN) for s in (1.0, scale))
    np.testing.assert_allclose(plain.vectors, scaled.vectors, atol=1e-4)


def test_sparse_words_stay_sparse_and_dense_and_sparse_agree():
    counted = np.abs(np.random.default_rng(1).standard_normal((N, 9))).astype(np.float32)
    part = Part.fitted(sparse.csr_matrix(counted[TRAIN]))
    assert part.mean is None
    joined = joined_with_words(representations(words=sparse.csr_matrix(counted)), ids=IDS, train=TRAIN)[0].vectors
    assert sparse.issparse(joined)
    assert joined.shape == (N, 6 + 6 + 9)  # the tuned model's, the model's as it was trained, the words'
    np.testing.assert_allclose(np.sqrt(joined.multiply(joined).sum(axis=1)), 1, rtol=1e-5)


def test_a_classifier_gets_the_vectors_as_trained_too_and_a_cosine_does_not():
    counted = sparse.csr_matrix(np.abs(np.random.default_rng(1).standard_normal((N, 9))).astype(np.float32))
    for words, follows in ((counted, True), (None, False)):
        one, other = (representations(words=words) for _ in range(2))
        other[0].vectors[:, 0] *= 3
        found = [joined_with_words(given_ones, ids=IDS, train=TRAIN)[0].vectors for given_ones in (one, other)]
        assert (abs(found[0] - found[1]).max() > 0.01) == follows


def test_what_was_fitted_is_recorded_and_nothing_is_fitted_on_other_rows():
    given_ones = representations()
    plain = joined_with_words(given_ones, ids=IDS, train=TRAIN)[0]
    assert {record.fitted for record in plain.fitted} == {"tfidf", "spread of cosines"}
    assert all(record.ids == set(IDS[:40]) for record in plain.fitted)
    changed = representations()
    changed[1].vectors[40:] *= -5
    other = joined_with_words(changed, ids=IDS, train=TRAIN)[0]
    np.testing.assert_array_equal(plain.vectors[TRAIN], other.vectors[TRAIN])


@pytest.mark.parametrize("missing", ["lsa", "lm_tuned"])
def test_without_words_or_a_tuned_model_there_is_nothing_to_join(missing):
    kept = [r for r in representations() if r.method != missing]
    assert joined_with_words(kept, ids=IDS, train=TRAIN) == []


def test_documents_that_are_all_the_same_are_joined_without_an_error():
    same = np.ones((N, 4), np.float32)
    joined = joined_with_words(
        [Representation("lm_tuned", "mean", "none", same), Representation("lsa", "", "none", same)],
        ids=IDS,
        train=TRAIN,
    )[0].vectors
    assert np.isfinite(joined).all()


@pytest.mark.parametrize(("better", "weight"), [("model", min(WEIGHTS)), ("words", max(WEIGHTS)), ("neither", 1.0)])
def test_the_words_count_as_much_as_pieces_find_with_them(better, weight):
    n = 100
    pieces = cut([f"one two three four {i}" for i in range(n)], range(n))
    rng = np.random.default_rng(0)
    says = np.tile(rng.standard_normal((n, 8)), (4, 1)) + 0.7 * rng.standard_normal((4 * n, 8))  # whose pieces they are
    noise, same = rng.standard_normal((4 * n, 8)), np.ones((4 * n, 8))
    parts = {"model": (says, noise), "words": (noise, says), "neither": (same, same)}[better]
    rows = [np.vstack([rng.standard_normal((20, 8)), part]).astype(np.float32) for part in parts]
    assert best_weight(*rows, pieces) == weight
    tuned = Representation("lm_tuned", "mean", "none", rows[0])
    lsa = Representation("lsa", "", "none", rows[1])
    ids = [f"d{i}" for i in range(n)]
    joined = joined_with_words([tuned, lsa], ids=ids, train=TRAIN[:20], pieces=pieces)[0]
    share = np.linalg.norm(joined.vectors[:20, 8:], axis=1) ** 2
    alone = joined_with_words([tuned, lsa], ids=ids, train=TRAIN[:20])[0]
    even = np.linalg.norm(alone.vectors[:20, 8:], axis=1) ** 2
    np.testing.assert_allclose(share / (1 - share), weight * even / (1 - even), rtol=1e-3)
    fitted = {record.fitted: record.ids for record in joined.fitted}
    assert fitted["weight of the words"] == {f"d{i}" for i in pieces.documents}


def test_a_gain_that_may_be_chance_changes_no_weight():
    pieces = cut([f"one two three four {i}" for i in range(12)], range(12))
    changed = 0
    for seed in range(40):  # of noise, some weight is always the best by chance
        model, words = np.random.default_rng(seed).standard_normal((2, 48, 8)).astype(np.float32)
        found = {weight: pieces.found(np.hstack([model, np.sqrt(weight) * words])) for weight in WEIGHTS}
        means = {weight: np.mean([kind.mean() for kind in kinds.values()]) for weight, kinds in found.items()}
        weight = best_weight(model, words, pieces)
        assert weight in (1.0, max(means, key=means.get))
        changed += weight != 1.0
    assert changed < 20

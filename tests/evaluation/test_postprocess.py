"""Post-processing: what each transformer promises, scikit-learn's interface, and fitting on training documents only."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from unpadded.common.errors import InputError
from unpadded.evaluation.fitted import fit
from unpadded.evaluation.postprocess import (
    TRANSFORMERS,
    PartNormalizer,
    TopComponentsRemover,
    Whitener,
    postprocess,
    postprocess_all,
)
from unpadded.evaluation.scores import Representation
from unpadded.tokens import idf_weights
from vector_tools import lm, noise

INSTANCES = [PartNormalizer(n_parts=2), TopComponentsRemover(n_components=2), Whitener(tolerance=1e-5)]


def skewed(n: int = 200, width: int = 6) -> np.ndarray:
    """Vectors with a large common mean and unequal scales."""
    return noise(n, width=width) * np.geomspace(10, 0.1, width, dtype=np.float32) + 5


@pytest.mark.parametrize("transformer", INSTANCES, ids=lambda t: type(t).__name__)
def test_the_interface_of_scikit_learn(transformer):
    copy = clone(transformer)
    assert copy.get_params() == transformer.get_params()
    vectors = skewed()
    result = copy.fit_transform(vectors)
    assert result.dtype == np.float32
    assert len(copy.get_feature_names_out()) == result.shape[1]
    np.testing.assert_allclose(copy.transform(vectors[:3]), result[:3], atol=1e-5)
    with pytest.raises(ValueError, match="features"):
        copy.transform(vectors[:, :4])


def test_every_part_gets_unit_length_and_zeros_stay():
    vectors = np.array([[3, 4, 100, 0], [0, 0, 0, 2]], dtype=np.float32)
    result = PartNormalizer(n_parts=2).fit_transform(vectors)
    np.testing.assert_allclose(result, [[0.6, 0.8, 1, 0], [0, 0, 0, 1]], atol=1e-6)
    with pytest.raises(InputError, match="width 4 does not divide into 3 parts"):
        PartNormalizer(n_parts=3).fit(vectors)


def test_the_top_directions_are_gone_and_the_others_untouched():
    vectors = skewed()
    result = TopComponentsRemover(n_components=2).fit_transform(vectors)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-4)
    singular = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(result, compute_uv=False)[:4], singular[2:], rtol=1e-3)


def test_whitened_vectors_have_the_identity_as_covariance():
    result = Whitener().fit_transform(skewed())
    np.testing.assert_allclose(np.cov(result.T), np.eye(6), atol=2e-2)


def test_whitening_drops_directions_without_variance():
    vectors = skewed()
    vectors[:, 5] = vectors[:, 0] + vectors[:, 1]
    assert Whitener().fit_transform(vectors).shape == (200, 5)
    few = Whitener().fit_transform(vectors[:4])
    assert few.shape == (4, 3)
    assert np.isfinite(few).all()


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_only_training_documents_shape_the_fit_and_are_recorded(name):
    vectors, ids = skewed(60), [f"d{i}" for i in range(60)]
    changed = vectors.copy()
    changed[50:] *= -7
    train = np.arange(50)
    first = postprocess(lm(vectors), name, ids=ids, train=train)
    second = postprocess(lm(changed), name, ids=ids, train=train)
    np.testing.assert_array_equal(first.vectors[:50], second.vectors[:50])
    assert first.name == f"mean + {name}"
    seen = {record.fitted: record.ids for record in first.fitted}
    assert seen == ({} if name == "l2" else {name: frozenset(ids[:50])})


def test_concat_is_normalised_part_by_part():
    concat = Representation("lm", "concat", "none", skewed(9))
    result = postprocess(concat, "l2", ids=[str(i) for i in range(9)], train=np.arange(9)).vectors
    np.testing.assert_allclose(np.linalg.norm(result.reshape(9, 3, 2), axis=2), 1, rtol=1e-5)


def test_all_steps_of_all_representations_and_what_is_refused():
    ids, train = [str(i) for i in range(30)], np.arange(20)
    made = postprocess_all([lm(skewed(30)), lm(skewed(30), "max")], ids=ids, train=train)
    assert [rep.name for rep in made][:2] == ["mean", "mean + l2"]
    assert len(made) == 10
    weighted = Representation("lm", "mean", "idf", skewed(30))  # done while pooling: nothing is added to it
    assert postprocess_all([weighted], ["none", "idf", "l2"], ids=ids, train=train) == [weighted]
    with pytest.raises(InputError, match="unknown 'pca'"):
        postprocess(lm(skewed(30)), "pca", ids=ids, train=train)
    words = Representation("tfidf", "", "none", sparse.csr_matrix(skewed(30)))
    with pytest.raises(InputError, match="sparse vectors are not post-processed"):
        postprocess(words, "whiten", ids=ids, train=train)


def test_vectors_are_made_when_asked_for_and_the_transformer_is_fitted_once(monkeypatch):
    fits = []
    fit = Whitener.fit
    monkeypatch.setattr(Whitener, "fit", lambda self, X, y=None: (fits.append(len(X)), fit(self, X))[1])
    late = postprocess(lm(skewed(40)), "whiten", ids=[str(i) for i in range(40)], train=np.arange(25))
    assert not fits
    np.testing.assert_array_equal(late.vectors, late.vectors)
    assert fits == [25]


@pytest.fixture
def fits(monkeypatch):
    """The names of the transformers that are fitted, one each time."""
    fits = []

    def counted(original):
        return lambda self, X, y=None, **further: (fits.append(type(self).__name__), original(self, X, y, **further))[1]

    for make in TRANSFORMERS.values():
        monkeypatch.setattr(type(make(1)), "fit", counted(type(make(1)).fit))
    return fits


@pytest.mark.parametrize("name", [name for name in TRANSFORMERS if name != "l2"])
def test_what_a_transformer_learnt_is_kept_for_the_next(tmp_path, fits, name):
    """Another process that asks for the same of the same vectors gets the same bits without a fit."""
    ids, train = [str(i) for i in range(60)], np.arange(40)
    plain = postprocess(lm(skewed(60)), name, ids=ids, train=train).vectors
    first, second = (postprocess(lm(skewed(60)), name, ids=ids, train=train, keep=tmp_path).vectors for _ in range(2))
    assert len(fits) == 2
    np.testing.assert_array_equal(first, plain)
    np.testing.assert_array_equal(second, plain)
    other = postprocess(lm(skewed(60)), name, ids=ids, train=np.arange(41), keep=tmp_path).vectors
    assert len(fits) == 3
    assert not np.array_equal(other, plain)


def test_kept_fits_are_told_apart_by_class_parameters_and_vectors(tmp_path, fits):
    X = skewed(60)
    fit(TopComponentsRemover(1), X, tmp_path)
    two = fit(TopComponentsRemover(2), X, tmp_path)
    fit(Whitener(), X, tmp_path)
    fit(Whitener(), X.astype(np.float64), tmp_path)
    assert len(fits) == len(list(tmp_path.glob("*.npz"))) == 4
    assert len(fit(TopComponentsRemover(2), X, tmp_path).components_) == len(two.components_) == 2
    assert len(fits) == 4


@pytest.mark.parametrize("damage", ["torn", "empty", "altered"])
def test_a_damaged_kept_fit_is_made_again(tmp_path, fits, damage):
    X = skewed(60)
    right = fit(Whitener(), X, tmp_path).transform(X)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "torn": whole[:middle],
            "empty": b"",
            "altered": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }[damage]
    )
    np.testing.assert_array_equal(fit(Whitener(), X, tmp_path).transform(X), right)
    assert len(fits) == 2
    assert path.read_bytes() == whole


def test_idf_counts_documents_not_tokens():
    weights = idf_weights([np.array([1, 1, 1, 2]), np.array([1])], 4)
    np.testing.assert_allclose(weights, np.log([3 / 1, 3 / 3, 3 / 2, 3 / 1]) + 1, rtol=1e-6)
    assert weights.dtype == np.float32

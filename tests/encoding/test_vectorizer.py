"""DocumentVectorizer: a scikit-learn transformer of texts."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from unpadded.common.errors import InputError
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.vectorizer import DocumentVectorizer

# check_estimator skips an estimator whose input is not a table of numbers; these are its checks that need no such table.
CHECKS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_mixin_order,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
]
# ... and those that call fit and transform, run on numbers that a subclass turns into words.
DATA_CHECKS = [
    estimator_checks.check_fit_score_takes_y,
    estimator_checks.check_dont_overwrite_parameters,
    estimator_checks.check_estimators_fit_returns_self,
    estimator_checks.check_estimators_unfitted,
    estimator_checks.check_positive_only_tag_during_fit,
    estimator_checks.check_estimators_pickle,
    estimator_checks.check_methods_sample_order_invariance,
    estimator_checks.check_methods_subset_invariance,
    estimator_checks.check_dict_unchanged,
    estimator_checks.check_fit_idempotent,
    estimator_checks.check_fit_check_is_fitted,
    estimator_checks.check_transformer_data_not_an_array,
]
TEXTS = ["the moon rocket", "bread and butter", "goal for the team", ""]


class NumberReader(DocumentVectorizer):
    """Reads every row of numbers as a text of words."""

    def fit(self, X, y=None):
        return super().fit(_words(X))

    def transform(self, X):
        return super().transform(_words(X))


def _words(X):
    words = "the moon bread goal of and team salt".split()
    return [" ".join(words[int(abs(v) * 7) % 8] for v in row[:3]) for row in np.asarray(X)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_scikit_learns_checks(check, tiny_model):
    check("DocumentVectorizer", DocumentVectorizer(tiny_model))


@pytest.mark.parametrize("check", DATA_CHECKS, ids=lambda check: check.__name__)
def test_scikit_learns_checks_that_fit(check, tiny_model):
    check("NumberReader", NumberReader(tiny_model))


def test_it_gives_the_encoders_vectors(tiny_model):
    vectors = DocumentVectorizer(tiny_model, pooling="mean").fit_transform(TEXTS)
    assert np.array_equal(vectors, DocumentEncoder(tiny_model, "mean").encode(TEXTS))


def test_a_folder_names_a_model(tiny_model, tmp_path):
    folder = tiny_model.save(tmp_path / "model")
    from_folder = DocumentVectorizer(folder).fit(TEXTS).transform(TEXTS)
    assert np.array_equal(from_folder, DocumentVectorizer(tiny_model).fit_transform(TEXTS))


def test_columns_have_names(tiny_model):
    vectorizer = DocumentVectorizer(tiny_model, pooling="concat").fit(TEXTS)
    names = vectorizer.get_feature_names_out()
    assert (names[0], names[12], names[-1], len(set(names))) == ("last_0", "mean_0", "max_11", 36)
    frame = vectorizer.set_output(transform="pandas").transform(TEXTS)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(names)
    assert np.array_equal(frame.to_numpy(), DocumentEncoder(tiny_model, "concat").encode(TEXTS))


def test_it_works_in_a_pipeline(tiny_model, tiny_corpus):
    scaled = make_pipeline(DocumentVectorizer(tiny_model, pooling="mean"), StandardScaler(), LogisticRegression())
    scores = cross_val_score(scaled, tiny_corpus.texts, tiny_corpus.labels, cv=3)
    assert scores.mean() > 0.5  # three topics; random states of a document's own words already tell them apart
    pipeline = make_pipeline(DocumentVectorizer(tiny_model), LogisticRegression())
    pipeline.set_params(documentvectorizer__pooling="max")
    assert pipeline.get_params()["documentvectorizer__pooling"] == "max"


def test_clones_share_the_model_and_nothing_fitted(tiny_model):
    vectorizer = DocumentVectorizer(tiny_model, pooling="max", batch_size=4).fit(TEXTS)
    twin = clone(vectorizer)
    assert twin.lm is tiny_model
    assert (twin.pooling, twin.batch_size) == ("max", 4)
    with pytest.raises(NotFittedError):
        twin.transform(TEXTS)


def test_a_model_that_has_been_run_is_copied_deeply(tiny_model):
    """Running a module leaves dropped-out weights in it, which torch does not copy."""
    lm = copy.deepcopy(tiny_model)
    module = lm.module
    module.train()
    module.reset()
    module(torch.randint(0, len(lm.vocab), (2, 5)))
    random = torch.random.get_rng_state()
    for twin in (copy.deepcopy(lm), clone(lm, safe=False)):
        assert twin.module is not module
        assert twin.module.training
        assert twin.fingerprint == lm.fingerprint
        assert twin.vocab == lm.vocab
        assert twin.vocab is not lm.vocab
        assert twin.module[1].decoder.weight is twin.awd_lstm.encoder.weight  # tied, as it was
        assert np.array_equal(DocumentEncoder(twin).encode(TEXTS), DocumentEncoder(lm).encode(TEXTS))
        with torch.no_grad():
            twin.awd_lstm.encoder.weight.add_(1)
        assert twin.fingerprint != lm.fingerprint
    assert torch.equal(torch.random.get_rng_state(), random)


def test_a_pipeline_with_a_model_in_it_is_cloned(tiny_model):
    pipeline = make_pipeline(DocumentVectorizer(tiny_model, pooling="mean"), StandardScaler()).fit(TEXTS)
    twin = clone(pipeline)
    assert np.array_equal(twin.fit(TEXTS).transform(TEXTS), pipeline.transform(TEXTS))
    assert twin[0].lm is tiny_model


def test_a_fitted_transformer_can_be_pickled(tiny_model):
    vectorizer = DocumentVectorizer(tiny_model).fit(TEXTS)
    twin = pickle.loads(pickle.dumps(vectorizer))  # our own bytes
    assert np.array_equal(twin.transform(TEXTS), vectorizer.transform(TEXTS))


@pytest.mark.parametrize("texts", ["one text", [None], [3], [["nested"]], b"bytes"])
def test_what_is_no_list_of_texts_is_refused(tiny_model, texts):
    with pytest.raises(InputError):
        DocumentVectorizer(tiny_model).fit(texts)
    with pytest.raises(InputError):
        DocumentVectorizer(tiny_model).fit(TEXTS).transform(texts)


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="lm is NoneType"):
        DocumentVectorizer().fit(TEXTS)

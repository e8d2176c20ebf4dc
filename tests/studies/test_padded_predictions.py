"""A classifier's predictions under padding: counted where they change, none where DocumentClassifier is asked."""

import numpy as np
import pytest
import torch

from unpadded.encoding.classifier import DocumentClassifier
from unpadded.studies.padding.predictions import predict_in_ways, prediction_changes, text_classifier

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tiny_corpus, tiny_model):
    documents = tiny_model.numericalize(tiny_corpus.texts)
    valid = np.arange(60, 90)
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    learn = text_classifier(tiny_model, documents, tiny_corpus.labels, valid=valid, epochs=3, batch_size=8)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    return learn, [documents[i] for i in valid], [tiny_corpus.labels[i] for i in valid]


def test_the_head_is_trained_on_a_frozen_encoder(trained, tiny_model):
    learn, documents, labels = trained
    weights = learn.model[0].module.encoder.weight
    assert torch.equal(weights, tiny_model.awd_lstm.encoder.weight)
    classifier = DocumentClassifier.from_learner(learn)
    assert classifier.classes_.tolist() == ["food", "space", "sport"]
    found = classifier.classes_[classifier.predict_proba_tokens(documents).argmax(1)]
    assert set(found) <= {"food", "space", "sport"}
    assert len(labels) == len(found)
    assert learn.model[1].layers[0][0].num_batches_tracked == 3 * (60 // 8)  # steps, each on a whole batch
    assert not any(parameter.requires_grad for parameter in learn.model[0].module.encoder.parameters())


def test_ways_of_asking_are_compared(trained, tiny_model):
    learn, documents, _ = trained
    found = predict_in_ways(learn, tiny_model, documents, batch_size=16)
    assert {name: p.shape for name, p in found.items()} == dict.fromkeys(found, (30, 3))
    for probabilities in found.values():
        np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    table = prediction_changes(found).set_index("way")
    assert table.loc["Unpadded", ["label_changed", "probability_changed"]].tolist() == [0, 0]
    assert table.loc["Unpadded", "max_abs_diff"] < 1e-6
    assert table.loc["naive padding", "probability_changed"] > 0
    assert (table["n"] == 30).all()


def test_changes_are_counted():
    truth = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])
    other = np.array([[0.9, 0.1], [0.4, 0.6], [0.502, 0.498]])
    table = prediction_changes({"one at a time": truth, "other": other})
    row = table.iloc[0]
    assert (row["way"], row["n"], row["label_changed"], row["probability_changed"]) == ("other", 3, 1, 2)
    assert row["max_abs_diff"] == pytest.approx(0.2)

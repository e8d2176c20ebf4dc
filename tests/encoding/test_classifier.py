"""DocumentClassifier: the answer of fastai's model on a document alone, whatever else is asked about."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from fastai.losses import (
    BaseLoss,
    BCELossFlat,
    BCEWithLogitsLossFlat,
    CrossEntropyLossFlat,
    FocalLoss,
    FocalLossFlat,
    L1LossFlat,
    LabelSmoothingCrossEntropy,
    LabelSmoothingCrossEntropyFlat,
    MSELossFlat,
)
from fastai.text.all import (
    AWD_LSTM,
    MultiCategoryBlock,
    RegressionBlock,
    TextDataLoaders,
    awd_lstm_clas_config,
    get_text_classifier,
    language_model_learner,
    text_classifier_learner,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import unpadded
from encoder_tools import random_documents
from unpadded.common.errors import InputError
from unpadded.encoding.classifier import DocumentClassifier, dropped

CLASSES = ["apples", "pears", "plums"]
N_TOKENS = 50


@lru_cache(maxsize=8)
def fastai_classifier(emb_sz=7, n_hid=11, n_layers=2, bptt=8, max_len=24, seed=0):
    """A random classifier in evaluation mode whose batch norms have seen something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = awd_lstm_clas_config | {"emb_sz": emb_sz, "n_hid": n_hid, "n_layers": n_layers}
        model = get_text_classifier(AWD_LSTM, N_TOKENS, len(CLASSES), seq_len=bptt, config=config, max_len=max_len)
        for parameter in model[0].parameters():
            parameter.data.mul_(2)
        for module in model[1].modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.05, 0.2)
    return model.eval()


def learner(model, *, vocab=None, loss=None):
    """As much of a Learner as is looked at."""
    tokens = [f"t{i}" for i in range(N_TOKENS)]
    dls = SimpleNamespace(vocab=[tokens, CLASSES] if vocab is None else vocab, train_ds=SimpleNamespace())
    return SimpleNamespace(model=model, dls=dls, loss_func=loss or CrossEntropyLossFlat())


@torch.no_grad()
def alone(model, documents) -> np.ndarray:
    """fastai's own model on one document at a time; no id is taken for padding, since nothing is padded."""
    encoder, pad_idx = model[0], model[0].pad_idx
    encoder.pad_idx = -1
    rows = [model(torch.from_numpy(np.asarray(tokens, np.int64))[None])[0].softmax(1) for tokens in documents]
    encoder.pad_idx = pad_idx
    return torch.cat(rows).numpy()


def test_the_package_exports_it():
    assert unpadded.DocumentClassifier is DocumentClassifier


@pytest.mark.parametrize("shape", [(7, 11, 1), (33, 31, 3)])
@pytest.mark.parametrize(("bptt", "max_len"), [(8, 24), (8, 30), (5, 5), (72, 1440), (8, None)])
def test_answers_are_those_of_fastai_one_at_a_time(shape, bptt, max_len):
    model = fastai_classifier(*shape, bptt, max_len)
    documents = random_documents([1, 2, 7, 8, 9, 23, 24, 25, 31, 32, 33, 60, 100])  # pad ids among their tokens
    found = DocumentClassifier.from_learner(learner(model)).predict_proba_tokens(documents)
    np.testing.assert_allclose(found, alone(model, documents), rtol=0, atol=1e-6)
    assert found.dtype == np.float32
    assert np.ptp(found, axis=0).max() > 0.02  # the documents are told apart


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=30),
    batch_size=st.one_of(st.none(), st.integers(1, 70)),
    shape=st.sampled_from([(7, 11, 2), (33, 31, 1)]),
    seed=st.integers(0, 99),
)
def test_no_batch_and_no_order_changes_a_bit(lengths, batch_size, shape, seed):
    classifier = DocumentClassifier.from_learner(learner(fastai_classifier(*shape)))
    documents = random_documents(lengths, seed=seed)
    expected = np.concatenate([classifier.predict_proba_tokens([tokens]) for tokens in documents])
    order = np.random.default_rng(seed).permutation(len(documents))
    assert np.array_equal(classifier.predict_proba_tokens(documents, batch_size=batch_size), expected)
    assert np.array_equal(classifier.predict_proba_tokens([documents[i] for i in order]), expected[order])
    assert np.array_equal(classifier.predict_proba_tokens(documents * 3), np.tile(expected, (3, 1)))


def test_what_a_long_document_drops_is_what_fastai_drops():
    lengths = np.arange(1, 200)
    for bptt, max_len in ((8, 24), (8, 29), (72, 100), (5, 5)):
        expected = [min(i for i in range(0, n, bptt) if n - i <= max_len) for n in lengths]
        assert dropped(lengths, bptt=bptt, max_len=max_len).tolist() == expected
    assert not dropped(lengths, max_len=None).any()


def test_an_empty_document_is_answered_from_zeros_and_no_document_by_no_row():
    model = fastai_classifier()
    classifier = DocumentClassifier.from_learner(learner(model))
    found = classifier.predict_proba_tokens([np.array([], int), np.array([4, 5])])
    with torch.no_grad():
        expected = model[1].layers(torch.zeros(1, 3 * 7)).softmax(1).numpy()
    np.testing.assert_allclose(found[:1], expected, rtol=0, atol=1e-6)
    assert classifier.predict_proba_tokens([]).shape == (0, 3)
    assert classifier.predict_proba([]).shape == (0, 3)


def test_the_learner_and_the_random_state_are_left_alone():
    model = fastai_classifier(seed=1)
    model.train()
    model[0].module.bs = 3
    model[0].module.reset()
    model(torch.randint(2, N_TOKENS, (3, 20)))  # leaves a hidden state and dropped-out weights behind
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hidden = [h.clone() for pair in model[0].module.hidden for h in pair]
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    classifier = DocumentClassifier.from_learner(learner(model))
    documents = random_documents([3, 40, 12])
    found = classifier.predict_proba_tokens(documents)

    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(hidden, [h for p in model[0].module.hidden for h in p], strict=True))
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    np.testing.assert_allclose(found, alone(model.eval(), documents), rtol=0, atol=1e-6)


def test_a_copy_does_not_follow_later_training():
    model = fastai_classifier(seed=2)
    classifier = DocumentClassifier.from_learner(learner(model))
    documents = random_documents([3, 40])
    before = classifier.predict_proba_tokens(documents)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    assert np.array_equal(classifier.predict_proba_tokens(documents), before)


@pytest.fixture(scope="module")
def frame(tiny_corpus):
    return pd.DataFrame({"text": tiny_corpus.texts[:30], "label": tiny_corpus.labels[:30]})


def real_learner(frame, path, *, y_range=None, **options):
    config = awd_lstm_clas_config | {"emb_sz": 8, "n_hid": 12, "n_layers": 1}
    options = {"label_col": "label", **options}
    dls = TextDataLoaders.from_df(frame, path=path, text_col="text", bs=4, seed=0, **options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return text_classifier_learner(dls, AWD_LSTM, config=config, pretrained=False, path=path, y_range=y_range)


@pytest.mark.parametrize("backwards", [False, True])
def test_texts_go_the_way_of_a_real_learner(frame, tmp_path, backwards):
    learn = real_learner(frame, tmp_path, backwards=backwards)
    classifier = DocumentClassifier.from_learner(learn)
    texts = ["the moon and a rocket", "bread", "", "goal match team and bread in the oven"]
    found = classifier.predict_proba(texts)
    with learn.no_bar(), learn.no_logging():
        expected = torch.stack([learn.predict(text)[2] for text in texts]).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert classifier.classes_.tolist() == list(learn.dls.vocab[1])
    assert classifier.predict(texts).tolist() == [classifier.classes_[i] for i in expected.argmax(1)]
    assert np.array_equal(classifier.predict_proba(iter(texts), batch_size=2), found)


WEIGHTS = torch.tensor([1.0, 2.0, 0.5])


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropyLossFlat(weight=WEIGHTS),
        torch.nn.CrossEntropyLoss(),
        torch.nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
        F.cross_entropy,
        partial(F.cross_entropy, weight=WEIGHTS),
        BaseLoss(torch.nn.CrossEntropyLoss),
        LabelSmoothingCrossEntropy(),
        LabelSmoothingCrossEntropyFlat(weight=WEIGHTS),
        FocalLossFlat(gamma=3.0, weight=WEIGHTS),
        FocalLoss(),
    ],
    ids=lambda loss: getattr(loss, "__name__", type(loss).__name__),
)
def test_one_label_by_every_cross_entropy(loss):
    model, documents = fastai_classifier(), random_documents([3, 40, 12])
    classifier = DocumentClassifier.from_learner(learner(model, loss=loss))
    found = classifier.predict_proba_tokens(documents)
    np.testing.assert_allclose(found, alone(model, documents), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)


ASKED = ["the moon and a rocket", "bread", "", "goal match team and bread in the oven", "a score " * 40]


def one_at_a_time(learn, texts):
    with learn.no_bar(), learn.no_logging():
        return [learn.predict(text) for text in texts]


def no_batch_changes(classifier, texts, *methods):
    for method in methods:
        alone = [method([text], batch_size=1)[0] for text in texts]
        for size in (1, 2, None):
            found = method(texts[::-1] * 3, batch_size=size)[: len(texts)][::-1]
            assert all(np.array_equal(a, b) for a, b in zip(found, alone, strict=True))


@pytest.mark.parametrize("quantile", [None, 0.2, 0.5, 0.8])
def test_several_labels_are_those_of_learn_predict(frame, tmp_path, quantile):
    several = frame.assign(label=[f"{a};{b}" for a, b in zip(frame.label, frame.label[::-1], strict=True)])
    learn = real_learner(several, tmp_path, label_delim=";", y_block=MultiCategoryBlock)
    if quantile is not None:  # a threshold among the probabilities of this model
        probabilities = torch.stack([p for *_, p in one_at_a_time(learn, ASKED)])
        learn.loss_func = BCEWithLogitsLossFlat(thresh=float(probabilities.quantile(quantile)))
    classifier = DocumentClassifier.from_learner(learn)
    expected = one_at_a_time(learn, ASKED)
    found = classifier.predict_proba(ASKED)
    np.testing.assert_allclose(found, torch.stack([p for *_, p in expected]).numpy(), rtol=0, atol=1e-6)
    labels = classifier.predict(ASKED)
    assert [list(given) for given in labels] == [list(given) for given, *_ in expected]
    assert sum(len(given) not in (0, 3) for given in labels) > 0 or quantile is None
    assert classifier.classes_.tolist() == list(learn.dls.vocab[1])
    no_batch_changes(classifier, ASKED, classifier.predict_proba, classifier.predict)
    assert classifier.predict([]).shape == (0,)


@pytest.mark.parametrize(
    "loss", [torch.nn.BCEWithLogitsLoss(), F.binary_cross_entropy_with_logits, BCEWithLogitsLossFlat()]
)
def test_several_labels_by_every_such_loss(loss):
    model, documents = fastai_classifier(), random_documents([3, 40, 12])
    classifier = DocumentClassifier.from_learner(learner(model, loss=loss))
    with torch.no_grad():
        rows = [model(torch.from_numpy(np.where(d == 1, 2, d))[None])[0].sigmoid() for d in documents]
    documents = [np.where(d == 1, 2, d) for d in documents]
    np.testing.assert_allclose(classifier.predict_proba_tokens(documents), torch.cat(rows).numpy(), rtol=0, atol=1e-6)
    assert (classifier.kind, classifier.threshold) == ("several labels", 0.5)


@pytest.mark.parametrize("y_range", [None, (0, 5)])
@pytest.mark.parametrize("loss", [None, MSELossFlat(), L1LossFlat(), torch.nn.SmoothL1Loss(), F.mse_loss])
def test_numbers_are_those_of_learn_predict(frame, tmp_path, y_range, loss):
    numbers = frame.assign(label=np.linspace(0, 5, len(frame)))
    learn = real_learner(numbers, tmp_path, y_block=RegressionBlock, y_range=y_range)
    learn.loss_func = loss or learn.loss_func
    classifier = DocumentClassifier.from_learner(learn)
    found = classifier.predict(ASKED)
    expected = [float(number) for _, number, _ in one_at_a_time(learn, ASKED)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert found.shape == (len(ASKED),)
    assert found.dtype == np.float32
    no_batch_changes(classifier, ASKED, classifier.predict)
    with pytest.raises(InputError, match="numbers, which have no probabilities: call predict"):
        classifier.predict_proba(ASKED)


def test_two_numbers_a_document(frame, tmp_path):
    numbers = frame.assign(height=np.linspace(0, 5, len(frame)), width=1.0)
    learn = real_learner(numbers, tmp_path, label_col=["height", "width"], y_block=RegressionBlock(n_out=2))
    found = DocumentClassifier.from_learner(learn).predict(ASKED)
    expected = torch.stack([both for _, both, _ in one_at_a_time(learn, ASKED)]).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_many_threads_get_the_bits_of_one(frame, tmp_path):
    classifier = DocumentClassifier.from_learner(learner(fastai_classifier()))
    documents = random_documents(np.random.default_rng(0).integers(1, 60, 40))
    expected = classifier._answers(documents, None)  # compiled before the threads start
    vectors = [torch.randn(3 * 7, generator=torch.Generator().manual_seed(n)) for n in range(50)]
    alone = [classifier._answer(vector) for vector in vectors]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            found = list(pool.map(classifier._answer, vectors))
            assert np.array_equal(found, alone)
    assert np.array_equal(classifier._answers(documents, None), expected)


def test_a_learner_of_another_kind_is_refused(frame, tmp_path):
    classifier = learner(fastai_classifier())
    with pytest.raises(InputError, match="PoolingLinearClassifier"):
        DocumentClassifier.from_learner(learner(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())))
    with pytest.raises(InputError, match="made of Linear"):
        DocumentClassifier.from_learner(learner(torch.nn.Sequential(torch.nn.Linear(2, 2))))
    for vocab in (["a", "b", "c"], None):
        classifier.dls = SimpleNamespace(**({"vocab": vocab} if vocab else {}))
        with pytest.raises(InputError, match="no vocabularies"):
            DocumentClassifier.from_learner(classifier)
    with pytest.raises(InputError, match=r"NLLLoss, does not say.*cross-entropy"):
        DocumentClassifier.from_learner(learner(fastai_classifier(), loss=torch.nn.NLLLoss()))
    with pytest.raises(InputError, match="BCELoss, does not say"):  # its head would make probabilities itself
        DocumentClassifier.from_learner(learner(fastai_classifier(), loss=BCELossFlat()))
    tokens = [f"t{i}" for i in range(N_TOKENS)]
    with pytest.raises(InputError, match="3 outputs for 2 classes"):
        DocumentClassifier.from_learner(learner(fastai_classifier(), vocab=[tokens, CLASSES[:2]]))
    with pytest.raises(InputError, match="at least 8"):
        DocumentClassifier.from_learner(learner(fastai_classifier(max_len=4)))
    with pytest.raises(InputError, match="embedding"):
        DocumentClassifier.from_learner(learner(fastai_classifier(), vocab=[["t0", "t1"], CLASSES]))
    dls = TextDataLoaders.from_df(frame, path=tmp_path, text_col="text", is_lm=True, bs=2, seq_len=4, seed=0)
    with pytest.raises(InputError, match="AWD_LSTM, LinearDecoder"):
        DocumentClassifier.from_learner(language_model_learner(dls, AWD_LSTM, pretrained=False, path=tmp_path))


@pytest.mark.parametrize(
    ("texts", "words"), [("one text", "one str"), ([1, "a"], "not str"), ([None], "None"), (5, "give a list")]
)
def test_wrong_texts_are_refused(texts, words):
    with pytest.raises(InputError, match=words):
        DocumentClassifier.from_learner(learner(fastai_classifier())).predict_proba(texts)


def test_wrong_tokens_are_refused_by_document():
    classifier = DocumentClassifier.from_learner(learner(fastai_classifier()))
    with pytest.raises(InputError, match="Document 1 holds token id 50"):
        classifier.predict_proba_tokens([np.array([1]), np.array([50])])
    with pytest.raises(InputError, match="batch_size"):
        classifier.predict_proba_tokens([np.array([1])], batch_size=0)


@pytest.mark.parametrize("tiles", [True, False])
def test_threads_get_the_answers_of_the_serial_call(monkeypatch, tiles):
    monkeypatch.setattr("unpadded.encoding.engine.tiled.has_tiles", lambda dtype: tiles)
    classifier = DocumentClassifier.from_learner(learner(fastai_classifier()))
    calls = [random_documents([1, 7, 30, 55, 4] * 4, seed=seed) for seed in range(24)]
    expected = [classifier.predict_proba_tokens(documents) for documents in calls]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(classifier.predict_proba_tokens, calls))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    for twin in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):  # our own bytes
        assert np.array_equal(twin.predict_proba_tokens(calls[0]), expected[0])

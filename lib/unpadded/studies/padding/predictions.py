"""A fastai text classifier, and how its predictions change with the padding around a document."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from fastai.callback import progress, schedule  # noqa: F401, which give a Learner no_bar and fit_one_cycle
from fastai.data.core import Datasets
from fastai.data.transforms import Categorize
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.text.data import Pad_Chunk, SortedDL, TensorText
from fastai.text.learner import text_classifier_learner
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_clas_config
from fastcore.foundation import L

from unpadded.corpus import Corpus
from unpadded.encoding import BPTT, FASTAI_ORDER, DocumentClassifier
from unpadded.studies.padding.downstream import has_topics
from unpadded.studies.padding.fastai_batches import sorted_batches
from unpadded.studies.padding.padded_reader import PaddedReader

NOTICED = 1e-3  # change of a probability that is counted
TRUTH = "one at a time"  # what the other ways are compared with
COLUMNS = ["way", "n", "label_changed", "probability_changed", "max_abs_diff"]


def text_classifier(
    lm,
    documents: Sequence[np.ndarray],
    labels: Sequence[str],
    *,
    valid: Sequence[int],
    epochs: int = 2,
    batch_size: int = 16,
    seed: int = 0,
) -> Learner:
    """A fastai `text_classifier_learner` with the encoder of `lm`, its head trained on all documents but `valid`.

    `documents`: 1-D integer arrays of `lm`'s token ids; `labels`: the topic of each. The encoder stays frozen, as in the
    first stage of fastai's own recipe (ULMFiT). The caller's random state is kept. Documents are batched as fastai's
    TextBlock does, sorted by length and padded by chunks.
    """
    config = {name: getattr(lm, name) for name in ("emb_sz", "n_hid", "n_layers")}
    with torch.random.fork_rng(devices=[]), _numpy_seed(seed):
        torch.manual_seed(seed)
        dls = _loaders(lm, documents, labels, valid, batch_size)
        learn = text_classifier_learner(
            dls,
            AWD_LSTM,
            seq_len=BPTT,
            config=awd_lstm_clas_config | config,
            pretrained=False,
            loss_func=CrossEntropyLossFlat(),
        )
        learn.model[0].module.load_state_dict(lm.awd_lstm.state_dict())
        learn.freeze()
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(epochs, 2e-2)
    return learn


def _loaders(lm, documents: Sequence[np.ndarray], labels: Sequence[str], valid: Sequence[int], batch_size: int):
    documents = lm.as_read(documents)

    def tokens_of(i: int) -> TensorText:
        return TensorText(torch.from_numpy(np.array(documents[i], np.int64)))

    train = np.setdiff1d(np.arange(len(documents)), valid).tolist()
    datasets = Datasets(
        range(len(documents)),
        tfms=[[tokens_of], [lambda i: labels[i], Categorize(sorted(set(labels)))]],
        splits=[train, list(valid)],
    )
    dls = datasets.dataloaders(
        bs=min(batch_size, len(train)),
        val_bs=64,
        dl_type=SortedDL,
        before_batch=Pad_Chunk(seq_len=BPTT),
        num_workers=0,
        device=torch.device("cpu"),
    )
    dls.vocab = L(list(lm.vocab), sorted(set(labels)))
    return dls


@contextmanager
def _numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global random state, which fastai shuffles with, within a block and put it back after it."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def predict_in_ways(
    learn: Learner, lm, documents: Sequence[np.ndarray], *, batch_size: int = 64
) -> dict[str, np.ndarray]:
    """The probabilities of the same documents, float32 [n, n_classes], by the way in which they were asked for.

    "one at a time": fastai's model on each document alone, the truth; "fastai get_preds": in its own batches; "naive padding":
    pads before the text to the longest of each batch, last, max and mean over every time step; "Unpadded":
    `DocumentClassifier`. `documents` must be those of the Learner's validation set, in order.
    """
    with learn.no_bar(), learn.no_logging():
        batched = learn.get_preds(ds_idx=1)[0].numpy()
    model, read = learn.model.eval(), lm.as_read(documents)
    return {
        TRUTH: _one_at_a_time(model, read),
        "fastai get_preds": batched,
        "naive padding": _naively_padded(model, lm, documents, batch_size),
        "Unpadded": DocumentClassifier.from_learner(learn).predict_proba_tokens(read),
    }


@torch.no_grad()
def _one_at_a_time(model, documents: Sequence[np.ndarray]) -> np.ndarray:
    rows = [model(torch.from_numpy(np.array(tokens, np.int64))[None])[0].softmax(1) for tokens in documents]
    return torch.cat(rows).numpy()


@torch.no_grad()
def _naively_padded(model, lm, documents: Sequence[np.ndarray], batch_size: int) -> np.ndarray:
    lengths = np.array([len(tokens) for tokens in documents])
    pads = np.zeros(len(lengths), np.int64)
    for batch in sorted_batches(lengths, batch_size=batch_size):
        pads[batch] = lengths[batch[0]] - lengths[batch]
    found = PaddedReader(lm).read(documents, "before", pads)["naive"]
    vectors = torch.from_numpy(np.concatenate([found[name] for name in FASTAI_ORDER], axis=1))
    return model[1].layers(vectors).softmax(1).numpy()


def prediction_changes(probabilities: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How each way of asking differs from TRUTH; columns way, n, label_changed, probability_changed, max_abs_diff.

    `probabilities`: as `predict_in_ways` has them. label_changed: documents with another most probable class;
    probability_changed: documents with a probability that differs by more than NOTICED.
    """
    expected = probabilities[TRUTH]
    rows = []
    for way, found in probabilities.items():
        if way == TRUTH:
            continue
        difference = np.abs(found.astype(np.float64) - expected)
        other_label = int((found.argmax(1) != expected.argmax(1)).sum())
        noticed = int((difference.max(1) > NOTICED).sum())
        rows.append([way, len(found), other_label, noticed, float(difference.max())])
    return pd.DataFrame(rows, columns=COLUMNS)


def measure_predictions(
    lm, corpus: Corpus, documents: Sequence[np.ndarray], *, epochs: int = 2, seed: int = 0
) -> tuple[pd.DataFrame, float]:
    """Train a classifier of the corpus's topics on two thirds of the documents and ask it about the others in every way.

    `documents`: `lm`'s token ids of the corpus. Returns `prediction_changes` and the accuracy one at a time; no rows and nan
    for a corpus without two topics.
    """
    if not has_topics(corpus):
        return pd.DataFrame(columns=COLUMNS), np.nan
    documents = [tokens for tokens, label in zip(documents, corpus.labels, strict=True) if label is not None]
    corpus = corpus.labelled()
    valid = np.arange(2, len(documents), 3)
    learn = text_classifier(lm, documents, corpus.labels, valid=valid, epochs=epochs, seed=seed)
    probabilities = predict_in_ways(learn, lm, [documents[i] for i in valid])
    found = np.array(sorted(set(corpus.labels)))[probabilities[TRUTH].argmax(axis=1)]
    return prediction_changes(probabilities), float((found == np.array(corpus.labels)[valid]).mean())

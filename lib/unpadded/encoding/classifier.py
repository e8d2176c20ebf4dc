"""A fastai text classifier whose answer to a document does not depend on what it is asked about together."""

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from fastai.text.models.core import PoolingLinearClassifier, SentenceEncoder

from unpadded.common import InputError
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.validation import checked_documents, checked_texts
from unpadded.model import LanguageModel

BPTT, MAX_LEN = 72, 72 * 20  # tokens that fastai's SentenceEncoder reads at a time and, at most about, pools
FASTAI_ORDER = ("last", "max", "mean")  # of the parts in fastai's pooled vector


class DocumentClassifier:
    """The engine under fastai's pooling head: one answer a document, that of fastai's model on the document alone.

    `lm`: the classifier's encoder with its vocabulary; `head`: fastai's `PoolingLinearClassifier`, which is copied;
    `classes`: the names of its outputs; `activation`: turns scores [n, n_classes] into probabilities. `bptt` and `max_len`
    are those of fastai's `SentenceEncoder`: of a longer document only about the last `max_len` tokens are pooled, though all
    are read. Other keywords go to `DocumentEncoder`. Raises `InputError` where the parts do not fit each other.
    """

    def __init__(
        self,
        lm: LanguageModel,
        head: PoolingLinearClassifier,
        classes: Sequence,
        *,
        activation=None,
        bptt: int = BPTT,
        max_len: int | None = MAX_LEN,
        **encoder_options,
    ):
        self.encoder = DocumentEncoder(lm.directed(lm.direction), **encoder_options)  # the head takes one direction
        self.classes_, self.bptt, self.max_len = np.array(list(classes)), bptt, max_len
        if max_len is not None and max_len < bptt:
            raise InputError(
                f"The classifier pools {max_len} tokens and reads {bptt} at a time: give max_len at least {bptt}."
            )
        self._layers = copy.deepcopy(head.layers).to("cpu", torch.float32).eval()
        self._activation = activation or torch.nn.Softmax(dim=1)
        # The head runs on one row at a time, in one place: the only shape and alignment that no neighbour can change.
        self._row = torch.zeros(1, len(FASTAI_ORDER) * lm.emb_sz)
        self._check_head()

    @classmethod
    def from_learner(cls, learn, **encoder_options) -> "DocumentClassifier":
        """The classifier inside a fastai Learner (AWD_LSTM under PoolingLinearClassifier); the weights are copied.

        Raises `InputError` for another architecture or head, a Learner without token and class vocabularies, and one whose
        loss does not tell classes apart that exclude each other.
        """
        source = getattr(learn.model, "module", learn.model)
        parts = list(source.children())
        if [type(part) for part in parts] != [SentenceEncoder, PoolingLinearClassifier]:
            found = ", ".join(type(part).__name__ for part in parts) or type(source).__name__
            raise InputError(
                f"The Learner's model is made of {found}: give a text classifier of SentenceEncoder and "
                "PoolingLinearClassifier, as text_classifier_learner makes it."
            )
        classes = _classes(learn)
        with torch.random.fork_rng(devices=[]):  # the copy is made with random weights first
            lm = LanguageModel.from_learner(learn)
        return cls(
            lm,
            parts[1],
            classes,
            activation=_activation(learn, len(classes)),
            bptt=parts[0].bptt,
            max_len=parts[0].max_len,
            **encoder_options,
        )

    def predict_proba(self, texts: Iterable[str], *, batch_size: int | None = None) -> np.ndarray:
        """Probability of each class for each text, float32 [n_documents, n_classes], in the order of `classes_`.

        `texts`: any iterable of str but a str. `batch_size`: documents in flight, which changes the speed and never an
        answer. Raises `InputError` for anything that is not a str.
        """
        if isinstance(texts, str):
            raise InputError("The texts are one str: give a list of texts, one for each document.")
        documents = self.encoder.lm.numericalize(checked_texts(texts))
        return self.predict_proba_tokens(documents, batch_size=batch_size)

    def predict_proba_tokens(self, token_ids: Sequence, *, batch_size: int | None = None) -> np.ndarray:
        """The same for numericalised documents, 1-D integer arrays in the order of the text.

        Every id is read as a token, the pad's too: fastai masks pads by their id, so it cannot tell a text's own "xxpad" from
        padding. A document without tokens is answered as if all its states were zero. Raises `InputError` as
        `DocumentEncoder.encode_tokens` does.
        """
        documents = checked_documents(token_ids, len(self.encoder.lm.vocab))
        skip = dropped([len(tokens) for tokens in documents], bptt=self.bptt, max_len=self.max_len)
        encoder = self.encoder if batch_size is None else self.encoder.variant(slots=batch_size)
        arrays = encoder.encode_tokens(documents, pooling=list(FASTAI_ORDER), skip=skip)
        vectors = torch.from_numpy(np.concatenate([arrays[name] for name in FASTAI_ORDER], axis=1))
        answers = [self._answer(vector) for vector in vectors]
        return np.array(answers, np.float32).reshape(len(documents), len(self.classes_))

    def predict(self, texts: Iterable[str], *, batch_size: int | None = None) -> np.ndarray:
        """The most probable class of each text, an array [n_documents] of entries of `classes_`; raises as above."""
        return self.classes_[self.predict_proba(texts, batch_size=batch_size).argmax(axis=1)]

    @torch.inference_mode()
    def _answer(self, vector: torch.Tensor) -> np.ndarray:
        """The probabilities that belong to one document's pooled vector [3 * width]."""
        self._row[0] = vector
        return self._activation(self._layers(self._row))[0].numpy().copy()

    def _check_head(self) -> None:
        try:
            n_found = len(self._answer(self._row[0]))
        except RuntimeError as error:
            raise InputError(f"The head does not take vectors of {self._row.shape[1]} numbers ({error}).") from error
        if n_found != len(self.classes_):
            raise InputError(
                f"The head has {n_found} outputs for {len(self.classes_)} classes: give a name for each output."
            )


def dropped(lengths, *, bptt: int = BPTT, max_len: int | None = MAX_LEN) -> np.ndarray:
    """How many first tokens of a document on its own SentenceEncoder leaves out of the pools, int64, like `lengths`.

    Whole chunks of `bptt` tokens go until at most `max_len` tokens are left; they are still read. None drops nothing.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    if max_len is None:
        return np.zeros_like(lengths)
    return -(-np.maximum(lengths - max_len, 0) // bptt) * bptt


def _classes(learn) -> list:
    """The names of a Learner's classes: the second of its two vocabularies."""
    try:
        tokens, classes = learn.dls.vocab
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            "The Learner's data has no vocabularies of tokens and of classes: give a text classifier."
        ) from error
    if isinstance(tokens, str) or len(classes) < 2:
        raise InputError(f"The Learner knows {len(classes)} classes: give a classifier of at least two.")
    return list(classes)


def _activation(learn, n_classes: int):
    """What the Learner's loss makes of scores; it must make probabilities of classes that exclude each other."""
    activation = getattr(learn.loss_func, "activation", None)
    scores = torch.linspace(-1, 1, n_classes)[None]
    if activation is None or not torch.allclose(activation(scores), torch.softmax(scores, 1)):
        raise InputError(
            f"The Learner's loss is {type(learn.loss_func).__name__}, which makes no probabilities of one class of several: "
            "give a classifier trained with a cross-entropy."
        )
    return activation

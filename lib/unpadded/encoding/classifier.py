"""A fastai text classifier or regressor whose answer to a document does not depend on what it is asked about together."""

import copy
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from fastai.text.models.core import PoolingLinearClassifier, SentenceEncoder

from unpadded.common import InputError, computed
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.losses import ACTIVATIONS, NUMBERS, ONE_LABEL, THRESHOLD, outputs_of
from unpadded.encoding.validation import checked_documents
from unpadded.model import LanguageModel

BPTT, MAX_LEN = 72, 72 * 20  # tokens that fastai's SentenceEncoder reads at a time and, at most about, pools
FASTAI_ORDER = ("last", "max", "mean")  # of the parts in fastai's pooled vector


class DocumentClassifier:
    """The engine under fastai's pooling head: one answer a document, that of fastai's model on the document alone.

    `lm`: the classifier's encoder with its vocabulary; `head`: fastai's `PoolingLinearClassifier`, which is copied;
    `classes`: the names of its outputs, none for numbers; `kind`: "one label" of the classes, "several labels", each above
    the probability `threshold`, or "numbers"; `activation`: turns outputs [n, n_outputs] into probabilities or numbers.
    `bptt` and `max_len` are those of fastai's `SentenceEncoder`: of a longer document only about the last `max_len` tokens are
    pooled, though all are read. Other keywords go to `DocumentEncoder`. Any number of threads may ask at once. Raises
    `InputError` where the parts do not fit each other.
    """

    def __init__(
        self,
        lm: LanguageModel,
        head: PoolingLinearClassifier,
        classes: Sequence,
        *,
        kind: str = ONE_LABEL,
        activation: Callable[[torch.Tensor], torch.Tensor] | None = None,
        threshold: float = THRESHOLD,
        bptt: int = BPTT,
        max_len: int | None = MAX_LEN,
        **encoder_options,
    ):
        if kind not in ACTIVATIONS:
            raise InputError(f"The kind of answer {kind!r} is not known: give {', '.join(ACTIVATIONS)}.")
        self.encoder = DocumentEncoder(lm.directed(lm.direction), **encoder_options)  # the head takes one direction
        self.classes_, self.bptt, self.max_len = np.array(list(classes)), bptt, max_len
        self.kind, self.threshold = kind, threshold
        if max_len is not None and max_len < bptt:
            raise InputError(
                f"The classifier pools {max_len} tokens and reads {bptt} at a time: give max_len at least {bptt}."
            )
        self._layers = copy.deepcopy(head.layers).to("cpu", torch.float32).eval()
        self._activation = activation or ACTIVATIONS[kind]
        self._n_outputs = self._check_head(len(FASTAI_ORDER) * lm.emb_sz)

    @classmethod
    def from_learner(cls, learn, **encoder_options) -> "DocumentClassifier":
        """The classifier inside a fastai Learner (AWD_LSTM under PoolingLinearClassifier); the weights are copied.

        The Learner's loss says what the outputs mean: a cross-entropy (label smoothing, focal loss) one label of several,
        a binary one with logits any of several, with its threshold; a squared error and the like numbers. Raises `InputError`
        for another architecture, head or loss, and a Learner without token and class vocabularies.
        """
        source = getattr(learn.model, "module", learn.model)
        parts = list(source.children())
        if [type(part) for part in parts] != [SentenceEncoder, PoolingLinearClassifier]:
            found = ", ".join(type(part).__name__ for part in parts) or type(source).__name__
            raise InputError(
                f"The Learner's model is made of {found}: give a text classifier of SentenceEncoder and "
                "PoolingLinearClassifier, as text_classifier_learner makes it."
            )
        outputs = outputs_of(learn.loss_func)
        classes = () if outputs.kind == NUMBERS else _classes(learn, outputs.kind)
        with torch.random.fork_rng(devices=[]):  # the copy is made with random weights first
            lm = LanguageModel.from_learner(learn)
        return cls(
            lm,
            parts[1],
            classes,
            kind=outputs.kind,
            activation=outputs.activation,
            threshold=outputs.threshold,
            bptt=parts[0].bptt,
            max_len=parts[0].max_len,
            **encoder_options,
        )

    def predict_proba(self, texts: Iterable[str], *, batch_size: int | None = None) -> np.ndarray:
        """Probability of each class for each text, float32 [n_documents, n_classes], in the order of `classes_`.

        They add up to one where one label is true; of several labels each has its own. `texts`: any iterable of str but a
        str. `batch_size`: documents in flight, which changes the speed and never an answer. Raises `InputError` for anything
        that is not a str, and for a classifier that answers with numbers.
        """
        documents = self.encoder.lm.numericalize(texts)
        return self.predict_proba_tokens(documents, batch_size=batch_size)

    def predict_proba_tokens(self, token_ids: Sequence, *, batch_size: int | None = None) -> np.ndarray:
        """The same for numericalised documents, 1-D integer arrays in the order of the text.

        Every id is read as a token, the pad's too: fastai masks pads by their id, so it cannot tell a text's own "xxpad" from
        padding. A document without tokens is answered as if all its states were zero. Raises `InputError` as
        `DocumentEncoder.encode_tokens` does.
        """
        if self.kind == NUMBERS:
            raise InputError("The Learner answers with numbers, which have no probabilities: call predict.")
        return self._answers(token_ids, batch_size)

    def predict(self, texts: Iterable[str], *, batch_size: int | None = None) -> np.ndarray:
        """The answer for each text, as `learn.predict` gives it first.

        One label: an array [n_documents] of entries of `classes_`, the most probable ones. Several labels: an object array
        [n_documents] of lists of entries of `classes_`, those above `threshold`. Numbers: float32 [n_documents], or
        [n_documents, n_outputs] where the head has several. Raises `InputError` for anything that is not a str.
        """
        answers = self._answers(self.encoder.lm.numericalize(texts), batch_size)
        if self.kind == ONE_LABEL:
            return self.classes_[answers.argmax(axis=1)]
        if self.kind == NUMBERS:
            return answers[:, 0] if self._n_outputs == 1 else answers
        labels = np.empty(len(answers), object)
        for i, row in enumerate(answers):
            labels[i] = self.classes_[row > self.threshold].tolist()
        return labels

    def _answers(self, token_ids: Sequence, batch_size: int | None) -> np.ndarray:
        documents = checked_documents(token_ids, len(self.encoder.lm.vocab))
        skip = dropped([len(tokens) for tokens in documents], bptt=self.bptt, max_len=self.max_len)
        encoder = self.encoder.with_batch_size(batch_size)
        arrays = encoder.encode_tokens(documents, pooling=list(FASTAI_ORDER), skip=skip)
        vectors = np.concatenate([arrays[name] for name in FASTAI_ORDER], axis=1)
        answers = computed(lambda: [self._answer(vector) for vector in vectors])
        return np.array(answers, np.float32).reshape(len(documents), self._n_outputs)

    @torch.inference_mode()
    def _answer(self, vector: np.ndarray) -> np.ndarray:
        """What belongs to one document's pooled vector [3 * width].

        The head runs on one row at a time, in memory of its own: the only shape and alignment that no neighbour can change.
        """
        return self._activation(self._layers(torch.tensor(vector)[None]))[0].numpy().copy()

    def _check_head(self, width: int) -> int:
        try:
            n_found = len(computed(self._answer, np.zeros(width, np.float32)))
        except RuntimeError as error:
            raise InputError(f"The head does not take vectors of {width} numbers ({error}).") from error
        if n_found != len(self.classes_) and self.kind != NUMBERS:
            raise InputError(
                f"The head has {n_found} outputs for {len(self.classes_)} classes: give a name for each output."
            )
        return n_found


def dropped(lengths, *, bptt: int = BPTT, max_len: int | None = MAX_LEN) -> np.ndarray:
    """How many first tokens of a document on its own SentenceEncoder leaves out of the pools, int64, like `lengths`.

    Whole chunks of `bptt` tokens go until at most `max_len` tokens are left; they are still read. None drops nothing.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    if max_len is None:
        return np.zeros_like(lengths)
    return -(-np.maximum(lengths - max_len, 0) // bptt) * bptt


def _classes(learn, kind: str) -> list:
    """The names of a Learner's classes: the second of its two vocabularies."""
    try:
        tokens, classes = learn.dls.vocab
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            "The Learner's data has no vocabularies of tokens and of classes: give a text classifier."
        ) from error
    if isinstance(tokens, str) or len(classes) < (2 if kind == ONE_LABEL else 1):
        raise InputError(f"The Learner knows {len(classes)} classes: give a classifier of at least two.")
    return list(classes)

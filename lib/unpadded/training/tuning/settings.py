"""How a language model is tuned to tell documents apart: every number of it in one place."""

from dataclasses import dataclass

import numpy as np

from unpadded.common import InputError
from unpadded.training.checking import check_settings

SMALL, SMALL_RATE, LEAST_RATE = 1_000, 1e-2, 3e-3  # documents of a small corpus, its learning rate, and the least one
LEAST = {"epochs": 1, "batch_size": 2, "piece_length": 2, "topics": 1}
CHOICES = {
    "pooling": ("mean", "weighted_mean", "last", "max"),
    "precision": ("auto", "float32", "bfloat16"),
}


@dataclass(frozen=True)
class TuningSettings:
    """How `tune` trains; the defaults are for two to eight CPU cores and corpora from a hundred documents on.

    Training ends after `max_minutes` (0: no limit) or `epochs` passes over the documents, whichever comes first; the
    learning rate completes its cycle either way. A batch has two pieces of each of `batch_size` documents, of at most
    `piece_length` tokens, cut from anywhere; of documents that are no longer, each piece leaves out the share `deletion`.
    `pooling`: how a piece's states become its vector, "mean", "weighted_mean" (by inverse document frequency), "last" or
    "max"; take the one that will be used. The weighted mean teaches the plain mean as well.

    `relations` is how much it counts that two pieces stand to each other as their documents do by their words: in a latent
    semantic analysis and by their mean word vectors, at most `topics` dimensions each; `contrast` how much it counts that
    each piece finds the other one of its document among all (`temperature` divides cosines there, and documents whose cosine
    is above `near_duplicate` are not told apart); `language_weight` how much the next word counts, without which the
    perplexity rises. `dropout` multiplies fastai's probabilities, `clip` bounds the gradient's norm. `learning_rate` is the
    peak; without one it is 0.01 up to a thousand documents and falls with the root of their number to 0.003: in the same
    minutes, a small corpus, whose language model knows little, has further to go. (Seen on cranfield and medline, newsgroups
    and vaswani, of 1,000 and of 11,000 documents.)
    """

    max_minutes: float = 3.0
    epochs: int = 60
    batch_size: int = 128
    piece_length: int = 32
    deletion: float = 0.33
    pooling: str = "weighted_mean"
    relations: float = 1.0
    topics: int = 200
    contrast: float = 0.0
    temperature: float = 0.07
    near_duplicate: float = 0.95
    language_weight: float = 0.0
    learning_rate: float | None = None
    warmup: float = 0.1  # share of the training spent reaching the peak learning rate
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.5
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self):
        check_settings(self, "Tuning", at_least=LEAST, choices=CHOICES, shares=("deletion",))
        for name in LEAST:
            value = getattr(self, name)
            if value != int(value):
                raise InputError(f"Tuning setting {name} is {value!r}: give a whole number.")
        rate = self.learning_rate
        known = rate is None or (isinstance(rate, (int, float)) and not isinstance(rate, bool) and rate > 0)
        for name, right in (("temperature", self.temperature > 0), ("learning_rate", known)):
            if not right:
                raise InputError(f"Tuning setting {name} is {getattr(self, name)!r}: give a number above 0.")

    def rate_for(self, n_documents: int) -> float:
        """The peak learning rate: the one that was given, else by the number of documents."""
        if self.learning_rate is not None:
            return self.learning_rate
        return float(np.clip(SMALL_RATE * (SMALL / max(n_documents, 1)) ** 0.5, LEAST_RATE, SMALL_RATE))

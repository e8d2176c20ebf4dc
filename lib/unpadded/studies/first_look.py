"""What a person sees first: a few documents by fastai's loop and by the encoder, and the hidden states of one of them. (02)"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd
import torch

from unpadded.encoding import DocumentEncoder, twin_of
from unpadded.model import LanguageModel
from unpadded.studies.speed.peers import loop
from unpadded.tokens import TokenizedCorpus

LOOP, OURS = "fastai's encoder, one document at a time", "encoder.encode_tokens, all at once"


@dataclass(frozen=True, eq=False)
class DocumentStates:
    """The hidden states of one document: float32 [n_tokens, width], a row for each of `words`, from fastai's own encoder.

    `of` is how many tokens the document has, of which the first ones were read.
    """

    words: list[str]
    states: np.ndarray
    of: int

    @property
    def extent(self) -> str:
        """How much of the document was read, in words."""
        return (
            f"the first {len(self.words)} of {self.of:,} tokens" if len(self.words) < self.of else f"{self.of} tokens"
        )


def few_documents(tokens: TokenizedCorpus, *, n: int = 5, seed: int = 0) -> np.ndarray:
    """The places of `n` documents that have a token (all of them where there are no more), drawn by `seed`, in order."""
    readable = np.flatnonzero(tokens.lengths)
    return np.sort(np.random.default_rng(seed).permutation(readable)[:n])


def beside_the_loop(lm: LanguageModel, documents: Sequence[np.ndarray], *, turns: int = 5) -> pd.DataFrame:
    """The same documents (token ids) by fastai's loop and by `DocumentEncoder`: last, mean and max in float32.

    A row for each way: `seconds` (the median of so many turns, after one that is not counted) and `largest_difference` from
    the loop's vectors. Of a model of both directions the forward one reads.
    """
    lm = lm.directed(lm.direction)
    twin, encoder = twin_of(lm.awd_lstm), DocumentEncoder(lm, pooling="concat")
    read = [torch.from_numpy(tokens.astype(np.int64)) for tokens in lm.as_read(documents)]
    alone, seconds_alone = _timed(lambda: loop(twin, read).numpy(), turns)
    together, seconds_together = _timed(lambda: encoder.encode_tokens(documents), turns)
    difference = float(np.abs(together - alone).max(initial=0))
    table = {"seconds": [seconds_alone, seconds_together], "largest_difference": [0.0, difference]}
    return pd.DataFrame(table, [LOOP, OURS])


def _timed(work: Callable[[], np.ndarray], turns: int) -> tuple[np.ndarray, float]:
    result, spent = work(), []
    for _ in range(turns):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return result, median(spent)


@torch.no_grad()
def states_of(lm: LanguageModel, tokens: np.ndarray, *, most: int = 36) -> DocumentStates:
    """The last layer's state after each of the first `most` tokens of a document, read alone by fastai's own encoder."""
    lm = lm.directed(lm.direction)
    read = lm.as_read([tokens[:most]])[0].astype(np.int64)
    twin = twin_of(lm.awd_lstm)
    twin.reset()
    states = twin(torch.from_numpy(read)[None])[0]
    return DocumentStates([lm.vocab[token] for token in read], states.numpy(), len(tokens))


def worth_showing(documents: Sequence[np.ndarray], *, about: int = 30) -> int:
    """The place of the document whose length is nearest to `about` tokens: enough to show something, and not too many."""
    return int(np.argmin([abs(len(tokens) - about) for tokens in documents]))

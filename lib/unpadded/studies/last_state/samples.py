"""Which documents the probes take apart, and each one's partner of another topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unpadded.corpus import Corpus
from unpadded.evaluation import training_documents
from unpadded.model import LanguageModel
from unpadded.studies.last_state.edits import partners
from unpadded.tokens import TokenizedCorpus

SHORTEST = 11  # tokens: the first, and one for each tenth


@dataclass(frozen=True, eq=False)
class Sample:
    """Documents of one corpus: `tokens` in the corpus's own types, `topics` if it has them, and for each document the
    position in the sample of its partner, a document of another topic (of any, where there are no topics).
    """

    corpus: str
    tokens: TokenizedCorpus
    topics: list[str] | None
    partner: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64 [n]."""
        return self.tokens.lengths

    def documents(self, lm: LanguageModel) -> list[np.ndarray]:
        """Token ids of the documents as `lm` reads them, int32 arrays."""
        return list(self.tokens.with_vocab(lm.vocab))


def draw_sample(
    corpus: Corpus,
    tokens: TokenizedCorpus,
    places: Sequence[int] | np.ndarray,
    *,
    n: int,
    min_tokens: int,
    max_tokens: int = 2_000,
    balanced: bool = False,
    seed: int = 0,
) -> Sample:
    """Up to `n` documents of `min_tokens` to `max_tokens` tokens among those at `places`, in random order.

    `tokens`: of the whole corpus. Where most documents are shorter than `min_tokens`, the median length is asked for
    instead, so that a corpus of short texts is measured too. `balanced` takes about as many of each topic. A sample of
    fewer than two documents comes back empty.
    """
    rng, places = np.random.default_rng(seed), np.asarray(places, dtype=np.int64)
    if corpus.labels and None in corpus.labels:  # what has no topic cannot be asked for it
        places = places[[corpus.labels[place] is not None for place in places]]
    lengths = tokens.lengths[places]
    enough = max(SHORTEST, min(min_tokens, int(np.median(lengths)) if len(lengths) else 0))
    order = rng.permutation(places[(lengths >= enough) & (lengths <= max(max_tokens, enough))])
    topics = np.array([label or "" for label in corpus.labels]) if corpus.labels else None
    if balanced and topics is not None and len(order):
        topic = np.unique(topics[order], return_inverse=True)[1]  # numbers: pandas refuses strings that are not UTF-8
        earlier = pd.Series(topic).groupby(topic).cumcount()  # documents of the same topic before each
        order = order[np.argsort(earlier.to_numpy(), kind="stable")]
    order = order[:n] if len(order[:n]) > 1 else order[:0]
    topics = None if topics is None else topics[order].tolist()
    partner = partners(topics, len(order), seed=seed) if len(order) else np.empty(0, np.int64)
    return Sample(corpus.name, tokens.select(order), topics, partner)


def unread_documents(corpus: Corpus, seed: int = 0) -> np.ndarray:
    """Positions of the documents that the model was not trained on, or all where it read all, int64 [n]."""
    unread = np.setdiff1d(np.arange(len(corpus)), training_documents(corpus, seed))
    return unread if len(unread) else np.arange(len(corpus))


def length_groups(lengths: np.ndarray) -> np.ndarray:
    """For each document the name of its third by length, such as "120-250 tokens"; str [n]."""
    lengths = np.asarray(lengths)
    names = np.empty(len(lengths), dtype=object)
    for group in np.array_split(np.argsort(lengths, kind="stable"), 3):
        if len(group):
            names[group] = f"{lengths[group].min()}-{lengths[group].max()} tokens"
    return names

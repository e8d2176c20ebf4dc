"""Every corpus with every model: what is measured for each of these pairs, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from unpadded.corpus import Corpus
from unpadded.model import LanguageModel
from unpadded.studies.padding.effects import choose_documents
from unpadded.studies.padding.fastai_batches import (
    chunk_faults,
    fault_counts,
    measure_batches,
    sorted_batches,
    wrong_vectors,
)
from unpadded.studies.padding.predictions import measure_predictions
from unpadded.tokens import TokenizedCorpus

LONGEST_SAMPLED = 2_000  # tokens of the documents that fastai's batches are run with
BATCH = 64  # documents of one of them


@dataclass(frozen=True, eq=False)
class Pair:
    """A corpus, its tokens as a model numbers them, and that model under its name in the tables."""

    corpus: Corpus
    model: str
    lm: LanguageModel
    tokens: TokenizedCorpus

    def sample(self, n: int, *, longest: int, seed: int = 0) -> tuple[Corpus, list[np.ndarray]]:
        """Up to `n` of its documents and their token ids, as `choose_documents` draws them."""
        return choose_documents(self.corpus, self.tokens, n=n, longest=longest, seed=seed)


def pairs_of(
    models: Mapping[str, LanguageModel], corpora: Iterable[Corpus], tokens: Mapping[str, TokenizedCorpus]
) -> list[Pair]:
    """All pairs, the models of one corpus beside each other; `tokens` holds those of each corpus under its name."""
    return [
        Pair(corpus, name, lm, tokens[corpus.name].with_vocab(lm.vocab))
        for corpus in corpora
        for name, lm in models.items()
    ]


def for_each(pairs: Sequence[Pair], measure: Callable[[Pair], pd.DataFrame]) -> pd.DataFrame:
    """The tables that `measure` makes of the pairs, one under the other, with the columns corpus and model before them."""
    tables = [measure(pair) for pair in pairs]
    named = [
        table.assign(corpus=pair.corpus.name, model=pair.model)[["corpus", "model", *table.columns]]
        for pair, table in zip(pairs, tables, strict=True)
    ]
    return pd.concat(named, ignore_index=True)


def predictions_of(pair: Pair, *, n: int, longest: int, epochs: int, seed: int = 0) -> pd.DataFrame:
    """`measure_predictions` of up to `n` of the pair's documents, with the accuracy of one document at a time in each row."""
    table, accuracy = measure_predictions(
        pair.lm, *pair.sample(n, longest=longest, seed=seed), epochs=epochs, seed=seed
    )
    return table.assign(accuracy=accuracy)


class FastaiBatches:
    """fastai's own batches of 64 documents, sorted by length: of each whole corpus, from the lengths alone, and of samples.

    `tokens` holds those of each corpus under its name. Samples have `n_batches` batches of documents of at most 2,000 tokens.
    Beside them stands, with the first model, the batch of the whole corpus that drops the beginnings of most documents.
    """

    def __init__(
        self, pairs: Sequence[Pair], tokens: Mapping[str, TokenizedCorpus], *, n_batches: int, seed: int = 0
    ) -> None:
        self.pairs, self.n_batches = list(pairs), n_batches
        self._whole = {name: chunk_faults(read.lengths) for name, read in tokens.items()}
        drawn = {"n": BATCH * n_batches, "longest": LONGEST_SAMPLED, "seed": seed}
        self._samples = [pair.sample(**drawn)[1] for pair in self.pairs]

    def counts(self) -> pd.DataFrame:
        """How many documents have which fault, by the lengths alone: `fault_counts` of each corpus and each sample."""
        found = {(name, "all"): table for name, table in self._whole.items()}
        for pair, documents in zip(self.pairs, self._samples, strict=True):
            found[pair.corpus.name, "a sample"] = chunk_faults([len(tokens) for tokens in documents])
        table = pd.DataFrame({key: fault_counts(faults) for key, faults in found.items()}).T
        return table.rename_axis(["corpus", "read"])

    @cached_property
    def run(self) -> list[tuple[Pair, str, list[np.ndarray], pd.DataFrame]]:
        """What was run: the pair, which of its documents in words, they themselves, and what `measure_batches` found."""
        chosen = [(pair, "a sample", some) for pair, some in zip(self.pairs, self._samples, strict=True)]
        for pair in self.pairs:
            faults = self._whole[pair.corpus.name]
            if pair.model == self.pairs[0].model and faults.beginning_dropped.any():
                batches = sorted_batches(faults.n_tokens, batch_size=BATCH)
                rows = max(batches, key=lambda batch, of=faults: (of.beginning_dropped[batch] > 0).sum())
                chosen.append((pair, "beginnings dropped", list(pair.tokens.select(rows))))
        return [
            (pair, kind, documents, measure_batches(pair.lm, documents, n_batches=self.n_batches))
            for pair, kind, documents in chosen
        ]

    def wrong(self) -> pd.DataFrame:
        """The vectors that came out wrong (`wrong_vectors`), for each corpus, model and kind of documents."""
        tables = [
            wrong_vectors(pair.lm, documents, table).assign(corpus=pair.corpus.name, model=pair.model, documents=kind)
            for pair, kind, documents, table in self.run
        ]
        found = pd.concat(tables, ignore_index=True)
        first = ["corpus", "model", "documents"]
        return found[[*first, *(column for column in found.columns if column not in first)]]

    def foretold(self) -> list[str]:
        """For each table of `wrong`, the share of documents of which the lengths alone told whether they come out wrong."""
        return [
            f"{pair.corpus.name}, {pair.model}, {kind}: {(table.wrong == table.foreseen).mean():.1%} as the lengths foretold"
            for pair, kind, _, table in self.run
        ]

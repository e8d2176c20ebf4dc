"""A model with the documents that it is measured on: its speed over corpora, its memory over one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.model import LanguageModel
from unpadded.studies.speed.memory import LIMITED, MemoryJob, measure_memory, prepared
from unpadded.studies.speed.throughput import METHODS, draw_documents, shape_of, speed_table
from unpadded.tokens import TokenizedCorpus


@dataclass(frozen=True)
class Workload:
    """Of each corpus as many documents as have `n_tokens`, cut after `longest`, in batches of each of `sizes`."""

    lm: LanguageModel = field(repr=False)
    n_tokens: int
    longest: int
    sizes: Sequence[int]
    seed: int = 0

    def draw(self, tokens: TokenizedCorpus) -> list[np.ndarray]:
        """The documents of a corpus: token ids of the model's vocabulary."""
        return draw_documents(tokens, n_tokens=self.n_tokens, longest=self.longest, seed=self.seed)

    def speed(self, corpora: Mapping[str, TokenizedCorpus], **options) -> pd.DataFrame:
        """`speed_table`, which takes the options, of every corpus, with a column of its name."""
        tables = [
            speed_table(self.lm, self.draw(tokens), sizes=self.sizes, **options).assign(corpus=name)
            for name, tokens in corpora.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def memory(
        self, tokens: TokenizedCorpus, *, sizes: Sequence[int], folder: str | os.PathLike, limit_mib: int = 0
    ) -> pd.DataFrame:
        """`measure_memory` of the loop and of every method in batches of `sizes`, each in a process of its own.

        `folder` takes what those processes read. No process takes more than `limit_mib` (0, or where the system holds none
        to it: no limit).
        """
        stored = prepared(self.lm, self.draw(tokens)[: max(sizes)], Path(folder) / shape_of(self.lm))
        limit = _limit(limit_mib)
        pairs = [("loop", 1), *((method, size) for method in METHODS[1:] for size in sizes)]
        jobs = [MemoryJob(**stored, **limit, method=method, sizes=(size,)) for method, size in pairs]
        return measure_memory(jobs).assign(model=shape_of(self.lm))

    def small_machine(
        self, corpora: Mapping[str, TokenizedCorpus], *, folder: str | os.PathLike, limit_mib: int
    ) -> pd.DataFrame:
        """`measure_memory` of every method but the loop, in one batch of 1, 2, 4 ... documents of each corpus: 512 at most.

        They are as long as they are, up to 20,000 tokens. No process takes more than `limit_mib`; without a limit, or where
        the system holds none to it, nothing is measured. Column `corpus` beside the others.
        """
        found = [measure_memory([]).assign(corpus="")]
        for name, tokens in corpora.items() if limit_mib and LIMITED else ():
            uncut = draw_documents(tokens, n_tokens=10**9, longest=20_000, seed=self.seed)[:512]
            stored = prepared(self.lm, uncut, Path(folder) / "uncut" / name)
            steps = tuple(sorted({min(2**k, len(uncut)) for k in range(10)}))
            jobs = [
                MemoryJob(**stored, method=method, sizes=steps, one_batch=True, limit_mib=limit_mib)
                for method in METHODS[1:]
            ]
            found.append(measure_memory(jobs).assign(corpus=name))
        return pd.concat(found[1:] or found, ignore_index=True)

    def growth(
        self,
        tokens: TokenizedCorpus,
        *,
        n_documents: Sequence[int],
        longest: Sequence[int],
        folder: str | os.PathLike,
        limit_mib: int = 0,
    ) -> pd.DataFrame:
        """`measure_memory` in batches of 64 as the documents become more, and as one among 64 becomes longer.

        Column `growing` says which: "documents", each of `n_documents` drawn with replacement, or "longest", tokens.
        Vectors are handed back: `returned_mib`; `micros` are microseconds of one core a token.
        """
        drawn, rng = self.draw(tokens), np.random.default_rng(self.seed)
        many = prepared(self.lm, drawn, Path(folder) / "many")
        limit, jobs = _limit(limit_mib), {"documents": [], "longest": []}
        for n in n_documents:
            places = tuple(rng.integers(len(drawn), size=n).tolist())
            jobs["documents"] += [MemoryJob(**many, **limit, method=m, sizes=(64,), places=places) for m in METHODS[1:]]
        for n in longest:
            among = [np.resize(np.concatenate(drawn), n), *drawn[:63]]
            stored = prepared(self.lm, among, Path(folder) / f"long {n}")
            jobs["longest"] += [MemoryJob(**stored, **limit, method=m, sizes=(64,)) for m in METHODS[1:]]
        grown = pd.concat([measure_memory(some).assign(growing=name) for name, some in jobs.items()])
        returned = grown.documents * 12 * self.lm.emb_sz / 2**20  # three poolings of float32
        return grown.assign(returned_mib=returned, micros=1e6 * grown.cpu_seconds / grown.tokens)


def _limit(limit_mib: int) -> dict[str, int]:
    return {"limit_mib": limit_mib if LIMITED else 0}

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
        limit = {"limit_mib": limit_mib if LIMITED else 0}
        pairs = [("loop", 1), *((method, size) for method in METHODS[1:] for size in sizes)]
        jobs = [MemoryJob(**stored, **limit, method=method, sizes=(size,)) for method, size in pairs]
        return measure_memory(jobs).assign(model=shape_of(self.lm))

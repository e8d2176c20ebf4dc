"""How fast every way to encode is, and in what memory: the measurements of notebook 04 with their tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from unpadded.report.plots.speed import speed_and_memory
from unpadded.studies import METHODS

MODEL = ["corpus", "model"]
TOLD = ["batch_size", "documents_per_second", "tokens_per_second", "times_the_loop", "max_relative_diff"]


@dataclass(frozen=True, eq=False)
class SpeedFound:
    """Every way to encode in every batch size: `speed` of all corpora and models (`speed_table`, with a column corpus) and
    `memory` of the corpus `measured_on` (`measure_memory`, with a column model)."""

    speed: pd.DataFrame
    memory: pd.DataFrame
    measured_on: str

    def table(self) -> pd.DataFrame:
        """Each way at the batch size that is its best, a row for every corpus and model."""
        best = self._best()
        best = best.assign(max_relative_diff=best["max_relative_diff"].map("{:.1e}".format)).set_index("method")
        return best[[*MODEL, *TOLD, "wrong_documents", "compared"]].round(1)

    def errors(self) -> pd.DataFrame:
        """The largest relative error of naive padding: a row a corpus and model, a column a batch size."""
        naive = self.speed[self.speed["method"] == "naive padded"]
        found = naive.pivot(index=MODEL, columns="batch_size", values="max_relative_diff")
        return found.map("{:.1e}".format, na_action="ignore").fillna("")

    def share_of_limit(self) -> pd.DataFrame:
        """Each way's share of what the arithmetic alone would allow: a row a corpus and model."""
        return self._best().pivot(index=MODEL, columns="method", values="share_of_limit")[list(METHODS)].round(3)

    def plot(self, corpus: str) -> Figure:
        """Tokens a second against batch size, a panel a model; below them peak memory where it was measured."""
        memory = self.memory if corpus == self.measured_on else self.memory[:0]
        return speed_and_memory(self.speed[self.speed["corpus"] == corpus], memory)

    def _best(self) -> pd.DataFrame:
        fastest = self.speed.groupby([*MODEL, "method"], sort=False)["tokens_per_second"].idxmax()
        return self.speed.loc[fastest]

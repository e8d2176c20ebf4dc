"""What padding does to vectors, and what that costs: the study of notebook 03 with its tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from unpadded.corpus import Corpus
from unpadded.model import LanguageModel
from unpadded.report.plots.padding import cosine_lines
from unpadded.report.plots.padding_panels import setting_dots
from unpadded.studies import study_padding

BATCH = "batch"  # in the column `pads`: as many as a shuffled minibatch would need
LABELS = {  # column of the effects or of the costs -> what a picture calls it
    "cosine_distance": "cosine distance to the unpadded vector",
    "neighbours_lost": "share of the neighbours lost",
    "kl": "KL divergence (nats)",
    "v_measure_change": "change of V-measure",
    "nDCG@10_change": "change of nDCG@10",
}
OF_LAST = ("kl",)  # columns that only *last* has: the next token is foretold from it


@dataclass(frozen=True, eq=False)
class PaddingFound:
    """What every way to pad and to read does to vectors, for every corpus and model.

    `effects` and `costs` are the tables of `study_padding`: a row a reading, placement, pooling and number of pads.
    """

    effects: pd.DataFrame
    costs: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """The share of vectors of which a bit changed, where pads stand behind the text and lengths are respected: a row a
        corpus and model, a column a number of pads."""
        rows = self.effects[(self.effects["placement"] == "behind") & (self.effects["reading"] == "length-aware")]
        return rows.pivot_table(index=["corpus", "model"], columns="pads", values="changed", sort=False)

    def plot(self, column: str = "cosine_distance") -> Figure:
        """A column of LABELS in a shuffled minibatch: dots for each way to read and to pad, a panel a corpus and model."""
        table = self.effects if column in self.effects else self.costs
        table = table[table["pads"] == BATCH]
        if column in OF_LAST:
            table = table[table["pooling"] == "last"]
        interval = [column.removesuffix("_change") + end for end in ("_low", "_high")]
        ends = interval if set(interval) <= set(table) else ()
        return setting_dots(table, column, label=LABELS[column], ends=ends)

    def plot_numbers(self, *, centred: bool = False) -> Figure:
        """The cosine to the unpadded vector against the number of pads, of the first corpus and model.

        centred: after subtracting the mean vector, which all have in common.
        """
        first = self.effects.iloc[0]
        rows = self.effects[(self.effects["corpus"] == first["corpus"]) & (self.effects["model"] == first["model"])]
        if centred:
            return cosine_lines(rows, column="centred_cosine_distance", title="The same, vectors centred")
        return cosine_lines(rows, title=f"{first['corpus']}, {first['model']}, {first['n']} documents")


def find_padded(models: Mapping[str, LanguageModel], corpora: Sequence[Corpus], **options) -> PaddingFound:
    """`study_padding`, which takes the options, as one object."""
    return PaddingFound(*study_padding(models, corpora, **options))

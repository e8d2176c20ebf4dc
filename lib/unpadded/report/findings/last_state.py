"""What the last state keeps of a document: the probes of notebook 05, each with its tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from unpadded.encoding import DocumentEncoder
from unpadded.report.plots.last_state import fade_lines, part_lines, probe_bars
from unpadded.studies import (
    everywhere,
    fade,
    last_layer,
    locate,
    perturb,
    remembered,
    topic_probe,
    with_intervals,
)
from unpadded.studies.last_state.samples import Sample

MODEL = ["corpus", "model"]
LEVELS = (0.5, 0.9, 0.99)  # cosines with the whole document's last state from which on a state counts as remembering it
SHOWN_TOKENS = (1, 8, 64, 128, 256, 512)  # whose numbers of documents are told
PARTS_SPLIT = {  # what lines may stand for -> columns of the table; "pooling" is of the last layer
    "pooling": ["pooling"],
    "length_group": ["pooling", "length_group"],
    "layer": ["layer", "pooling"],
}


@dataclass(frozen=True, eq=False)
class PartsFound:
    """A value for each document, layer, pooling and tenth of the document: `rows`, as `perturb` and `locate` make them.

    `column` is the one that is told, `label` what a picture calls it, `even` what equal tenths would give, if anything.
    """

    rows: pd.DataFrame
    column: str
    label: str
    even: float | None = None

    def table(self, lines: str = "pooling") -> pd.DataFrame:
        """The mean over documents of each tenth (column `part`), with its interval, for every corpus and model.

        lines: "pooling", of the last layer; "length_group", the same for each third of the documents by length; "layer".
        """
        if lines not in self._tables:  # its picture asks for it too, and intervals are drawn again and again
            rows = self.rows if lines == "layer" else last_layer(self.rows)
            self._tables[lines] = with_intervals(rows, [*MODEL, *PARTS_SPLIT[lines], "part"], column=self.column)
        return self._tables[lines]

    def plot(self, lines: str = "pooling") -> Figure:
        """A panel for each corpus and model, a line for each of `lines`; but for "pooling", of *last* alone."""
        table = self.table(lines)
        if lines != "pooling":
            table = table[table["pooling"] == "last"]
        if lines == "layer":
            table = table.assign(layer="layer " + table["layer"].astype(str))
        return part_lines(table, ylabel=self.label, lines=lines, even=self.even)

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}


@dataclass(frozen=True, eq=False)
class FadeFound:
    """How near the last state after a document's final tokens is to that after all of it: `rows`, as `fade` makes them."""

    rows: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """The mean similarity over documents with its interval, for every corpus, model, layer and number of final tokens."""
        return self._table

    def plot(self) -> Figure:
        """The similarity against the final tokens that were given, a panel a corpus."""
        return fade_lines(self.table())

    def documents(self) -> pd.DataFrame:
        """How many documents have so many tokens: a row a corpus and model, a column a number."""
        some = self.rows[self.rows["final_tokens"].isin(SHOWN_TOKENS) & (self.rows["layer"] == 1)]
        return some.pivot_table(index=MODEL, columns="final_tokens", values="document", aggfunc="count")

    def remembered(self) -> pd.DataFrame:
        """Final tokens from which on the similarity stays above each of LEVELS (column `cosine`): means over documents."""
        tables = [with_intervals(t, [*MODEL, "layer"]).assign(cosine=level) for level, t in self._remembered.items()]
        return pd.concat(tables)

    def remembered_by_length(self) -> pd.DataFrame:
        """The same at 0.9 for each third of the documents by length, in the last layer."""
        return with_intervals(last_layer(self._remembered[0.9]), [*MODEL, "length_group"])

    @cached_property
    def _table(self) -> pd.DataFrame:
        return with_intervals(self.rows, [*MODEL, "layer", "final_tokens"])

    @cached_property
    def _remembered(self) -> dict[float, pd.DataFrame]:
        return {level: remembered(self.rows, threshold=level) for level in LEVELS}


@dataclass(frozen=True, eq=False)
class TopicsFound:
    """Whether the topic of the one part that is on topic is named: `rows`, as `topic_probe` makes them.

    `chance`: corpus -> the share of its most frequent topic among the documents asked about; `asked`: how many those are.
    """

    rows: pd.DataFrame
    chance: dict[str, float]
    asked: dict[str, int]

    def table(self) -> pd.DataFrame:
        """The share of documents whose topic was named, with its interval, for everything that was varied."""
        return self._table

    def plot(self) -> Figure:
        """Bars of the longest parts and the last layer, a panel for each corpus and model; chance is dotted."""
        shown = self.table()
        shown = last_layer(shown[shown["part_tokens"] == shown["part_tokens"].max()])
        shown = shown[(shown["trained_on"] == "spliced") | (shown["place"] == "whole")]
        return probe_bars(shown, chance=self.chance)

    @cached_property
    def _table(self) -> pd.DataFrame:
        return with_intervals(self.rows, [*MODEL, "layer", "pooling", "part_tokens", "trained_on", "place"])

    def chance_said(self) -> list[str]:
        """A line for each corpus: what guessing would give, of how many documents."""
        return [f"chance, {name}: {share:.3f} of {self.asked[name]}" for name, share in self.chance.items()]


def find_moved(encoders: Mapping[str, DocumentEncoder], samples: Mapping[str, Sample]) -> PartsFound:
    """How far each document's vector moves when one of its tenths is replaced: by model and corpus."""
    return PartsFound(everywhere(perturb, encoders, samples), "value", "distance moved")


def find_nearest(encoders: Mapping[str, DocumentEncoder], samples: Mapping[str, Sample]) -> PartsFound:
    """Which tenth, read alone, is the nearest to its whole document: by model and corpus."""
    return PartsFound(everywhere(locate, encoders, samples), "is_nearest", "share of documents", even=0.1)


def find_faded(encoders: Mapping[str, DocumentEncoder], samples: Mapping[str, Sample]) -> FadeFound:
    """How many final tokens alone bring the last state near that of the whole document: by model and corpus."""
    return FadeFound(everywhere(fade, encoders, samples))


def find_topics(
    encoders: Mapping[str, DocumentEncoder],
    asked: Mapping[str, Sample],
    *,
    train: Mapping[str, Sample],
    part_tokens: list[int],
) -> TopicsFound:
    """Whether a classifier, fitted on the samples `train`, names the topic of `asked` where one part of each is on topic.

    part_tokens: the lengths of a part, in tokens. A corpus without topics gives no rows.
    """
    tables = [everywhere(topic_probe, encoders, asked, train=train, n_tokens=n) for n in part_tokens]
    topics = {name: pd.Series(sample.topics, dtype=object) for name, sample in asked.items()}
    chance = {name: of.value_counts(normalize=True).max() for name, of in topics.items()}
    return TopicsFound(pd.concat(tables, ignore_index=True), chance, {name: len(s) for name, s in asked.items()})

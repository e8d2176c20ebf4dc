"""Which vectors a user should take, chosen on documents without labels: `recommended.json` of a run."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import OF_MODEL, read_json, write_json, write_table
from unpadded.corpus import Corpus
from unpadded.evaluation.choice.pieces import KINDS, pieces_of
from unpadded.evaluation.representations import prepared
from unpadded.evaluation.scores import Representation
from unpadded.evaluation.statistics import bootstrap_mean

RECOMMENDED, TABLE = "recommended.json", "choice.csv"
COLUMNS = ["method", "pooling", "postprocess", "name", *KINDS, "score", "ci_low", "ci_high"]


@dataclass(frozen=True)
class Choice:
    """What the pieces of documents say about each kind of vectors.

    `table`: one row a representation, best first; columns method, pooling, postprocess, name, one of each kind of pieces
    (mean reciprocal place of the right answer, 0 to 1), score (their mean), ci_low, ci_high. `n_documents`: that were asked.
    `otherwise`: the method to take where nothing could be asked.
    """

    table: pd.DataFrame
    n_documents: int
    otherwise: str = "lm"

    @property
    def best(self) -> pd.Series | None:
        """The row to take; None where nothing could be asked.

        The first one of the model; but the first joined with words where pieces do not show that it is worse, for words keep
        what no piece asks: names, numbers, and what a classifier goes by. (This preference was set on newsgroups.)
        """
        first, joined = self._first(OF_MODEL), self._first(("lm_words",))
        if first is None or joined is None or joined.ci_high < first.score:
            return first
        return joined

    def _first(self, methods: Sequence[str]) -> pd.Series | None:
        rows = self.table[self.table.method.isin(methods)]
        return rows.iloc[0] if len(rows) and self.n_documents > 1 else None

    @property
    def recommended(self) -> dict[str, str]:
        """method, pooling, postprocess, why."""
        best = self.best
        if best is None:
            why = "No two documents were long enough to be asked about, so this is what serves best elsewhere."
            return {"method": self.otherwise, "pooling": "mean", "postprocess": "none", "why": why}
        return {**best[["method", "pooling", "postprocess"]].to_dict(), "why": self._why(best)}

    def _why(self, best: pd.Series) -> str:
        first, baseline = self._first(OF_MODEL), self._first(sorted({*self.table.method} - {*OF_MODEL}))
        ahead = "more than by any other vectors of the model"
        if first is not None and first["name"] != best["name"]:
            ahead = f"no clear difference from {first['name']} ({first.score:.2f}), and words keep names and numbers"
        beside = "" if baseline is None else f"; the best baseline, {baseline['name']}, has {baseline.score:.2f}"
        found = f"Pieces of {self.n_documents} documents find the rest of their document at a mean reciprocal rank of"
        return f"{found} {best.score:.2f} by {best['name']}, {ahead}{beside}."


def choose(
    corpus: Corpus, run: str | os.PathLike, *, poolings: str = "", postprocesses: str = "", seed: int = 0
) -> Choice:
    """Ask every representation of a run for the rest of documents that tuning did not read; no label is looked at."""
    pieces = pieces_of(corpus, seed=seed)
    prepared_rows = prepared(corpus, run, poolings=poolings, postprocesses=postprocesses, seed=seed)
    first = len(corpus) + len(corpus.queries or ())
    rows = [_row(one, pieces.found(one.vectors[first:]), seed) for one in prepared_rows if len(pieces.documents)]
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values("score", ascending=False, kind="stable", ignore_index=True)
    otherwise = "lm_tuned" if any(one.method == "lm_tuned" for one in prepared_rows) else "lm"
    return Choice(table, len(pieces.documents), otherwise)


def write_recommended(choice: Choice, run: str | os.PathLike) -> Path:
    """Write the table, `choice.csv`, and then `recommended.json` into a run's folder; return the latter's path."""
    write_table(Path(run) / TABLE, choice.table)
    path = Path(run) / RECOMMENDED
    write_json(path, choice.recommended)
    return path


def recommended_name(run: str | os.PathLike) -> str:
    """The name of what a run recommends, as its representations are named; empty where it recommends nothing."""
    try:
        found = read_json(Path(run) / RECOMMENDED)
        return Representation(found["method"], found["pooling"], found["postprocess"], np.empty((0, 0))).name
    except (OSError, ValueError, KeyError):
        return ""


def read_choice(run: str | os.PathLike) -> pd.DataFrame:
    """The table that `write_recommended` wrote into a run's folder; one without rows where there is none."""
    path = Path(run) / TABLE
    if not path.exists() or not path.stat().st_size:
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(path, keep_default_na=False)


def _row(representation: Representation, found: dict[str, np.ndarray], seed: int) -> Sequence:
    value = bootstrap_mean(np.mean([found[kind] for kind in KINDS], axis=0), seed=seed)
    about = (representation.method, representation.pooling, representation.postprocess, representation.name)
    return (*about, *(float(found[kind].mean()) for kind in KINDS), *map(float, value))

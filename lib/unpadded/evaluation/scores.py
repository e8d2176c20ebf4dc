"""Scores: the long table of measured values, and the vectors they were measured on."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from unpadded.common import InputError, atomic_write, first_line
from unpadded.evaluation.statistics import Interval

TEXT_COLUMNS = ["corpus", "task", "method", "pooling", "postprocess", "metric"]
NUMBER_COLUMNS = ["value", "ci_low", "ci_high", "n", "seed", "seconds"]
COLUMNS = TEXT_COLUMNS + NUMBER_COLUMNS
TASKS = ("clustering", "ranking", "classification")
AS_THEY_COME = ("none", "idf")  # no post-processing; the weighting by IDF is done while the states are pooled


@dataclass(frozen=True)
class FitRecord:
    """What a fitted thing (vectorizer, post-processing, language model) saw: its name and the document ids."""

    fitted: str
    ids: frozenset[str]

    @classmethod
    def of(cls, fitted: str, ids: Sequence[str], rows: Iterable[int]) -> FitRecord:
        """The record of what was fitted on the documents at the positions `rows` of `ids`."""
        return cls(fitted, frozenset(str(ids[i]) for i in rows))


@dataclass(frozen=True, eq=False)
class Representation:
    """One way to turn the documents of a corpus into vectors: `vectors` is [n_documents, width], dense or sparse.

    `source` is that matrix, or a function that makes it: then each use of `vectors` makes it anew, so that comparing
    many representations of a large corpus holds one at a time. `fitted` lists what was fitted on the way, so that
    classification can refuse a leak.
    """

    method: str
    pooling: str
    postprocess: str
    source: np.ndarray | sparse.spmatrix | Callable[[], np.ndarray]
    fitted: tuple[FitRecord, ...] = ()

    @property
    def vectors(self) -> np.ndarray | sparse.spmatrix:
        """The matrix [n_documents, width]; keep it in a variable where it is used twice."""
        return self.source() if callable(self.source) else self.source

    @property
    def name(self) -> str:
        """The short name in tables and pictures: the pooling or the baseline, then the post-processing."""
        base = self.pooling if self.method == "lm" else " ".join(part for part in (self.method, self.pooling) if part)
        return base if self.postprocess == "none" else f"{base} + {self.postprocess}"

    def with_vectors(self, source, *, postprocess: str, record: FitRecord | None = None) -> Representation:
        """The same documents after one more processing step; `record` says what that step was fitted on."""
        fitted = self.fitted if record is None else (*self.fitted, record)
        return replace(self, source=source, postprocess=postprocess, fitted=fitted)

    def with_record(self, record: FitRecord) -> Representation:
        """The same vectors, with one more thing that was fitted on the way to them."""
        return replace(self, fitted=(*self.fitted, record))

    def rows(self, rows: slice | np.ndarray) -> Representation:
        """The same representation of some of the rows, cut out when they are asked for."""
        return replace(self, source=lambda: self.vectors[rows])


class SameVectorsError(InputError):
    """No document can be told from another by these vectors."""


def told_apart(representations: Sequence[Representation], n: int) -> tuple[list[Representation], list[str]]:
    """The representations whose `n` vectors are not all the same, and a sentence about each of the others.

    Raises InputError for vectors that are not finite or not `n`.
    """
    kept, said = [], []
    for representation in representations:
        try:
            checked_vectors(representation, n)
        except SameVectorsError as error:
            said.append(str(error))
        else:
            kept.append(representation)
    return kept, said


def unprocessed(representations: Sequence[Representation]) -> list[Representation]:
    """Those of the representations that no post-processing has changed, in order."""
    return [representation for representation in representations if representation.postprocess in AS_THEY_COME]


def unprocessed_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The same of a table with the column `postprocess`: its rows about vectors that no post-processing has changed."""
    return scores[scores["postprocess"].isin(AS_THEY_COME)]


def check_names(representations: Sequence[Representation]) -> None:
    """Raise InputError unless there is a representation and no two have the same name."""
    if not representations:
        raise InputError("representations: got none; pass at least one.")
    seen = set()
    for representation in representations:
        if representation.name in seen:
            raise InputError(f"representations: {representation.name!r} is there twice; keep one of them.")
        seen.add(representation.name)


def checked_vectors(representation: Representation, n: int) -> np.ndarray | sparse.spmatrix:
    """The vectors; raises InputError unless they are `n` rows of finite numbers that are not all the same."""
    vectors = representation.vectors
    check_vectors(vectors, name=representation.name, n=n)
    return vectors


def check_vectors(vectors, *, name: str = "vectors", n: int | None = None) -> None:
    """Raise InputError unless `vectors` is a finite 2-D matrix of `n` rows which are not all the same row."""
    if getattr(vectors, "ndim", None) != 2 or 0 in vectors.shape:
        raise InputError(f"{name}: expected a matrix [n_documents, width], got shape {np.shape(vectors)}; reshape it.")
    if n is not None and vectors.shape[0] != n:
        raise InputError(f"{name}: {vectors.shape[0]} vectors for {n} documents; encode the same documents.")
    finite = np.isfinite(vectors.data if sparse.issparse(vectors) else vectors)
    if not finite.all():
        rows = np.unique(vectors.tocoo().row[~finite] if sparse.issparse(vectors) else np.nonzero(~finite)[0])
        raise InputError(
            f"{name}: {len(rows)} vectors hold nan or infinity, the first in row {rows[0]}; encode them again."
        )
    if vectors.shape[0] > 1 and _is_constant(vectors):
        raise SameVectorsError(
            f"{name}: every document has the same vector, so there is nothing to score; check the encoder."
        )


def _is_constant(vectors) -> bool:
    if sparse.issparse(vectors):
        matrix = vectors.tocsr()
        return all((matrix[i] != matrix[0]).nnz == 0 for i in range(1, matrix.shape[0]))
    return bool((vectors == vectors[0]).all())


def score_row(
    representation: Representation,
    interval: Interval,
    *,
    corpus: str,
    task: str,
    metric: str,
    n: int,
    seed: int,
    seconds: float,
) -> dict:
    """One row of the long table: `n` documents or queries, the base `seed`, `seconds` spent on this method's task."""
    texts = (corpus, task, representation.method, representation.pooling, representation.postprocess, metric)
    return dict(zip(COLUMNS, (*texts, *map(float, interval), int(n), int(seed), round(float(seconds), 3)), strict=True))


def to_frame(rows: Iterable[Mapping]) -> pd.DataFrame:
    """The rows as a validated long table with the columns of COLUMNS, in order."""
    frame = pd.DataFrame(list(rows), columns=COLUMNS)
    return validate_scores(frame.astype(dict.fromkeys(TEXT_COLUMNS, "str")))


def concatenate(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Several score tables under one another, validated; exact repetitions of a row are kept once."""
    parts = [frame for frame in frames if len(frame)]
    return (
        validate_scores(pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True))
        if parts
        else to_frame([])
    )


def validate_scores(frame: pd.DataFrame, *, source: str = "scores") -> pd.DataFrame:
    """The table with a fresh index; raises InputError at the first broken rule, naming the row.

    Rules: exactly COLUMNS, known tasks, finite numbers, ci_low <= value <= ci_high, one row per measured thing.
    """
    if list(frame.columns) != COLUMNS:
        raise InputError(f"{source}: columns are {list(frame.columns)}; they must be {COLUMNS}.")
    frame = frame.reset_index(drop=True)
    numbers = frame[NUMBER_COLUMNS].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    keys = [c for c in COLUMNS if c not in ("value", "ci_low", "ci_high", "n", "seconds")]
    problems = {
        f"has a task that is none of {', '.join(TASKS)}": ~frame["task"].isin(TASKS).to_numpy(),
        "holds a number that is missing or not finite": ~np.isfinite(numbers).all(axis=1),
        "has a value outside its own interval": (numbers[:, 0] < numbers[:, 1]) | (numbers[:, 0] > numbers[:, 2]),
        "repeats an earlier row's corpus, task, method, pooling, postprocess, metric and seed": frame.duplicated(keys),
    }
    for problem, rows in problems.items():
        if np.any(rows):
            raise InputError(f"{source}: row {int(np.argmax(rows))} {problem}; measure it again.")
    return frame


def write_scores(frame: pd.DataFrame, path: str | Path) -> None:
    """Write the validated table as UTF-8 CSV; the file appears whole or not at all."""
    text = validate_scores(frame, source=str(path)).to_csv(index=False, lineterminator="\n")
    with atomic_write(Path(path)) as file:
        file.write(text.encode("utf-8"))


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read and validate a table that write_scores wrote; raises InputError if it is missing or broken."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the notebooks first.") from None
    try:  # everything as text first: an empty pooling is a value, and numpy reads numbers back to the last bit
        frame = pd.read_csv(io.StringIO(content), dtype="str", keep_default_na=False)
        types = {c: "int64" if c in ("n", "seed") else "float64" for c in NUMBER_COLUMNS if c in frame}
        frame = frame.astype(types)
    except (ValueError, pd.errors.EmptyDataError) as error:  # pandas' ParserError is a ValueError
        raise InputError(f"{path}: not a score table ({first_line(error)}); run the notebooks again.") from None
    return validate_scores(frame, source=str(path))

"""Tables of documents: CSV, TSV, JSONL and Parquet, one document a row.

Rows are counted as in a table with a heading: the first row after the heading is row 1, and blank lines do not count.
"""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from unpadded.common import InputError, did_you_mean, extras_needed, in_short
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.decoding import read_text, readable
from unpadded.corpus.validation import as_name

# A column of this name is used without being asked for; `_id` is what BEIR calls it.
STANDARD = {"text": ("text",), "label": ("label",), "id": ("id", "_id"), "split": ("split",)}
KINDS = {"csv": (".csv",), "tsv": (".tsv", ".tab"), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet", ".pq")}
ENDINGS = {ending: kind for kind, endings in KINDS.items() for ending in endings}


class Table(NamedTuple):
    """Column names, and a function from a name to that column's values (None: no value)."""

    names: list[str]
    column: Callable[[str], list[Any]]


def read_table(path: Path, *, columns: dict[str, str | None], encoding: str | None = None) -> Documents:
    """Read a CSV, TSV, JSONL (also ending in .gz) or Parquet file; `columns` names text, label, id and split.

    Ids are row numbers where no column holds them; labels and ids that are numbers become strings. Raises `InputError`.
    """
    table = _open(path, encoding)
    chosen = {field: _choose(path, table.names, field, name) for field, name in columns.items()}
    texts = table.column(chosen["text"])
    values = {
        field: None if chosen[field] is None else [as_name(value) for value in table.column(chosen[field])]
        for field in ("label", "id", "split")
    }
    ids = [str(row) for row in range(1, len(texts) + 1)] if values["id"] is None else values["id"]
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return Documents(readable(name.stem), ids, texts, labels=values["label"], split=values["split"], where=str(path))


def read_jsonl(path: Path, *, encoding: str | None = None) -> list[dict[str, Any]]:
    """The objects of a JSONL file, blank lines skipped. Raises `InputError` naming the line that is none."""
    rows = []
    for number, line in enumerate(read_text(path, encoding=encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} line {number} is not JSON ({error}): write one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number} is {type(row).__name__}, not a JSON object: write one a line")
        rows.append(row)
    return rows


def _open(path: Path, encoding: str | None) -> Table:
    packed = path.suffix.lower() == ".gz"
    kind = ENDINGS.get((path.with_suffix("") if packed else path).suffix.lower())
    if kind is None or (packed and kind == "parquet"):
        raise InputError(
            f"{path} is of no known type: name it .csv, .tsv or .jsonl (with .gz if packed) or .parquet, "
            "or give a folder"
        )
    if kind == "parquet":
        return _open_parquet(path)
    if kind == "jsonl":
        rows = read_jsonl(path, encoding=encoding)
        names = list(dict.fromkeys(name for row in rows for name in row))
        return Table(names if rows else ["text"], lambda name: [row.get(name) for row in rows])
    return _open_csv(path, encoding, "," if kind == "csv" else "\t")


def _open_csv(path: Path, encoding: str | None, delimiter: str) -> Table:
    rows = _csv_rows(path, read_text(path, encoding=encoding), delimiter)
    if not rows:
        raise InputError(f"{path} is empty: begin it with a row of column names")
    names = [name.strip() for name in rows.pop(0)]
    for number, row in enumerate(rows, start=1):
        if any(cell for cell in row[len(names) :]):
            raise InputError(
                f"{path} row {number} has {len(row)} cells under {len(names)} column names: "
                "put quotes around text that holds the delimiter"
            )
    return Table(names, lambda name: _csv_column(names.index(name), rows))


def _csv_rows(path: Path, text: str, delimiter: str) -> list[list[str]]:
    # Strict, so that a quote left open is an error and not one document that swallows the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    limit = csv.field_size_limit(2**31 - 1)  # the module's own, 131,072 characters a cell, is less than a long document
    try:
        for row in reader:
            line = reader.line_num + 1
            if row:
                rows.append(row)
    except csv.Error as error:
        raise InputError(
            f"{path} has a broken quoted cell in the row at line {line} ({error}): double the quotes inside and close it"
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows


def _csv_column(place: int, rows: list[list[str]]) -> list[str | None]:
    return [row[place] if place < len(row) else None for row in rows]


def _open_parquet(path: Path) -> Table:
    with extras_needed():
        import pyarrow as pa
        import pyarrow.parquet as pq

    def column(name: str) -> list[Any]:
        try:
            # Not a memory map: a file cut short while mapped would end the process, not raise.
            return pq.ParquetFile(path).read(columns=[name])[name].to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _torn(path, error) from error

    try:
        names = pq.ParquetFile(path).schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise _torn(path, error) from error
    return Table(names, column)


def _torn(path: Path, error: Exception) -> InputError:
    reason = in_short(error, 200)
    return InputError(f"{path} is not a whole Parquet file ({reason}): copy or write it again")


def _choose(path: Path, names: list[str], field: str, asked: str | None) -> str | None:
    if asked is None:
        asked = next((name for name in STANDARD[field] if name in names), None)
    elif asked not in names:
        have = ", ".join(repr(name) for name in names)
        raise InputError(f"{path} has no column {asked!r}{did_you_mean(asked, names)}: give as {field}= one of {have}")
    if names.count(asked) > 1:
        raise InputError(f"{path} has {names.count(asked)} columns called {asked!r}: rename all but one")
    return asked

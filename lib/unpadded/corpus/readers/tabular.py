"""Tables of documents: CSV, TSV, JSONL and Parquet, one document a row.

Rows are counted as in a table with a heading: the first row after the heading is row 1, and blank lines do not count.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unpadded.common import InputError, did_you_mean, extras_needed, in_short
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.decoding import decode, read_text, readable
from unpadded.corpus.readers.delimited import DELIMITERS, checked_delimiter, likeliest, rows_of
from unpadded.corpus.splits import TRAIN, UNLABELLED, VALID, plain_splits
from unpadded.corpus.validation import as_name, listing

FASTAIS_SPLIT = "is_valid"  # the column that fastai's own tables have, of true and false
TRUTHS = {"true": VALID, "1": VALID, "1.0": VALID, "false": TRAIN, "0": TRAIN, "0.0": TRAIN}
# A column of this name is used without being asked for; `_id` is what BEIR calls it.
STANDARD = {"text": ("text",), "label": ("label",), "id": ("id", "_id"), "split": ("split",)}
KINDS = {"csv": (".csv",), "tsv": (".tsv", ".tab"), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet", ".pq")}
ENDINGS = {ending: kind for kind, endings in KINDS.items() for ending in endings}
NAME_OF_COLUMN = re.compile(
    r"[^\W\d][\w.:/#-]*( [\w.:/#-]+){0,2}"
)  # what a heading may be: three words without a full stop
EXCELS_LINE = re.compile(r'sep=([^\w"\n])\r?\n', re.IGNORECASE)  # before the heading, for Excel, which alone reads it
NO_HEADING = "begin it with a row of column names, or give --no-heading and the columns' numbers, as in --text 2"


@dataclass(frozen=True)
class Reading:
    """How a file is read where that has to be said: its encoding, a table's delimiter, whether it has a row of names."""

    encoding: str | None = None
    delimiter: str | None = None
    heading: bool = True


class Table(NamedTuple):
    """Column names, and a function from a name to that column's values (None: no value).

    `named`: whether the names are certain to be names, and not the cells of a first document.
    """

    names: list[str]
    column: Callable[[str], list[Any]]
    named: bool = True


def read_table(path: Path, *, columns: dict[str, str | None], reading: Reading = Reading()) -> Documents:
    """Read a CSV, TSV, JSONL (also ending in .gz) or Parquet file; `columns` names text, label, id and split.

    Ids are row numbers where no column holds them; texts, labels and ids that are numbers become strings. A row without a
    label is unlabelled; a column without any is none. A label column named "" means that labels are not asked for. Raises
    `InputError`.
    """
    notes: list[str] = []
    table = _open(path, columns, reading, notes)
    chosen = {field: _choose(path, table, field, name) for field, name in columns.items()}
    texts = [_as_text(value) for value in table.column(chosen["text"] or "")]
    ids, split = (
        None if chosen[field] is None else [as_name(value) for value in table.column(chosen[field])]
        for field in ("id", "split")
    )
    ids = [str(row) for row in range(1, len(texts) + 1)] if ids is None else ids
    split = plain_splits(split) if split and any(split) else None  # type: ignore[arg-type] # a missing one is refused later
    if split is None and columns["split"] is None and FASTAIS_SPLIT in table.names:
        split = _fastais_split(table.column(FASTAIS_SPLIT), notes)
    labels = _labels(path, table, chosen["label"], split, asked=columns["label"] is not None, notes=notes)
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return Documents(
        readable(name.stem),
        ids,
        texts,
        labels=labels,
        split=split,
        notes=tuple(map(readable, notes)),
        where=str(path),
    )


def kind_of(path: Path) -> str | None:
    """Which kind of table a file is by its ending, as in `KINDS`; None where it is of none that can be read."""
    packed = path.suffix.lower() == ".gz"
    kind = ENDINGS.get((path.with_suffix("") if packed else path).suffix.lower())
    return None if packed and kind == "parquet" else kind


def read_columns(
    path: Path, *, columns: dict[str, str | None], reading: Reading = Reading()
) -> tuple[list[str], dict[str, list[Any]]]:
    """The ids of a table's documents, as `read_table` gives them, and the values of the columns that it does not take.

    Columns without a name, and of a name that another has, are left out.
    """
    table = _open(path, columns, reading, [])
    chosen = {field: _choose(path, table, field, name) for field, name in columns.items()}
    n = len(table.column(chosen["text"] or ""))
    ids = [str(row) for row in range(1, n + 1)] if chosen["id"] is None else table.column(chosen["id"])
    others = [name for name in table.names if name and name not in chosen.values() and table.names.count(name) == 1]
    return [as_name(value) or "" for value in ids], {name: table.column(name) for name in others}


def read_jsonl(path: Path, *, encoding: str | None = None, notes: list[str] | None = None) -> list[dict[str, Any]]:
    """The objects of a JSONL file, blank lines skipped; fractions as they are written. Raises `InputError` naming the line
    that is no object."""
    rows = []
    for number, line in enumerate(read_text(path, encoding=encoding, notes=notes).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=str)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} line {number} is not JSON ({error}): write one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path} line {number} is {type(row).__name__}, not a JSON object: write one a line")
        rows.append(row)
    return rows


def _fastais_split(values: list[Any], notes: list[str]) -> list[str] | None:
    """What a column of truths says: valid where it is true, else train; nothing where it holds anything else."""
    said = [(as_name(value) or "").strip().lower() for value in values]
    if not said or not all(value in TRUTHS for value in said):
        return None
    notes.append(f"the column {FASTAIS_SPLIT} says what is train and what is valid")
    return [TRUTHS[value] for value in said]


def _as_text(value: Any) -> Any:
    """A text, of a number its digits; what is neither stays, and is refused with its row."""
    if isinstance(value, str) or value is None:
        return value
    name = as_name(value)
    return value if name is None else name


def _labels(
    path: Path, table: Table, column: str | None, split: list[str] | None, *, asked: bool, notes: list[str]
) -> list[str | None] | None:
    """The topic of each row without spaces around it, None where it has none or is of the split "unlabelled"; None for all
    where no row has any."""
    if column is None:
        return None
    values = table.column(column)
    nested = [row for row, value in enumerate(values, start=1) if isinstance(value, list | tuple | dict)]
    if nested and asked:
        raise InputError(
            f"{path} has a label that is no string or number in row {listing(nested)}: give each document one label, "
            'or --label "" to do without'
        )
    unsplit = split or [""] * len(values)
    labels = [
        None if part == UNLABELLED else (as_name(value) or "").strip() or None
        for value, part in zip(values, unsplit, strict=True)
    ]
    missing = labels.count(None)
    if nested:
        notes.append(f"the column {column} is no topic: it holds lists or objects")
        return None
    if missing and missing < len(labels):
        notes.append(f"{missing} documents without a label: only the language model reads them")
    return labels if missing < len(labels) else None


def _open(path: Path, columns: dict[str, str | None], reading: Reading, notes: list[str]) -> Table:
    kind = kind_of(path) or ("csv" if reading.delimiter is not None else None)
    if kind is None:
        raise InputError(
            f"{path} is of no known type: name it .csv, .tsv or .jsonl (with .gz if packed) or .parquet, "
            "or give a folder"
        )
    if kind in ("parquet", "jsonl") and (reading.delimiter is not None or not reading.heading):
        raise InputError(f"{path} has neither delimiters nor a heading: leave out --delimiter and --no-heading")
    if kind == "parquet":
        return _open_parquet(path, reading.encoding)
    if kind == "jsonl":
        rows = read_jsonl(path, encoding=reading.encoding, notes=notes)
        names = list(dict.fromkeys(name for row in rows for name in row))
        return Table(names if rows else ["text"], lambda name: [row.get(name) for row in rows])
    return _open_csv(path, "," if kind == "csv" else "\t", columns, reading, notes)


def _open_csv(path: Path, own: str, columns: dict[str, str | None], reading: Reading, notes: list[str]) -> Table:
    text = read_text(path, encoding=reading.encoding, notes=notes)
    said = EXCELS_LINE.match(text)
    text = text[said.end() :] if said else text
    if reading.delimiter is not None:
        delimiter = checked_delimiter(reading.delimiter)
    elif said:
        delimiter = said[1]
    else:
        delimiter = likeliest(text, own, [name for name in columns.values() if name])
        if delimiter != own:
            notes.append(f"{path.name} is read as separated by {DELIMITERS[delimiter]}")
    rows = rows_of(path, text, delimiter, notes)
    if not rows:
        raise InputError(f"{path} is empty: begin it with a row of column names")
    if reading.heading:
        names = [name.strip() for name in rows.pop(0)]
    else:
        names = [str(number) for number in range(1, max(map(len, rows)) + 1)]
    for number, row in enumerate(rows, start=1):
        if any(cell for cell in row[len(names) :]):
            raise InputError(
                f"{path} row {number} has {len(row)} cells under {len(names)} column names: "
                "put quotes around text that holds the delimiter"
            )
    named = not reading.heading or _are_names(names, rows)
    return Table(names, lambda name: _csv_column(names.index(name), rows), named)


def _are_names(names: list[str], rows: list[list[str]]) -> bool:
    """Whether the first row holds names of columns: short ones, all different, none that is in its column again, and
    over the longest texts one of less than half their length."""
    if len(set(names)) < len(names) or not all(NAME_OF_COLUMN.fullmatch(name) for name in names if name):
        return False
    cells = [[row[place].strip() for row in rows if place < len(row)] for place in range(len(names))]
    if any(name and name in column for name, column in zip(names, cells, strict=True)):
        return False
    lengths = [sorted(map(len, column))[len(column) // 2] if column else 0 for column in cells]
    longest = lengths.index(max(lengths))
    return len(names[longest]) < lengths[longest] / 2


def _csv_column(place: int, rows: list[list[str]]) -> list[str | None]:
    return [row[place] if place < len(row) else None for row in rows]


def _open_parquet(path: Path, encoding: str | None) -> Table:
    with extras_needed():
        import pyarrow as pa
        import pyarrow.parquet as pq

    def column(name: str) -> list[Any]:
        """The values of one column; only it is read."""
        try:
            # Not a memory map: a file cut short while mapped would end the process, not raise.
            values = pq.ParquetFile(path).read(columns=[name])[name].to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _torn(path, error) from error
        # Strings that somebody stored as binary.
        return [
            decode(value, f"{path} row {row}", encoding=encoding).text if isinstance(value, bytes) else value
            for row, value in enumerate(values, start=1)
        ]

    try:
        names = pq.ParquetFile(path).schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise _torn(path, error) from error
    return Table(names, column)


def _torn(path: Path, error: Exception) -> InputError:
    reason = in_short(error, 200)
    return InputError(f"{path} is not a whole Parquet file ({reason}): copy or write it again")


def _choose(path: Path, table: Table, field: str, asked: str | None) -> str | None:
    names = table.names
    if asked == "" and field != "text":
        return None
    if field == "text" and asked == "text" and names == ["1"]:  # no heading, and no other column that could be meant
        return "1"
    if asked is None:
        asked = next((name for name in STANDARD[field] if name in names), None)
    elif asked not in names:
        raise InputError(_missing(path, table, field, asked))
    if names.count(asked) > 1:  # type: ignore[arg-type] # None is no name
        raise InputError(f"{path} has {names.count(asked or '')} columns called {asked!r}: rename all but one")
    return asked


def _missing(path: Path, table: Table, field: str, asked: str) -> str:
    """What is said of a column that is not there; the first row is quoted only where it holds no document."""
    near = did_you_mean(asked, table.names)
    if not (table.named or near):
        return f"{path} has no column {asked!r} and, it seems, no heading row: {NO_HEADING}"
    have = ", ".join(repr(name) for name in table.names)
    return f"{path} has no column {asked!r}{near}: give as {field}= one of {have}"

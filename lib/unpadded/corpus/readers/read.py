"""Users' own files: which reader takes which path."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from unpadded.common import InputError
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.beir import is_beir, read_beir, read_beir_columns
from unpadded.corpus.readers.folders import read_folder
from unpadded.corpus.readers.parts import read_columns_of_parts, read_parts, tables_of_parts
from unpadded.corpus.readers.tabular import Reading, read_columns, read_table

__all__ = ["Reading", "read", "read_beir", "read_folder", "read_other_columns", "read_table", "refuse_columns"]


def read(path: Path, *, columns: dict[str, str | None], reading: Reading) -> Documents:
    """Read a file or folder that exists. `columns` maps text, label, id, split to column names (None: unasked).

    Raises `InputError` for anything wrong with the content.
    """
    if path.is_file():
        return read_table(path, columns=columns, reading=reading)
    tables = {} if is_beir(path) else tables_of_parts(path)
    if tables:
        return read_parts(path, tables, columns=columns, reading=reading)
    refuse_columns(columns, f"the folder {path}", reading)
    read_it = read_beir if is_beir(path) else read_folder
    return without_labels(read_it(path, encoding=reading.encoding), columns)


def read_other_columns(
    path: Path, *, columns: dict[str, str | None], reading: Reading
) -> tuple[list[str], dict[str, list[Any]]]:
    """The ids of a source's documents, and what it says of them in columns that `read` does not take, by name.

    Empty for a folder of texts. Raises `InputError` as `read` does.
    """
    if path.is_file():
        return read_columns(path, columns=columns, reading=reading)
    if is_beir(path):
        return read_beir_columns(path, encoding=reading.encoding)
    return read_columns_of_parts(tables_of_parts(path), columns=columns, reading=reading)


def without_labels(documents: Documents, columns: dict[str, str | None]) -> Documents:
    """The documents, without their labels where the label's column is "", which asks for none."""
    return replace(documents, labels=None) if columns["label"] == "" else documents


def refuse_columns(columns: dict[str, str | None], what: str, reading: Reading) -> None:
    """Raise `InputError` if a column name, a delimiter or the lack of a heading was given for something that has none."""
    standard = {"text": ("text",), "label": (None, ""), "split": (None, "")}
    given = [f"{key}={name!r}" for key, name in columns.items() if name not in standard.get(key, (None,))]
    given += [f"delimiter={reading.delimiter!r}"] if reading.delimiter is not None else []
    given += [] if reading.heading else ["heading=False"]
    if given:
        raise InputError(f"{what} has no columns to choose from: leave out {', '.join(given)}")

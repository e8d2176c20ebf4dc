"""Users' own files: which reader takes which path."""

from pathlib import Path

from unpadded.common import InputError
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.beir import is_beir, read_beir
from unpadded.corpus.readers.folders import read_folder
from unpadded.corpus.readers.tabular import read_table

__all__ = ["read", "read_beir", "read_folder", "read_table", "refuse_columns"]


def read(path: Path, *, columns: dict[str, str | None], encoding: str | None = None) -> Documents:
    """Read a file or folder that exists. `columns` maps text, label, id, split to column names (None: unasked).

    Raises `InputError` for anything wrong with the content.
    """
    if path.is_file():
        return read_table(path, columns=columns, encoding=encoding)
    refuse_columns(columns, f"the folder {path}")
    return read_beir(path, encoding=encoding) if is_beir(path) else read_folder(path, encoding=encoding)


def refuse_columns(columns: dict[str, str | None], what: str) -> None:
    """Raise `InputError` if a column name was given for something that has no columns."""
    given = [f"{key}={name!r}" for key, name in columns.items() if name != ("text" if key == "text" else None)]
    if given:
        raise InputError(f"{what} has no columns to choose from: leave out {', '.join(given)}")

"""A folder of one table a part: train.csv, valid.csv, ..., as data sets are handed around."""

from pathlib import Path
from typing import Any

from unpadded.common import InputError, is_clutter
from unpadded.corpus.documents import Documents
from unpadded.corpus.readers.decoding import readable
from unpadded.corpus.readers.tabular import Reading, kind_of, read_columns, read_table
from unpadded.corpus.splits import TRAIN, UNLABELLED, part_called
from unpadded.corpus.validation import listing


def tables_of_parts(folder: Path) -> dict[str, Path]:
    """The table of each part, where all tables directly in a folder are called after one of train, valid, test, unsup.

    Nothing where there is none of train or no other, or there are folders beside them. Raises `InputError` for two tables of
    one part.
    """
    try:
        visible = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and not is_clutter(p.name))
    except OSError:
        return {}  # which the reader of folders says
    tables = [path for path in visible if path.is_file() and kind_of(path)]
    parts = [part_called(_stem(path)) for path in tables]
    if any(path.is_dir() for path in visible) or len(tables) < 2 or None in parts or TRAIN not in parts:
        return {}
    for part in set(parts):
        same = [path.name for path, other in zip(tables, parts, strict=True) if other == part]
        if len(same) > 1:
            raise InputError(
                f"the folder {folder} has two tables for {part} ({listing(same)}): leave one of them there"
            )
    return {str(part): path for part, path in zip(parts, tables, strict=True)}


def read_parts(folder: Path, tables: dict[str, Path], *, columns: dict[str, str | None], reading: Reading) -> Documents:
    """Read the table of each part and put them together; an id begins with its table's name, as in `train/1`.

    The file says what part a document is of, whatever a column says. Raises `InputError` as `read_table` does.
    """
    ids, texts, split, notes, bare = [], [], [], [], []
    labels: list[str | None] = []
    for part, path in tables.items():
        read = read_table(path, columns=columns, reading=reading)
        ids += [f"{readable(_stem(path))}/{id}" for id in read.ids]
        texts += read.texts
        labels += [None] * len(read) if part == UNLABELLED or read.labels is None else read.labels
        split += [part] * len(read)
        bare += [path.name] if part != UNLABELLED and read.labels is None else []
        notes += [note if path.name in note else f"{path.name}: {note}" for note in read.notes]
    labelled = any(label is not None for label in labels)
    notes += [f"without labels: {', '.join(bare)}"] if labelled and bare else []
    return Documents(
        readable(folder.resolve().name),
        ids,
        texts,
        labels=labels if labelled else None,
        split=split,
        notes=tuple(map(readable, notes)),
        where=f"the folder {folder}",
    )


def read_columns_of_parts(
    tables: dict[str, Path], *, columns: dict[str, str | None], reading: Reading
) -> tuple[list[str], dict[str, list[Any]]]:
    """The ids of the tables' documents, as `read_parts` gives them, and their other columns; None where a table lacks one."""
    ids: list[str] = []
    others: dict[str, list[Any]] = {}
    for path in tables.values():
        own, values = read_columns(path, columns=columns, reading=reading)
        for name in others.keys() | values.keys():
            others.setdefault(name, [None] * len(ids)).extend(values.get(name, [None] * len(own)))
        ids += [f"{readable(_stem(path))}/{id}" for id in own]
    return ids, others


def _stem(path: Path) -> str:
    """The name of a table without its ending, and without .gz."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).stem

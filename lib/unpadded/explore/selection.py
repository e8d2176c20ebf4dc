"""What was selected, taken along: as a table, as CSV, or as a corpus that a run reads."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unpadded.common import InputError, atomic_write
from unpadded.explore.data import Explorable

ENDINGS = (".csv", ".jsonl")
TRAIN = "train"  # a run refuses a corpus with a split that has none of it


def selection_frame(data: Explorable, rows: Sequence[int]) -> pd.DataFrame:
    """The documents at `rows`, in their order: id, text, where there are any label and split, then the file's own columns.

    A column of the file that has one of these names is called `source_<name>`.
    """
    corpus, rows = data.corpus, [int(row) for row in rows]
    fields = {"id": corpus.ids, "text": corpus.texts, "label": corpus.labels, "split": corpus.split}
    own = {name: [values[row] for row in rows] for name, values in fields.items() if values is not None}
    others = data.columns.iloc[rows].reset_index(drop=True)
    others = others.drop(columns="split", errors="ignore") if "split" in own else others
    taken = {name: f"source_{name}" for name in others.columns if name in fields}
    return pd.concat([pd.DataFrame(own, dtype=object), others.rename(columns=taken)], axis=1)


def write_selection(data: Explorable, rows: Sequence[int], path: str | os.PathLike) -> int:
    """Write the documents at `rows` to a .csv or .jsonl file that `unpadded run --corpus FILE` reads; return how many.

    The text is in the column text, the topic in label, the id in id. The split goes along where some documents are of
    train. Raises `InputError` for no document, another ending, or a folder that is not there.
    """
    path, table = Path(os.path.expanduser(path)), selection_frame(data, rows)
    if not len(table):
        raise InputError("No document is selected: draw around some, click one, or set a filter.")
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path} ends neither in .csv nor in .jsonl: give it one of these endings.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"The folder {path.absolute().parent} is not there: make it, or name another.")
    if "split" in table and TRAIN not in set(table["split"]):
        table = table.drop(columns="split")
    with atomic_write(path) as file:
        file.write((_csv if path.suffix.lower() == ".csv" else _jsonl)(table))
    return len(table)


def _csv(table: pd.DataFrame) -> bytes:
    # Lone surrogates are in no UTF-8 file.
    return table.to_csv(index=False).encode("utf-8", "backslashreplace")


def _jsonl(table: pd.DataFrame) -> bytes:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return "".join(json.dumps(row, default=str) + "\n" for row in rows).encode()

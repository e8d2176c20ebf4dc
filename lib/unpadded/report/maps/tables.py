"""Where each document lies under each pooling: a table on disk that the report and the explorer draw from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from unpadded.common import InputError, atomic_write, first_line

COLUMNS = ("row", "id", "title", "beginning", "topic", "tokens")
TITLE_LENGTH, BEGINNING_LENGTH = 80, 200  # characters


def map_table(corpus, rows: np.ndarray, maps: Mapping[str, np.ndarray], *, lengths: np.ndarray) -> pd.DataFrame:
    """One row a document on the maps: COLUMNS, then `<pooling>_x` and `<pooling>_y` (float32) for each of `maps`.

    `rows` int64 [m] are the documents' positions in `corpus`; `maps` has coordinates [m, 2] for each pooling;
    `lengths` [n_documents] counts tokens. A corpus without topics has "" in every row.
    """
    rows = np.asarray(rows)
    titles, beginnings = zip(*(title_and_beginning(corpus.texts[i]) for i in rows), strict=True)
    table = pd.DataFrame(
        {
            "row": rows.astype(np.int64),
            "id": [corpus.ids[i] for i in rows],
            "title": titles,
            "beginning": beginnings,
            "topic": [corpus.labels[i] or "" for i in rows] if corpus.labels else "",
            "tokens": np.asarray(lengths)[rows],
        }
    )
    for pooling, xy in maps.items():
        table[f"{pooling}_x"], table[f"{pooling}_y"] = np.asarray(xy, dtype=np.float32).T
    return table


def title_and_beginning(text: str) -> tuple[str, str]:
    """A document's first line, cut at a word, and the words that follow it."""
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written as UTF-8
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    title = cut(line, TITLE_LENGTH)
    rest = " ".join(text.split())[len(" ".join(title.rstrip("…").split())) :]
    return title or "(empty)", cut(rest.strip(), BEGINNING_LENGTH)


def cut(text: str, length: int) -> str:
    """`text` in one line, shortened at a word to at most `length` characters."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(" ", 1)[0] + "…"


def poolings_of(table: pd.DataFrame) -> list[str]:
    """The poolings that a map table has coordinates for, in its order."""
    return [column.removesuffix("_x") for column in table.columns if column.endswith("_x")]


def limits_without_outliers(coordinates) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of each column, around its central 99 % with a margin: a few far documents would leave the rest no room."""
    low, high = np.percentile(coordinates, [0.5, 99.5], axis=0)
    margin = 0.06 * (high - low) + 1e-6
    return low - margin, high + margin


def map_path(run: str | os.PathLike, corpus_name: str) -> Path:
    """Where a run keeps the maps of a corpus."""
    return Path(run) / "maps" / f"{corpus_name}.parquet"


def save_map(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a map table as Parquet, atomically; of one without coordinates only the folder is made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if not poolings_of(table):
        Path(path).unlink(missing_ok=True)
        return
    with atomic_write(path) as file:
        table.to_parquet(file, index=False, compression="zstd")


def load_map(path: str | os.PathLike) -> pd.DataFrame:
    """Read what `save_map` wrote. Raises `InputError` for a file that is missing or no map."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} holds no map ({first_line(error)}): run 02_extract_embeddings.") from error
    if list(table.columns[: len(COLUMNS)]) != list(COLUMNS) or not poolings_of(table):
        raise InputError(f"{path} is not a table of maps: run 02_extract_embeddings again.")
    return table

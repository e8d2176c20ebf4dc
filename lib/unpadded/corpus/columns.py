"""The other columns of a corpus's file: numbers, dates and categories, which are explored and never scored."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from unpadded.common import NO_LABEL
from unpadded.corpus.readers.read import Reading, read_other_columns

CODE = re.compile(r"\s*[+-]?0\d+\s*")  # "007": an identifier, which a number would lose the zeros of
DATES = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d")


def source_columns(
    source: str | os.PathLike,
    *,
    text: str = "text",
    label: str = "",
    id: str = "",
    reading: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """What a corpus's source says of each document beside its text, label, id and split; the index are the ids.

    Arguments as `load_corpus` takes them. Columns are float64 (numbers), datetime64 (dates; of times with a zone, UTC) or
    strings, each with missing values; a column without any value is left out. What has no columns (a named dataset, a folder
    of texts) gives a table without rows. Raises `InputError` as `Corpus.load` does.
    """
    path = Path(os.path.expanduser(source))
    if not path.exists():
        return pd.DataFrame()
    column = "" if label == NO_LABEL else label or None
    chosen = {"text": text, "label": column, "id": id or None, "split": None}
    ids, found = read_other_columns(path, columns=chosen, reading=Reading(**(reading or {})))
    columns = {name: typed(values) for name, values in found.items()}
    return pd.DataFrame({name: values for name, values in columns.items() if values.notna().any()}).set_axis(ids)


def typed(values: Sequence[Any]) -> pd.Series:
    """The values as numbers where all that are there are numbers, else as dates where all are, else as strings.

    Missing: None, NaN, empty and blank strings. Lists and objects become one string. Digits that begin with a zero are a
    code, and no number; dates are ISO 8601 or of one of `DATES`, unless two of these fit and differ.
    """
    plain = pd.Series([_plain(value) for value in values], dtype=object)
    given = plain.dropna()
    if given.empty or given.map(lambda value: isinstance(value, bool)).any():
        return plain.map(str, na_action="ignore").astype(object)
    numbers = pd.to_numeric(given, errors="coerce")
    if numbers.notna().all() and not given.astype(str).map(CODE.fullmatch).any():
        return numbers.astype(float).reindex(plain.index)
    dates = _as_dates(given)
    return plain.map(str, na_action="ignore").astype(object) if dates is None else dates.reindex(plain.index)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or None
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return repr(value)
    if isinstance(value, str):
        return value.strip() or None
    return None if pd.isna(value) else value


def _as_dates(given: pd.Series) -> pd.Series | None:
    """The dates that all the values are, or None."""
    found: list[pd.Series] = []
    for form in ("ISO8601", *DATES):
        dates = pd.to_datetime(given.astype(str), format=form, errors="coerce", utc=True)
        if dates.notna().all() and not any(dates.equals(other) for other in found):
            found.append(dates)
    return found[0].dt.tz_localize(None) if len(found) == 1 else None

"""What every list of texts, ids or labels must satisfy, said in one sentence where it does not."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from unpadded.common import InputError

SHOWN = 5


def listing(items: Iterable[Any]) -> str:
    """The first five items and how many there are: `3, 7, 9 (3 in all)`."""
    items = list(items)
    shown = ", ".join(str(item) for item in items[:SHOWN])
    return f"{shown}{', ...' if len(items) > SHOWN else ''} ({len(items)} in all)"


def as_name(value: Any) -> str | None:
    r"""A label or id as a string; None for a missing (None, NaN, pandas' NA) or nested value, which no corpus takes.

    A lone surrogate, which no file can hold, is written as `\ud800`.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple | dict | bytes) or pd.isna(value):
        return None
    return str(value)


def duplicates(items: Iterable[str]) -> list[str]:
    """Every item that occurs more than once, in the order of its first repetition."""
    items = pd.Series(list(items), dtype=object)
    return items[items.duplicated()].drop_duplicates().tolist()


def check_texts(texts: Sequence[Any], where: str, kind: str) -> None:
    """Raise `InputError` naming the rows (the first is row 1) whose text is null or no string."""
    bad = [row for row, text in enumerate(texts, start=1) if not isinstance(text, str)]
    if bad:
        raise InputError(f"{where} has a {kind} that is null or not a string in row {listing(bad)}: fill or drop it")


def check_complete(values: Sequence[Any], where: str, field: str) -> None:
    """Raise `InputError` naming the rows (the first is row 1) whose id, label or split is missing."""
    missing = [row for row, value in enumerate(values, start=1) if not (isinstance(value, str) and value)]
    if missing:
        raise InputError(
            f"{where} has no {field}, or one that is no string or number, in row {listing(missing)}: "
            "fill it in or drop those rows"
        )


def check_unique(ids: Sequence[str], where: str, kind: str) -> None:
    """Raise `InputError` naming the ids that occur more than once."""
    repeated = duplicates(ids)
    if repeated:
        raise InputError(f"{where} has the same {kind} more than once: {listing(repeated)}: make them unique")

"""Texts that a caller hands in, checked before any work is done."""

from collections.abc import Iterable, KeysView, Mapping, Set

import numpy as np

from unpadded.common import InputError

NAMED = 5  # positions that a message names


def checked_texts(texts: Iterable) -> list[str]:
    """`texts` as a list of str.

    Raises `InputError` naming the first positions of what is no str (None, NaN, bytes, numbers) and how many there are, and
    for what is no list of texts: one str, a table, a dict.
    """
    if isinstance(texts, str):
        raise InputError("The texts are one str: give a list of texts, one for each document.")
    if isinstance(texts, (bytes, bytearray)) or not isinstance(texts, Iterable):
        raise InputError(f"The texts are {type(texts).__name__}, not str: give a list of texts.")
    if isinstance(texts, np.ndarray) and texts.ndim != 1:
        raise InputError(f"The texts are an array of {texts.ndim} dimensions: give one dimension, a text a document.")
    refuse_what_has_no_rows(texts, "texts")
    texts = list(texts)
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        places = ", ".join(f"{i} ({_described(texts[i])})" for i in wrong[:NAMED])
        more = ", ..." if len(wrong) > NAMED else ""
        raise InputError(
            f"{len(wrong)} of the {len(texts)} texts are not str, at positions {places}{more}: drop them or convert them."
        )
    return texts


def refuse_what_has_no_rows(given: Iterable, what: str) -> None:
    """Raise `InputError` for what has no order, or yields the names of its columns or its keys: sets, dicts, data frames."""
    name = type(given).__name__
    if isinstance(given, Mapping):
        raise InputError(f"The {what} are a {name}, which yields its keys: give a list of its values.")
    if isinstance(given, Set) and not isinstance(given, KeysView):
        raise InputError(f"The {what} are a {name}, which has no order: give a list.")
    if hasattr(given, "columns"):  # a table of pandas, polars, Arrow
        raise InputError(f"The {what} are a {name}, which yields its columns: give one column, as in table['text'].")


def _described(value) -> str:
    return "None" if value is None else "NaN" if isinstance(value, float) and value != value else type(value).__name__

"""What every corpus must satisfy, said in one sentence where it does not."""

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from unpadded.errors import InputError

if TYPE_CHECKING:
    from unpadded.corpus import Corpus

SHOWN = 5


def listing(items: Iterable[Any]) -> str:
    """The first five items and how many there are: `3, 7, 9 (3 in all)`."""
    items = list(items)
    shown = ", ".join(str(item) for item in items[:SHOWN])
    return f"{shown}{', ...' if len(items) > SHOWN else ''} ({len(items)} in all)"


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the closest of `words`, ignoring case, or an empty string."""
    by_lower = {candidate.lower(): candidate for candidate in words}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def as_name(value: Any) -> str | None:
    """A label or id as a string; None for a missing (None, NaN, pandas' NA) or nested value, which no corpus takes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict | bytes) or pd.isna(value):
        return None
    return str(value)


def duplicates(items: Iterable[str]) -> list[str]:
    """Every item that occurs more than once, in the order of its first repetition."""
    seen: set[str] = set()
    repeated: dict[str, None] = {}
    for item in items:
        if item in seen:
            repeated[item] = None
        seen.add(item)
    return list(repeated)


def check_corpus(corpus: "Corpus", where: str) -> None:
    """Raise `InputError` unless every field of `corpus` is complete and consistent; `where` names the source."""
    if not len(corpus.texts):
        raise InputError(f"{where} holds no documents: give at least one")
    for field in ("ids", "labels", "split"):
        values = getattr(corpus, field)
        if values is not None and len(values) != len(corpus.texts):
            raise InputError(f"{where} has {len(corpus.texts)} documents but {len(values)} {field}: give one for each")
    check_texts(corpus.texts, where, "document")
    for field, values in (("id", corpus.ids), ("label", corpus.labels), ("split", corpus.split)):
        if values is not None:
            check_complete(values, where, field)
    check_unique(corpus.ids, where, "document id")
    _check_relevance(corpus, where)
    _check_ratings(corpus, where)


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


def _check_relevance(corpus: "Corpus", where: str) -> None:
    if corpus.queries is None and corpus.relevance is None:
        return
    if corpus.queries is None or corpus.relevance is None:
        raise InputError(f"{where} has queries without judgments or judgments without queries: give both")
    unknown = [query for query in corpus.relevance if query not in corpus.queries]
    if unknown:
        raise InputError(f"{where} has judgments for unknown queries: {listing(unknown)}: add or drop them")
    known = set(corpus.ids)
    judged = dict.fromkeys(document for grades in corpus.relevance.values() for document in grades)
    unknown = [document for document in judged if document not in known]
    if unknown:
        raise InputError(f"{where} has judgments for unknown documents: {listing(unknown)}: add or drop them")


def _check_ratings(corpus: "Corpus", where: str) -> None:
    if corpus.ratings is None:
        return
    if list(corpus.ratings.columns) != ["first", "second", "rating"]:
        columns = list(corpus.ratings.columns)
        raise InputError(f"{where} has ratings with the columns {columns}: name them first, second, rating")
    known = set(corpus.ids)
    rated = dict.fromkeys([*corpus.ratings["first"], *corpus.ratings["second"]])
    unknown = [document for document in rated if document not in known]
    if unknown:
        raise InputError(f"{where} has ratings for unknown documents: {listing(unknown)}: add or drop them")

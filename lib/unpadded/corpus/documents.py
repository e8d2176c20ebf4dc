"""What a reader hands over: documents and all that the source says of them, checked."""

from collections.abc import Iterable
from dataclasses import InitVar, dataclass

import pandas as pd

from unpadded.common import InputError
from unpadded.corpus.validation import check_complete, check_texts, check_unique, listing


@dataclass(frozen=True, eq=False, repr=False)
class Documents:
    """Texts with unique ids, and where the source has them topics, a split, judged queries and human ratings.

    Raises `InputError` where a field is incomplete or contradicts another; `where` names the source in that message.
    """

    name: str
    ids: list[str]
    texts: list[str]
    labels: list[str | None] | None = None  # topic of each document, None where it has none
    split: list[str] | None = None  # "train", "test", ... of each document
    queries: dict[str, str] | None = None  # query id -> text
    relevance: dict[str, dict[str, int]] | None = None  # query id -> document id -> grade
    ratings: pd.DataFrame | None = None  # columns first, second (document ids), rating (human similarity)
    notes: tuple[str, ...] = ()  # what was dropped, ignored or occurs twice, in words
    where: InitVar[str | None] = None

    def __post_init__(self, where: str | None) -> None:
        _check(self, where or f"corpus {self.name!r}")

    def __len__(self) -> int:
        return len(self.texts)


def _check(corpus: Documents, where: str) -> None:
    """Raise `InputError` unless every field of `corpus` is complete and consistent; `where` names the source."""
    if not len(corpus.texts):
        raise InputError(f"{where} holds no documents: give at least one")
    for field in ("ids", "labels", "split"):
        values = getattr(corpus, field)
        if values is not None and len(values) != len(corpus.texts):
            raise InputError(f"{where} has {len(corpus.texts)} documents but {len(values)} {field}: give one for each")
    check_texts(corpus.texts, where, "document")
    check_complete(corpus.ids, where, "id")
    if corpus.split is not None:
        check_complete(corpus.split, where, "split")
    if corpus.labels is not None:
        check_complete([label for label in corpus.labels if label is not None], where, "label")
    check_unique(corpus.ids, where, "document id")
    _check_relevance(corpus, where)
    _check_ratings(corpus, where)


def _check_relevance(corpus: Documents, where: str) -> None:
    if corpus.queries is None and corpus.relevance is None:
        return
    if corpus.queries is None or corpus.relevance is None:
        raise InputError(f"{where} has queries without judgments or judgments without queries: give both")
    judged = [document for grades in corpus.relevance.values() for document in grades]
    _check_known(corpus.relevance, corpus.queries, f"{where} has judgments for unknown queries")
    _check_known(judged, corpus.ids, f"{where} has judgments for unknown documents")


def _check_ratings(corpus: Documents, where: str) -> None:
    if corpus.ratings is None:
        return
    if list(corpus.ratings.columns) != ["first", "second", "rating"]:
        columns = list(corpus.ratings.columns)
        raise InputError(f"{where} has ratings with the columns {columns}: name them first, second, rating")
    rated = [*corpus.ratings["first"], *corpus.ratings["second"]]
    _check_known(rated, corpus.ids, f"{where} has ratings for unknown documents")


def _check_known(used: Iterable[str], known: Iterable[str], problem: str) -> None:
    known = set(known)
    unknown = [name for name in dict.fromkeys(used) if name not in known]
    if unknown:
        raise InputError(f"{problem}: {listing(unknown)}: add or drop them")

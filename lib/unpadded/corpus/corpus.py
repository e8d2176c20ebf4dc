"""Documents, and where people have given them: topics, splits, judged queries, ratings."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from unpadded.common import InputError
from unpadded.corpus import sampling
from unpadded.corpus.documents import Documents
from unpadded.corpus.loading import load_documents
from unpadded.corpus.readers.read import Reading, refuse_columns
from unpadded.corpus.splits import counted
from unpadded.corpus.validation import as_name

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False, repr=False)
class Corpus(Documents):
    """Documents with unique ids, and where they have them topics, a split, judged queries and human ratings.

    Fields and what they must satisfy: `Documents`.
    """

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}: {len(self)} documents, {len(self.topics)} topics, {len(self.queries or ())} queries)"

    @classmethod
    def load(
        cls,
        source: str | os.PathLike | Sequence[str],
        *,
        text: str = "text",
        label: str | None = None,
        id: str | None = None,
        split: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        heading: bool = True,
    ) -> "Corpus":
        """Load a named dataset, a CSV/TSV/JSONL/Parquet file, a folder of topic folders, a BEIR folder, or strings.

        `text`, `label`, `id`, `split` name a file's columns; a column called label, id or split is used unasked, and
        `label=""` does without topics, `split=""` without a table's column of parts. Without a row of names
        (`heading=False`) they are numbers from "1". Encoding and delimiter are found where they are not given, and
        noted. A path that exists wins over a dataset's name. Raises `InputError` for bad input.
        """
        columns = {"text": text, "label": label, "id": id, "split": split}
        reading = Reading(encoding, delimiter, heading)
        if isinstance(source, str | os.PathLike):
            corpus = cls(**vars(load_documents(source, columns=columns, reading=reading)))
        else:
            refuse_columns(columns, "a sequence of strings", reading)
            corpus = cls.from_texts(source)
        return replace(corpus, notes=(*corpus.notes, *_remarks(corpus)))

    @classmethod
    def from_texts(
        cls, texts: Iterable[str], labels: Iterable[str | None] | None = None, *, name: str = "texts"
    ) -> "Corpus":
        """A corpus of strings in memory, with the ids "1", "2", ...; `labels` are turned into strings, None where missing.

        Raises `InputError` for a text that is no string.
        """
        if isinstance(texts, str | bytes):
            raise InputError("texts is one string: put it in a list")
        texts = list(texts)
        ids = [str(row) for row in range(1, len(texts) + 1)]
        return cls(name, ids, texts, labels=None if labels is None else [as_name(label) or None for label in labels])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the content in its order: every field but the name and the notes."""
        digest = hashlib.sha256()
        ratings = None if self.ratings is None else self.ratings.to_numpy().tolist()
        for field in (self.ids, self.labels, self.split, self.queries, self.relevance, ratings):
            # Keys are not sorted: vectors of queries are rows in the order of the queries.
            digest.update(json.dumps(field).encode() + b"\n")
        for text in self.texts:
            # Ended by a byte that is in no UTF-8 text, so ("ab", "c") and ("a", "bc") differ.
            digest.update(text.encode("utf-8", "surrogatepass") + b"\xff")
        return digest.hexdigest()

    @property
    def topics(self) -> list[str]:
        """The different labels, sorted; empty where there are none."""
        return sorted({label for label in self.labels or () if label is not None})

    def indices(self, split: str) -> np.ndarray:
        """Positions of the documents of one split, int64, ascending. Raises `InputError` for a split it has not."""
        found = np.array([i for i, value in enumerate(self.split or ()) if value == split], dtype=np.int64)
        if not len(found):
            have = ", ".join(sorted(set(self.split or ()))) or "none"
            raise InputError(f"corpus {self.name!r} has no split {split!r}: it has {have}")
        return found

    def select(self, indices: Sequence[int] | np.ndarray) -> "Corpus":
        """The documents at `indices` (or where a boolean mask is true), in that order, each at most once.

        Judgments and ratings are restricted to them; a query that keeps no relevant document goes. Raises `InputError` for
        none and for one that is there twice, `IndexError` for one that is not there.
        """
        chosen = np.asarray(indices)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        ids = _take(self.ids, chosen)
        queries, relevance = _restrict(self.queries, self.relevance, set(ids))
        ratings = self.ratings
        if ratings is not None:
            ratings = ratings[ratings["first"].isin(ids) & ratings["second"].isin(ids)].reset_index(drop=True)
        return replace(
            self,
            ids=ids,
            texts=_take(self.texts, chosen),
            labels=None if self.labels is None else _take(self.labels, chosen),
            split=None if self.split is None else _take(self.split, chosen),
            queries=queries,
            relevance=relevance,
            ratings=None if ratings is None or ratings.empty else ratings,
        )

    def labelled(self) -> "Corpus":
        """The documents that have a topic: the corpus itself where all have one. Raises `InputError` for none."""
        having = np.array([label is not None for label in self.labels or ()], dtype=bool)
        return self if having.size and having.all() else self.select(having)

    def sample(self, n: int, seed: int = 0) -> "Corpus":
        """`n` documents (all of them if there are no more) in corpus order, the same for the same seed.

        Spread over split and label by largest remainder; a corpus with queries keeps some of them instead, whole where they
        fit. Raises `InputError` for `n` below 1.
        """
        if n < 1:
            raise InputError(f"a sample of {n} documents is empty: ask for at least 1")
        if n >= len(self):
            return self
        rng = np.random.default_rng(seed)
        if self.relevance:
            chosen, kept, whole = sampling.judged(self.ids, self.relevance, n, rng)
            queries = {query: text for query, text in (self.queries or {}).items() if query in kept}
            relevance = {query: self.relevance[query] for query in queries}
            note = f"no query fits into a sample of {n} documents with all its own: {len(kept)} keep some of them"
            notes = self.notes if whole else (*self.notes, note)
            return replace(self, queries=queries, relevance=relevance, notes=notes).select(chosen)
        blank = [""] * len(self)
        labels, split = self.labels or blank, self.split or blank  # those without a label are one topic more
        chosen = sampling.of_few_topics(labels, n, rng)
        strata = [(split[i], labels[i]) for i in chosen]
        picked = self.select(chosen[sampling.stratified(strata, n, rng)])
        if len(picked.topics) == len(self.topics):
            return picked
        note = f"the sample of {n} documents has {len(picked.topics)} of {len(self.topics)} topics"
        return replace(picked, notes=(*picked.notes, note))

    def describe(self) -> dict[str, Any]:
        """Counts: documents, those of each split, topics, words (split at white space) a document, duplicates, ..."""
        words = [len(text.split()) for text in self.texts]
        return {
            "name": self.name,
            "documents": len(self),
            "splits": counted(self.split or ()),
            "topics": len(self.topics),
            "mean_words": round(float(np.mean(words)), 1),
            "median_words": float(np.median(words)),
            "longest_words": max(words),
            "empty": sum(not text.strip() for text in self.texts),
            "duplicates": len(self) - len(set(self.texts)),
            "queries": len(self.queries or ()),
            "judgments": sum(len(grades) for grades in (self.relevance or {}).values()),
            "ratings": 0 if self.ratings is None else len(self.ratings),
        }


def _take(values: list[Value], indices: np.ndarray) -> list[Value]:
    return [values[i] for i in indices.tolist()]


def _restrict(queries: dict | None, relevance: dict | None, ids: set[str]) -> tuple[dict | None, dict | None]:
    """Judgments of the documents in `ids` alone, and the queries that still have a relevant one among them."""
    if queries is None or relevance is None:
        return None, None
    grades = {
        query: {document: grade for document, grade in judged.items() if document in ids}
        for query, judged in relevance.items()
    }
    grades = {query: judged for query, judged in grades.items() if any(grade > 0 for grade in judged.values())}
    return ({query: queries[query] for query in grades}, grades) if grades else (None, None)


def _remarks(corpus: Corpus) -> list[str]:
    """What a reader of the scores should know about repeated and empty documents, in words."""
    remarks = []
    empty = sum(not text.strip() for text in corpus.texts)
    if empty:
        remarks.append(f"kept {empty} without text")
    repeated = len(corpus) - len(set(corpus.texts))
    if repeated:
        remarks.append(f"kept {repeated} with the text of an earlier document")
    for field, words in ((corpus.split, "more than one split"), (corpus.labels, "more than one topic")):
        given = {(text, name) for text, name in zip(corpus.texts, field or (), strict=False) if name is not None}
        pairs = Counter(text for text, _ in given)
        shared = sum(count > 1 for count in pairs.values())
        if shared:
            remarks.append(f"texts in {words}: {shared}")
    return remarks

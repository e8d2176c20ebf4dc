"""The corpora of a run: the one it is about, and others that are encoded with the same model and scored beside it."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from unpadded.common import NO_LABEL, InputError, comma_list
from unpadded.corpus.corpus import Corpus
from unpadded.corpus.datasets.registry import NAMES
from unpadded.corpus.splits import check_splits

READING = {"encoding", "delimiter", "heading"}


def load_corpus(
    corpus: str,
    *,
    text: str = "text",
    label: str = "",
    id: str = "",
    n_documents: int = 0,
    seed: int = 0,
    reading: Mapping[str, Any] | None = None,
) -> Corpus:
    """Load a corpus as a run's notebooks do: empty column names mean the standard ones, `n_documents` 0 means all.

    `reading` says how a file is read where that has to be said: encoding, delimiter, heading. Raises `InputError` as
    `Corpus.load` does, and for splits that a run can make nothing of.
    """
    reading = reading or {}
    unknown = sorted(set(reading) - READING)
    if unknown:
        raise InputError(f"reading: {unknown[0]!r} is not known: give some of {', '.join(sorted(READING))}")
    column = "" if label == NO_LABEL else label or None
    loaded = Corpus.load(corpus, text=text, label=column, id=id or None, **reading)
    if loaded.split is not None and not (corpus in NAMES and not Path(corpus).exists()):
        check_splits(loaded.split, str(corpus))
        loaded = replace(loaded, notes=(*loaded.notes, *_remarks(loaded)))
    return loaded.sample(n_documents, seed) if 0 < n_documents < len(loaded) else loaded


def _remarks(corpus: Corpus) -> list[str]:
    """What is tested on where a corpus with a split has no test with topics, in words."""
    parts = {part for part, label in zip(corpus.split or (), corpus.labels or (), strict=False) if label is not None}
    if not parts or "test" in parts:
        return []
    what = "the documents of valid are the test" if "valid" in parts else "a quarter of each topic of train is the test"
    return [f"no test documents with topics: {what}"]


def load_also(also: str, *, beside: str = "", root: str | os.PathLike = ".") -> list[Corpus]:
    """The corpora of a comma separated list of dataset names and paths from `root`, for a run about the corpus `beside`.

    Raises `InputError` for one that does not exist or cannot be read, and for two corpora of the same name, because
    scores and folders go by names.
    """
    corpora, names = [], {beside}
    for source in comma_list(also):
        path = Path(root, source)
        try:  # a path that exists wins over a dataset's name, as everywhere
            corpus = Corpus.load(str(path) if path.exists() else source)
        except InputError as error:
            raise InputError(f"also: {error}") from error
        if corpus.name in names:
            name = corpus.name
            raise InputError(f"also: two corpora are called {name!r}; leave one out or rename its file or folder.")
        names.add(corpus.name)
        corpora.append(corpus)
    return corpora


@lru_cache(maxsize=8)
def fingerprints(also: str, *, beside: str, root: Path) -> tuple[str, ...]:
    """Name and content of each corpus that `load_also` loads; raises as it does."""
    return tuple(f"{corpus.name}:{corpus.fingerprint}" for corpus in load_also(also, beside=beside, root=root))


def relocated(also: str, folder: str | os.PathLike) -> str:
    """The list with its paths, given from the present directory, as they are reached from `folder`."""
    return ",".join(os.path.relpath(source, folder) if Path(source).exists() else source for source in comma_list(also))

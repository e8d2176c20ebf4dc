"""BM25: documents by the words that they share with a query; kept beside a set of embeddings, in bm25s's own files.

The number of every word in every document is computed when the index is made, so a search reads the columns of its query's
words alone, from memory maps. An index belongs to one corpus, by fingerprint, and its folder gets its name once it is whole.
"""

import errno
import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unpadded.common import (
    READING_HEADERS,
    InputError,
    MissingExtraError,
    atomic_folder,
    extras_needed,
    read_json,
    sha256_of,
    write_json,
)

WORDS, FACTS = "words", "facts.json"
FORMAT = "unpadded words 1"
MOST_CHARACTERS = 10**9  # of all texts: while the index is made, it takes eight times as many bytes
A_WORD = re.compile(r"\b\w\w+\b")  # as bm25s and scikit-learn have it


class WordIndex:
    """BM25 (Lucene's form, k1 = 1.5, b = 0.75) by bm25s, over words of two characters or more without English stop words.

    Nothing of it changes while it is searched, so any number of threads may search it.
    """

    def __init__(self, index: Any):
        self._index = index
        self.n_documents: int = index.scores["num_docs"]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "WordIndex | None":
        """The index of `texts`, `None` where there is no word in them. The same texts give the same bytes in every process."""
        with extras_needed():
            import bm25s
        # In the order of the texts: bm25s's own would be that of a set, another in every process.
        vocab: dict[str, int] = {}
        numbered = [[vocab.setdefault(word, len(vocab)) for word in _words_of(text)] for text in texts]
        if not vocab:
            return None
        index = bm25s.BM25()
        index.index((numbered, vocab), create_empty_token=False, show_progress=False)
        return cls(index)

    @classmethod
    def load(cls, folder: Path) -> "WordIndex":
        """The index that `save` wrote to `folder`, its arrays as memory maps."""
        with extras_needed():
            import bm25s
        with READING_HEADERS:
            return cls(bm25s.BM25.load(folder, mmap=True, allow_pickle=False))

    def save(self, folder: Path) -> None:
        """Write bm25s's files to `folder`. Raises `OSError` as the file system does."""
        try:
            self._index.save(folder, allow_pickle=False, show_progress=False)
        except OSError as error:
            if error.errno is not None:
                raise
            raise OSError(errno.ENOSPC, str(error)) from error  # NumPy counts what was written and does not say why

    def scores(self, query: str) -> np.ndarray:
        """The score of every document for a query, float32 [n_documents]; 0 where no word is shared, above 0 elsewhere."""
        known = [self._index.vocab_dict[word] for word in _words_of(query) if word in self._index.vocab_dict]
        if not known:
            return np.zeros(self.n_documents, np.float32)
        return self._index.get_scores_from_ids(known)


def first_rows(scores: np.ndarray, depth: int) -> np.ndarray:
    """Rows of the `depth` highest of `scores` [n] that are above 0, best first, int64; equal ones in their order."""
    rows = np.flatnonzero(scores > 0)
    if depth < len(rows):  # the sort reads only what can be among the first, with all that equal the last of them
        rows = rows[scores[rows] >= np.partition(scores[rows], -depth)[-depth]]
    return rows[np.argsort(-scores[rows], kind="stable")][:depth]


def write_words(texts: Sequence[str], folder: Path, corpus: str) -> None:
    """Keep the index of `texts`, whose corpus has the fingerprint `corpus`, in `folder` where it is not there whole already.

    Where bm25s is not installed, and for texts without a word or of more than `MOST_CHARACTERS`, none is kept.
    Raises `OSError` as the file system does.
    """
    place = folder / WORDS
    for leftover in folder.glob(f".{WORDS}.*.tmp"):  # of a run that was killed
        shutil.rmtree(leftover)
    if _fault(place, corpus) is None or sum(map(len, texts)) > MOST_CHARACTERS:
        return
    try:
        index = WordIndex.of(texts)
    except MissingExtraError:
        return
    if index is None:
        shutil.rmtree(place, ignore_errors=True)
        return
    with atomic_folder(place) as temporary:
        index.save(temporary)
        digests = {path.name: sha256_of(path) for path in temporary.iterdir()}
        write_json(temporary / FACTS, {"format": FORMAT, "corpus": corpus, "sha256": digests})


def stored_words(folder: Path, corpus: str) -> WordIndex:
    """The index in the folder of a set whose corpus has the fingerprint `corpus`.

    Raises `InputError` where there is none that can be trusted, and where bm25s is not installed.
    """
    fault = _fault(folder / WORDS, corpus)
    if fault is not None:
        raise InputError(
            f"{folder} {fault}: run the same 'unpadded embed' again, with bm25s installed (pip install 'unpadded[search]')."
        )
    return WordIndex.load(folder / WORDS)


def _fault(place: Path, corpus: str) -> str | None:
    """What is wrong with the index in `place`, `None` where it is whole and that of the corpus."""
    if not place.is_dir():
        return "keeps no index of words (texts without a word have none)"
    try:
        facts = read_json(place / FACTS)
        if facts["format"] != FORMAT or facts["corpus"] != corpus:
            return "keeps an index of the words of other texts"
        whole = facts["sha256"] and all(sha256_of(place / name) == digest for name, digest in facts["sha256"].items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        whole = False
    return None if whole else "keeps a damaged index of words"


def _words_of(text: str) -> list[str]:
    """The words that count, in lower case; those of bm25s's tokenizer, without its progress bar, whose lock a fork copies."""
    return [word for word in A_WORD.findall(text.lower()) if word not in _stop_words()]


@cache
def _stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)

"""Questions whose answers need no labels: pieces of a document that have to find the rest of it.

Two kinds, because none is right for every corpus: the first half of a document asks for its second half, and a few words
from anywhere ask for the document without them (the inverse cloze task of Lee, Chang and Toutanova, ACL 2019), as a search
query does. Texts are cut, not tokens, so that whatever reads texts can be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from unpadded.common import reciprocal_places
from unpadded.corpus import Corpus
from unpadded.evaluation.classification import training_documents

KINDS = ("halves", "phrases")
PHRASE = 12  # words of a phrase, at most half of the document
FEWEST_WORDS = 4
MOST_DOCUMENTS = 500
MOST_HELD_OUT, SHARE_HELD_OUT = 400, 0.1  # of the training documents, where no others are there


@dataclass(frozen=True)
class Pieces:
    """`questions` and `answers`: kind -> texts, one a document; `documents`: positions in the corpus, int64 [n]."""

    documents: np.ndarray
    questions: dict[str, list[str]]
    answers: dict[str, list[str]]

    @property
    def texts(self) -> list[str]:
        """All pieces in the order in which `found` reads their vectors."""
        return [text for kind in KINDS for part in (self.questions, self.answers) for text in part[kind]]

    def found(self, vectors: np.ndarray | sparse.spmatrix) -> dict[str, np.ndarray]:
        """One over the place of each question's answer among all answers, by cosine: kind -> float64 [n_documents].

        `vectors` [n_pieces, width] are those of `texts`, dense or sparse. Answers that are equally near share the worst
        place, so that vectors which are all the same find nothing.
        """
        n = len(self.documents)
        blocks = [vectors[first : first + n] for first in range(0, vectors.shape[0], max(n, 1))]
        return {kind: reciprocal_places(*blocks[2 * i : 2 * i + 2]) for i, kind in enumerate(KINDS)}


def documents_asked(corpus: Corpus, seed: int = 0) -> np.ndarray:
    """Positions of the documents that pieces are cut from, int64, ascending; tuning must not read them.

    Those that nothing is fitted on, as far as they suffice; else a tenth of the training documents, at most MOST_HELD_OUT.
    """
    train = training_documents(corpus, seed)
    others = np.setdiff1d(np.arange(len(corpus)), train)
    n_held_out = min(MOST_HELD_OUT, int(SHARE_HELD_OUT * len(train)))
    if len(others) >= min(MOST_HELD_OUT, SHARE_HELD_OUT * len(corpus)):
        return others
    return np.sort(np.random.default_rng(seed).permutation(train)[:n_held_out])


def tuning_documents(corpus: Corpus, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the documents that tuning learns from, and of those that it is asked about: int64, without one in both."""
    asked = documents_asked(corpus, seed)
    return np.setdiff1d(training_documents(corpus, seed), asked), asked


def pieces_of(corpus: Corpus, *, seed: int = 0) -> Pieces:
    """The pieces that a choice about a corpus is made by: of `documents_asked`."""
    return cut(corpus.texts, documents_asked(corpus, seed), seed=seed)


def cut(texts: Sequence[str], documents: Sequence[int] | np.ndarray, *, seed: int = 0) -> Pieces:
    """Pieces of the `documents` (positions in `texts`), drawn by `seed`; of at most MOST_DOCUMENTS of them.

    Documents of fewer than FEWEST_WORDS words ask nothing.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.asarray(documents, dtype=np.int64))
    kept: list[int] = []
    questions: dict[str, list[str]] = {kind: [] for kind in KINDS}
    answers: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for i in order:
        words, gap = words_of(texts[i])
        if len(words) < FEWEST_WORDS:
            continue
        kept.append(int(i))
        half, size = len(words) // 2, min(PHRASE, len(words) // 2)
        start = int(rng.integers(0, len(words) - size + 1))
        phrase, rest = words[start : start + size], words[:start] + words[start + size :]
        for kind, question, answer in zip(KINDS, (words[:half], phrase), (words[half:], rest), strict=True):
            questions[kind].append(gap.join(question))
            answers[kind].append(gap.join(answer))
        if len(kept) == MOST_DOCUMENTS:
            break
    return Pieces(np.array(kept, dtype=np.int64), questions, answers)


def words_of(text: str) -> tuple[list[str], str]:
    """What a text is cut between, and what joins it again: words and a blank, or characters where it has no blanks."""
    words = text.split()
    spaced = len(words) > len(text) / 20  # scripts without blanks have long runs between their few
    return (words, " ") if spaced else (list(text), "")

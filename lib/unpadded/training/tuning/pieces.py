"""Two pieces of each document, in batches of many documents, in an order that a resumed run can take up anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unpadded.common import InputError
from unpadded.tokens import TokenizedCorpus
from unpadded.training.distributed import n_processes, rank
from unpadded.training.tuning.case import Recasing
from unpadded.training.tuning.teacher import teacher_vectors

LEAST_STEPS = 40  # steps of a pass: a pass over a small corpus reads it several times
GROUPS = 4  # of pieces of similar length, so that little of the work is done on what fills them up


SHORTEST = 2  # tokens; of no more two pieces cannot be made


def can_be_tuned(corpus: TokenizedCorpus) -> bool:
    """Whether there are two documents of more than one word, which is what `tune` needs."""
    return int((corpus.lengths > SHORTEST).sum()) > 1


@dataclass(frozen=True)
class Pieces:
    """Pieces of documents, grouped by length.

    `groups`: int64 tensors [n_pieces, longest], filled up behind each piece; `lengths`: int64 [n], in the groups' order;
    `places` [n]: where in the groups' order each piece stands.
    """

    groups: tuple[torch.Tensor, ...]
    lengths: torch.Tensor
    places: torch.Tensor

    @property
    def n_tokens(self) -> int:
        """Tokens of all pieces."""
        return int(self.lengths.sum())

    def to(self, device: torch.device) -> Pieces:
        """The same on `device`."""
        return Pieces(tuple(group.to(device) for group in self.groups), self.lengths.to(device), self.places.to(device))


class PieceLoader:
    """Batches of two pieces of each of `batch_size` documents: `(pieces, likeness, target)`; the target is not used.

    The first pieces come before the second ones. `likeness`: float32 [2 n, 2 n], the cosines of the pieces' whole documents
    as the corpus's words tell them (`teacher_vectors` of `topics` dimensions each, weighed by the documents `held_out`); 1
    for pieces of one document.

    Every pass reads all documents, in an order drawn from (`seed`, pass), a small corpus several times.
    Crops are independent of each other (Izacard et al., *Contriever*, TMLR 2022): that two often share words teaches that
    the same words mean the same. Some are recased (`Recasing`); of a `backward` model's text the marks stand behind.
    Documents of less than two further tokens are left out. Raises `InputError` where fewer than two documents are left.
    """

    n_inp = 2

    def __init__(
        self,
        corpus: TokenizedCorpus,
        *,
        batch_size: int,
        length: int,
        deletion: float,
        topics: int,
        backward: bool = False,
        pad: int = 1,
        held_out: TokenizedCorpus | None = None,
        seed: int = 0,
        device="cpu",
    ):
        self.documents = np.flatnonzero(corpus.lengths > SHORTEST)
        if not can_be_tuned(corpus):
            raise InputError(
                f"The corpus has {len(self.documents)} documents of more than one word, too few to tell apart: give at "
                "least two."
            )
        self.corpus, self.length, self.deletion, self.pad, self.seed = corpus, length, deletion, pad, seed
        self.batch_size = min(batch_size, len(self.documents) * n_processes())
        self.recased = Recasing(corpus.types, backward=backward)
        self.taught = teacher_vectors(corpus, topics, held_out=held_out, seed=seed)
        self.device = torch.device(device)
        self.passes = self.start = 0

    def __len__(self) -> int:
        return max(-(-len(self.documents) // self.batch_size), LEAST_STEPS)

    def __iter__(self) -> Iterator[tuple[Pieces, torch.Tensor, torch.Tensor]]:
        order = self._order(self.passes)
        first, self.start = self.start, 0
        number = self.passes
        self.passes += 1
        share = max(self.batch_size // n_processes(), 2)
        for step in range(first, len(self)):
            begin = step * self.batch_size + rank() * share
            rng = np.random.default_rng((self.seed, number, step, rank()))
            pieces, likeness = self._batch(order[begin : begin + share], rng)
            yield pieces.to(self.device), likeness.to(self.device), torch.zeros(1, device=self.device)

    def to(self, device) -> PieceLoader:
        """Yield tensors on `device` from now on (fastai's DataLoaders call this)."""
        self.device = torch.device(device)
        return self

    def _order(self, number: int) -> np.ndarray:
        """Documents in the order of a pass: one permutation after the other, so that no batch has a document twice."""
        rng = np.random.default_rng((self.seed, number))
        n = len(self.documents) // self.batch_size * self.batch_size  # a batch never runs over two permutations
        wanted, rounds = len(self) * self.batch_size, []
        while sum(map(len, rounds)) < wanted:
            rounds.append(rng.permutation(self.documents)[:n])
        return np.concatenate(rounds)[:wanted]

    def _batch(self, documents: np.ndarray, rng: np.random.Generator) -> tuple[Pieces, torch.Tensor]:
        pairs = [two_pieces(self.corpus[i], self.length, self.deletion, rng) for i in documents]
        cut = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
        pieces = grouped([self.recased(piece, self.length, rng) for piece in cut], pad=self.pad)
        taught = torch.from_numpy(self.taught[documents])
        likeness = (taught @ taught.T).fill_diagonal_(1.0)
        return pieces, likeness.repeat(2, 2)


def two_pieces(
    tokens: np.ndarray, length: int, deletion: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two pieces of at most `length` tokens of a document [n > 2], each behind the document's first token.

    Of a longer document: two crops, each from anywhere. Of a shorter one: all of it twice, each time without some tokens
    (each is left out with the probability `deletion`; one is always left).
    """
    first, body, size = tokens[:1], tokens[1:], length - 1
    pieces = []
    for _ in range(2):
        if len(body) > size:
            start = rng.integers(0, len(body) - size + 1)
            piece = body[start : start + size]
        else:
            keep = rng.random(len(body)) >= deletion
            keep[rng.integers(len(body))] |= not keep.any()
            piece = body[keep]
        pieces.append(np.concatenate([first, piece]))
    return pieces[0], pieces[1]


def grouped(pieces: Sequence[np.ndarray], *, pad: int, n_groups: int = GROUPS) -> Pieces:
    """The pieces, token ids, in tables of similar length, filled up behind with `pad`."""
    lengths = np.array([len(piece) for piece in pieces])
    order = np.argsort(lengths, kind="stable")
    tables = []
    for part in np.array_split(order, min(n_groups, len(order))):
        table = np.full((len(part), lengths[part].max()), pad, np.int64)
        for row, i in enumerate(part):
            table[row, : lengths[i]] = pieces[i]
        tables.append(torch.from_numpy(table))
    return Pieces(tuple(tables), torch.from_numpy(lengths[order]), torch.from_numpy(np.argsort(order, kind="stable")))

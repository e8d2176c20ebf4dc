"""Pieces of text in other letters than they were written in: a query comes without capitals, or in nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from fastai.text.core import TK_MAJ, TK_UP

from unpadded.tokens import BAR, mark_ids

LOWERED, CAPITALS = 0.2, 0.1  # of the pieces


class Recasing:
    """Some pieces as if they had been written in small letters, some in capitals; of the marks that fastai's rules leave.

    `types`: the tokens by id. In a `backward` model's text a mark stands behind its word. Where the tokenizer leaves no such
    marks, pieces stay as they are.
    """

    def __init__(self, types: Sequence[str], *, backward: bool = False):
        place = {token: i for i, token in enumerate(types)}
        bar = BAR if BAR + TK_UP in place else ""
        self.capitals, self.behind = place.get(bar + TK_UP), int(backward)
        self.case = np.zeros(len(types), bool)
        self.case[[place[bar + mark] for mark in (TK_UP, TK_MAJ) if bar + mark in place]] = True
        self.words = np.array([token.startswith(bar) and any(map(str.isalpha, token)) for token in types], bool)
        self.words[mark_ids(types)] = False

    def __call__(self, piece: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
        """`piece`, token ids [n], of at most `length` tokens, or the same in other letters."""
        drawn = rng.random()
        if drawn >= LOWERED + CAPITALS or self.capitals is None:
            return piece
        small = piece[~self.case[piece]]
        if not len(small):
            return piece
        if drawn < LOWERED:
            return small
        return np.insert(small, np.flatnonzero(self.words[small]) + self.behind, self.capitals)[:length]

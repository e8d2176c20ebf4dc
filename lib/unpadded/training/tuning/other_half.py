"""How often one half of a document finds the other: what tuning teaches, asked of documents that it does not read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LONGEST_HALF = 200  # tokens of each half that are read; more would not make the question harder


def halves(
    documents: Sequence[np.ndarray], *, longest: int = LONGEST_HALF
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """First and second half of each document of token ids, each behind the document's first token.

    `longest`: tokens of a half, the nearest to the other half's far end. A document without two further tokens has no
    halves: take it out before.
    """
    firsts, seconds = [], []
    for tokens in documents:
        middle = (1 + len(tokens)) // 2
        firsts.append(tokens[: min(middle, longest)])
        seconds.append(np.concatenate([tokens[:1], tokens[max(middle, len(tokens) - longest + 1) :]]))
    return firsts, seconds


def halves_found(firsts: np.ndarray, seconds: np.ndarray) -> float:
    """Share of the rows of `firsts` [n, width] whose nearest row of `seconds`, by cosine, is their own; 0 to 1."""
    unit = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (firsts, seconds)]
    return float(np.mean((unit[0] @ unit[1].T).argmax(1) == np.arange(len(firsts))))

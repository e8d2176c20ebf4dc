"""What is near: cosines of a vector to every document, under every pooling at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from unpadded.common import CONCAT, STUDIED
from unpadded.explore.data import Explorable


class Neighbours:
    """Nearest documents of an opened corpus by cosine; concat is taken from its three parts and never laid out."""

    def __init__(self, data: Explorable):
        self._data = data
        self._squares = {pooling: (data.vectors[pooling] ** 2).sum(axis=1) for pooling in CONCAT}

    def vectors_of(self, text: str) -> dict[str, np.ndarray]:
        """The vectors of a text, pooling (last, mean, max) -> float32 [width], from one pass of the model."""
        tokens = self._data.lm.numericalize([text])
        return {name: rows[0] for name, rows in self._data.encoder.encode_tokens(tokens, pooling=list(CONCAT)).items()}

    def vectors_at(self, row: int) -> dict[str, np.ndarray]:
        """The vectors of the document at `row`, as `vectors_of` gives them."""
        return {pooling: self._data.vectors[pooling][row] for pooling in CONCAT}

    def cosines(self, vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Cosine of every document to `vectors` (last, mean and max), pooling -> float32 [n_documents]; 0 for zeros."""
        dots = {pooling: self._data.vectors[pooling] @ vectors[pooling] for pooling in CONCAT}
        squares = {pooling: float(vectors[pooling] @ vectors[pooling]) for pooling in CONCAT}
        dots["concat"] = sum(dots[pooling] for pooling in CONCAT)
        squares["concat"] = sum(squares[pooling] for pooling in CONCAT)
        lengths = self._squares | {"concat": sum(self._squares[pooling] for pooling in CONCAT)}
        return {pooling: _ratio(dots[pooling], np.sqrt(lengths[pooling] * squares[pooling])) for pooling in STUDIED}

    def nearest(self, vectors: Mapping[str, np.ndarray], *, k: int = 5, without: Sequence[int] = ()) -> pd.DataFrame:
        """The `k` nearest documents under each pooling, best first; columns pooling, rank, row, similarity.

        `without` are rows that are not to be found, such as the document that was asked about.
        """
        parts = []
        for pooling, cosines in self.cosines(vectors).items():
            cosines[list(without)] = -np.inf
            best = np.argpartition(-cosines, min(k, len(cosines) - 1))[:k]
            best = best[np.lexsort((best, -cosines[best]))]
            best = best[np.isfinite(cosines[best])]
            table = {"pooling": pooling, "rank": np.arange(1, len(best) + 1), "row": best, "similarity": cosines[best]}
            parts.append(pd.DataFrame(table))
        return pd.concat(parts, ignore_index=True)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

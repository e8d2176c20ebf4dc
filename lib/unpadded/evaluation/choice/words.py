"""`lm_words`: the tuned model's vectors and the words' own, an LSA or TF-IDF, side by side.

The cosine of two such rows is a weighted sum of the parts' cosines, so that a search by them is the fusion of two searches.
Cosines of one kind of vectors lie far apart and those of another close together, which would decide the sum: each part is
divided by the spread of its cosines between random documents first. No label is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from unpadded.evaluation.scores import FitRecord, Representation

WORDS = ("lsa_ngrams", "lsa")  # what is joined with the model's vectors: the first that there is
N_PAIRS = 20_000  # random pairs of training documents whose cosines' spread is taken

Matrix = np.ndarray | sparse.spmatrix


def joined_with_words(
    representations: Sequence[Representation],
    *,
    ids: Sequence[str],
    train: Sequence[int] | np.ndarray,
    words: str = "",
    pooling: str = "mean",
) -> list[Representation]:
    """`lm_words`: `pooling` of the tuned model, plain and IDF-weighted, beside the baseline `words`, or the first of WORDS.

    The vectors are made when they are asked for: float32, sparse where the words' are. What is fitted is fitted on the rows
    `train`, whose `ids` are recorded. Nothing where there are no such words or no tuned model.
    """
    by_name = {r.method: r for r in representations}
    beside = next((by_name[name] for name in ([words] if words else WORDS) if name in by_name), None)
    of_model = [r for r in representations if r.method == "lm_tuned" and r.pooling == pooling]
    if beside is None:
        return []
    record = FitRecord("spread of cosines", frozenset(str(ids[i]) for i in train))
    return [
        Representation(
            "lm_words",
            pooling,
            one.postprocess,
            _Joined(one, beside, np.asarray(train)),
            (*dict.fromkeys([*one.fitted, *beside.fitted, record]),),
        )
        for one in of_model
        if one.postprocess in ("none", "idf")
    ]


@dataclass(frozen=True)
class Part:
    """One part of joined vectors: `mean` [width] is taken off dense rows; `spread` is that of the cosines then."""

    mean: np.ndarray | None
    spread: float

    @classmethod
    def fitted(cls, vectors: Matrix, *, seed: int = 0) -> Part:
        """The part whose facts are those of `vectors` [n, width]."""
        mean = None if sparse.issparse(vectors) else np.asarray(vectors, np.float32).mean(axis=0)
        unit = cls(mean, 1.0).unit(vectors)
        first, second = np.random.default_rng(seed).integers(0, unit.shape[0], (2, N_PAIRS))
        pairs = first != second
        spread = float(np.std(_products(unit, first[pairs], second[pairs]))) if pairs.any() else 0.0
        return cls(mean, spread or 1.0)

    def unit(self, vectors: Matrix) -> Matrix:
        """`vectors` without the mean, rows of unit length."""
        return normalize(vectors if self.mean is None else np.asarray(vectors, np.float32) - self.mean)

    def scaled(self, vectors: Matrix) -> Matrix:
        """Rows whose products with each other are cosines over their spread."""
        return self.unit(vectors) / np.float32(np.sqrt(self.spread))


@dataclass(frozen=True, eq=False)
class _Joined:
    """Makes the vectors when it is called; what was fitted is kept."""

    model: Representation
    words: Representation
    train: np.ndarray

    @cached_property
    def parts(self) -> tuple[Part, Part]:
        return tuple(Part.fitted(r.vectors[self.train]) for r in (self.model, self.words))

    def __call__(self) -> Matrix:
        blocks = [part.scaled(r.vectors) for part, r in zip(self.parts, (self.model, self.words), strict=True)]
        if sparse.issparse(blocks[1]):
            both = sparse.hstack([sparse.csr_matrix(blocks[0]), blocks[1]], format="csr", dtype=np.float32)
            return normalize(both)
        return normalize(np.hstack(blocks)).astype(np.float32, copy=False)


def _products(unit: Matrix, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The cosines of pairs of rows, a thousand pairs at a time."""
    found = []
    for begin in range(0, len(first), 1_000):
        one, other = unit[first[begin : begin + 1_000]], unit[second[begin : begin + 1_000]]
        both = one.multiply(other).sum(axis=1) if sparse.issparse(one) else np.einsum("nw,nw->n", one, other)
        found.append(np.asarray(both).ravel())
    return np.concatenate(found)

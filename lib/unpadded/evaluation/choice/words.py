"""`lm_words`: the tuned model's vectors and the words' own (an LSA with word vectors, or TF-IDF) side by side.

The cosine of two such rows is a weighted sum of the parts' cosines, so that a search by them is the fusion of two searches.
Cosines of one kind of vectors lie far apart and those of another close together, which would decide the sum: each part is
divided by the spread of its cosines between random documents first. What the words then count beside the model is the one of a
few weights with which pieces of documents find most of their rest. No label is read.

Sparse rows are for a classifier, which weighs every column itself: the vectors of the model as it was trained stand there as a
third part. They tell what tuning leaves out, and would mislead a cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from unpadded.evaluation.choice.pieces import Pieces
from unpadded.evaluation.scores import FitRecord, Representation, unprocessed

WORDS = ("lsa_word_vectors", "lsa_ngrams", "lsa")  # what is joined with the model's vectors: the first that there is
EVEN = 1.0  # what the words' cosines count beside the model's 1, unless pieces show another of WEIGHTS to be better
WEIGHTS = (EVEN, 0.5, 2.0, 0.25, 0.125)
N_PAIRS = 20_000  # random pairs of training documents whose cosines' spread is taken

Matrix = np.ndarray | sparse.spmatrix


def joined_with_words(
    representations: Sequence[Representation],
    *,
    ids: Sequence[str],
    train: Sequence[int] | np.ndarray,
    words: str = "",
    pieces: Pieces | None = None,
) -> list[Representation]:
    """`lm_words`: the tuned model's mean, plain and IDF-weighted, beside the baseline `words`, or the first of WORDS.

    The vectors are made when they are asked for: float32, sparse where the words' are. What is fitted is fitted on the rows
    `train`, whose `ids` are recorded; but the weight of dense words by the `pieces`, whose rows are the last ones (without any
    it is 1). Nothing where there are no such words or no tuned model.
    """
    by_name = {r.method: r for r in representations}
    beside = next((by_name[name] for name in ([words] if words else WORDS) if name in by_name), None)
    of_model = unprocessed([r for r in representations if r.method == "lm_tuned" and r.pooling == "mean"])
    if beside is None:
        return []
    record = FitRecord("spread of cosines", frozenset(str(ids[i]) for i in train))
    records = [record]
    if pieces is not None and not sparse.issparse(beside.vectors):
        records.append(FitRecord("weight of the words", frozenset(str(ids[i]) for i in pieces.documents)))
    as_trained = [r for r in representations if r.method == "lm" and r.pooling == "mean"]
    joined = []
    for tuned in of_model:
        parts = (tuned, *(r for r in as_trained if r.postprocess == tuned.postprocess), beside)
        fitted = dict.fromkeys([*(known for part in parts for known in part.fitted), *records])
        source = _Joined(parts, np.asarray(train), pieces)
        joined.append(Representation("lm_words", "mean", tuned.postprocess, source, (*fitted,)))
    return joined


@dataclass(frozen=True)
class Part:
    """One part of joined vectors: `mean` [width] is taken off dense rows; `spread` is that of the cosines then."""

    mean: np.ndarray | None
    spread: float

    @classmethod
    def fitted(cls, vectors: Matrix) -> Part:
        """The part whose facts are those of `vectors` [n, width]."""
        mean = None if sparse.issparse(vectors) else np.asarray(vectors, np.float32).mean(axis=0)
        unit = cls(mean, 1.0).unit(vectors)
        first, second = np.random.default_rng(0).integers(0, unit.shape[0], (2, N_PAIRS))
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
    """Makes the vectors when it is called; what was fitted is kept. `parts`: the tuned model's, others', the words'."""

    parts: tuple[Representation, ...]
    train: np.ndarray
    pieces: Pieces | None
    fitted: dict[str, Part] = field(default_factory=dict)

    def __call__(self) -> Matrix:
        words = self.parts[-1].vectors
        others = self.parts[:-1] if sparse.issparse(words) else self.parts[:1]
        blocks = [self._scaled(part, part.vectors) for part in others] + [self._scaled(self.parts[-1], words)]
        if sparse.issparse(words):
            both = sparse.hstack([*map(sparse.csr_matrix, blocks)], format="csr", dtype=np.float32)
            return normalize(both)
        return _side_by_side(*blocks, best_weight(*blocks, self.pieces))

    def _scaled(self, part: Representation, vectors: Matrix) -> Matrix:
        if part.name not in self.fitted:
            self.fitted[part.name] = Part.fitted(vectors[self.train])
        return self.fitted[part.name].scaled(vectors)


def best_weight(model: np.ndarray, words: np.ndarray, pieces: Pieces | None) -> float:
    """The one of WEIGHTS with which `pieces`, the last rows of both parts, find their rest best.

    It is EVEN without two pieces, and where the best gains no more over it than its standard error over documents: most
    differences are smaller than that, and would be taken for a choice.
    """
    if pieces is None or len(pieces.documents) < 2:
        return EVEN
    model, words = (part[-len(pieces.texts) :] for part in (model, words))
    found = {
        weight: np.mean([*pieces.found(_side_by_side(model, words, weight)).values()], axis=0) for weight in WEIGHTS
    }
    best = max(WEIGHTS, key=lambda weight: found[weight].mean())
    gain = found[best] - found[EVEN]
    return best if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)) else EVEN


def _side_by_side(model: np.ndarray, words: np.ndarray, weight: float) -> np.ndarray:
    """Rows whose cosines are the sums of both parts' products, the words' times `weight`, over what they are at most."""
    return normalize(np.hstack([model, np.sqrt(weight) * words])).astype(np.float32, copy=False)


def _products(unit: Matrix, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The cosines of pairs of rows, a thousand pairs at a time."""
    found = []
    for begin in range(0, len(first), 1_000):
        one, other = unit[first[begin : begin + 1_000]], unit[second[begin : begin + 1_000]]
        both = one.multiply(other).sum(axis=1) if sparse.issparse(one) else np.einsum("nw,nw->n", one, other)
        found.append(np.asarray(both).ravel())
    return np.concatenate(found)

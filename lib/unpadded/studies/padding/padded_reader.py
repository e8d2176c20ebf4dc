"""Padding as users of fastai's encoder do it: where the pads stand, and how the padded states are read.

`PaddedReader` runs fastai's own encoder over rectangular minibatches. Unpadded itself never does: its `DocumentEncoder`
has no padding to place. Both are compared in `padding_effects`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from unpadded.common import CONCAT, InputError
from unpadded.encoding import twin_of

PLACEMENTS = ("none", "before", "after xxbos", "behind")
READINGS = ("naive", "length-aware")  # over all time steps, and over those of the text alone
Readings = dict[str, dict[str, np.ndarray]]  # reading -> pooling -> float32 [n_documents, width]


def place_pads(tokens: np.ndarray, placement: str, n_pads: int, *, pad_id: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One document with `n_pads` pads in it: token ids, int64 [n + n_pads], and which of them are text, bool.

    "before" the text, "behind" it, or "after xxbos", that is, behind the document's first token; "none" adds nothing.
    Raises `InputError` for another placement or a negative number.
    """
    if placement not in PLACEMENTS or n_pads < 0:
        raise InputError(f"{n_pads} pads {placement!r}: give at least 0 pads and one of {', '.join(PLACEMENTS)}.")
    n_pads = 0 if placement == "none" else int(n_pads)
    at = {"after xxbos": min(1, len(tokens)), "behind": len(tokens)}.get(placement, 0)
    is_text = np.ones(len(tokens) + n_pads, dtype=bool)
    is_text[at : at + n_pads] = False
    ids = np.full(len(is_text), pad_id, dtype=np.int64)
    ids[is_text] = tokens
    return ids, is_text


def batch_pads(lengths: Sequence[int], *, batch_size: int = 32, seed: int = 0) -> np.ndarray:
    """How many pads each document gets in shuffled minibatches: int64 [n], up to the longest of its batch."""
    lengths = np.asarray(lengths, dtype=np.int64)
    pads = np.zeros(len(lengths), np.int64)
    for batch in shuffled_batches(len(lengths), batch_size=batch_size, seed=seed):
        pads[batch] = lengths[batch].max() - lengths[batch]
    return pads


def shuffled_batches(n: int, *, batch_size: int = 32, seed: int = 0) -> list[np.ndarray]:
    """The positions of the documents of each minibatch, in its order, of `n` documents that are shuffled."""
    order = np.random.default_rng(seed).permutation(n)
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


class PaddedReader:
    """fastai's encoder over padded minibatches, its last layer's states pooled in both readings at once.

    `lm`: a `LanguageModel` of one direction, read and never run; a backward one reads documents from their end, and
    "before" and "behind" are meant in the order of reading. With `zero_pad_row` the pad token's embedding is zero. A
    minibatch has `batch_size` rows and is run in pieces of `chunk_length` steps with the state carried over, as fastai's
    SentenceEncoder does; so every call has the same shape, and what stands behind a document cannot change its states.
    """

    def __init__(self, lm, *, zero_pad_row: bool = False, batch_size: int = 32, chunk_length: int = 32):
        self._lm, self.pad_id = lm, lm.awd_lstm.pad_token
        self.batch_size, self.chunk_length = batch_size, chunk_length
        self._encoder = twin_of(lm.awd_lstm).to("cpu", torch.float32)
        if zero_pad_row:
            with torch.no_grad():
                self._encoder.encoder.weight[self.pad_id] = 0

    @torch.no_grad()
    def read(self, documents: Sequence[np.ndarray], placement: str = "none", n_pads=0) -> Readings:
        """The vectors of `documents` (1-D integer arrays) padded with `n_pads`, a number or one for each document.

        Poolings are last, mean, max and concat; a document that has nothing to pool gets zeros. Raises `InputError` for an
        unknown placement.
        """
        counts = np.broadcast_to(np.asarray(n_pads), len(documents))
        pairs = zip(self._lm.as_read(documents), counts, strict=True)
        padded = [place_pads(tokens, placement, n, pad_id=self.pad_id) for tokens, n in pairs]
        width = self._encoder.emb_sz
        found = {reading: np.zeros((len(padded), 3 * width), np.float32) for reading in READINGS}
        # Sorted by text, whatever the padding: a document stands in the same row of the same batch each time.
        order = np.argsort([-len(tokens) for tokens in documents], kind="stable")
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            for reading, vectors in zip(READINGS, self._read_batch([padded[i] for i in rows]), strict=True):
                found[reading][rows] = vectors[: len(rows)]
        return {reading: _parts(vectors, width) for reading, vectors in found.items()}

    def _read_batch(self, padded: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        """The pooled vectors of one minibatch, float32 [batch_size, 3 * width] for each reading."""
        size = self.batch_size, -(-max(len(ids) for ids, _ in padded) // self.chunk_length) * self.chunk_length
        ids = np.full(size, self.pad_id, dtype=np.int64)
        masks = np.zeros((len(READINGS), *size), dtype=bool)
        for row, (document, is_text) in enumerate(padded):
            ids[row, : len(document)] = document
            masks[0, row, : len(document)], masks[1, row, : len(document)] = True, is_text
        pools = [_MaskedPools(torch.from_numpy(mask), self._encoder.emb_sz) for mask in masks]
        for begin, states in self._states(torch.from_numpy(ids)):
            for pool in pools:
                pool.add(begin, states)
        return [pool.vectors() for pool in pools]

    def _states(self, ids: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (first step, states [batch_size, chunk_length, width]) of `ids` [batch_size, n_steps]."""
        self._encoder.bs = self.batch_size
        self._encoder.reset()
        for begin in range(0, ids.shape[1], self.chunk_length):
            yield begin, self._encoder(ids[:, begin : begin + self.chunk_length])


def read_padded(lm, documents: Sequence[np.ndarray], placement: str, n_pads, *, batch_size: int = 32) -> Readings:
    """What `PaddedReader.read` gives, for a model of one direction or of both: then each part has both side by side.

    That is the order in which `DocumentEncoder` lays them out. "before" and "behind" are meant in each direction's own
    order of reading.
    """
    found = [PaddedReader(one, batch_size=batch_size).read(documents, placement, n_pads) for one in lm.directions]
    joined: Readings = {}
    for reading in READINGS:
        parts = {part: np.concatenate([one[reading][part] for one in found], axis=1) for part in CONCAT}
        joined[reading] = parts | {"concat": np.concatenate([parts[part] for part in CONCAT], axis=1)}
    return joined


class _MaskedPools:
    """Last, mean and max of the states where `mask` [n_rows, n_steps] is true, taken chunk by chunk."""

    def __init__(self, mask: torch.Tensor, width: int):
        self._mask, self._count = mask, mask.sum(1, keepdim=True)
        steps = torch.arange(1, mask.shape[1] + 1)
        self._last_step = (mask * steps).amax(1) - 1 if mask.shape[1] else torch.full((len(mask),), -1)
        self._sum = torch.zeros(len(mask), width, dtype=torch.float64)
        self._max = torch.full((len(mask), width), -torch.inf)
        self._last = torch.zeros(len(mask), width)

    def add(self, begin: int, states: torch.Tensor) -> None:
        """Take the states [n_rows, n_steps, width] of the steps from `begin` on."""
        mask = self._mask[:, begin : begin + states.shape[1], None]
        self._sum += (states.double() * mask).sum(1)
        self._max = torch.maximum(self._max, states.masked_fill(~mask, -torch.inf).amax(1))
        rows = torch.nonzero((self._last_step >= begin) & (self._last_step < begin + states.shape[1]))[:, 0]
        self._last[rows] = states[rows, self._last_step[rows] - begin]

    def vectors(self) -> np.ndarray:
        """Last, mean and max side by side, float32 [n_rows, 3 * width]."""
        mean = (self._sum / self._count.clamp(min=1)).float()
        highest = self._max.masked_fill(self._count == 0, 0.0)
        return torch.cat([self._last, mean, highest], 1).numpy()


def _parts(vectors: np.ndarray, width: int) -> dict[str, np.ndarray]:
    """The poolings that stand side by side in `vectors`, as views of it."""
    return {part: vectors[:, i * width : (i + 1) * width] for i, part in enumerate(CONCAT)} | {"concat": vectors}

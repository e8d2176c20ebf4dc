"""Does a batch change a vector? Every document alone against the same documents together, in several batch shapes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from fastai.text.models.awdlstm import AWD_LSTM

from unpadded.common import CONCAT, InputError
from unpadded.encoding.direction import Reader
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.pooling import parts_of
from unpadded.encoding.validation import checked_documents
from unpadded.model import encoder_like

SLOTS = (1, 2, 7, None)  # None: what the encoder chooses
CHUNK_LENGTHS = (1, 5, None)
ORDERS = ("given", "reversed", "shuffled")


@dataclass(frozen=True)
class Certificate:
    """What `certify` found.

    `rows`: one dict a configuration, with `method` ("unpadded" or "fastai"), `order`, `slots`, `chunk_length`,
    `n_documents`, `max_abs_diff`, `n_different` (documents with any bit changed) and `bit_identical`. `max_abs_diff`: the
    largest difference between any batch and one document at a time. `max_abs_diff_fastai`: the largest difference from
    fastai's own encoder run on each document alone.
    """

    rows: tuple[dict, ...]
    precision: str
    n_threads: int

    @property
    def max_abs_diff(self) -> float:
        """Largest difference between a vector from a batch and the same document's vector alone."""
        return max((row["max_abs_diff"] for row in self.rows if row["method"] == "unpadded"), default=0.0)

    @property
    def bit_identical(self) -> bool:
        """Whether no batch changed a single bit."""
        return all(row["bit_identical"] for row in self.rows if row["method"] == "unpadded")

    @property
    def max_abs_diff_fastai(self) -> float:
        """Largest difference between a vector alone and the same pooled from fastai's own encoder."""
        return max((row["max_abs_diff"] for row in self.rows if row["method"] == "fastai"), default=0.0)

    def to_frame(self) -> pd.DataFrame:
        """One row a configuration."""
        return pd.DataFrame(list(self.rows))

    def to_dict(self) -> dict:
        """The same as JSON-ready values."""
        return {
            "max_abs_diff": self.max_abs_diff,
            "bit_identical": self.bit_identical,
            "max_abs_diff_fastai": self.max_abs_diff_fastai,
            "precision": self.precision,
            "n_threads": self.n_threads,
            "rows": [dict(row) for row in self.rows],
        }


def certify(
    encoder: DocumentEncoder,
    documents: Sequence,
    *,
    slots: Sequence[int | None] = SLOTS,
    chunk_lengths: Sequence[int | None] = CHUNK_LENGTHS,
    orders: Sequence[str] = ORDERS,
    seed: int = 0,
) -> Certificate:
    """Encode `documents` one at a time and in every batch shape, and compare; nothing is changed in `encoder`.

    `documents`: 1-D integer arrays of token ids, or texts. `slots` and `chunk_lengths` are combined with one another in
    the given order; `orders` ("given", "reversed", "shuffled" by `seed`) are tried with the encoder's own choice. The
    documents are also run alone through fastai's encoder. Raises `InputError` for documents that cannot be encoded.
    """
    documents = list(documents)
    if documents and all(isinstance(document, str) for document in documents):
        documents = encoder.lm.numericalize(documents)
    documents = checked_documents(documents, len(encoder.lm.vocab))
    unknown = sorted(set(orders) - set(ORDERS))
    if unknown:
        raise InputError(f"The order {unknown[0]!r} is not known: give {', '.join(ORDERS)}.")
    alone = np.concatenate([encoder.encode_tokens([d]) for d in documents] or [encoder.encode_tokens([])])
    shapes = [("given", s, c) for s in slots for c in chunk_lengths]
    shapes += [(order, None, None) for order in orders if order != "given" or not shapes]
    rows = []
    for order, n_slots, chunk_length in shapes:
        places = _places(order, len(documents), seed)
        batch = encoder.variant(slots=n_slots, chunk_length=chunk_length).encode_tokens([documents[i] for i in places])
        rows.append(_compared("unpadded", order, n_slots, chunk_length, batch, alone[places]))
    rows.append(_compared("fastai", "given", None, None, _fastai_vectors(encoder, documents), alone))
    return Certificate(tuple(rows), encoder.precision, torch.get_num_threads())


def _places(order: str, n: int, seed: int) -> np.ndarray:
    if order == "shuffled":
        return np.random.default_rng(seed).permutation(n)
    return np.arange(n)[::-1] if order == "reversed" else np.arange(n)


def _compared(method: str, order: str, slots, chunk_length, found: np.ndarray, expected: np.ndarray) -> dict:
    difference = np.abs(found.astype(np.float64) - expected)
    n_different = int((found != expected).any(axis=1).sum())
    return {
        "method": method,
        "order": order,
        "slots": "chosen" if slots is None else str(slots),
        "chunk_length": "chosen" if chunk_length is None else str(chunk_length),
        "n_documents": len(found),
        "max_abs_diff": float(difference.max(initial=0.0)),
        "n_different": n_different,
        "bit_identical": n_different == 0,
    }


@torch.no_grad()
def _fastai_vectors(encoder: DocumentEncoder, documents: Sequence[np.ndarray]) -> np.ndarray:
    """The same vectors from fastai's own encoder, one document at a time, in float32 on the CPU."""
    loops = [_Loop(reader) for reader in encoder.readers]
    vectors = np.zeros((len(documents), encoder.width), np.float32)
    for i, tokens in enumerate(documents):
        if len(tokens):
            vectors[i] = _pooled(encoder, [found for loop in loops for found in loop.states(tokens)])
    return vectors


class _Loop:
    """fastai's own encoder on a copy of one direction's model, a document at a time."""

    def __init__(self, reader: Reader):
        self._reader, self._twin = reader, twin_of(reader.lm.awd_lstm)
        self._states: list[torch.Tensor] = []
        for rnn in self._twin.rnns:
            rnn.register_forward_hook(lambda module, args, output: self._states.append(output[0][0].double()))

    def states(self, tokens: np.ndarray) -> list[tuple[torch.Tensor, np.ndarray]]:
        """For each pooled layer its states [n_tokens, width], float64, and the tokens in the order they were read in."""
        read = self._reader.lm.as_read([tokens])[0].astype(np.int64)
        self._states.clear()
        self._twin.reset()
        self._twin(torch.from_numpy(read)[None])  # the hooks keep each layer's states
        return [(self._states[n], read) for n in self._reader.layers]


def twin_of(awd_lstm: AWD_LSTM) -> AWD_LSTM:
    """A copy that may be run: running the module itself would change the hidden state that its owner left in it."""
    twin = encoder_like(awd_lstm)
    twin.load_state_dict(awd_lstm.state_dict())
    return twin.eval()


def _pooled(encoder: DocumentEncoder, states: list[tuple[torch.Tensor, np.ndarray]]) -> np.ndarray:
    """Pool whole state matrices [n_tokens, width], float64, in the plain way; those of a pooling stand side by side."""

    def weighted_mean(h: torch.Tensor, tokens: np.ndarray) -> torch.Tensor:
        assert encoder.token_weights is not None  # or else it could not have encoded
        weights = torch.from_numpy(encoder.token_weights[tokens])[:, None]
        return (h * weights).sum(0) / (weights.sum() or 1.0)

    ways = {
        "last": lambda h, _: h[-1],
        "mean": lambda h, _: h.mean(0),
        "max": lambda h, _: h.amax(0),
        "weighted_mean": weighted_mean,
    }
    names = CONCAT if encoder.pooling == "concat" else parts_of([encoder.pooling])
    return torch.cat([ways[name](h, tokens) for name in names for h, tokens in states]).float().numpy()

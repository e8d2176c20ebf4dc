"""The engine of narrow models on processors without tiles: compiled code, a few documents side by side, token by token.

A step of a narrow LSTM is so little work that calling a matrix library for it takes longer than the step, and its weights
stay in the core's own cache; each core takes documents of its own, and runs the machine code of `narrow_steps` on them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from unpadded.common import MAKING, PARTS
from unpadded.encoding.engine.narrow_steps import fill_table, read_documents
from unpadded.encoding.engine.weights import LayerWeights, input_widths, read_embedding, read_layers
from unpadded.encoding.pooling import PoolSettings
from unpadded.encoding.schedule import Backlog

PIECE_TOKENS = 16_384  # of the documents that a thread takes at a time
PIECES_PER_THREAD = 8  # at least, where there are enough documents, so that the threads end at about the same time


class CompiledLSTM:
    """The layers of a fastai AWD_LSTM on the CPU, copied once, to be run over any number of documents in float32.

    Any number of threads may do so at once: weights and table are shared and only read, the rest is a call's own.
    `table_bytes`: memory for the first layer's input products of the most frequent tokens, which depend on the token alone.
    """

    device = torch.device("cpu")
    # Ways of working that a certificate tries, as keywords of `read`; none changes a vector.
    CONFIGURATIONS = tuple({"piece_tokens": n, "threads": m} for n in (1, 50, 10**9, None) for m in (1, 3, None))

    def __init__(self, awd_lstm: nn.Module, *, table_bytes: int = 40 << 20):
        layers = read_layers(awd_lstm)
        self.widths = [layer.width for layer in layers]
        self._embedding = read_embedding(awd_lstm).contiguous().numpy()
        self._first = np.cumsum([0, *(layer.padded for layer in layers)])  # unit of each layer
        self._weights = _packed(layers, input_widths(awd_lstm, layers))
        n_out = 4 * int(self._first[1])
        self._n_kept = min(len(self._embedding), max(table_bytes // (4 * n_out), 1))
        self._table, self._n_read = np.empty((0, n_out), np.float32), 0

    def read(
        self,
        backlogs: Iterator[Backlog],
        pools: PoolSettings,
        *,
        piece_tokens: int | None = None,
        threads: int | None = None,
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield (positions, {part: float32 [n, width]}) as documents end.

        `threads` (torch's number of them, unless said) read pieces of `piece_tokens` tokens, up to four documents of a piece
        side by side.
        """
        n_threads = threads or torch.get_num_threads()
        with ThreadPoolExecutor(n_threads) as pool:
            for backlog in backlogs:
                encode = partial(
                    self._encode, backlog, pools, self._table_after(int(backlog.lengths.sum()), pool, n_threads)
                )
                try:
                    yield from pool.map(encode, list(_pieces(backlog.lengths, n_threads, piece_tokens)))
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _encode(
        self, backlog: Backlog, pools: PoolSettings, table: np.ndarray, piece: slice
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        tokens = np.concatenate(backlog.tokens[piece]).astype(np.int64, copy=False)
        lengths = backlog.lengths[piece]
        skips = np.zeros(len(lengths), np.int64) if backlog.skips is None else backlog.skips[piece]
        weights = np.empty(0) if pools.weights is None else pools.weights.numpy()
        width = sum(self.widths[layer] for layer in pools.layers)
        out = [np.empty((len(lengths) if part in pools.parts else 0, width), np.float32) for part in PARTS]
        model = (self._embedding, table, self._weights, self._first[: max(pools.layers) + 2])
        pooled = np.array([(self._first[layer], self.widths[layer]) for layer in pools.layers], np.int64)
        read_documents(tokens, lengths, skips, model, pooled, weights, tuple(out))
        return backlog.positions[piece], {
            part: array for part, array in zip(PARTS, out, strict=True) if part in pools.parts
        }

    def _table_after(self, n_tokens: int, pool: ThreadPoolExecutor, n_threads: int) -> np.ndarray:
        """The table for `n_tokens` more: empty until it has saved as much as it costs."""
        with MAKING:
            self._n_read += n_tokens
            if not len(self._table) and self._n_read > self._n_kept:
                table = np.empty((self._n_kept, self._table.shape[1]), np.float32)
                known = self._embedding[: self._n_kept]
                shares = zip(*(np.array_split(rows, n_threads) for rows in (table, known)), strict=True)
                list(pool.map(lambda share: fill_table(*share, self._weights), shares))
                self._table = table
            return self._table


def _pieces(lengths: np.ndarray, n_threads: int, size: int | None = None) -> Iterator[slice]:
    """Cut the documents into pieces of about `size` tokens; unless said, PIECE_TOKENS or fewer, for PIECES_PER_THREAD."""
    size = size or min(PIECE_TOKENS, int(lengths.sum()) // (PIECES_PER_THREAD * n_threads) + 1)
    cuts = np.unique((np.cumsum(lengths) - lengths) // size, return_index=True)[1].tolist()
    return (slice(begin, end) for begin, end in pairwise([*cuts, len(lengths)]))


def _packed(layers: list[LayerWeights], n_in: list[int]) -> np.ndarray:
    """For each layer bias [4 * padded], input [n_in, 4 * padded] and recurrent weights [padded, 4 * padded], end to end."""
    parts = []
    for layer, n in zip(layers, n_in, strict=True):
        bias = (layer.input_bias + layer.recurrent_bias)[:, None]
        for matrix, n_columns in ((bias, 1), (layer.input, n), (layer.recurrent, layer.padded)):
            parts.append(layer.laid_out(matrix, n_columns).T.flatten())
    return torch.cat(parts).numpy()

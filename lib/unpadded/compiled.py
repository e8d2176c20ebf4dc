"""The engine of narrow models: compiled code that reads a few documents side by side, token by token.

A step of a narrow LSTM is so little work that calling a matrix library for it takes longer than the step, and its weights
stay in the core's own cache; each core takes documents of its own. The compiler (numba, without its fast-math) adds in the
order that is written here, in vector registers or out of them, so a document's bits depend neither on its neighbours nor on
the number of threads.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from numba import njit
from torch import nn

from .names import PARTS
from .schedule import Window
from .weights import LayerWeights, read_embedding, read_layers

ABREAST = 4  # documents side by side on a core
TOGETHER = 16_384  # tokens of the documents that a thread takes at a time
ONE, TWO, HALF, MOST = np.float32(1), np.float32(2), np.float32(0.5), np.float32(87)
THIRD, FOURTH, FIFTH, SIXTH, SEVENTH = (np.float32(1 / math.factorial(n)) for n in range(3, 8))  # coefficients of exp
LOG2_E = np.float32(1 / math.log(2))
LN2_HIGH = np.float32(0.693359375)  # of few bits, so that its product with a whole number is not rounded
LN2_LOW = np.float32(math.log(2) - 0.693359375)


class CompiledLSTM:
    """The layers of a fastai AWD_LSTM on the CPU, copied once, to be run over any number of documents in float32.

    `table_bytes`: memory for the first layer's input products of the most frequent tokens, which depend on the token alone.
    """

    device = torch.device("cpu")

    def __init__(self, awd_lstm: nn.Module, *, table_bytes: int = 40 << 20):
        layers = read_layers(awd_lstm)
        self.widths = [layer.width for layer in layers]
        self._embedding = read_embedding(awd_lstm).contiguous().numpy()
        n_in = [layers[0].input.shape[1], *(layer.padded for layer in layers)]
        self._sizes = np.array([(n, layer.padded) for n, layer in zip(n_in, layers, strict=False)], np.int64)
        self._weights = _packed(layers, n_in)
        self._table_bytes, self._table = table_bytes, None

    def use_threads(self, n_threads: int) -> None:
        """Run on so many threads; the results are the same."""
        self.n_threads = n_threads

    def read(
        self, windows: Iterator[Window], pools, *, slots: int | None = None, chunk_length: int | None = None
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield (positions, {part: float32 [n, width]}) as documents end; there are no slots and no blocks to choose."""
        with ThreadPoolExecutor(self.n_threads) as threads:
            for window in windows:
                try:
                    pieces = list(_pieces(window.lengths))
                    yield from threads.map(lambda piece, window=window: self._encode(window, piece, pools), pieces)
                except BaseException:
                    threads.shutdown(wait=False, cancel_futures=True)
                    raise

    def _encode(self, window: Window, piece: slice, pools) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        tokens = np.concatenate(window.tokens[piece]).astype(np.int64, copy=False)
        lengths = window.lengths[piece]
        skips = np.zeros(len(lengths), np.int64) if window.skips is None else window.skips[piece]
        weights = np.empty(0) if pools.weights is None else pools.weights.numpy()
        width = sum(self.widths[layer] for layer in pools.layers)
        out = [np.empty((len(lengths) if part in pools.parts else 0, width), np.float32) for part in PARTS]
        model = (self._embedding, self._token_inputs, self._weights, self._sizes[: max(pools.layers) + 1])
        pooled = np.array([(layer, self.widths[layer]) for layer in pools.layers], np.int64)
        _read(tokens, lengths, skips, *model, pooled, weights, *out)
        return window.positions[piece], {
            part: array for part, array in zip(PARTS, out, strict=True) if part in pools.parts
        }

    @property
    def _token_inputs(self) -> np.ndarray:
        if self._table is None:
            n_out = 4 * int(self._sizes[0, 1])
            n_kept = min(len(self._embedding), max(self._table_bytes // (4 * n_out), 1))
            table = np.empty((n_kept, n_out), np.float32)
            _fill(table, self._embedding, self._weights)
            self._table = table
        return self._table


def _pieces(lengths: np.ndarray) -> Iterator[slice]:
    """Documents of about TOGETHER tokens each, a longer one by itself."""
    cuts = np.unique((np.cumsum(lengths) - lengths) // TOGETHER, return_index=True)[1].tolist()
    return (slice(begin, end) for begin, end in pairwise([*cuts, len(lengths)]))


def _packed(layers: list[LayerWeights], n_in: list[int]) -> np.ndarray:
    """For each layer bias [4 * padded], input [n_in, 4 * padded] and recurrent weights [padded, 4 * padded], end to end."""
    parts = []
    for layer, n in zip(layers, n_in, strict=False):
        bias = (layer.input_bias + layer.recurrent_bias)[:, None]
        for matrix, n_columns in ((bias, 1), (layer.input, n), (layer.recurrent, layer.padded)):
            parts.append(layer.laid_out(matrix, n_columns).T.flatten())
    return torch.cat(parts).numpy()


def compiled(function):
    """The function as machine code, which runs beside other threads' and, where there is a place for it, is kept on disk."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def _read(
    tokens, lengths, skips, embedding, table, weights, sizes, pooled, token_weights, last, mean, highest, weighted
):
    """Read each document from zero states and write its pools, a row a document; an output without rows is left out.

    `tokens`: the documents end to end; `sizes`: (n_in, padded) of each layer; `pooled`: (layer, width) of those whose states
    are pooled. Up to ABREAST documents are read side by side, so that a weight is loaded once for all of them; a lane whose
    document has ended takes the next, or is closed up by the last lane.
    """
    ends = np.cumsum(lengths)
    first_state = np.zeros(len(sizes) + 1, np.int64)  # of each layer
    for layer in range(len(sizes)):
        first_state[layer + 1] = first_state[layer] + sizes[layer, 1]
    h, c = np.zeros((ABREAST, first_state[-1]), np.float32), np.zeros((ABREAST, first_state[-1]), np.float32)
    total, total_weighted = np.zeros(h.shape), np.zeros(h.shape)
    top, weight_sum = np.zeros(h.shape, np.float32), np.zeros(ABREAST)
    below, before = np.empty(ABREAST * sizes.max(), np.float32), np.empty(ABREAST * sizes.max(), np.float32)
    all_sums, exponential = np.empty(ABREAST * 4 * sizes.max(), np.float32), np.empty((2, 4 * sizes.max()), np.float32)
    document, at = np.zeros(ABREAST, np.int64), np.zeros(ABREAST, np.int64)
    n_live = next_document = 0
    while True:
        while n_live < ABREAST and next_document < len(lengths):
            document[n_live], at[n_live] = next_document, ends[next_document] - lengths[next_document]
            h[n_live], c[n_live], total[n_live], total_weighted[n_live], top[n_live] = 0, 0, 0, 0, -np.inf
            weight_sum[n_live] = 0
            n_live += 1
            next_document += 1
        if n_live == 0:
            return
        offset = 0
        for layer in range(len(sizes)):
            n_in, width = sizes[layer, 0], sizes[layer, 1]
            bias, offset = weights[offset : offset + 4 * width], offset + 4 * width
            from_below = weights[offset : offset + n_in * 4 * width].reshape(n_in, 4 * width)
            offset += n_in * 4 * width
            from_before = weights[offset : offset + width * 4 * width].reshape(width, 4 * width)
            offset += width * 4 * width
            sums, x = (
                all_sums[: ABREAST * 4 * width].reshape(ABREAST, 4 * width),
                below[: ABREAST * n_in].reshape(ABREAST, n_in),
            )
            known = layer == 0
            for lane in range(n_live):
                token = tokens[at[lane]]
                known = known and token < len(table)
                x[lane] = embedding[token] if layer == 0 else h[lane, first_state[layer - 1] : first_state[layer]]
            for lane in range(n_live):
                sums[lane] = table[tokens[at[lane]]] if known else bias
            if not known:
                _add_products(sums, x, from_below, n_live)
            x = before[: ABREAST * width].reshape(ABREAST, width)
            states = slice(first_state[layer], first_state[layer + 1])
            for lane in range(n_live):
                x[lane] = h[lane, states]
            _add_products(sums, x, from_before, n_live)
            for lane in range(n_live):
                _step(sums[lane], h[lane, states], c[lane, states], exponential)
        lane = 0
        while lane < n_live:
            read = document[lane]
            if at[lane] - (ends[read] - lengths[read]) >= skips[read]:
                weight = token_weights[tokens[at[lane]]] if len(token_weights) else 0.0
                weight_sum[lane] += weight
                if len(mean):
                    _add(total[lane], h[lane], 1.0)
                if len(weighted):
                    _add(total_weighted[lane], h[lane], weight)
                if len(highest):
                    _raise(top[lane], h[lane])
            at[lane] += 1
            if at[lane] < ends[read]:
                lane += 1
                continue
            column = 0
            for place in range(len(pooled)):
                begin, width = first_state[pooled[place, 0]], pooled[place, 1]
                states, columns = slice(begin, begin + width), slice(column, column + width)
                column += width
                if len(last):
                    last[read, columns] = h[lane, states]
                if len(mean):
                    mean[read, columns] = total[lane, states] / (lengths[read] - skips[read])
                if len(highest):
                    highest[read, columns] = top[lane, states]
                if len(weighted):
                    weighted[read, columns] = total_weighted[lane, states] / (
                        weight_sum[lane] if weight_sum[lane] else 1.0
                    )
            n_live -= 1
            for rows in (h, c, top):
                rows[lane] = rows[n_live]
            total[lane], total_weighted[lane] = total[n_live], total_weighted[n_live]
            weight_sum[lane], document[lane], at[lane] = weight_sum[n_live], document[n_live], at[n_live]


@compiled
def _fill(table, embedding, weights):
    """Write bias and input product of the first tokens of the vocabulary, as `_read` makes those of the others."""
    n_in, n_out = embedding.shape[1], table.shape[1]
    from_below = weights[n_out : n_out + n_in * n_out].reshape(n_in, n_out)
    for token in range(len(table)):
        table[token] = weights[:n_out]
    for token in range(0, len(table), ABREAST):
        rows = slice(token, token + ABREAST)
        _add_products(table[rows], embedding[rows], from_below, len(table[rows]))


@compiled
def _add_products(out, x, matrix, n_rows):
    """Add x @ matrix to the first `n_rows` rows of `out`, to each in the order of the matrix's rows."""
    if n_rows == ABREAST:
        _add_four(out, x, matrix)
    else:
        for row in range(n_rows):
            _add_one(out[row], x[row], matrix)


@compiled
def _add_four(out, x, matrix):
    n = matrix.shape[0]
    whole = n - n % 4
    for k in range(0, whole, 4):
        a0, a1, a2, a3 = x[0, k], x[0, k + 1], x[0, k + 2], x[0, k + 3]
        b0, b1, b2, b3 = x[1, k], x[1, k + 1], x[1, k + 2], x[1, k + 3]
        c0, c1, c2, c3 = x[2, k], x[2, k + 1], x[2, k + 2], x[2, k + 3]
        d0, d1, d2, d3 = x[3, k], x[3, k + 1], x[3, k + 2], x[3, k + 3]
        for j in range(out.shape[1]):
            w0, w1, w2, w3 = matrix[k, j], matrix[k + 1, j], matrix[k + 2, j], matrix[k + 3, j]
            out[0, j] = (((out[0, j] + a0 * w0) + a1 * w1) + a2 * w2) + a3 * w3
            out[1, j] = (((out[1, j] + b0 * w0) + b1 * w1) + b2 * w2) + b3 * w3
            out[2, j] = (((out[2, j] + c0 * w0) + c1 * w1) + c2 * w2) + c3 * w3
            out[3, j] = (((out[3, j] + d0 * w0) + d1 * w1) + d2 * w2) + d3 * w3
    for k in range(whole, n):
        for row in range(4):
            for j in range(out.shape[1]):
                out[row, j] += x[row, k] * matrix[k, j]


@compiled
def _add_one(out, x, matrix):
    n = matrix.shape[0]
    whole = n - n % 8
    for k in range(0, whole, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = x[k], x[k + 1], x[k + 2], x[k + 3], x[k + 4], x[k + 5], x[k + 6], x[k + 7]
        for j in range(len(out)):
            so_far = out[j] + x0 * matrix[k, j]
            so_far += x1 * matrix[k + 1, j]
            so_far += x2 * matrix[k + 2, j]
            so_far += x3 * matrix[k + 3, j]
            so_far += x4 * matrix[k + 4, j]
            so_far += x5 * matrix[k + 5, j]
            so_far += x6 * matrix[k + 6, j]
            so_far += x7 * matrix[k + 7, j]
            out[j] = so_far
    for k in range(whole, n):
        for j in range(len(out)):
            out[j] += x[k] * matrix[k, j]


@compiled
def _step(gates, h, c, scratch):
    """From the gates' sums [4 * width], in the order input, forget, output, candidate, to the next h and c [width]."""
    width = len(h)
    scale, fraction = scratch[0], scratch[1]
    for j in range(3 * width):
        gates[j] = -gates[j]
    for j in range(3 * width, 4 * width):
        gates[j] *= TWO
    _exponential(gates, scale, fraction)
    for j in range(3 * width):
        gates[j] = ONE / (ONE + (scale[j] + scale[j] * fraction[j]))
    for j in range(3 * width, 4 * width):
        less_one = scale[j] * fraction[j] + (scale[j] - ONE)
        gates[j] = less_one / (less_one + TWO)
    for j in range(width):
        c[j] = gates[width + j] * c[j] + gates[j] * gates[3 * width + j]
        h[j] = TWO * c[j]
    _exponential(h, scale, fraction)
    for j in range(width):
        less_one = scale[j] * fraction[j] + (scale[j] - ONE)
        h[j] = gates[2 * width + j] * (less_one / (less_one + TWO))


@compiled
def _exponential(x, scale, fraction):
    """`scale` (a power of two) and `fraction` with exp(x) = scale * (1 + fraction), to rounding, for |x| up to 87.

    The series of exp around the nearest multiple of ln 2. In two factors, so that tanh can take 1 away without cancellation.
    """
    bits = scale.view(np.int32)
    for j in range(len(x)):
        v = x[j]
        v = -MOST if v < -MOST else v
        v = MOST if v > MOST else v
        n = np.floor(v * LOG2_E + HALF)
        r = (v - n * LN2_HIGH) - n * LN2_LOW
        f = SEVENTH * r + SIXTH
        f = f * r + FIFTH
        f = f * r + FOURTH
        f = f * r + THIRD
        f = f * r + HALF
        f = f * r + ONE
        fraction[j] = f * r
        bits[j] = (np.int32(n) + np.int32(127)) << np.int32(23)


@compiled
def _add(total, state, weight):
    for j in range(len(total)):
        total[j] += state[j] * weight


@compiled
def _raise(top, state):
    for j in range(len(top)):
        top[j] = state[j] if state[j] > top[j] else top[j]

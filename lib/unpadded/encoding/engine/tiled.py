"""The engine of the CPU: compiled code that reads the documents in all slots, a block of steps in one call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from unpadded.common import MAKING, PARTS, fork_safe_lock
from unpadded.encoding.engine.tiled_steps import fill_table, read_block
from unpadded.encoding.engine.weights import LayerWeights, input_widths, read_embedding, read_layers
from unpadded.encoding.planning import Plan, cheapest
from unpadded.encoding.pooling import PoolSettings
from unpadded.encoding.schedule import Backlog, Block, Schedule, backlogs_of
from unpadded.kernels import (
    COLUMNS,
    LANES,
    has_bfloat16_matrices,
    has_bfloat16_tiles,
    has_float32_tiles,
    has_int8_matrices,
    has_int8_tiles,
    run_together,
)

# Slots of a thread: whole tiles of rows, few enough for their states to stay in a core's own cache; and fewer.
LADDER = (48, 36, 24, 18, 12, 6, 4, 3, 2, 1)
OWN_SLOTS = 12  # of each thread, from which on it is better to share slots than units
BLOCK_ROWS = 4096  # states of a layer that are held at least,
BLOCK_NUMBERS = 1 << 21  # and of all layers as many as have so many numbers, if those are more
FEW_ROWS = 4  # a product of few rows waits for the weights, which takes as long as this many rows more
STEP_WORK = 2e5  # multiply-adds in the time in which threads meet and states are made ready
OWN_BYTES = 10 << 20  # of weights that a block passes through, for each thread that is worth its start
ALIGNMENT = 64  # bytes
BEYOND = 4096  # bytes behind the weights that a matrix register may read: zeros
GROUPS = {torch.float32: 1, torch.bfloat16: 2, torch.int8: 4}  # numbers that a group of four bytes holds

_COUNTING = fork_safe_lock()
_calls = 0  # that run now in this process


def has_tiles(dtype: torch.dtype) -> bool:
    """Whether this processor has the registers and the products that the engine's code is written in."""
    return {torch.float32: has_float32_tiles, torch.bfloat16: has_bfloat16_tiles, torch.int8: has_int8_tiles}[dtype]()


class Packed(NamedTuple):
    """A model as the compiled code takes it.

    `sizes`, int64 [n_layers, 2]: factors of the input product and units of each layer. `weights`: for each layer those of
    the input and the recurrent product, each cut into blocks of LANES units: [units / LANES, factors / group, 4 gates, LANES,
    group], where a group is what four bytes hold. `scales`: one for each column of the two products, where weights are
    bytes. `bias`, [1, columns]: for each layer [units / LANES, 4 gates, LANES]. `table`: the first layer's bias and input
    product of the most frequent tokens, in the columns' order, or of none.
    """

    sizes: np.ndarray
    embedding: np.ndarray
    table: np.ndarray
    weights: np.ndarray
    scales: np.ndarray
    bias: np.ndarray


class TiledLSTM:
    """The layers of a fastai AWD_LSTM on the CPU, copied once, to be run over any documents by any number of threads.

    `dtype`: what the factors of the products are rounded to: float32, bfloat16, or int8, where every row of weights and every
    state has a scale of its own, the largest of its numbers through 127.
    """

    device = torch.device("cpu")
    # Ways of working that a certificate tries, as keywords of `read`; none changes a vector.
    CONFIGURATIONS = tuple({"slots": n, "chunk_length": steps} for n in (1, 2, 7, None) for steps in (1, 5, None))

    def __init__(self, awd_lstm: nn.Module, *, dtype: torch.dtype = torch.float32, table_bytes: int = 40 << 20):
        layers = read_layers(awd_lstm, lanes=LANES)
        self.widths = [layer.width for layer in layers]
        self._first = np.cumsum([0, *(layer.padded for layer in layers)])  # unit of each layer
        self._model = _packed(read_embedding(awd_lstm), layers, input_widths(awd_lstm, layers), dtype)
        sizes = self._model.sizes
        self.work = int((4 * sizes[:, 1] * sizes.sum(axis=1)).sum())  # multiply-adds of a token
        self._n_kept = min(len(self._model.embedding), max(table_bytes // (16 * int(sizes[0, 1])), 1))
        self._n_read = 0

    def read(
        self,
        backlogs: Iterator[Backlog],
        pools: PoolSettings,
        *,
        slots: int | None = None,
        chunk_length: int | None = None,
        threads: int | None = None,
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield (positions, {part: float32 [n, total width]}) as documents end; slots, steps and threads may be chosen."""
        schedule = Schedule(backlogs)
        if not len(schedule.lengths):
            return
        n_threads = threads or torch.get_num_threads()
        chosen = _plan(self.work, schedule.lengths, slots, chunk_length, n_threads, int(self._first[-1]))
        schedule.open(chosen.ladder[0])
        states = _States(self, pools, chosen)
        with _one_more_call():
            while schedule.n_live:
                if schedule.n_live < schedule.n_slots:
                    states.keep(schedule.shrink(schedule.n_live))
                block = schedule.next_block(chosen.n_steps)
                n_threads = threads or self._n_threads(block)
                parts = states.advance(block, self._model_for(block, n_threads), n_threads)
                if len(block.finished):
                    yield block.finished, parts

    def states(self, tokens: np.ndarray) -> np.ndarray:
        """The last layer's states after each token of a document, float32 [n_tokens, width]."""
        last, n = len(self.widths) - 1, len(tokens)
        schedule = Schedule(backlogs_of([tokens], np.array([n])))
        schedule.open(1)
        states = _States(self, PoolSettings(("last",), [last]), Plan((1,), n))
        states.advance(schedule.next_block(lambda n_slots: n), self._model, 1)
        before, end = (int(n * first) for first in self._first[last:])
        return states.of_block[before:end].reshape(n, -1)[:, : self.widths[last]]

    def _n_threads(self, block: Block) -> int:
        """Threads for a block: torch's number of them, shared with the calls that run now; fewer where the work is little."""
        work = self.work * self._model.weights.itemsize * int(block.used.sum())
        return max(min(torch.get_num_threads() // max(_calls, 1), work // OWN_BYTES), 1)

    def _model_for(self, block: Block, n_threads: int) -> Packed:
        """The model, with the table of frequent tokens once it saves as much as it costs."""
        self._n_read += block.ids.size
        if len(self._model.table) or self._n_read < self._n_kept:
            return self._model
        with MAKING:
            if not len(self._model.table):
                model, table = self._model, np.empty((self._n_kept, self._model.table.shape[1]), np.float32)
                cuts = np.linspace(0, len(table), n_threads + 1).astype(np.int64)
                run_together(n_threads, lambda part, _: fill_table(cuts[part], cuts[part + 1], tuple(model), table))
                self._model = model._replace(table=table)
        return self._model


class _States:
    """The states of all slots between two blocks: h and c of each layer and the running pools."""

    def __init__(self, engine: TiledLSTM, pools: PoolSettings, chosen: Plan):
        layers = max(pools.layers) + 1  # what lies above is not needed
        first, widths = engine._first, [engine.widths[layer] for layer in pools.layers]
        columns = np.cumsum([0, *widths])
        self._layers, self._parts, self._width = layers, pools.parts, int(columns[-1])
        self._pooled = np.array(list(zip(pools.layers, columns, widths, strict=False)), np.int64)
        self._weights = np.empty(0) if pools.weights is None else pools.weights.numpy()
        n_slots, units = chosen.ladder[0], int(first[layers])
        self._h, self._c = np.zeros((n_slots, units), np.float32), np.zeros((n_slots, units), np.float32)
        size = (n_slots, self._width)
        self._pools = (np.zeros(size), np.zeros(size), np.zeros(size, np.float32), np.zeros(size))
        self.of_block = np.empty(0, np.float32)
        self._wanted = np.array([part in pools.parts for part in PARTS])

    def keep(self, slots: np.ndarray) -> None:
        """Keep only the states of `slots`, in that order."""
        self._h, self._c = self._h[slots], self._c[slots]
        self._pools = tuple(pool[slots] for pool in self._pools)

    def advance(self, block: Block, model: Packed, n_threads: int) -> dict[str, np.ndarray]:
        """Run a block; returns the pooled documents that end in it, the layers side by side."""
        needed = block.ids.size * self._h.shape[1]
        if len(self.of_block) < needed:
            self.of_block = np.empty(needed, np.float32)
        out = [np.empty((len(block.finished) if part in self._parts else 0, self._width), np.float32) for part in PARTS]
        model = tuple(model._replace(sizes=model.sizes[: self._layers]))
        states = (self._h, self._c, self.of_block)
        pooling = (self._pooled, self._weights, self._pools, self._wanted, tuple(out))
        n_groups = n_threads if block.ids.shape[1] >= OWN_SLOTS * n_threads else 1
        groups, n_parts = _groups_of(block, n_groups), n_threads // n_groups

        def run(thread: int, counter: np.ndarray) -> None:
            group, part = divmod(thread, n_parts)
            read_block(part, n_parts, counter, groups[group], model, *states, *pooling)

        run_together(n_threads, run)
        return {part: array for part, array in zip(PARTS, out, strict=True) if part in self._parts}


def _plan(
    work: int, lengths: np.ndarray, slots: int | None, chunk_length: int | None, n_threads: int, n_units: int
) -> Plan:
    """How many slots, for documents of `lengths`, longest first, and how many steps a block, of all layers' `n_units`."""
    if slots is None:
        ladder = (*(LADDER[0] * n for n in range(n_threads, 1, -1)), *LADDER)
        ladder = ladder[sum(n >= len(lengths) for n in ladder[1:]) :]  # of those with a slot for each, the smallest
        slots = ladder[cheapest(ladder, lengths, FEW_ROWS + STEP_WORK / work)]
    return Plan((min(slots, BLOCK_ROWS),), max(BLOCK_ROWS, BLOCK_NUMBERS // n_units), chunk_length)


def _groups_of(block: Block, n_groups: int) -> list[tuple]:
    """The block as `read_block` takes it, once for each group of its slots."""
    shape = block.ids.shape
    begins, pools = (_marked(events, np.zeros(shape, bool), True) for events in (block.starts, block.pools))
    ends = _marked(block.ends, np.full(shape, -1), np.arange(len(block.finished)))
    by_end = np.argsort(-block.used, kind="stable")
    orders = [np.ascontiguousarray(by_end[group::n_groups]) for group in range(n_groups)]
    lives = [np.searchsorted(-block.used[order], -np.arange(shape[0]), side="left") for order in orders]
    rest = (begins, pools, ends, np.ascontiguousarray(block.lengths))  # of one layout: each is compiled by itself
    return [(block.ids, order, live, *rest) for order, live in zip(orders, lives, strict=True)]


def _marked(events: np.ndarray, array: np.ndarray, values) -> np.ndarray:
    array[events[:, 0], events[:, 1]] = values
    return array


@contextmanager
def _one_more_call() -> Iterator[None]:
    """Count a call among those that run now."""
    global _calls
    with _COUNTING:
        _calls += 1
    try:
        yield
    finally:
        with _COUNTING:
            _calls -= 1


def _packed(embedding: torch.Tensor, layers: list[LayerWeights], n_in: list[int], dtype: torch.dtype) -> Packed:
    group, kind = GROUPS[dtype], _kind(dtype)
    n_in = [-(-n // group) * group for n in n_in]
    weights, scales, bias = [], [], []
    for layer, n in zip(layers, n_in, strict=True):
        bias.append(_in_blocks(layer.laid_out((layer.input_bias + layer.recurrent_bias)[:, None], 1), 1))
        for matrix, columns in ((layer.input, n), (layer.recurrent, layer.padded)):
            packed, scale = _rounded(layer.laid_out(matrix, columns), dtype, signed=kind == np.int8)
            weights.append(_in_blocks(packed, group).view(kind))
            scales.append(_in_blocks(scale[:, None], 1))
    if embedding.shape[1] < n_in[0]:
        embedding = torch.nn.functional.pad(embedding, (0, n_in[0] - embedding.shape[1]))
    return Packed(
        sizes=np.array([(n, layer.padded) for n, layer in zip(n_in, layers, strict=True)], np.int64),
        embedding=embedding.contiguous().numpy(),
        table=np.empty((0, 4 * layers[0].padded), np.float32),
        weights=_aligned(weights),
        scales=np.concatenate(scales) if dtype == torch.int8 else np.empty(0, np.float32),
        bias=np.concatenate(bias)[None],
    )


def _kind(dtype: torch.dtype) -> type:
    """The type of packed weights, by which the compiled code takes its registers: those with a sign are for matrices."""
    if dtype == torch.int8:
        return np.int8 if has_int8_matrices() else np.uint8
    if dtype == torch.bfloat16:
        return np.int16 if has_bfloat16_matrices() else np.uint16
    return np.float32


def _rounded(matrix: torch.Tensor, dtype: torch.dtype, *, signed: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers of `matrix` as they are packed, and the scale of each row."""
    if dtype == torch.int8:
        scale = matrix.abs().amax(1) / 127
        whole = (matrix / scale.masked_fill(scale == 0, 1)[:, None]).round().to(torch.int16)
        # The bytes of weights that vector registers multiply have no sign.
        return whole.to(torch.int8) if signed else (whole + 128).to(torch.uint8), scale
    if dtype == torch.bfloat16:
        return matrix.to(dtype).view(torch.int16), matrix[:, 0]
    return matrix, matrix[:, 0]


def _in_blocks(matrix: torch.Tensor, group: int) -> np.ndarray:
    """[4 * padded, n], gates one below the other, as `Packed` describes it, in one row."""
    n_columns = matrix.shape[1]
    cut = matrix.view(COLUMNS, -1, LANES, n_columns // group, group)
    return cut.permute(1, 3, 0, 2, 4).contiguous().flatten().numpy()


def _aligned(pieces: list[np.ndarray]) -> np.ndarray:
    """The pieces end to end, at an address that vector registers like."""
    size = sum(piece.nbytes for piece in pieces)
    memory = np.zeros(size + ALIGNMENT + BEYOND, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    whole = memory[first : first + size].view(pieces[0].dtype)
    return np.concatenate(pieces, out=whole)

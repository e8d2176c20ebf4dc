"""The engine: an LSTM stack run over slots in blocks of steps, with nothing but each document's own tokens before it.

Exactness by construction: a product never lets a row see the other rows (`kernels/products.py`), a sigmoid never falls from a
vector register into a scalar loop (`aligned`), sums are added token by token in float64 (`pooling.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from unpadded.common import MAKING, fork_safe_lock
from unpadded.encoding.engine.layer import SteppedLayer, TokenInputs
from unpadded.encoding.engine.weights import LANES, input_widths, read_embedding, read_layers
from unpadded.encoding.planning import plan
from unpadded.encoding.pooling import PoolSettings, RunningPools
from unpadded.encoding.schedule import Backlog, Block, Schedule, by_step
from unpadded.kernels import PANEL

TF32 = fork_safe_lock()
GRAIN = 32_768  # elements from which torch shares an elementwise operation among threads


class StreamingLSTM:
    """The layers of a fastai AWD_LSTM, copied once, to be run over any number of documents, by any number of threads.

    `dtype` is what the factors of every product are rounded to; states and sums stay float32 and float64. Weights and
    the table of token inputs are shared and only read; what a call writes to is its own (`Schedule`, `SlotStates`).
    """

    # Ways of working that a certificate tries, as keywords of `read`; none changes a vector.
    CONFIGURATIONS = tuple({"slots": n, "chunk_length": steps} for n in (1, 2, 7, None) for steps in (1, 5, None))

    def __init__(
        self,
        awd_lstm: nn.Module,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        allow_tf32: bool = False,
        table_bytes: int = 40 << 20,
    ):
        self.device, self.allow_tf32 = torch.device(device), allow_tf32
        weights = read_layers(awd_lstm, self.device)
        self.embedding = read_embedding(awd_lstm, self.device)
        self.widths = [layer.width for layer in weights]
        n_in = input_widths(awd_lstm, weights)
        self.layers = [SteppedLayer(w, n_in=n, dtype=dtype) for w, n in zip(weights, n_in, strict=True)]
        self.work = sum(layer.work for layer in self.layers)
        self._table_bytes = table_bytes
        self._token_inputs: dict[int, TokenInputs] = {}

    @property
    def token_inputs(self) -> TokenInputs:
        """The table of the first layer's input products, made when it is first needed with torch's number of threads."""
        n_threads = torch.get_num_threads()  # a product may split its sums by it
        if n_threads not in self._token_inputs:
            with MAKING:
                if n_threads not in self._token_inputs:
                    made = TokenInputs(self.embedding, self.layers[0].input, n_bytes=self._table_bytes)
                    self._token_inputs[n_threads] = made
        return self._token_inputs[n_threads]

    def aligned(self, n_slots: int, n_threads: int) -> int:
        """The number of rows, at least `n_slots`, whose elementwise operations `n_threads` cut into whole registers."""
        rows = max(n_slots, 2)  # matrix libraries have other kernels for a single row
        if self.device.type != "cpu":
            return rows
        sizes = {size for layer in self.layers for size in (layer.padded, 3 * layer.padded, 4 * layer.padded)}
        while not all(_cuts_whole(rows * size, n_threads) for size in sizes):
            rows += 1
        return rows

    def read(
        self,
        backlogs: Iterator[Backlog],
        pools: PoolSettings,
        *,
        slots: int | None = None,
        chunk_length: int | None = None,
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield (positions, {part: float32 [n, total width]}) as documents end; `slots` and `chunk_length` may be chosen."""
        schedule = Schedule(backlogs)
        if len(schedule.lengths):
            chosen = plan(self, schedule.lengths, slots=slots, chunk_length=chunk_length)
            schedule.open(chosen.ladder[0])
            yield from self._run(schedule, pools, ladder=chosen.ladder, n_steps=chosen.n_steps)

    def _run(
        self, schedule: Schedule, pools: PoolSettings, *, ladder: Sequence[int], n_steps: Callable
    ) -> Iterator[tuple]:
        """Run `schedule` to its end; yields (positions, parts) for each block in which documents end.

        `ladder`: the numbers of slots, most first, to go down to as documents run out; `n_steps(n_slots)`: steps of a
        block. `parts` has a float32 array [n_finished, total width] for each pooled part.
        """
        state, n_threads = None, torch.get_num_threads()
        while schedule.n_live:
            rows = min((n for n in ladder if n >= schedule.n_live), default=schedule.n_slots)
            if state is None:
                state = SlotStates(self, self.aligned(schedule.n_slots, n_threads), pools)
            if rows < schedule.n_slots:
                state.keep(schedule.shrink(rows), self.aligned(rows, n_threads))
            block = schedule.next_block(n_steps)
            parts = state.advance(block)
            if len(block.finished):
                yield block.finished, parts


class SlotStates:
    """The states of all slots between two blocks: h and c of each layer and the running pools."""

    def __init__(self, lstm: StreamingLSTM, n_rows: int, pools: PoolSettings):
        self._lstm, self._pools = lstm, pools
        self._layers = lstm.layers[: max(pools.layers) + 1]  # what lies above is not needed
        self._n_rows = n_rows
        like = {"device": lstm.device, "dtype": torch.float32}
        self._h = [torch.zeros(n_rows, layer.padded, **like) for layer in self._layers]
        self._c = [torch.zeros(n_rows, layer.padded, **like) for layer in self._layers]
        self._running = {
            layer: RunningPools(
                pools.parts, n_slots=n_rows, width=lstm.widths[layer], device=lstm.device, weights=pools.weights
            )
            for layer in set(pools.layers)
        }

    @torch.inference_mode()
    def keep(self, slots: np.ndarray, n_rows: int) -> None:
        """Keep only the states of `slots`, in that order, in `n_rows` rows."""
        index = torch.zeros(n_rows, dtype=torch.int64)  # rows beyond the slots run along without a document
        index[: len(slots)] = torch.from_numpy(slots)
        index = index.to(self._lstm.device)
        self._n_rows = n_rows
        self._h = [h.index_select(0, index) for h in self._h]
        self._c = [c.index_select(0, index) for c in self._c]
        for pools in self._running.values():
            pools.keep(index)

    def advance(self, block: Block) -> dict[str, np.ndarray]:
        """Run a block; returns the pooled documents that end in it, the layers side by side."""
        with torch.inference_mode(), _tf32(self._lstm.device, self._lstm.allow_tf32):
            return self._advance(block)

    def _advance(self, block: Block) -> dict[str, np.ndarray]:
        device = self._lstm.device
        n_steps, n_slots = block.ids.shape
        ids = torch.zeros(n_steps, self._n_rows, dtype=torch.int64)
        ids[:, :n_slots] = torch.from_numpy(block.ids)
        ids = ids.to(device)
        starts, pools, ends = (
            [_index(slots, device) for slots in by_step(events, n_steps)]
            for events in (block.starts, block.pools, block.ends)
        )
        finished, states = {}, None
        for number, layer in enumerate(self._layers):
            inputs = self._inputs(layer, ids, states)
            states, self._h[number], self._c[number] = layer.run(inputs, self._h[number], self._c[number], starts)
            if number in self._running:
                finished[number] = self._running[number].add(states, ids, pools, ends, block.lengths)
        first = finished[self._pools.layers[0]]
        if len(self._pools.layers) == 1:
            return first
        return {part: np.concatenate([finished[n][part] for n in self._pools.layers], axis=1) for part in first}

    def _inputs(self, layer: SteppedLayer, ids: torch.Tensor, below: torch.Tensor | None):
        """What `layer.run` takes as inputs: from the tokens, or from the states [n_steps, n_slots, width] below."""
        if below is None:
            return self._lstm.token_inputs.steps(ids)
        rows = below.flatten(0, 1)
        # Whole panels are the usual sizes, few enough to be tried out; any other is done in panels.
        product = layer.input(rows) if len(rows) % PANEL == 0 else layer.input.in_panels(rows)
        return product.view(*below.shape[:2], -1).unbind().__getitem__


@contextmanager
def _tf32(device: torch.device, allowed: bool) -> Iterator[None]:
    """On CUDA, switch the 10-bit factors of float32 products off (or on) and back to what the caller had."""
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cuda.matmul
    with TF32:  # the setting is the process's, so one thread at a time; a GPU does one block after the other anyway
        before = settings.allow_tf32
        settings.allow_tf32 = allowed
        try:
            yield
        finally:
            settings.allow_tf32 = before


def _index(slots: np.ndarray, device: torch.device) -> torch.Tensor | None:
    return torch.from_numpy(slots).to(device) if len(slots) else None


def _cuts_whole(n_elements: int, n_threads: int) -> bool:
    """Whether torch's split of an elementwise operation among threads falls between vector registers."""
    n_parts = min(n_threads, -(-n_elements // GRAIN))
    return n_elements % (n_parts * LANES) == 0

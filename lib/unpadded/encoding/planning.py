"""How many slots and how many steps a block: only speed and memory depend on it, never a vector."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unpadded.kernels import PANEL

SMALLEST = 2  # slots; a single row would take another kernel
BLOCK_BYTES = 20 << 20  # of the largest temporary of a block, the input product of its states
STEP_OVERHEAD = 1e7  # multiply-adds in the time of a step's calls
FEW_ROWS = 5  # a product of few rows waits for the weights, which takes as long as this many rows more
DEVICE_SHARE = 0.25  # of a GPU's free memory, for states and temporaries


@dataclass(frozen=True)
class Plan:
    """`ladder`: numbers of slots, most first, to start with and go down to; `block_rows`: rows of a block at most."""

    ladder: tuple[int, ...]
    block_rows: int
    chunk_length: int | None = None

    def n_steps(self, n_slots: int) -> int:
        """Steps of the next block of so many slots."""
        return self.chunk_length or max(self.block_rows // n_slots, 1)


def plan(engine, lengths: np.ndarray, *, slots: int | None = None, chunk_length: int | None = None) -> Plan:
    """The plan for documents of `lengths` (int array) on `engine`; `slots` and `chunk_length` overrule it."""
    row_bytes = 16 * max(layer.padded for layer in engine.layers)  # four gates in float32
    most = _most_slots(engine, row_bytes)
    block_rows = 16 * most
    if engine.device.type == "cpu":
        block_rows = min(block_rows, max(BLOCK_BYTES // row_bytes, PANEL))
    block_rows = 1 << block_rows.bit_length() - 1  # a power of two: any rung of the ladder makes whole panels of it
    ladder = _ladder(slots or most)
    if slots is None:
        a_step = FEW_ROWS + STEP_OVERHEAD / engine.work
        ladder = ladder[cheapest(ladder, np.sort(lengths)[::-1], a_step) :]
    return Plan(ladder, block_rows, chunk_length)


def _most_slots(engine, row_bytes: int) -> int:
    """Slots that keep the machine busy: enough work in a step to hide its calls, little enough to stay in its cache."""
    if engine.device.type == "cpu":
        return 256
    free, _ = torch.cuda.mem_get_info(engine.device)
    affordable = int(free * DEVICE_SHARE) // (row_bytes * (16 + 2 * len(engine.layers)))
    return int(np.clip(affordable // 16 * 16, 16, 4096))


def _ladder(most: int) -> tuple[int, ...]:
    """`most`, and below it the smallest number of slots times powers of two."""
    rungs = [SMALLEST * 2**k for k in range(16)]
    return (most, *(n for n in reversed(rungs) if n < most))


def cheapest(ladder: Sequence[int], lengths: np.ndarray, a_step: float) -> int:
    """Which rung to start from: with fewer slots a step is cheaper, but there are more steps to do.

    `lengths`: most first. A step of n slots costs n rows and `a_step` rows. With n slots the documents end together
    after about total / n steps; whatever is longer goes on alone, on the rungs below.
    """
    total = float(lengths.sum())
    costs = []
    for first in range(len(ladder)):
        now = cost = 0.0
        for k, n in enumerate(ladder[first:], first):
            below = ladder[k + 1] if k + 1 < len(ladder) else 0
            longest = float(lengths[below]) if below < len(lengths) else 0.0  # the last step at which n rows are needed
            until = max(now, longest, total / ladder[first])
            cost += (until - now) * (n + a_step)
            now = until
        costs.append(cost)
    return int(np.argmin(costs))

"""Running pools: what a document's hidden states become, one step at a time."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch

from unpadded.common import CONCAT, PARTS, InputError

KNOWN = (*PARTS, "concat")
MANY_STEPS, FEW_SUMS = 4, 32_768  # where one call on one core is faster than many calls


def parts_of(poolings: Sequence[str]) -> tuple[str, ...]:
    """The parts that have to be pooled for `poolings`. Raises `InputError` for an unknown name."""
    unknown = [name for name in poolings if name not in KNOWN]
    if unknown or not poolings:
        raise InputError(f"Pooling {', '.join(map(repr, unknown)) or '[]'} is not known: give {', '.join(KNOWN)}.")
    wanted = {part for name in poolings for part in (CONCAT if name == "concat" else (name,))}
    return tuple(part for part in PARTS if part in wanted)


class PoolSettings:
    """What is pooled: `parts` of `pooling.PARTS`, `layers` by index, `weights` float64 [vocabulary] or None."""

    def __init__(self, parts: Sequence[str], layers: Sequence[int], weights: torch.Tensor | None = None):
        self.parts, self.layers, self.weights = tuple(parts), tuple(layers), weights


class RunningPools:
    """The pools of one layer's states for every slot.

    `parts`: which of `PARTS`; `width`: number of units; `weights`: float64 [vocabulary], for the weighted mean. Sums are
    float64 and are added up token by token, so they depend neither on the block length nor on the number of slots.
    """

    def __init__(self, parts: Sequence[str], *, n_slots: int, width: int, device, weights: torch.Tensor | None = None):
        self._parts, self._width, self._weights = parts, width, weights
        float64 = {"dtype": torch.float64, "device": device}
        self._state: dict[str, torch.Tensor] = {}
        if "mean" in parts:
            self._state["sum"] = torch.zeros(n_slots, width, **float64)
        if "weighted_mean" in parts:
            self._state["weighted"] = torch.zeros(n_slots, width, **float64)
            self._state["weight"] = torch.zeros(n_slots, 1, **float64)
        if "max" in parts:
            self._state["max"] = torch.full((n_slots, width), -torch.inf, device=device)

    def keep(self, slots: torch.Tensor) -> None:
        """Keep only the pools of `slots`, an index tensor, in that order."""
        self._state = {name: pool.index_select(0, slots) for name, pool in self._state.items()}

    def add(self, states, ids: torch.Tensor, starts: Sequence, ends: Sequence, lengths: np.ndarray):
        """Take the states [n_steps, n_slots, >= width] of a block of `ids`; returns the pooled documents that end in it.

        `starts[t]`, `ends[t]`: index of the slots whose document's pooled part begins or ends at step t, or None.
        The result has one float32 array [n_finished, width] for each part, in the order of `ends`.
        """
        states = states[:, :, : self._width]
        doubles = states.double() if {"sum", "weighted"} & self._state.keys() else None
        weights = self._weights[ids].unsqueeze(2) if "weighted" in self._state else None
        finished: dict[str, list[torch.Tensor]] = {part: [] for part in self._parts}
        for begin, end in _runs(starts, ends):
            if starts[begin] is not None:
                for name, pool in self._state.items():
                    pool.index_fill_(0, starts[begin], -torch.inf if name == "max" else 0.0)
            self._take(*(None if x is None else x[begin:end] for x in (states, doubles, weights)))
            if ends[end - 1] is not None:
                self._finish(states[end - 1], ends[end - 1], finished)
        return {part: self._gathered(part, rows, lengths) for part, rows in finished.items()}

    def _take(self, states: torch.Tensor, doubles: torch.Tensor | None, weights: torch.Tensor | None) -> None:
        """Take a run of steps in which no document begins or ends."""
        pools = self._state
        if "sum" in pools:
            _add_in_order(pools["sum"], doubles)
        if "weighted" in pools:
            _add_in_order(pools["weighted"], doubles * weights)
            _add_in_order(pools["weight"], weights)
        if "max" in pools:
            torch.maximum(pools["max"], states[0] if len(states) == 1 else states.amax(0), out=pools["max"])

    def _finish(self, states: torch.Tensor, slots: torch.Tensor, finished: dict[str, list[torch.Tensor]]) -> None:
        """Hand in the documents that end in `slots`."""
        taken = {name: pool.index_select(0, slots) for name, pool in self._state.items()}
        if "last" in finished:
            finished["last"].append(states.index_select(0, slots))
        if "mean" in finished:
            finished["mean"].append(taken["sum"])
        if "max" in finished:
            finished["max"].append(taken["max"])
        if "weighted_mean" in finished:
            total = taken["weight"]
            finished["weighted_mean"].append(taken["weighted"].div_(total.masked_fill_(total == 0, 1)))

    def _gathered(self, part: str, rows: list[torch.Tensor], lengths: np.ndarray) -> np.ndarray:
        if not rows:
            return np.empty((0, self._width), np.float32)
        pooled = torch.cat(rows)
        if part == "mean":
            pooled.div_(torch.from_numpy(lengths).to(pooled.device).unsqueeze(1))
        return pooled.to("cpu", torch.float32).numpy()


def _runs(starts: Sequence, ends: Sequence) -> Iterator[tuple[int, int]]:
    """The longest runs of steps in which documents start only at the first and end only at the last."""
    cuts = {0, len(starts)}
    cuts.update(t for t, slots in enumerate(starts) if slots is not None)
    cuts.update(t + 1 for t, slots in enumerate(ends) if slots is not None)
    return pairwise(sorted(cuts))


def _add_in_order(total: torch.Tensor, terms: torch.Tensor) -> None:
    """Add `terms` [n_steps, ...] to `total` one step after the other, so that the rounding is always the same."""
    if len(terms) > MANY_STEPS and total.numel() < FEW_SUMS and total.device.type == "cpu":
        # numpy's sum takes pairs only along the last axis (see its notes); along the first it adds row by row.
        np.add.reduce(np.concatenate([total[None].numpy(), terms.numpy()]), axis=0, out=total.numpy())
    else:
        for term in terms.unbind():
            total.add_(term)

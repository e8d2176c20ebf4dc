"""What has been asked of an encoder and what it answered: each document alone, the batches, the same calls again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unpadded.encoding.certification.calls import Caller, Failed
from unpadded.encoding.certification.comparing import FLOOR, cosines, differences, widened
from unpadded.encoding.certification.items import Item
from unpadded.encoding.certification.precision import tolerance, working_precision

AGAIN = "the same call again"


@dataclass(eq=False)
class Seen:
    """One call of a trial: its batch, the rows or the problem, and each row against the same document alone.

    `excess` [n]: difference relative to the scale of the document's own vector; NaN in all three where the document alone is
    not known or not asked for.
    """

    trial: str
    batch: tuple[Item, ...]
    rows: np.ndarray | None
    problem: str
    miscounted: bool
    difference: np.ndarray
    excess: np.ndarray
    cosine: np.ndarray

    @property
    def worst(self) -> float:
        """The largest excess; inf for another number of rows than documents."""
        return np.inf if self.miscounted else float(np.nan_to_num(self.excess, nan=0.0, posinf=np.inf).max(initial=0.0))

    @property
    def row(self) -> int:
        """The row that is furthest off."""
        return int(np.nanargmax(self.excess)) if np.isfinite(self.excess).any() or np.isinf(self.excess).any() else 0


class Lab:
    """Asks `caller`, keeps the answers, and compares with each document alone."""

    def __init__(self, caller: Caller, precision: str | None = None):
        self.caller, self._declared = caller, precision
        self.alone: dict[Item, np.ndarray | None] = {}  # None: not to be had
        self.failures: dict[Item, Failed] = {}
        self.seen: list[Seen] = []
        self.again: list[Seen] = []  # calls made twice, against their own first answer
        self._largest = 0.0

    @property
    def precision(self) -> str:
        """The precision that was declared, or what the vectors look like."""
        if self._declared:
            return self._declared
        rows = [row for row in self.alone.values() if row is not None]
        return working_precision(np.concatenate(rows)) if rows else "float32"

    @property
    def tolerance(self) -> float:
        """The largest excess that is rounding."""
        return tolerance(self.precision)

    def reference(self, item: Item) -> np.ndarray | None:
        """The document's vector alone, asked for once; of two copies where the encoder fails on one; None: not to be had."""
        if item not in self.alone:
            self.alone[item] = self._first(item)
            if (row := self.alone[item]) is not None:
                finite = np.abs(row[np.isfinite(row)])
                self._largest = max(self._largest, float(finite.max(initial=0.0)))
        return self.alone[item]

    def _first(self, item: Item) -> np.ndarray | None:
        try:
            return self.caller((item,), what="one at a time")[0]
        except Failed as failure:
            self.failures[item] = failure
        if self.failures[item].miscounted:
            return None
        try:
            row = self.caller((item, item), what="one at a time")[0]
        except Failed:
            return None
        self.caller.notes[f"it fails on one text ({self.failures[item]}): compared with two copies"] = None
        return row

    def observe(self, trial: str, batch: Sequence[Item], *, watched: Sequence[int] | None = None, keep=True) -> Seen:
        """Encode a batch and compare the rows `watched` (default: all) with their documents alone."""
        batch = tuple(batch)
        expected = [self.reference(item) if watched is None or i in watched else None for i, item in enumerate(batch)]
        seen = self._compared(trial, batch, expected)
        if keep:
            self.seen.append(seen)
        return seen

    def repeat(self, batch: Sequence[Item], first: np.ndarray) -> Seen:
        """The same call again, against its first answer."""
        seen = self._compared(AGAIN, tuple(batch), list(first))
        self.again.append(seen)
        return seen

    def _compared(self, trial: str, batch: tuple, expected: Sequence) -> Seen:
        nothing = np.full(len(batch), np.nan)
        seen = Seen(trial, batch, None, "", False, nothing.copy(), nothing.copy(), nothing.copy())
        try:
            seen.rows = self.caller(batch, what=trial)
        except Failed as failure:
            seen.problem, seen.miscounted = str(failure), failure.miscounted
            return seen
        for i, row in enumerate(expected):
            if row is not None:
                found, row = self._level(seen.rows[i : i + 1], row[None])
                seen.difference[i] = differences(found, row)[0]
                seen.excess[i] = seen.difference[i] / self.scale(row[0])
                seen.cosine[i] = cosines(found, row)[0]
        return seen

    def _level(self, found: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width = max(found.shape[1], expected.shape[1]) if self.caller.sparse else 0
        return widened(found, width), widened(expected, width)

    def scale(self, row: np.ndarray) -> float:
        """What rounding of this vector is relative to: its largest number, or a thousandth of the largest of all."""
        own = np.abs(row[np.isfinite(row)]).max(initial=0.0)
        return max(float(own), FLOOR * self._largest, float(np.finfo(np.float32).tiny))

    def same(self, found: np.ndarray, expected: np.ndarray) -> bool:
        """Whether two vectors are the same but for rounding."""
        a, b = self._level(found[None], expected[None])
        return bool(differences(a, b)[0] <= self.tolerance * self.scale(expected))

    def matrix(self, items: Sequence[Item]) -> np.ndarray:
        """The vectors of documents alone, [n, width]."""
        rows = [row for item in items if (row := self.alone[item]) is not None]
        width = max(map(len, rows))
        return np.concatenate([widened(row[None], width if self.caller.sparse else 0) for row in rows])

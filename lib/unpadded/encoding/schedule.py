"""Which document runs in which slot, and when: the order of work of cellular batching.

Gao et al., "Low Latency RNN Inference with Cellular Batching", EuroSys 2018. A slot that is free takes the next document;
the longest documents come first, so that the slots finish together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BACKLOG_TOKENS = 1 << 21  # read ahead at most: what the order of a stream's documents is chosen from
BACKLOG_DOCUMENTS = 1 << 16


@dataclass(frozen=True)
class Block:
    """The next steps of all slots.

    `ids`: int64 [n_steps, n_slots], 0 where a slot has no document. `starts` and `ends`, int64 [n, 2]: the steps, in their
    order, and slots in which a document has its first or last token; `pools`: from which on it is pooled. `finished`: the
    positions of the documents that end here, in the order of `ends`, and `lengths` their numbers of pooled tokens. `used`:
    steps of each slot until there was no document for it, int64 [n_slots].
    """

    ids: np.ndarray
    starts: np.ndarray
    pools: np.ndarray
    ends: np.ndarray
    finished: np.ndarray
    lengths: np.ndarray
    used: np.ndarray


@dataclass(frozen=True)
class Backlog:
    """Documents that wait: `positions` and `lengths`, int64 [n], longest first and none empty, and their `tokens`.

    `skips`, int64 [n]: how many of a document's first tokens are read but not pooled; None where there is no such document.
    """

    positions: np.ndarray
    lengths: np.ndarray
    tokens: list[np.ndarray]
    skips: np.ndarray | None = None


EMPTY = Backlog(np.empty(0, np.int64), np.empty(0, np.int64), [])


def backlogs_of(
    documents: Sequence[np.ndarray], lengths: np.ndarray, skips: np.ndarray | None = None
) -> Iterator[Backlog]:
    """All documents that are there already, the longest first; those without tokens are left out."""
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    batch = np.cumsum(lengths[order]) // BACKLOG_TOKENS
    cuts = (np.flatnonzero(batch[1:] != batch[:-1]) + 1).tolist()
    for begin, end in pairwise([0, *cuts, len(order)] if len(order) else []):
        places = order[begin:end]
        tokens = [documents[i] for i in places.tolist()]
        yield Backlog(places, lengths[places], tokens, None if skips is None else skips[places])


def backlogs_ahead(documents: Iterable[np.ndarray], empty: list[int]) -> Iterator[Backlog]:
    """A stream's documents, a bounded number of them read ahead; the positions of those without tokens go to `empty`."""
    documents = enumerate(documents)
    more = True
    while more:
        held, n_tokens = [], 0
        for position, tokens in documents:
            if len(tokens):
                held.append((position, tokens))
            else:
                empty.append(position)
            n_tokens += len(tokens)
            if n_tokens >= BACKLOG_TOKENS or len(held) == BACKLOG_DOCUMENTS:
                break
        else:
            more = False
        if held:
            held.sort(key=lambda document: -len(document[1]))
            positions, tokens = zip(*held, strict=True)
            yield Backlog(np.array(positions), np.fromiter(map(len, tokens), np.int64, len(tokens)), list(tokens))


class Schedule:
    """Documents put into slots, longest first, and cut into blocks of steps.

    `backlogs` come one after the other, each when the one before is used up, so that only a bounded part of a stream is
    held.
    """

    def __init__(self, backlogs: Iterator[Backlog]):
        self._backlogs = backlogs
        self._tokens = np.empty(0, np.int32)
        self._at = self._left = np.empty(0, np.int64)
        self._read()

    def open(self, n_slots: int) -> None:
        """Begin with `n_slots` empty slots."""
        self._at = np.zeros(n_slots, np.int64)  # where in _tokens the slot's next token is
        self._left = np.zeros(n_slots, np.int64)  # how many tokens its document has left
        self._unpooled = np.zeros(n_slots, np.int64)  # how many of them are not pooled; negative once pooling has begun
        self._document = np.zeros((n_slots, 2), np.int64)  # position of its document and its number of pooled tokens

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self._left)

    @property
    def n_live(self) -> int:
        """Slots that have tokens left, or all of them while there are documents to come."""
        return self.n_slots if len(self.lengths) else int((self._left > 0).sum())

    def _read(self) -> None:
        """Take the next backlog, behind the tokens that the slots have left."""
        self._backlog, self._next = next(self._backlogs, EMPTY), 0
        if self._backlog is EMPTY:
            return
        running = [
            self._tokens[at : at + left] for at, left in zip(self._at.tolist(), self._left.tolist(), strict=True)
        ]
        self._at = np.cumsum(self._left) - self._left
        pieces = [*running, *self._backlog.tokens]
        self._tokens = np.concatenate(pieces or [self._tokens]).astype(np.int32, copy=False)
        self._offsets = self._left.sum() + np.cumsum(self._backlog.lengths) - self._backlog.lengths

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of the documents that wait, int64, most first."""
        return self._backlog.lengths[self._next :]

    def _take(self, slots: np.ndarray) -> np.ndarray:
        """Give each of the free `slots` its next document, as far as there are any; returns the slots that got one."""
        taken = []
        while len(slots) and len(self.lengths):
            now, slots = slots[: len(self.lengths)], slots[len(self.lengths) :]
            documents = slice(self._next, self._next + len(now))
            self._at[now], self._left[now] = self._offsets[documents], self._backlog.lengths[documents]
            self._unpooled[now] = 0 if self._backlog.skips is None else self._backlog.skips[documents]
            self._document[now, 0] = self._backlog.positions[documents]
            self._document[now, 1] = self._backlog.lengths[documents] - self._unpooled[now]
            self._next += len(now)
            taken.append(now)
            if not len(self.lengths):
                self._read()
        return np.concatenate(taken) if taken else slots[:0]

    def shrink(self, n_slots: int) -> np.ndarray:
        """Keep only `n_slots` slots, those with tokens left among them; returns the old numbers of the slots kept."""
        kept = np.argsort(self._left == 0, kind="stable")[:n_slots]
        self._at, self._left, self._document = self._at[kept], self._left[kept], self._document[kept]
        self._unpooled = self._unpooled[kept]
        return kept

    def next_block(self, n_steps: Callable[[int], int]) -> Block:
        """Cut the next block; `n_steps(n_slots)` says how long."""
        first = self._take(np.flatnonzero(self._left == 0))
        n = n_steps(self.n_slots)
        ids = np.zeros((n, self.n_slots), np.int64)
        filled = np.zeros(self.n_slots, np.int64)
        starts, pools, ends = [_events(filled, first)], [], []
        running = np.flatnonzero(self._left)
        while len(running):
            pools.append(self._write(ids, filled, running))
            ended = running[self._left[running] == 0]
            ends.append(np.column_stack([filled[ended] - 1, ended, self._document[ended]]))
            free = ended[filled[ended] < n]
            running = self._take(free[np.argsort(filled[free], kind="stable")])
            starts.append(_events(filled, running))
        n = int(filled.max(initial=0))
        starts, pools, ends = (_sorted(events) for events in (starts, pools, ends))
        return Block(ids[:n], starts, pools, ends[:, :2], ends[:, 2], ends[:, 3], filled)

    def _write(self, ids: np.ndarray, filled: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """Write the next tokens of `slots` below what is `filled`, as many as there are and fit.

        Returns the steps at which pooling begins and the slots in which it does, int64 [n, 2].
        """
        n = np.minimum(self._left[slots], len(ids) - filled[slots])
        waiting = self._unpooled[slots]
        begins = slots[(waiting >= 0) & (waiting < n)]
        begins = np.column_stack([filled[begins] + self._unpooled[begins], begins])
        step = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        ids[np.repeat(filled[slots], n) + step, np.repeat(slots, n)] = self._tokens[
            np.repeat(self._at[slots], n) + step
        ]
        filled[slots] += n
        self._at[slots] += n
        self._left[slots] -= n
        self._unpooled[slots] -= n
        return begins


def _events(filled: np.ndarray, slots: np.ndarray) -> np.ndarray:
    return np.column_stack([filled[slots], slots])


def _sorted(events: list[np.ndarray]) -> np.ndarray:
    rows = np.concatenate(events) if events else np.empty((0, 4), np.int64)
    return rows[np.argsort(rows[:, 0], kind="stable")]


def by_step(events: np.ndarray, n_steps: int) -> list[np.ndarray]:
    """The slots of a block's `events`, as `Block` has them, for each of its steps."""
    cuts = np.searchsorted(events[:, 0], np.arange(n_steps + 1)).tolist()
    return [events[a:b, 1] for a, b in pairwise(cuts)]

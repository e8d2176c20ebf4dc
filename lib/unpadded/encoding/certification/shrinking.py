"""From the call that showed a fault to the fewest and shortest documents that still do (Zeller's delta debugging)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from unpadded.encoding.certification.calls import OutOfCalls
from unpadded.encoding.certification.example import DIFFER, MISCOUNT, Example
from unpadded.encoding.certification.finding import Finding
from unpadded.encoding.certification.items import Item, from_units, length, of_length, units
from unpadded.encoding.certification.lab import Lab, Seen

PARTNERS = 12  # single neighbours that are tried first
LENGTHS = (1, 2, 3, 5, 8, 13)  # that all documents are cut to
WORD = (1, 20)  # words, characters: a text that is not cut any more, so that an example is made of words
TRIES = 3  # calls of one document, made to see whether it alone is not repeatable

Batch = tuple[Item, ...]


def smallest_example(lab: Lab, finding: Finding) -> Example | None:
    """The finding's call, made smaller as long as there are calls; None where nothing differs."""
    seen = finding.seen
    if seen is None or not seen.worst:
        return None
    if finding.verdict == "not repeatable":
        return _repeated(lab, seen)
    limit = 0.0 if finding.verdict == "rounding" else lab.tolerance
    if finding.verdict == "rounding" and seen in lab.again:
        return Example(finding.verdict, (seen.batch, seen.batch), (seen.row, seen.row), difference=_finite(seen))
    best = [seen]

    def shows(batch: Batch) -> bool:
        """Whether the batch shows the finding too; then it is the best so far."""
        if not all(length(item)[0] or item in lab.alone for item in batch):  # no text of blanks that nobody gave
            return False
        now = lab.observe("the smallest example", batch, keep=False)
        if now.worst > limit and now.miscounted == seen.miscounted:
            best[0] = now
            return True
        return False

    with suppress(OutOfCalls):
        before: Batch = ()
        while before != best[0].batch:  # shorter texts may need fewer neighbours
            before = best[0].batch
            _shorter(shows, _fewer(shows, before, best[0].row))
    return _example(lab, finding.verdict, best[0], limit)


def _example(lab: Lab, verdict: str, seen: Seen, limit: float) -> Example:
    if seen.miscounted:
        return Example(verdict, (seen.batch,), shows=MISCOUNT)
    item = seen.batch[seen.row]
    alone = (item, item) if item in lab.failures else (item,)
    row = lab.reference(item)
    scale = 1.0 if row is None else lab.scale(row)
    return Example(verdict, (alone, seen.batch), (0, seen.row), DIFFER, limit * scale, _finite(seen))


def _finite(seen: Seen) -> float | None:
    found = float(seen.difference[seen.row]) if not seen.miscounted else np.inf
    return found if np.isfinite(found) else None


def _repeated(lab: Lab, seen: Seen) -> Example:
    """One document twice, as short as it can be, if that shows it; or else the batch, as often as it took."""
    best, item = seen, seen.batch[0 if seen.miscounted else seen.row]

    def shows(kept: Sequence) -> bool:
        """Whether a document of these units, asked for twice, shows it too; then it is the best so far."""
        nonlocal best
        cut = from_units(item, kept)
        row = None if cut in lab.failures else lab.reference(cut)
        if row is None or (again := lab.repeat((cut,), row[None])).worst <= lab.tolerance:
            return False
        best = again
        return True

    rare = True
    with suppress(OutOfCalls):
        rare = not any(shows(units(item)) for _ in range(TRIES))
        if not rare:
            _reduced(shows, units(item), least=1)
    shared = {
        "attempts": lab.caller.n_calls if rare else TRIES,
        "tolerance": lab.tolerance,
        "difference": _finite(best),
    }
    if best.miscounted:
        return Example("not repeatable", (best.batch, best.batch), shows=MISCOUNT, **shared)
    return Example("not repeatable", (best.batch, best.batch), (best.row, best.row), **shared)


def _fewer(shows: Callable[[Batch], bool], batch: Batch, row: int) -> Batch:
    """The document that is off with one neighbour if that shows it; or else halves, quarters, ... left out in turn."""
    if len(batch) > 2:
        others = [i for i in range(len(batch)) if i != row]
        for other in sorted(others, key=lambda i: -len(units(batch[i])))[:PARTNERS]:
            if shows(pair := tuple(batch[i] for i in sorted((row, other)))):
                return pair
    return tuple(_reduced(lambda kept: shows(tuple(kept)), batch, least=1))


def _shorter(shows: Callable[[Batch], bool], batch: Batch) -> Batch:
    """The documents cut while the batch still shows it: all to so many words, each by itself, all to so many characters."""
    for characters in (False, True):
        cut = next((cut for cut in _cut_alike(batch, characters=characters) if shows(cut)), batch)
        cut = _each_shorter(shows, cut)
        if cut != batch:
            return cut
    return batch


def _cut_alike(batch: Batch, *, characters: bool) -> Iterator[Batch]:
    """The batch with every document at most so many words or characters (or ids) long."""
    for n in LENGTHS if isinstance(batch[0], str) or not characters else ():
        cut = tuple(of_length(item, min(n, length(item)[characters]), characters=characters) for item in batch)
        if cut != batch:
            yield cut


def _each_shorter(shows: Callable[[Batch], bool], batch: Batch) -> Batch:
    for item in sorted(dict.fromkeys(batch), key=length):  # copies of one are cut together
        if isinstance(item, str) and length(item) <= WORD:
            continue

        def cut(kept: Sequence, item=item, batch=batch) -> Batch:
            return tuple(from_units(item, kept) if other == item else other for other in batch)

        batch = cut(_reduced(lambda kept, cut=cut: shows(cut(kept)), units(item), least=1))
    return batch


def _reduced(shows: Callable[[Sequence], bool], parts: Sequence, *, least: int) -> Sequence:
    """`parts` without any that can be left out: halves first, then quarters, down to single ones."""
    size = len(parts) // 2
    while size >= 1:
        start = 0
        while start < len(parts):
            kept = [*parts[:start], *parts[start + size :]]
            if least <= len(kept) < len(parts) and shows(kept):
                parts = kept
            else:
                start += size
        size //= 2
    return parts

"""The verdict, from what was seen: not repeatable, rows out of order, dependent on the batch, rounding, or nothing."""

from dataclasses import dataclass

import numpy as np

from unpadded.encoding.certification import trials
from unpadded.encoding.certification.items import Item, disguised, length, units
from unpadded.encoding.certification.lab import Lab, Seen

CONFIRMED = 6  # calls that are made once more before a verdict rests on them
LOOKED_AT = 5  # batches whose rows are compared with every text's vector
SHARE = 0.3  # of what longer texts change: what subwords, which are not of equal number, may change among as many words


@dataclass(frozen=True)
class Finding:
    """`verdict`; `follows`: what a vector follows that it should not; `reason`: a sentence; `seen`: the call that shows it."""

    verdict: str
    follows: str
    reason: str
    seen: Seen | None = None


def judged(lab: Lab) -> Finding:
    """The verdict on all that `lab` has seen. A few more calls confirm it: raises `OutOfCalls` where there are none."""
    suspects = _suspects(lab)
    for seen in {seen.trial: seen for seen in reversed(suspects[:CONFIRMED])}.values():
        _confirm(lab, seen)
    return _unrepeatable(lab) or _miscounted(lab) or _ordered(lab, suspects) or _dependent(lab, suspects) or _sound(lab)


def settled(lab: Lab) -> Finding:
    """The verdict without another call."""
    suspects = _suspects(lab)
    known = [seen for seen in suspects if seen.rows is not None and all(item in lab.alone for item in seen.batch)]
    return (
        _unrepeatable(lab)
        or _miscounted(lab)
        or next((found for seen in known if (found := _moved(lab, seen, ask=False))), None)
        or _dependent(lab, suspects)
        or _sound(lab)
    )


def _suspects(lab: Lab) -> list[Seen]:
    """Calls that are off by more than rounding, the worst first; of equals the smallest batch."""
    limit = lab.tolerance
    return sorted((s for s in lab.seen if s.worst > limit), key=lambda s: (-s.worst, len(s.batch)))


def _confirm(lab: Lab, seen: Seen) -> None:
    if seen.rows is not None:
        lab.repeat(seen.batch, seen.rows)
    for item in {seen.batch[seen.row]} - set(lab.failures):
        row = lab.reference(item)
        if row is not None:
            lab.repeat((item,), row[None])


def _unrepeatable(lab: Lab) -> Finding | None:
    bad = [seen for seen in lab.again if seen.worst > lab.tolerance or seen.problem]
    bad = [seen for seen in bad if not seen.problem or seen.miscounted]
    if not bad:
        return None
    reason = f"the same call gave another vector in {len(bad)} of {len(lab.again)} repeated calls"
    rare = "something random, or a state that one call leaves to the next" if len(bad) < len(lab.again) / 4 else ""
    cause = rare or "dropout left on, a random sample, or a state that one call leaves to the next"
    telling = max(bad, key=lambda s: (all(units(item) for item in s.batch), s.worst))
    return Finding("not repeatable", "the call", f"{reason}: {cause}", telling)


def _miscounted(lab: Lab) -> Finding | None:
    bad = [seen for seen in lab.seen if seen.miscounted]
    if not bad:
        return None
    seen = min(bad, key=lambda s: len(s.batch))
    twice = all(len(set(s.batch)) < len(s.batch) for s in bad)
    cause = ": texts that are there twice are dropped" if twice else ""
    return Finding("wrong order", "positions", f"it {seen.problem}{cause}, so rows and texts do not match", seen)


def _ordered(lab: Lab, suspects: list[Seen]) -> Finding | None:
    """Rows of other texts, in every batch that is looked at."""
    smallest = sorted((seen for seen in suspects if seen.rows is not None), key=lambda s: len(s.batch))[:LOOKED_AT]
    found = [_moved(lab, seen) for seen in smallest]
    return found[0] if found and all(found) else None


def _moved(lab: Lab, seen: Seen, *, ask: bool = True) -> Finding | None:
    assert seen.rows is not None
    vectors = {item: row for item in seen.batch if (row := lab.reference(item)) is not None}
    owners = [_owners(lab, row, vectors) for row in seen.rows]
    astray = [i for i, item in enumerate(seen.batch) if item in vectors and item not in owners[i]]
    moved = [i for i in astray if owners[i]]
    if len(moved) * 2 <= len(astray):
        return None
    if _permuted(seen, owners):
        return Finding("wrong order", "positions", "rows come back in another order than the texts", seen)
    if not ask:
        return None
    if not (_positional(lab, seen) and _another_texts(lab, seen, moved[0], next(iter(owners[moved[0]])))):
        return None
    if all(any(_as_long(seen.batch[i], other) for other in owners[i]) for i in moved):
        reason = "a text gets the vector of another text of its length: a cache or a look-up keyed by length"
        return Finding("depends on the batch", "a cache", reason, seen)
    return Finding("wrong order", "positions", "texts get the rows of other texts, by their places", seen)


def _owners(lab: Lab, row: np.ndarray, vectors: dict[Item, np.ndarray]) -> set[Item]:
    """The documents whose vector alone this row is."""
    return {item for item, vector in vectors.items() if lab.same(row, vector)}


def _permuted(seen: Seen, owners: list[set[Item]]) -> bool:
    """Whether every text's vector is there as often as the text."""
    for item in set(seen.batch):
        alike = {other for owner in owners if item in owner for other in owner}  # texts with one vector count together
        if sum(item in owner for owner in owners) != sum(other in (alike or {item}) for other in seen.batch):
            return False
    return True


def _positional(lab: Lab, seen: Seen) -> bool:
    """Whether the same texts in the reverse order get other vectors."""
    turned = lab.observe("reversed", seen.batch[::-1], keep=False)
    if turned.rows is None or seen.rows is None:
        return False
    return not all(lab.same(a, b) for a, b in zip(seen.rows, turned.rows[::-1], strict=True))


def _another_texts(lab: Lab, seen: Seen, row: int, owner: Item) -> bool:
    """Whether the row follows the text whose vector it is: a text that was cut to the same words would keep its own."""
    stranger = disguised(owner)
    batch = [stranger if item == owner else item for item in seen.batch]
    now = lab.observe("another text in its place", batch, keep=False)
    vector = lab.reference(stranger)
    return now.rows is None or vector is None or lab.same(now.rows[row], vector)


def _as_long(one: Item, other: Item) -> bool:
    return any(a == b for a, b in zip(length(one), length(other), strict=True))


def _dependent(lab: Lab, suspects: list[Seen]) -> Finding | None:
    if not suspects:
        return None
    follows, reason = _culprit(lab)
    named = {
        "longer texts": (trials.LONGER,),
        "shorter texts": (trials.SHORTER,),
        "contents": (trials.OWN_WORDS, trials.SAME_WORDS, trials.SAME_CHARACTERS),
        "the number of texts": (trials.COPIES,),
    }.get(follows, ())
    telling = [seen for seen in suspects if seen.trial in named] or suspects
    return Finding("depends on the batch", follows, reason, telling[0])


def _culprit(lab: Lab) -> tuple[str, str]:
    """What the vectors follow, and a sentence, from how far off the needles are among each kind of neighbours."""
    off: dict[str, float] = {}
    for seen in lab.seen:
        off[seen.trial] = max(off.get(seen.trial, 0.0), seen.worst)
    limit = lab.tolerance
    copies, own, longer, shorter = (
        off.get(name, 0.0) for name in (trials.COPIES, trials.OWN_WORDS, trials.LONGER, trials.SHORTER)
    )
    alike = [off[name] for name in (trials.SAME_WORDS, trials.SAME_CHARACTERS) if name in off]
    contents = max(own, min(alike, default=0.0))
    if copies > limit:
        return "the number of texts", "the number of texts alone changes a vector, even among copies of itself"
    if contents > max(limit, SHARE * max(longer, shorter)):
        return (
            "contents",
            "the contents of the other texts change a vector, at equal length: statistics or a scale of the whole batch "
            "(batch normalisation in training mode, dynamic quantisation, weights fitted on the batch)",
        )
    if longer > limit and shorter > limit:
        return (
            "lengths",
            "the lengths of the other texts change a vector, longer and shorter ones: padding or truncation",
        )
    if longer > limit or off.get(trials.VERY_LONG, 0.0) > limit:
        return "longer texts", "longer texts beside it change a vector: padding is read, counted or shifts positions"
    if shorter > limit or off.get(trials.EMPTY, 0.0) > limit:
        return "shorter texts", "shorter texts beside it change a vector: it is cut to the shortest, or to a neighbour"
    return "the batch", "a vector is another one in some batches"


def _sound(lab: Lab) -> Finding:
    seen = max([*lab.seen, *lab.again], key=lambda s: s.worst, default=None)
    if seen is None or seen.worst == 0:
        return Finding("bit-identical", "nothing", "no batch changed a bit")
    noise = ", in repeated calls too" if any(again.worst > 0 for again in lab.again) else ""
    reason = f"differences of a few units in the last place of {lab.precision}, whichever the neighbours{noise}"
    return Finding("rounding", "rounding", reason, seen)

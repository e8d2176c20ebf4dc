"""The verdict, from what was seen: not repeatable, rows out of order, dependent on the batch, rounding, or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from unpadded.encoding.certification import trials
from unpadded.encoding.certification.finding import Finding
from unpadded.encoding.certification.items import Item, disguised, length, of_length, units
from unpadded.encoding.certification.lab import Lab, Seen
from unpadded.encoding.certification.ordering import moved_rows, out_of_order

CONFIRMED = 6  # calls that are made once more before a verdict rests on them
SHARE = 0.3  # of what longer texts change: what subwords, which are not of equal number, may change among as many words

REASONS = {
    "the number of texts": "the number of texts alone changes a vector, even among copies of itself",
    "contents": "the contents of the other texts change a vector, at equal length: statistics or a scale of the whole batch "
    "(batch normalisation in training mode, dynamic quantisation, weights fitted on the batch)",
    "lengths": "the lengths of the other texts change a vector, longer and shorter ones: padding or truncation",
    "longer texts": "longer texts beside it change a vector: padding is read, counted or shifts positions",
    "shorter texts": "shorter texts beside it change a vector: it is cut to the shortest, or to a neighbour",
}


def judged(lab: Lab) -> Finding:
    """The verdict on all that `lab` has seen. A few more calls confirm it: raises `OutOfCalls` where there are none."""
    suspects = _suspects(lab)
    for seen in {seen.trial: seen for seen in reversed(suspects[:CONFIRMED])}.values():
        _confirm(lab, seen)
    return (
        _unrepeatable(lab)
        or _miscounted(lab)
        or out_of_order(lab, suspects)
        or _dependent(lab, suspects)
        or _sound(lab)
    )


def settled(lab: Lab) -> Finding:
    """The verdict without another call."""
    suspects = _suspects(lab)
    known = [seen for seen in suspects if seen.rows is not None and all(item in lab.alone for item in seen.batch)]
    return (
        _unrepeatable(lab)
        or _miscounted(lab)
        or next((found for seen in known if (found := moved_rows(lab, seen, ask=False))), None)
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
        return "the number of texts", REASONS["the number of texts"]
    if contents > max(limit, SHARE * max(longer, shorter)):
        return "contents", REASONS["contents"]
    if longer > limit and shorter > limit:
        return "lengths", REASONS["lengths"]
    if longer > limit or off.get(trials.VERY_LONG, 0.0) > limit:
        return "longer texts", REASONS["longer texts"]
    if shorter > limit or off.get(trials.EMPTY, 0.0) > limit:
        return "shorter texts", REASONS["shorter texts"]
    return "the batch", "a vector is another one in some batches"


def refined(lab: Lab, finding: Finding, batch: Sequence[Item], row: int) -> Finding:
    """Where the trials did not tell what a vector follows: ask with the texts of the smallest example.

    `batch[row]` is off in it. Others of the same lengths that say something else, and others of its own length, tell.
    """
    if finding.follows != "the batch" or len(batch) < 2:
        return finding
    needle = batch[row]

    def off(others: Callable[[Item], Item]) -> bool:
        changed = [item if i == row else others(item) for i, item in enumerate(batch)]
        return lab.observe("the smallest example, changed", changed, watched=[row], keep=False).worst > lab.tolerance

    if off(lambda other: of_length(disguised(other), length(needle)[0])) or not off(disguised):
        return finding
    others = [length(item) for i, item in enumerate(batch) if i != row]
    sizes = {"longer texts": min(others) >= length(needle), "shorter texts": max(others) < length(needle)}
    follows = next((name for name, holds in sizes.items() if holds), "lengths")
    return replace(finding, follows=follows, reason=REASONS[follows])


def _sound(lab: Lab) -> Finding:
    seen = max([*lab.seen, *lab.again], key=lambda s: s.worst, default=None)
    if seen is None or seen.worst == 0:
        return Finding("bit-identical", "nothing", "no batch changed a bit")
    noise = ", in repeated calls too" if any(again.worst > 0 for again in lab.again) else ""
    reason = f"differences of a few units in the last place of {lab.precision}, whichever the neighbours{noise}"
    return Finding("rounding", "rounding", reason, seen)

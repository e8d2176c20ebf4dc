"""What is tried: sizes, orders, and a needle alone, among copies of itself, and among texts of every length."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from unpadded.encoding.certification.calls import Failed, OutOfCalls, rows_of
from unpadded.encoding.certification.comparing import differences
from unpadded.encoding.certification.items import Item, disguised, from_units, joined, length, of_length, units
from unpadded.encoding.certification.lab import Lab

FEW = 4
SIZES = (2, 3, 7, 16)
LONGEST = 2_000  # words of the very long text
SOAK_SECONDS = 10.0  # spent on the same call again and again, for what happens rarely
TOGETHER, COPIES, OWN_WORDS = "all together", "among copies of itself", "among its own words in another order"
SAME_WORDS, SAME_CHARACTERS = "among as many other words", "among as many other characters"
SHORTER, LONGER, EMPTY, VERY_LONG = "among shorter", "among longer", "beside an empty text", "beside a very long text"

Batch = tuple[str, tuple[Item, ...], list[int]]  # the trial, the batch, which rows are watched


def sampled(items: Sequence[Item], n: int) -> list[Item]:
    """`n` different documents, from the shortest to the longest, in the order given.

    Of fewer than `FEW` there are not the lengths that a fault needs: longer ones are made of them, and one of other words.
    """
    different = list(dict.fromkeys(items))
    if 0 < len(different) < FEW and n > len(different) and units(whole := joined(different)):
        other, words = disguised(whole), length(whole)[0]
        made = [of_length(joined((whole, other)), 2 * words + 3), of_length(other, 3 * words + 7)]
        different = list(dict.fromkeys([*different, *made]))
    by_length = sorted(range(len(different)), key=lambda i: length(different[i]))
    chosen = np.unique(np.linspace(0, len(different) - 1, min(n, len(different))).round().astype(int))
    return [different[i] for i in sorted(by_length[k] for k in chosen)]


def run(lab: Lab, documents: Sequence[Item], *, seed: int) -> None:
    """Every trial that there are calls for, the most telling first. Raises `OutOfCalls` when there are none left."""
    together = lab.observe(TOGETHER, documents)
    if together.rows is not None:
        lab.repeat(documents, together.rows)
    _again(lab, documents[:2])
    lab.observe("all reversed", documents[::-1])
    needles = _needles(documents)
    for name, batch, watched in _among(documents, needles[:1]):
        lab.observe(name, batch, watched=watched)
    shuffled = [documents[i] for i in np.random.default_rng(seed).permutation(len(documents))]
    lab.observe("all shuffled", shuffled)
    for name, batch, watched in _among(documents, needles[1:]):
        lab.observe(name, batch, watched=watched)
    _extremes(lab, documents, needles[0])
    for size in SIZES:
        for first in range(0, len(documents) if size < len(documents) else 0, size):
            lab.observe(f"in batches of {size}", documents[first : first + size])
    _again(lab, documents[2:])


def soak(lab: Lab, item: Item) -> None:
    """The cheapest call again and again, while calls and seconds last, or until the answer changes."""
    row, until = lab.reference(item), time.monotonic() + SOAK_SECONDS
    if row is None:
        return
    with suppress(OutOfCalls):
        while time.monotonic() < until and lab.repeat((item,), row[None]).worst <= lab.tolerance:
            pass


def ask_for_a_str(lab: Lab, documents: Sequence[Item]) -> None:
    """A single str instead of a list: what comes back is noted."""
    text = next((item for item in documents if units(item)), None)
    if not isinstance(text, str):
        return
    expected = lab.reference(text)
    try:
        found = rows_of(lab.caller.raw(text, "a single str"))
    except Failed as failure:
        lab.caller.notes[f"it takes no single str ({failure})"] = None
        return
    if expected is None or lab.caller.sparse:
        return
    if found.size != expected.size:
        lab.caller.notes[f"for a single str it returns an array of shape {list(found.shape)}"] = None
    elif differences(found.reshape(1, -1), expected[None])[0] > lab.tolerance * lab.scale(expected):
        lab.caller.notes["a single str has another vector than the same text in a list"] = None


def _again(lab: Lab, documents: Sequence[Item]) -> None:
    for item in documents[::-1]:
        row = lab.alone[item]
        if row is not None and item not in lab.failures:
            lab.repeat((item,), row[None])


def _needles(documents: Sequence[Item]) -> list[Item]:
    """The document in the middle, the shortest and the longest that is not empty."""
    full = sorted((item for item in documents if units(item)), key=length) or list(documents)
    return list(dict.fromkeys([full[len(full) // 2], full[0], full[-1]]))


def _among(documents: Sequence[Item], needles: Sequence[Item]) -> Iterator[Batch]:
    for needle in needles:
        here = list(documents).index(needle)
        others = joined([*documents[here + 1 :], *documents[: here + 1]])
        n = len(units(needle))
        yield COPIES, (needle,) * 4, [0, 1, 2, 3]
        for name, other in (
            (OWN_WORDS, from_units(needle, units(needle)[::-1])),
            (SAME_WORDS, of_length(others, max(length(needle)[0], 1))),
            (SAME_CHARACTERS, of_length(others, length(needle)[1], characters=True)),
            (LONGER, of_length(others, 3 * n + 8)),
            (SHORTER, from_units(needle, units(needle)[::-1][: max(n // 3, 1)])),
        ):
            if other == needle or not units(other) or (name == SHORTER and n < 2):
                continue
            yield name, (needle, other), [0]
            yield name, (other, needle), [1]


def _extremes(lab: Lab, documents: Sequence[Item], needle: Item) -> None:
    empty: Item = "" if isinstance(needle, str) else ()
    longest = max(len(units(item)) for item in documents)
    very_long = of_length(joined(documents), min(10 * longest + 100, max(LONGEST, longest)))
    for name, what, other in ((EMPTY, "an empty text", empty), (VERY_LONG, "a very long text", very_long)):
        if lab.reference(other) is None:
            lab.caller.notes[f"it fails on {what} ({lab.failures[other]})"] = None
        else:
            lab.observe(name, (needle, other), watched=[0])

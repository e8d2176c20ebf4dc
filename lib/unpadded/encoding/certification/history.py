"""A cache keyed by length that lives on between calls answers every call the same way: only unseen lengths show it."""

from itertools import combinations

import numpy as np

from unpadded.encoding.certification.comparing import differences
from unpadded.encoding.certification.finding import Finding
from unpadded.encoding.certification.items import Item, length, of_length
from unpadded.encoding.certification.lab import Lab

LEAST = (12, 60)  # words, characters: enough to tell two texts apart
STEPS = (1, 3, 5), (2, 4, 6)  # beyond the length seen last: first the one text's, then the other's


def keyed_by_length(lab: Lab, one: Item, other: Item) -> tuple[Finding, tuple[Item, Item]] | None:
    """Whether a text gets the vector of another one of its length that was encoded before; the finding, and two such texts.

    Two texts cut to the same unseen length must have two vectors, if their cuts to different unseen lengths say that the
    encoder tells them apart: those of one text are nearer to each other than to the other's, although lengths alternate.
    (An encoder that reads nothing but the length does not tell them apart.)
    """
    for characters in (True, False) if isinstance(one, str) else (False,):
        asked = {*lab.alone, *(item for call in lab.seen for item in call.batch)}
        seen = _before_unseen({length(item)[characters] for item in asked}, LEAST[characters])
        first, second = (of_length(item, seen + 1, characters=characters) for item in (one, other))
        if first == second:
            continue
        a, b = lab.reference(first), lab.reference(second)
        if a is None or b is None or a.shape != b.shape or differences(a[None], b[None])[0] > 0 or not a.any():
            continue
        families = [
            [lab.reference(of_length(item, seen + step, characters=characters)) for step in steps]
            for item, steps in zip((one, other), STEPS, strict=True)
        ]
        if _apart(*families):
            reason = (
                "a text gets the vector of another text of its length that was encoded before: a cache keyed by length"
            )
            return Finding("depends on the batch", "a cache", reason), (first, second)
    return None


def _before_unseen(seen: set[int], least: int) -> int:
    """The length, at least `least`, after which there are six that have not been seen."""
    return next(n for n in range(least, least + 7 * len(seen) + 8) if not seen & set(range(n + 1, n + 7)))


def _apart(ones: list, others: list) -> bool:
    if any(row is None or len(row) != len(ones[0]) for row in [*ones, *others]):
        return False
    within = max(np.linalg.norm(a - b) for rows in (ones, others) for a, b in combinations(rows, 2))
    return bool(within < min(np.linalg.norm(a - b) for a in ones for b in others))

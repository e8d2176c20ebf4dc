"""Rows that are other texts' vectors: another order, rows of another batch, a cache keyed by length."""

import numpy as np

from unpadded.encoding.certification.finding import Finding
from unpadded.encoding.certification.items import Item, disguised, length
from unpadded.encoding.certification.lab import Lab, Seen

LOOKED_AT = 5  # batches whose rows are compared with every text's vector


def out_of_order(lab: Lab, suspects: list[Seen]) -> Finding | None:
    """Rows of other texts, in every batch that is looked at."""
    smallest = sorted((seen for seen in suspects if seen.rows is not None), key=lambda s: len(s.batch))[:LOOKED_AT]
    found = [moved_rows(lab, seen) for seen in smallest]
    return found[0] if found and all(found) else None


def moved_rows(lab: Lab, seen: Seen, *, ask: bool = True) -> Finding | None:
    """Whether most rows that are off are other texts' vectors; without `ask`, only what is known tells."""
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

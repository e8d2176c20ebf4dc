"""Documents taken apart and put together anew: tenths, replaced parts, splices, final tokens, and whose text goes where.

A document is a 1-D array of token ids whose first token marks the beginning (fastai's xxbos); what is cut and replaced is
the text behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from unpadded.common import InputError

N_PARTS = 10
PLACES = ("beginning", "middle", "end")


def part_bounds(n_tokens: int, n_parts: int = N_PARTS) -> np.ndarray:
    """Where the parts of a document begin and, last, where it ends, int64 [n_parts + 1]; sizes differ by one at most.

    Raises `InputError` for a document with fewer tokens behind its first than parts.
    """
    if n_tokens <= n_parts:
        raise InputError(
            f"n_parts: {n_tokens} tokens have no {n_parts} parts behind the first; choose longer documents."
        )
    return 1 + np.arange(n_parts + 1) * (n_tokens - 1) // n_parts


def excerpt(tokens: np.ndarray, n_tokens: int) -> np.ndarray:
    """`n_tokens` from the middle of a document's text; text that is too short is repeated."""
    text = tokens[1:]
    if not len(text):
        raise InputError("excerpt: the document has no token behind its first; choose one with text.")
    begin = max(len(text) - n_tokens, 0) // 2
    return np.resize(text[begin : begin + n_tokens], n_tokens)


def with_part_replaced(tokens: np.ndarray, donor: np.ndarray, begin: int, end: int) -> np.ndarray:
    """The document with `tokens[begin:end]` replaced by as many tokens from the middle of the donor's text."""
    return np.concatenate([tokens[:begin], excerpt(donor, end - begin), tokens[end:]])


def parts_alone(tokens: np.ndarray) -> list[np.ndarray]:
    """Each part as a document of its own, the first token before it."""
    bounds = part_bounds(len(tokens))
    return [np.concatenate([tokens[:1], tokens[begin:end]]) for begin, end in pairwise(bounds)]


def spliced(on_topic: np.ndarray, off_topic: np.ndarray, place: str, *, n_tokens: int) -> np.ndarray:
    """A document of three parts of `n_tokens`: the one at `place` from one document's text, the other two from another's."""
    if place not in PLACES:
        raise InputError(f"place: {place!r} is not known; give one of {', '.join(PLACES)}.")
    parts = list(excerpt(off_topic, 2 * n_tokens).reshape(2, n_tokens))
    parts.insert(PLACES.index(place), excerpt(on_topic, n_tokens))
    return np.concatenate([on_topic[:1], *parts])


def partners(topics: Sequence[str] | None, n: int, *, seed: int = 0) -> np.ndarray:
    """For each of `n` documents the position of a random one of another topic, int64 [n].

    Without topics, or where there is but one, of any other document. Raises `InputError` for fewer than two documents.
    """
    if n < 2:
        raise InputError(f"partners: {n} documents have no partner; give at least two.")
    rng = np.random.default_rng(seed)
    if topics is None or len(set(topics)) < 2:
        return (np.arange(n) + rng.integers(1, n, size=n)) % n
    topics = np.asarray(topics)
    return np.array([rng.choice(np.flatnonzero(topics != topic)) for topic in topics])

"""Documents as a test handles them: a text is a str, a numericalised document a tuple of ids; both are cut and joined."""

from collections.abc import Iterable, Sequence

import numpy as np

from unpadded.common import InputError

Item = str | tuple[int, ...]


def items_of(texts: Iterable) -> tuple[list[Item], type]:
    """The documents as items, and what a document is handed to the encoder as: str, list, tuple or np.ndarray.

    Raises `InputError` for a single str, and for what is neither all texts nor all 1-D arrays of whole numbers.
    """
    if isinstance(texts, str | bytes | dict) or not isinstance(texts, Iterable) or hasattr(texts, "columns"):
        raise InputError(f"The texts are one {type(texts).__name__}: give a list of texts, or of arrays of token ids.")
    texts = list(texts)
    if all(isinstance(text, str) for text in texts):
        return texts, str
    return [_ids(text, place) for place, text in enumerate(texts)], type(texts[0])


def _ids(tokens, place: int) -> tuple[int, ...]:
    try:
        array = np.asarray(tokens)
    except (TypeError, ValueError):
        array = np.empty((0, 0))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(f"Document {place} is neither a text nor 1-D token ids: give all texts, or all arrays of ids.")
    return tuple(array.tolist())


def handed(item: Item, kind: type):
    """The item as the encoder takes it; `kind` as `items_of` found it."""
    if isinstance(item, str):
        return item
    return list(item) if kind is list else item if kind is tuple else np.array(item, np.int64)


def units(item: Item) -> Sequence:
    """What a document is made of: the words of a text, the characters of one that is a single word, token ids."""
    if isinstance(item, tuple):
        return item
    words = item.split()
    return words if len(words) > 1 else list(item)


def from_units(item: Item, chosen: Sequence) -> Item:
    """A document of some of the units of `item`."""
    if isinstance(item, tuple):
        return tuple(chosen)
    return (" " if len(item.split()) > 1 else "").join(chosen)


def length(item: Item) -> tuple[int, int]:
    """Words and characters of a text, for which only the order matters; of ids their number, twice."""
    return (len(item.split()), len(item)) if isinstance(item, str) else (len(item), len(item))


def joined(items: Iterable[Item]) -> Item:
    """One document of several, in their order."""
    items = list(items)
    if isinstance(items[0], str):
        return " ".join(item for item in items if isinstance(item, str))
    return tuple(token for item in items for token in item)


def of_length(source: Item, n: int, *, characters: bool = False) -> Item:
    """`n` words (or characters, or ids) of `source`, which is repeated where it is too short; "" of nothing."""
    if isinstance(source, tuple) or not characters:
        parts = source.split() if isinstance(source, str) else list(source)
        parts = (parts * (n // max(len(parts), 1) + 1))[:n]
        return " ".join(map(str, parts)) if isinstance(source, str) else tuple(parts)
    text = f"{source} "
    return (text * (n // len(text) + 1))[:n]


def disguised(item: Item) -> Item:
    """A document of the same length in words and characters that says something else; of ids, each its neighbour's."""
    if isinstance(item, str):
        return "".join(c if c.isspace() else "y" if c == "z" else "z" for c in item)
    return tuple(token - 1 if token else 1 for token in item)

"""What a caller hands in, checked before any work is done."""

from collections.abc import Iterable

import numpy as np
import torch

from unpadded.common import InputError, comma_list
from unpadded.tokens import refuse_what_has_no_rows

CHECKED_AT_ONCE = 4096  # documents whose ids are looked at in one go


def checked_count(value, name: str, *, least: int = 1) -> int:
    """`value` where it is a whole number of at least `least`. Raises `InputError` that names the option for any other."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"The option {name} is {value!r}: give a whole number of at least {least}, or leave it out.")
    return int(value)


def checked_device(device: str | torch.device) -> torch.device:
    """The device, on which sums in float64 must be possible. Raises `InputError` where there is no such device."""
    try:
        found = torch.device(device)
        torch.zeros(1, dtype=torch.float64, device=found).add(1).cpu()
    except (RuntimeError, TypeError, AssertionError, ImportError, AttributeError) as error:
        there = ", ".join(["'cpu'", *(f"'cuda:{i}'" for i in range(torch.cuda.device_count()))])
        raise InputError(f"The device {str(device)!r} cannot be used here: give {there}.") from error
    return found


def whole_numbers(text: str | int, name: str) -> list[int]:
    """The positive whole numbers of a comma separated list, in its order; none for an empty one.

    Raises `InputError` that names the setting for anything else.
    """
    parts = comma_list(text)
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"{name}: {text!r} is no list of whole numbers above 0; give some like '1,8,64'.")
    return [int(part) for part in parts]


def checked_tokens(tokens, position: int, vocab_size: int) -> np.ndarray:
    """One numericalised document as a 1-D integer array.

    Raises `InputError` naming the document's position for another shape or type or an id outside the vocabulary.
    """
    array = _as_ids(tokens, position)
    if array.size and not (array.min() >= 0 and array.max() < vocab_size):
        wrong = array.min() if array.min() < 0 else array.max()
        raise InputError(
            f"Document {position} holds token id {wrong}, outside the vocabulary of {vocab_size}: numericalize it with "
            "this model's vocabulary."
        )
    return array


def checked_documents(token_ids: Iterable, vocab_size: int) -> list[np.ndarray]:
    """All numericalised documents as `checked_tokens` has them; raises as it does."""
    if isinstance(token_ids, (str, bytes)) or not isinstance(token_ids, Iterable) or getattr(token_ids, "ndim", 1) == 0:
        raise InputError(f"The documents are {type(token_ids).__name__}: give a sequence of 1-D integer arrays.")
    refuse_what_has_no_rows(token_ids, "documents")
    documents = [_as_ids(tokens, position) for position, tokens in enumerate(token_ids)]
    for start in range(0, len(documents), CHECKED_AT_ONCE):  # one look at many documents is cheaper than one at each
        flat = np.concatenate(documents[start : start + CHECKED_AT_ONCE])
        if flat.size and not (flat.min() >= 0 and flat.max() < vocab_size):
            for position, tokens in enumerate(documents[start : start + CHECKED_AT_ONCE], start):
                checked_tokens(tokens, position, vocab_size)
    return documents


def checked_skips(skip, lengths: np.ndarray) -> np.ndarray:
    """How many first tokens of each document are not pooled, as int64 [n_documents].

    Raises `InputError` unless there is one whole number for each document, from 0 to less than its `lengths`.
    """
    skips = np.asarray(skip)
    if skips.shape != lengths.shape or (skips.dtype.kind not in "iu" and skips.size):
        raise InputError(f"The option skip must be {len(lengths)} whole numbers, one for each document.")
    wrong = np.flatnonzero((skips < 0) | (skips >= np.maximum(lengths, 1)))
    if len(wrong):
        raise InputError(
            f"The option skip leaves {skips[wrong[0]]} of the {lengths[wrong[0]]} tokens of document {wrong[0]} out: leave "
            "at least one in."
        )
    return skips.astype(np.int64)


def _as_ids(tokens, position: int) -> np.ndarray:
    try:
        array = tokens if isinstance(tokens, np.ndarray) else np.asarray(tokens)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Document {position} is no array of token ids ({error}): give a 1-D integer array."
        ) from error
    if array.ndim == 1 and array.dtype.kind in "iu":
        return array
    if array.ndim == 1 and not array.size:
        return array.astype(np.int32)  # an empty list has no type of its own
    raise InputError(
        f"Document {position} is {array.dtype} of {array.ndim} dimensions, not token ids: give a 1-D integer array."
    )

"""How large a difference rounding explains: a few units in the last place of the precision that an encoder works in."""

import numpy as np

from unpadded.common import VERDICTS, InputError

__all__ = ["VERDICTS", "checked_precision", "tolerance", "working_precision"]

# Unit in the last place relative to the value, and how many of them count as rounding. In float32 sums of hundreds of terms
# are rounded at every step. Half precisions are summed in float32 by every library, so only few units are lost.
ULP = {"float64": 2.0**-52, "float32": 2.0**-23, "tf32": 2.0**-10, "float16": 2.0**-10, "bfloat16": 2.0**-7}
UNITS = {"float64": 512, "float32": 512, "tf32": 16, "float16": 16, "bfloat16": 8}
ENOUGH = 16  # different values before their bits say anything


def tolerance(precision: str) -> float:
    """Largest difference that counts as rounding, relative to the largest number of a vector."""
    return ULP[precision] * UNITS[precision]


def checked_precision(name: str | None) -> str | None:
    """`name` if it is known or None; raises `InputError` otherwise."""
    if name is not None and name not in ULP:
        raise InputError(f"Precision {name!r} is not known: give {', '.join(ULP)}.")
    return name


def working_precision(vectors: np.ndarray) -> str:
    """The lowest precision that holds all of `vectors` and whose last bit they use; float32 where that says nothing.

    So float16 vectors are known by their values when a library hands them on as float32. float64 is never assumed: much that
    is float64 was float32 on the way.
    """
    values = np.unique(vectors[np.isfinite(vectors)])
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
        half = values.astype(np.float16)
    bits = single.view(np.uint32)
    if len(values) < ENOUGH or (single != values).any():
        return "float32"
    if not (bits & 0xFFFF).any() and _odd(bits >> 16):
        return "bfloat16"
    return "float16" if (half == values).all() and _odd(half.view(np.uint16)) else "float32"


def _odd(bits: np.ndarray) -> bool:
    """Whether the last bit is in use; the last bit of round numbers (halves, quarters, counts) is 0."""
    return bool((bits & 1).mean() > 0.2)

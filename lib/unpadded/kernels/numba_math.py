"""For code compiled by numba: the compiler's options, the functions of an LSTM's gates, rounding to bfloat16."""

import math

import numpy as np
from numba import njit

ONE, TWO, HALF, MOST = np.float32(1), np.float32(2), np.float32(0.5), np.float32(87)
THIRD, FOURTH, FIFTH, SIXTH, SEVENTH = (np.float32(1 / math.factorial(n)) for n in range(3, 8))  # coefficients of exp
LOG2_E = np.float32(1 / math.log(2))
LN2_HIGH = np.float32(0.693359375)  # of few bits, so that its product with a whole number is not rounded
LN2_LOW = np.float32(math.log(2) - 0.693359375)
ROUND_HALF, LAST_BIT, SHIFT = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)  # from float32's bits to bfloat16's


def compiled(function, **options):
    """The function compiled by numba, running without the GIL, and kept on disk where a folder for that can be written to."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        return njit(nogil=True, error_model="numpy", **options)(function)


# Inlined, and so compiled as the loop that calls it is: with or without fused multiply-adds.
inlined = njit(inline="always", error_model="numpy")


@inlined
def _exponential(x):
    """A power of two and a fraction with exp(x) = power * (1 + fraction), to rounding, for |x| up to 87.

    The series of exp around the nearest multiple of ln 2. In two factors, so that tanh can take 1 away without cancellation.
    """
    x = -MOST if x < -MOST else x
    x = MOST if x > MOST else x
    n = np.floor(x * LOG2_E + HALF)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    f = SEVENTH * r + SIXTH
    f = f * r + FIFTH
    f = f * r + FOURTH
    f = f * r + THIRD
    f = f * r + HALF
    f = f * r + ONE
    return np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32), f * r


@inlined
def sigmoid(x):
    """Of a float32."""
    power, fraction = _exponential(-x)
    return ONE / (ONE + (power + power * fraction))


@inlined
def tanh(x):
    """Of a float32."""
    power, fraction = _exponential(TWO * x)
    less_one = power * fraction + (power - ONE)
    return less_one / (less_one + TWO)


@inlined
def quarters(row, width):
    """The parts of a row [4 * width]."""
    return row[:width], row[width : 2 * width], row[2 * width : 3 * width], row[3 * width :]


@inlined
def rounded(x):
    """The bits, uint16, of the bfloat16 that is nearest to a float32, the even one of two."""
    whole = np.float32(x).view(np.uint32)
    return np.uint16((whole + ROUND_HALF + ((whole >> SHIFT) & LAST_BIT)) >> SHIFT)


@inlined
def widened(bits):
    """The float32 of the bfloat16 that has these bits, uint16."""
    return np.uint32(np.uint32(bits) << SHIFT).view(np.float32)

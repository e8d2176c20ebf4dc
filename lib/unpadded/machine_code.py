"""What machine code made by numba has in common: how it is compiled, and the functions of an LSTM's gates."""

import math

import numpy as np
from numba import njit

ONE, TWO, HALF, MOST = np.float32(1), np.float32(2), np.float32(0.5), np.float32(87)
THIRD, FOURTH, FIFTH, SIXTH, SEVENTH = (np.float32(1 / math.factorial(n)) for n in range(3, 8))  # coefficients of exp
LOG2_E = np.float32(1 / math.log(2))
LN2_HIGH = np.float32(0.693359375)  # of few bits, so that its product with a whole number is not rounded
LN2_LOW = np.float32(math.log(2) - 0.693359375)


def compiled(function):
    """The function as machine code, which runs beside other threads' and, where there is a place for it, is kept on disk."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def exponential(x, scale, fraction):
    """`scale` (a power of two) and `fraction` with exp(x) = scale * (1 + fraction), to rounding, for |x| up to 87.

    The series of exp around the nearest multiple of ln 2. In two factors, so that tanh can take 1 away without cancellation.
    """
    bits = scale.view(np.int32)
    for j in range(len(x)):
        v = x[j]
        v = -MOST if v < -MOST else v
        v = MOST if v > MOST else v
        n = np.floor(v * LOG2_E + HALF)
        r = (v - n * LN2_HIGH) - n * LN2_LOW
        f = SEVENTH * r + SIXTH
        f = f * r + FIFTH
        f = f * r + FOURTH
        f = f * r + THIRD
        f = f * r + HALF
        f = f * r + ONE
        fraction[j] = f * r
        bits[j] = (np.int32(n) + np.int32(127)) << np.int32(23)


@compiled
def sigmoid_of_negative(x, scratch):
    """sigmoid(-x), in place of `x`; `scratch`: float32 [2, at least len(x)]."""
    scale, fraction = scratch[0], scratch[1]
    exponential(x, scale, fraction)
    for j in range(len(x)):
        x[j] = ONE / (ONE + (scale[j] + scale[j] * fraction[j]))


@compiled
def tanh_of_half(x, scratch):
    """tanh(x / 2), in place of `x`; `scratch` as above."""
    scale, fraction = scratch[0], scratch[1]
    exponential(x, scale, fraction)
    for j in range(len(x)):
        less_one = scale[j] * fraction[j] + (scale[j] - ONE)
        x[j] = less_one / (less_one + TWO)

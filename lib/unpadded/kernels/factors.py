"""Rows of factors as the products take them, for code compiled by numba: rounded to the type of the weights."""

import numpy as np
from numba import types
from numba.extending import overload

from unpadded.kernels.amx import PAIR_ROWS, factors_of_register, in_matrices
from unpadded.kernels.numba_math import compiled, rounded

MOST, OFFSET = np.float32(127), np.int32(128)  # of a byte; what is added to the bytes of weights that have no sign
SIGNLESS, LEAST = np.int32(0x7FFFFFFF), np.float32(1e-30)
# A sum with it has no fraction: it is the nearest whole number more, the even one of two.
TO_WHOLE = np.float32(3 << 22)
NOTHING = TO_WHOLE.view(np.int32)  # its bits; those of the sum are as much more as the whole number is


def row_size(weights, n_factors):
    """Numbers of a row of factors: matrix registers are filled up with zeros."""
    raise NotImplementedError


@overload(row_size)
def _row_size(weights, n_factors):
    """`row_size` for the registers of the weights."""
    if not in_matrices(weights):
        return lambda weights, n_factors: n_factors
    whole = factors_of_register(weights)
    return lambda weights, n_factors: -(-n_factors // whole) * whole


def room_for_factors(weights, n_rows, n_factors):
    """An array of so many rows of factors; products in matrix registers read rows behind them, which nobody asks for."""
    raise NotImplementedError


@overload(room_for_factors)
def _room_for_factors(weights, n_rows, n_factors):
    """`room_for_factors` for the registers of the weights."""
    behind = PAIR_ROWS if in_matrices(weights) else 0

    def room(weights, n_rows, n_factors):
        return np.zeros((n_rows + behind, row_size(weights, n_factors)), weights.dtype)

    return room


def prepare(weights, state, out, facts):
    """Write float32 numbers into `out`, a row of factors of `weights`, and zeros behind them.

    `facts`, float32 [2], are what `add_values` has to know of a row of bytes: its scale, and the bits of what the offset of
    the weights adds up to.
    """
    raise NotImplementedError


@overload(prepare)
def _prepared(weights, state, out, facts):
    """`prepare` for the precision of the weights."""
    if weights.dtype == types.float32:

        def prepare(weights, state, out, facts):
            for j in range(len(out)):
                out[j] = state[j]
    elif weights.dtype in (types.uint16, types.int16):

        def prepare(weights, state, out, facts):
            for j in range(len(state)):
                out[j] = rounded(state[j])
            _clear_from(out, len(state))
    else:
        offset = OFFSET if weights.dtype == types.uint8 else np.int32(0)

        # In whole numbers of 32 bits throughout: wider ones would halve the registers.
        def prepare(weights, state, out, facts):
            bits, largest = state.view(np.int32), np.int32(0)
            for j in range(len(state)):  # the bits of numbers without sign have their order
                largest = max(largest, np.int32(bits[j] & SIGNLESS))
            top = np.int32(largest).view(np.float32)
            if top < LEAST:
                clear(out, facts)
                return
            inverse, total = MOST / top, np.int32(0)
            for j in range(len(state)):
                whole = np.int32(np.float32(state[j] * inverse + TO_WHOLE).view(np.int32) - NOTHING)
                out[j] = np.uint8(whole)  # in two's complement
                total = np.int32(total + whole)
            _clear_from(out, len(state))
            facts[0] = top / MOST
            facts[1] = np.int32(offset * total).view(np.float32)

    return prepare


@compiled
def clear(out, facts):
    """As `prepare` of zeros."""
    _clear_from(out, 0)
    facts[0] = facts[1] = 0


@compiled
def _clear_from(out, first):
    for j in range(first, len(out)):
        out[j] = 0

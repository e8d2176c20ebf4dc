"""AWD-LSTM's dropout of the weights between states (Merity et al., arXiv 1708.02182), in one pass over memory.

Which weights are dropped follows from a seed: the n-th number of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) is a function
of seed and n alone. So no mask is kept; the backward pass draws again what the forward pass drew.
"""

from typing import NamedTuple

import numpy as np

from unpadded.kernels import compiled, rounded, widened

DRAWS = 4  # of 16 bits each, from a number of 64 bits
RESOLUTION = 1 << 16  # so a probability is rounded to a multiple of 1 / RESOLUTION
GAMMA, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
SHIFT_1, SHIFT_2, SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)


class Drop(NamedTuple):
    """Each weight is dropped with `probability`, below 1; the others are divided by the probability to be kept."""

    probability: float
    seed: int


@compiled
def drop(weight, which, bits):
    """Write to `bits`, uint16 of the shape of `weight` (float32 [n, width]), what is left of it, in bfloat16."""
    (seed, least, scale), width = _factors(which), weight.shape[1]
    numbers = np.empty(-(-width // DRAWS), np.uint64)
    for row in range(len(weight)):
        own, left, draws = weight[row], bits[row], _draws(seed, row, numbers)
        for j in range(width):
            left[j] = rounded(own[j] * scale) if draws[j] >= least else np.uint16(0)


@compiled
def drop_gradient(bits, which, gradient):
    """Write the float32 `gradient` of the weights from that of what `drop` left of them, in bfloat16, both [n, width]."""
    (seed, least, scale), width = _factors(which), bits.shape[1]
    numbers = np.empty(-(-width // DRAWS), np.uint64)
    for row in range(len(bits)):
        of_left, own, draws = bits[row], gradient[row], _draws(seed, row, numbers)
        for j in range(width):
            own[j] = widened(of_left[j]) * scale if draws[j] >= least else np.float32(0)


@compiled
def _factors(which):
    """The seed, the least draw that keeps a weight, and the factor of those kept."""
    least = round(RESOLUTION * which.probability)
    return np.uint64(which.seed), np.uint16(least), np.float32(1 / (1 - which.probability))


@compiled
def _draws(seed, row, numbers):
    """The row's draws, uint16, four from each of SplitMix64's `numbers` (uint64), which are written."""
    first = np.uint64(row) * np.uint64(len(numbers)) + np.uint64(1)
    for i in range(len(numbers)):
        z = seed + (first + np.uint64(i)) * GAMMA
        z = (z ^ (z >> SHIFT_1)) * FIRST
        z = (z ^ (z >> SHIFT_2)) * SECOND
        numbers[i] = z ^ (z >> SHIFT_3)
    return numbers.view(np.uint16)

"""The machine code of wide models in training: what an LSTM step does between its matrix products, in one pass over memory.

torch has a kernel for each operation, and each reads and writes all gates of a batch; together they take a third of the time
that the products of a step take. What the backward pass needs of the gates takes the place of their sums, in whole numbers of
16 bits, which are evenly spaced: a bfloat16 would lose a gate that is nearly open.
"""

from functools import partial

import numpy as np

from unpadded.kernels import HALF, ONE, compiled, quarters, rounded, sigmoid, tanh, widened, written_in

FULL = np.float32(65_535)  # stands for 1
LEVEL, SPAN = np.float32(32_768), np.float32(32_767)  # of what has a sign: stands for 0, and how far 1 is from it
joined = partial(compiled, fastmath={"contract"})  # a product and a sum after it are rounded once


@joined
def step_on(t, from_h, sums, bias, cells, squashed, before):
    """Step `t` of a layer, from what h (`from_h` [batch, 4 * width]) and x (`sums`) add to the gates' sums.

    These, `sums` [n_steps, batch, 4 * width] and `before` [n_steps + 1, batch, width], the h before each step, are the bits of
    bfloat16s. Written: `cells[t + 1]` in float32, `before[t + 1]`, and for `step_back` the gates, in the place of `sums[t]`,
    and `squashed[t]`, the tanh of the cells.
    """
    width = cells.shape[2]
    for row in range(len(from_h)):
        write, forget, candidate, read = quarters(sums[t, row], width)
        write_h, forget_h, candidate_h, read_h = quarters(from_h[row], width)
        write_b, forget_b, candidate_b, read_b = quarters(bias, width)
        c, next_c = cells[t, row], cells[t + 1, row]
        for j in range(width):
            w = sigmoid((widened(write[j]) + write_b[j]) + widened(write_h[j]))
            f = sigmoid((widened(forget[j]) + forget_b[j]) + widened(forget_h[j]))
            g = tanh((widened(candidate[j]) + candidate_b[j]) + widened(candidate_h[j]))
            next_c[j] = f * c[j] + w * g
            write[j], forget[j], candidate[j] = _from_share(w), _from_share(f), _from_signed(g)
        squash, next_h = squashed[t, row], before[t + 1, row]
        for j in range(width):
            o = sigmoid((widened(read[j]) + read_b[j]) + widened(read_h[j]))
            s = tanh(next_c[j])
            next_h[j] = rounded(o * s)
            read[j], squash[j] = _from_share(o), _from_signed(s)


@joined
def step_back(t, of_h, of_states, of_c, gates, cells, squashed, of_bias):
    """The gradients of step `t`'s sums, from those of its h (`of_h` and `of_states[t]`, bits of bfloat16s) and its c.

    `of_h`, `of_c` (float32) [batch, width]; `of_states` [n_steps, batch, width]; `gates`, `cells` and `squashed` as `step_on`
    has left `sums` and them. Written: the bits of the gradients in bfloat16, in the place of the gates, and `of_c` for the
    step before; added to: `of_bias`, float32 [4 * width].
    """
    width = of_h.shape[1]
    for row in range(len(of_h)):
        write, forget, candidate, read = quarters(gates[t, row], width)
        of_write, of_forget, of_candidate, of_read = quarters(of_bias, width)
        c, squash, of_cell = cells[t, row], squashed[t, row], of_c[row]
        of_next, of_state = of_h[row], of_states[t, row]
        for j in range(width):
            o, s = _to_share(read[j]), _to_signed(squash[j])
            by_h = widened(of_next[j]) + widened(of_state[j])
            of_cell[j] += by_h * o * (ONE - s * s)
            gradient = by_h * s * (o * (ONE - o))
            of_read[j] += gradient
            read[j] = rounded(gradient)
        for j in range(width):
            w, g = _to_share(write[j]), _to_signed(candidate[j])
            by_write = of_cell[j] * g * (w * (ONE - w))
            by_candidate = of_cell[j] * w * (ONE - g * g)
            of_write[j] += by_write
            of_candidate[j] += by_candidate
            write[j], candidate[j] = rounded(by_write), rounded(by_candidate)
        for j in range(width):
            f = _to_share(forget[j])
            gradient = of_cell[j] * c[j] * (f * (ONE - f))
            of_forget[j] += gradient
            of_cell[j] *= f
            forget[j] = rounded(gradient)


@written_in
def _from_share(x):
    """A float32 from 0 to 1 as uint16."""
    return np.uint16(np.int32(x * FULL + HALF))


@written_in
def _to_share(number):
    """The inverse of `_from_share`."""
    return np.float32(number) * (ONE / FULL)


@written_in
def _from_signed(x):
    """A float32 from -1 to 1 as uint16."""
    return np.uint16(np.int32((x * SPAN + LEVEL) + HALF))


@written_in
def _to_signed(number):
    """The inverse of `_from_signed`."""
    return (np.float32(number) - LEVEL) * (ONE / SPAN)

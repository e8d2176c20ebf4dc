"""The machine code of wide models in training: what an LSTM step does between its matrix products, in one pass over memory.

torch has a kernel for each operation, and each reads and writes all gates of a batch; together they take a third of the time
that the products of a step take. What the backward pass needs of the gates takes the place of their sums, in whole numbers of
16 bits, which are evenly spaced: a bfloat16 would lose a gate that is nearly open.
"""

from functools import partial

import numpy as np

from unpadded.kernels import HALF, ONE, compiled, inlined, quarters, rounded, sigmoid, tanh, widened

FULL = np.float32(65_535)  # stands for 1
LEVEL, SPAN = np.float32(32_768), np.float32(32_767)  # of what has a sign: stands for 0, and how far 1 is from it
fused = partial(compiled, fastmath={"contract"})  # with fused multiply-adds


@fused
def step_on(t, from_h, sums, bias, cells, squashed, before):
    """Step `t` of a layer, from what h (`from_h` [batch, 4 * width]) and x (`sums`) add to the gates' sums.

    These, `sums` [n_steps, batch, 4 * width] and `before` [n_steps + 1, batch, width], the h before each step, are the bits of
    bfloat16s. Written: `cells[t + 1]` in float32, `before[t + 1]`, and for `step_back` the gates, in the place of `sums[t]`,
    and `squashed[t]`, the tanh of the cells.
    """
    width = cells.shape[2]
    for row in range(len(from_h)):
        i_x, f_x, g_x, o_x = quarters(sums[t, row], width)
        i_h, f_h, g_h, o_h = quarters(from_h[row], width)
        i_b, f_b, g_b, o_b = quarters(bias, width)
        c, next_c = cells[t, row], cells[t + 1, row]
        for j in range(width):
            i = sigmoid((widened(i_x[j]) + i_b[j]) + widened(i_h[j]))
            f = sigmoid((widened(f_x[j]) + f_b[j]) + widened(f_h[j]))
            g = tanh((widened(g_x[j]) + g_b[j]) + widened(g_h[j]))
            next_c[j] = f * c[j] + i * g
            i_x[j], f_x[j], g_x[j] = _from_share(i), _from_share(f), _from_signed(g)
        squash, next_h = squashed[t, row], before[t + 1, row]
        for j in range(width):
            o = sigmoid((widened(o_x[j]) + o_b[j]) + widened(o_h[j]))
            s = tanh(next_c[j])
            next_h[j] = rounded(o * s)
            o_x[j], squash[j] = _from_share(o), _from_signed(s)


@fused
def step_back(t, of_h, of_states, of_c, gates, cells, squashed, of_bias):
    """The gradients of step `t`'s sums, from those of its h (`of_h` and `of_states[t]`, bits of bfloat16s) and its c.

    `of_h`, `of_c` (float32) [batch, width]; `of_states` [n_steps, batch, width]; `gates`, `cells` and `squashed` as `step_on`
    has left `sums` and them. Written: the bits of the gradients in bfloat16, in the place of the gates, and `of_c` for the
    step before; added to: `of_bias`, float32 [4 * width].
    """
    width = of_h.shape[1]
    for row in range(len(of_h)):
        i_t, f_t, g_t, o_t = quarters(gates[t, row], width)
        of_i, of_f, of_g, of_o = quarters(of_bias, width)
        c, squash, of_cell = cells[t, row], squashed[t, row], of_c[row]
        of_next, of_state = of_h[row], of_states[t, row]
        for j in range(width):
            o, s = _to_share(o_t[j]), _to_signed(squash[j])
            by_h = widened(of_next[j]) + widened(of_state[j])
            of_cell[j] += by_h * o * (ONE - s * s)
            gradient = by_h * s * (o * (ONE - o))
            of_o[j] += gradient
            o_t[j] = rounded(gradient)
        for j in range(width):
            i, g = _to_share(i_t[j]), _to_signed(g_t[j])
            by_i = of_cell[j] * g * (i * (ONE - i))
            by_g = of_cell[j] * i * (ONE - g * g)
            of_i[j] += by_i
            of_g[j] += by_g
            i_t[j], g_t[j] = rounded(by_i), rounded(by_g)
        for j in range(width):
            f = _to_share(f_t[j])
            gradient = of_cell[j] * c[j] * (f * (ONE - f))
            of_f[j] += gradient
            of_cell[j] *= f
            f_t[j] = rounded(gradient)


@inlined
def _from_share(x):
    """A float32 from 0 to 1 as uint16."""
    return np.uint16(np.int32(x * FULL + HALF))


@inlined
def _to_share(number):
    """The inverse of `_from_share`."""
    return np.float32(number) * (ONE / FULL)


@inlined
def _from_signed(x):
    """A float32 from -1 to 1 as uint16."""
    return np.uint16(np.int32((x * SPAN + LEVEL) + HALF))


@inlined
def _to_signed(number):
    """The inverse of `_from_signed`."""
    return (np.float32(number) - LEVEL) * (ONE / SPAN)

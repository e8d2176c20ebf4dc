"""The machine code of wide models in training: what an LSTM step does between its matrix products, in one pass over memory.

torch has a kernel for each operation, and each reads and writes all gates of a batch; together they take a third of the time
that the products of a step take. Compiled as `compiled_steps` is, without numba's fast-math.
"""

import numpy as np

from .machine_code import ONE, TWO, compiled, sigmoid_of_negative, tanh_of_half

HALF_A_PLACE, LAST_PLACE, CUT = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)  # from float32's bits to bfloat16's


@compiled
def step_on(t, from_h, from_x, bias, gates, cells, squashed, states, before, scratch):
    """Step `t` of a layer, from what h (`from_h`, float32 [batch, 4 * width]) and x (`from_x`) add to the gates' sums.

    `from_x` [n_steps, batch, 4 * width] and `before` [n_steps + 1, batch, width], the h before each step, are the bits of
    bfloat16s. Written: `gates[t]`, `cells[t + 1]`, `squashed[t]`, `states[t]` and `before[t + 1]`, all but the last float32,
    in the shapes of `step_back`. `scratch`: float32 [2, width].
    """
    batch, width = cells.shape[1:]
    for row in range(batch):
        gate, state, squash = gates[t, row], states[t, row], squashed[t, row]
        for number in range(4):
            part = slice(number * width, (number + 1) * width)
            _gate(gate[part], from_x[t, row, part], bias[part], from_h[row, part], scratch, number == 2)
        last, c = cells[t, row], cells[t + 1, row]
        for j in range(width):
            c[j] = gate[width + j] * last[j] + gate[j] * gate[2 * width + j]
            squash[j] = TWO * c[j]
        tanh_of_half(squash, scratch)
        for j in range(width):
            state[j] = gate[3 * width + j] * squash[j]
        _round(state, before[t + 1, row])


@compiled
def _gate(gate, from_x, bias, from_h, scratch, is_candidate):
    """The values of one gate from what adds up to its sums."""
    scale = scratch[0]
    _widen(from_x, scale.view(np.uint32))
    if is_candidate:
        for j in range(len(gate)):
            gate[j] = TWO * ((scale[j] + bias[j]) + from_h[j])
        tanh_of_half(gate, scratch)
        return
    for j in range(len(gate)):
        gate[j] = -((scale[j] + bias[j]) + from_h[j])
    sigmoid_of_negative(gate, scratch)


@compiled
def step_back(t, of_h, of_states, of_c, gates, cells, squashed, of_sums, of_bias, scratch):
    """The gradients of step `t`'s sums, from those of its h (`of_h` and `of_states[t]`) and its c.

    `of_h`, `of_c` [batch, width]; `of_states`, `squashed` (tanh of c) [n_steps, batch, width]; `cells` the same with the c
    before the first step in front; `gates` [n_steps, batch, 4 * width], input, forget, candidate, output. Written: the bits of
    `of_sums` [n_steps, batch, 4 * width] in bfloat16, and `of_c` for the step before; added to: `of_bias` [4 * width].
    `scratch`: float32 [4 * width].
    """
    batch, width = of_h.shape
    for row in range(batch):
        gate, c, squash, later = gates[t, row], cells[t, row], squashed[t, row], of_c[row]
        of_state, of_last = of_states[t, row], of_h[row]
        for j in range(width):
            read = gate[3 * width + j]
            by_h = of_last[j] + of_state[j]
            scratch[3 * width + j] = by_h * squash[j] * (read * (ONE - read))
            later[j] += by_h * read * (ONE - squash[j] * squash[j])
        for j in range(width):
            write, candidate = gate[j], gate[2 * width + j]
            scratch[j] = later[j] * candidate * (write * (ONE - write))
            scratch[2 * width + j] = later[j] * write * (ONE - candidate * candidate)
        for j in range(width):
            forget = gate[width + j]
            scratch[width + j] = later[j] * c[j] * (forget * (ONE - forget))
            later[j] *= forget
        for j in range(4 * width):
            of_bias[j] += scratch[j]
        _round(scratch, of_sums[t, row])


@compiled
def _round(values, bits):
    """The bits, uint16, of float32 `values` rounded to the nearest bfloat16, ties to the even one."""
    whole = values.view(np.uint32)
    for j in range(len(whole)):
        bits[j] = np.uint16((whole[j] + HALF_A_PLACE + ((whole[j] >> CUT) & LAST_PLACE)) >> CUT)


@compiled
def _widen(bits, whole):
    """The bits, uint32, of the float32s that are the bfloat16s of `bits`."""
    for j in range(len(bits)):
        whole[j] = np.uint32(bits[j]) << CUT

"""The machine code of the tiled engine: a block of steps, layer by layer, whose slots or units are shared among threads.

Where there are many slots, a thread has slots of its own. Where there are few, it has units of its own in every layer: it
multiplies the states of all slots with the weights of its units, and meets the others once a step. A number is added up in
one order (`kernels/tiles.py`), whatever the slots, the steps of a block and the threads, and its functions are those of
`numba_math`; so a document's bits depend on the document alone.

All of it is one module, because what numba keeps on disk is made anew when the file of the function that is called from
Python changes, and not when another one does that it calls: hence, of `kernels/`, CONTRIBUTING's warning.
"""

import numpy as np
from numba import types
from numba.extending import overload

from unpadded.kernels import (
    LANES,
    MOST_ROWS,
    TILE,
    compiled,
    five_rows,
    four_rows,
    meet,
    next_states,
    one_row,
    rounded,
    six_rows,
    three_rows,
    two_rows,
)

CHUNK_ROWS = 48  # rows of an input product at least, where a block has as many: the weights are then read less often
MOST, OFFSET = np.float32(127), np.int32(128)  # of a byte; what is added to the bytes of weights, which have no sign
ZERO = np.int64(0)
SIGNLESS, LEAST = np.int32(0x7FFFFFFF), np.float32(1e-30)
# A sum with it has no fraction: it is the nearest whole number more, the even one of two.
TO_WHOLE = np.float32(3 << 22)
NOTHING = TO_WHOLE.view(np.int32)  # its bits; those of the sum are as much more as the whole number is


@compiled
def read_block(part, n_parts, counter, block, model, h, c, states, pooled, token_weights, pools, wanted, out):
    """Run `part` of `n_parts` of a block for some of its slots; all parts have to run at once, each in a thread.

    `block`: ids [n_steps, n_slots]; the slots to run, those that run out of documents last first; how many of them are live at
    each step; at which of them a document begins, and at which its pooling, bool [n_steps, n_slots]; the row of `out` that a
    document which ends there takes, else -1; its number of pooled tokens. `model`: `tiled.Packed`. `h`, `c`: float32
    [n_slots, units of all layers] before the block, and after it. `states`: room for all states of the block, float32.
    `pooled`: for each pooled layer its number, its first unit and its width in `out`. `pools`: sums, weighted sums, maxima
    and sums of weights [n_slots, pooled units]. `out`: last, mean, max and weighted mean; `wanted`, bool [4]: which of them.
    """
    ids, order, live, begins = block[:4]
    sizes, weights, scales = model[0], model[3], model[4]
    n_steps, n_slots = ids.shape
    most = max(len(order), CHUNK_ROWS)
    rows = (
        np.empty((most, sizes.max()), weights.dtype),  # factors as the product takes them
        np.empty((most, 2), np.float32),  # the scale of a row of bytes, and what their offset adds up to
        np.empty((MOST_ROWS, TILE), np.float32),  # sums
        np.empty((most, (sizes[:, 1].max() // LANES // n_parts + 1) * TILE), np.float32),  # input products
    )
    meeting = at = unit = place = ZERO  # of one type, so that nothing is compiled twice
    below = states[:0].reshape(0, 0, 0)
    for layer in range(len(sizes)):
        n_in, width = sizes[layer, 0], sizes[layer, 1]
        n_blocks = width // LANES
        own = n_blocks * part // n_parts, n_blocks * (part + 1) // n_parts
        hidden = states[place : place + n_steps * n_slots * width].reshape(n_steps, n_slots, width)
        place += hidden.size
        begin = ZERO
        while begin < n_steps:
            end, n_rows = begin + 1, live[begin]
            while end < n_steps and n_rows + live[end] <= most:
                n_rows += live[end]
                end += 1
            _read_inputs((layer, n_in, at, unit), own, (begin, end), block, model, below, rows)
            row = ZERO
            for step in range(begin, end):
                for r in range(live[step]):
                    slot = order[r]
                    if begins[step, slot]:
                        _clear(rows[0][r, :width], rows[1][r])
                        _fill(c, slot, unit + own[0] * LANES, (own[1] - own[0]) * LANES, np.float32(0))
                    else:
                        before = hidden[step - 1, slot] if step else h[slot, unit : unit + width]
                        _prepare(weights, before, rows[0][r, :width], rows[1][r])
                recurrent = (width, at + 4 * n_in * width, 8 * unit + 4 * width, unit)
                _step(recurrent, own, order[: live[step]], weights, scales, rows, row, c, hidden[step])
                row += live[step]
                meeting += 1
                meet(counter, meeting, n_parts)
            begin = end
        if part == 0:
            for slot in order:
                _copy(hidden[n_steps - 1], slot, ZERO, h, slot, unit, width)
        for i in range(len(pooled)):
            if pooled[i, 0] == layer:
                slots = order[part::n_parts]
                _pool(slots, pooled[i, 1], pooled[i, 2], block, hidden, token_weights, pools, wanted, out)
        at += 4 * (n_in + width) * width
        unit += width
        below = hidden


@compiled
def _read_inputs(layer, own, steps, block, model, below, rows):
    """Bias and input product of the own units for `steps` of a block, into the rows of the last of `rows`."""
    number, n_in, at, unit = layer
    ids, order, live = block[:3]
    _, embedding, table, weights, scales, bias = model
    factors, facts, sums, inputs = rows
    n_columns = (own[1] - own[0]) * TILE
    which = np.empty(len(factors), np.int64)
    row = n = ZERO
    for step in range(steps[0], steps[1]):
        for slot in order[: live[step]]:
            token = ids[step, slot]
            if number == 0 and token < len(table):
                _copy(table, token, own[0] * TILE, inputs, row, ZERO, n_columns)
            else:
                _prepare(weights, embedding[token] if number == 0 else below[step, slot], factors[n, :n_in], facts[n])
                which[n] = row
                n += 1
            row += 1
    for block_number in range(own[0], own[1]):
        column = 4 * unit + block_number * TILE
        n_tiles = -(-n // MOST_ROWS)
        for tile in range(n_tiles):  # as few as there can be, of about the same size
            first, last = n * tile // n_tiles, n * (tile + 1) // n_tiles
            blocks = at, block_number, own, tile
            _multiply(factors, first, last - first, weights, blocks, n_in, sums)
            for i in range(last - first):
                place = (block_number - own[0]) * TILE
                _add_values(
                    *(weights, sums, i, facts, first + i, scales, 4 * unit + column, bias, 0, column),
                    *(inputs, which[first + i], place),
                )


@compiled
def _step(layer, own, slots, weights, scales, rows, row, c, hidden):
    """The own units' next c and h of `slots`, whose last states are prepared in `rows`; their inputs begin with `row`."""
    width, at, first_scale, unit = layer
    factors, facts, sums, inputs = rows
    gates = np.empty((1, TILE), np.float32)
    for block_number in range(own[0], own[1]):
        n_tiles = -(-len(slots) // MOST_ROWS)
        for tile in range(n_tiles):
            first, last = len(slots) * tile // n_tiles, len(slots) * (tile + 1) // n_tiles
            blocks = at, block_number, own, tile
            _multiply(factors, first, last - first, weights, blocks, width, sums)
            for i in range(last - first):
                place = (block_number - own[0]) * TILE
                _add_values(
                    *(weights, sums, i, facts, first + i, scales, first_scale + block_number * TILE),
                    *(inputs, row + first + i, place, gates, 0, 0),
                )
                next_states(gates, c, slots[first + i], unit + block_number * LANES, hidden, block_number * LANES)


@compiled
def _multiply(x, first, n_rows, weights, blocks, n_factors, sums):
    """Write to `sums` the products of `n_rows` rows of factors, from `first` on, with a block of weights.

    `blocks`: where the product's weights begin, the number of the block, the first and last that are this thread's own, and
    the number of the tile: the first four tiles of a block fetch a quarter each of the next one.
    """
    at, block_number, own, tile = blocks
    n, size = n_factors * weights.itemsize // 4, n_factors * TILE
    begin = at + block_number * size
    following = block_number + 1 if block_number + 1 < own[1] else own[0]
    ahead = at + following * size + (tile & 3) * (size // 4)
    if n_rows == 1:
        one_row(x, first, weights, begin, n, ahead, sums)
    elif n_rows == 2:
        two_rows(x, first, weights, begin, n, ahead, sums)
    elif n_rows == 3:
        three_rows(x, first, weights, begin, n, ahead, sums)
    elif n_rows == 4:
        four_rows(x, first, weights, begin, n, ahead, sums)
    elif n_rows == 5:
        five_rows(x, first, weights, begin, n, ahead, sums)
    else:
        six_rows(x, first, weights, begin, n, ahead, sums)


def _prepare(weights, state, out, facts):
    """Write float32 numbers into `out` as factors of `weights`; `facts` are what `_add_values` has to know of them."""
    raise NotImplementedError


@overload(_prepare)
def _prepared(weights, state, out, facts):
    """`_prepare` for the precision of the weights."""
    if weights.dtype == types.float32:

        def prepare(weights, state, out, facts):
            for j in range(len(out)):
                out[j] = state[j]
    elif weights.dtype == types.uint16:

        def prepare(weights, state, out, facts):
            for j in range(len(out)):
                out[j] = rounded(state[j])
    else:

        def prepare(weights, state, out, facts):
            bits, largest = state.view(np.int32), np.int32(0)
            for j in range(len(out)):  # the bits of numbers without sign have their order
                largest = max(largest, bits[j] & SIGNLESS)
            top = np.int32(largest).view(np.float32)
            if top < LEAST:
                for j in range(len(out)):
                    out[j] = 0
                facts[0] = facts[1] = 0
                return
            inverse, total = MOST / top, np.int32(0)
            for j in range(len(out)):
                whole = np.int32(np.float32(state[j] * inverse + TO_WHOLE).view(np.int32) - NOTHING)
                out[j] = np.uint8(whole)  # in two's complement
                total += whole
            facts[0] = top / MOST
            facts[1] = np.int32(OFFSET * total).view(np.float32)

    return prepare


@compiled
def _clear(out, facts):
    """As `_prepare` of zeros."""
    for j in range(len(out)):
        out[j] = 0
    facts[0] = facts[1] = 0


def _add_values(
    weights, sums, row, facts, factor_row, scales, scale_at, terms, term_row, term_at, out, out_row, out_at
):
    """Write to `out` `terms` and what the sums of a tile's `row` stand for, each array from its row and column on.

    Bytes have scales, and the offset of their weights has to be taken away. Arrays whole and places without sign: a view has a
    count of its users, which all threads would write to, and a place that may be negative keeps a loop out of registers.
    """
    raise NotImplementedError


@overload(_add_values)
def _values_added(
    weights, sums, row, facts, factor_row, scales, scale_at, terms, term_row, term_at, out, out_row, out_at
):
    """`_add_values` for the precision of the weights."""
    if weights.dtype == types.uint8:

        def add(
            weights, sums, row, facts, factor_row, scales, scale_at, terms, term_row, term_at, out, out_row, out_at
        ):
            i, n, m = np.uintp(row), np.uintp(term_row), np.uintp(out_row)
            first, second, third = np.uintp(term_at), np.uintp(out_at), np.uintp(scale_at)
            scale, offset = facts[np.uintp(factor_row), 0], np.float32(facts[np.uintp(factor_row), 1]).view(np.int32)
            for j in range(np.uintp(TILE)):
                value = np.float32(np.float32(sums[i, j]).view(np.int32) - offset) * (scale * scales[third + j])
                out[m, second + j] = terms[n, first + j] + value
    else:

        def add(
            weights, sums, row, facts, factor_row, scales, scale_at, terms, term_row, term_at, out, out_row, out_at
        ):
            i, n, m = np.uintp(row), np.uintp(term_row), np.uintp(out_row)
            first, second = np.uintp(term_at), np.uintp(out_at)
            for j in range(np.uintp(TILE)):
                out[m, second + j] = terms[n, first + j] + sums[i, j]

    return add


@compiled
def _pool(slots, first, width, block, hidden, token_weights, pools, wanted, out):
    """Pool the states of a layer in `slots`, and hand in the documents that end."""
    ids, _, _, _, pool_begins, ends, lengths = block
    totals, weighted, tops, weights = pools
    for slot in slots:
        for step in range(len(ids)):
            state = hidden[step]
            if pool_begins[step, slot]:
                _fill(totals, slot, first, width, 0.0)
                _fill(weighted, slot, first, width, 0.0)
                _fill(tops, slot, first, width, np.float32(-np.inf))
                weights[slot, first] = 0
            if wanted[1]:
                _add(state, slot, 1.0, totals, first, width)
            if wanted[2]:
                _raise(state, slot, tops, first, width)
            if wanted[3]:
                weight = token_weights[ids[step, slot]]
                _add(state, slot, weight, weighted, first, width)
                weights[slot, first] += weight
            row = ends[step, slot]
            if row < 0:
                continue
            if wanted[0]:
                _copy(state, slot, ZERO, out[0], row, first, width)
            if wanted[1]:
                _divide(totals, slot, float(lengths[row]), out[1], row, first, width)
            if wanted[2]:
                _copy(tops, slot, first, out[2], row, first, width)
            if wanted[3]:
                total = weights[slot, first]
                _divide(weighted, slot, total if total else 1.0, out[3], row, first, width)


@compiled
def _fill(array, row, first, n, value):
    """Set `n` numbers of a row, from the column `first` on."""
    i, at = np.uintp(row), np.uintp(first)
    for j in range(np.uintp(n)):
        array[i, at + j] = value


@compiled
def _copy(array, row, first, out, out_row, out_first, n):
    """Copy `n` numbers of a row, from the column `first` on, to a row of `out`."""
    i, at, k, place = np.uintp(row), np.uintp(first), np.uintp(out_row), np.uintp(out_first)
    for j in range(np.uintp(n)):
        out[k, place + j] = array[i, at + j]


@compiled
def _add(state, slot, weight, totals, first, n):
    """Add the state of a slot times `weight` to its `n` totals."""
    i, at = np.uintp(slot), np.uintp(first)
    for j in range(np.uintp(n)):
        totals[i, at + j] += state[i, j] * weight


@compiled
def _raise(state, slot, tops, first, n):
    """Keep the larger of the state of a slot and its `n` largest so far."""
    i, at = np.uintp(slot), np.uintp(first)
    for j in range(np.uintp(n)):
        tops[i, at + j] = max(tops[i, at + j], state[i, j])


@compiled
def _divide(totals, slot, by, out, row, first, n):
    """Write the `n` totals of a slot, divided, to a row of `out`."""
    i, at, k = np.uintp(slot), np.uintp(first), np.uintp(row)
    for j in range(np.uintp(n)):
        out[k, at + j] = totals[i, at + j] / by


@compiled
def fill_table(first, last, model, table):
    """Bias and input product of the tokens from `first` on up to `last`, as `read_block` makes those of the others."""
    order, live = np.zeros(1, np.int64), np.ones(CHUNK_ROWS, np.int64)
    unused = np.zeros((1, 1), np.bool_), np.zeros((1, 1), np.bool_), np.zeros((1, 1), np.int64), live
    sizes, weights = model[0], model[3]
    rows = (
        np.empty((CHUNK_ROWS, sizes.max()), weights.dtype),
        np.empty((CHUNK_ROWS, 2), np.float32),
        np.empty((MOST_ROWS, TILE), np.float32),
        np.empty((CHUNK_ROWS, table.shape[1]), np.float32),
    )
    below, ids = np.empty((0, 0, 0), np.float32), np.empty((CHUNK_ROWS, 1), np.int64)
    whole = ZERO, sizes[0, 1] // LANES
    for begin in range(first, last, CHUNK_ROWS):
        n = min(CHUNK_ROWS, last - begin)
        for i in range(n):
            ids[i, 0] = begin + i
        block = (ids, order, live, *unused)
        _read_inputs((ZERO, sizes[0, 0], ZERO, ZERO), whole, (ZERO, n), block, model, below, rows)
        for i in range(n):
            _copy(rows[3], i, ZERO, table, begin + i, ZERO, table.shape[1])

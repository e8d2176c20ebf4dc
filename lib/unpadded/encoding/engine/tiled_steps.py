"""The machine code of the tiled engine: a block of steps, layer by layer, whose slots or units are shared among threads.

Where there are many slots, a thread has slots of its own. Where there are few, it has units of its own in every layer: it
multiplies the states of all slots with the weights of its units, and meets the others once a step. A number is added up in
one order (`kernels/tiles.py`), whatever the slots, the steps of a block and the threads, and its functions are those of
`numba_math`; so a document's bits depend on the document alone.

All of it is one module, because what numba keeps on disk is made anew when the file of the function that is called from
Python changes, and not when another one does that it calls: hence, of `kernels/`, CONTRIBUTING's warning.
"""

import numpy as np

from unpadded.kernels import (
    LANES,
    TILE,
    add_values,
    clear,
    close_registers,
    compiled,
    meet,
    multiply,
    next_states,
    open_registers,
    prepare,
    room_for_factors,
    row_size,
    tile_bounds,
    tile_rows,
)

CHUNK_ROWS = 48  # rows of an input product at least, where a block has as many: the weights are then read less often
ZERO = np.int64(0)


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
    rows = _room(weights, most, sizes.max(), (sizes[:, 1].max() // LANES // n_parts + 1) * TILE)
    open_registers(weights)
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
                        clear(rows[0][r, : row_size(weights, width)], rows[1][r])
                        _fill(c, slot, unit + own[0] * LANES, (own[1] - own[0]) * LANES, np.float32(0))
                    else:
                        before = hidden[step - 1, slot] if step else h[slot, unit : unit + width]
                        prepare(weights, before, rows[0][r, : row_size(weights, width)], rows[1][r])
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
    close_registers(weights)


@compiled
def _room(weights, most, n_factors, n_columns):
    """Room for `most` rows: factors as the product takes them; of a row of bytes the scale, and what the weights' offset adds
    up to; the sums of a tile; input products.
    """
    return (
        room_for_factors(weights, most, n_factors),
        np.empty((most, 2), np.float32),
        np.empty((tile_rows(weights), TILE), np.float32),
        np.empty((most, n_columns), np.float32),
    )


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
                state = embedding[token] if number == 0 else below[step, slot]
                prepare(weights, state, factors[n, : row_size(weights, n_in)], facts[n])
                which[n] = row
                n += 1
            row += 1
    for block_number in range(own[0], own[1]):
        column = 4 * unit + block_number * TILE
        n_tiles = -(-n // tile_rows(weights))
        for tile in range(n_tiles):
            first, last = tile_bounds(weights, tile, n_tiles, n)
            blocks = at, block_number, own, tile
            multiply(factors, first, last - first, weights, blocks, n_in, sums)
            for i in range(last - first):
                place = (block_number - own[0]) * TILE
                add_values(
                    *(weights, sums, i, facts, first + i, scales, 4 * unit + column),
                    *(bias, 0, column, inputs, which[first + i], place),
                )


@compiled
def _step(layer, own, slots, weights, scales, rows, row, c, hidden):
    """The own units' next c and h of `slots`, whose last states are prepared in `rows`; their inputs begin with `row`."""
    width, at, first_scale, unit = layer
    factors, facts, sums, inputs = rows
    for block_number in range(own[0], own[1]):
        n_tiles = -(-len(slots) // tile_rows(weights))
        for tile in range(n_tiles):
            first, last = tile_bounds(weights, tile, n_tiles, len(slots))
            blocks = at, block_number, own, tile
            multiply(factors, first, last - first, weights, blocks, width, sums)
            for i in range(last - first):
                place = (block_number - own[0]) * TILE
                next_states(
                    *(weights, sums, i, facts, first + i, scales, first_scale + block_number * TILE),
                    *(inputs, row + first + i, place),
                    *(c, slots[first + i], unit + block_number * LANES),
                    *(hidden, slots[first + i], block_number * LANES),
                )


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
    rows = _room(weights, CHUNK_ROWS, sizes.max(), table.shape[1])
    open_registers(weights)
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
    close_registers(weights)

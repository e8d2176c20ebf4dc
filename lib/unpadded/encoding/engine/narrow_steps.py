"""The machine code of narrow models: LSTM steps of a few documents side by side, compiled by numba without its fast-math.

Additions are done in the order that is written here, in vector registers or out of them, so that a document's bits depend
neither on its neighbours nor on the number of threads.
"""

import numpy as np

from unpadded.kernels import compiled, quarters, sigmoid, tanh

ABREAST = 4  # documents side by side on a core


@compiled
def read_documents(tokens, lengths, skips, model, pooled, token_weights, out):
    """Read each document from zero states and write its pools, a row a document; an output without rows is left out.

    `tokens`: the documents end to end; `model`: as in `_advance`; `pooled`: (first unit, width) of the layers that are
    pooled, among the units of all layers; `out`: last, mean, max and weighted mean. Up to ABREAST documents are read side by
    side, so that a weight is loaded once for all of them. Where a document ends, its lane takes the
    next one; when there is none, the last lane's document moves there.
    """
    n_units, ends = model[3][-1], np.cumsum(lengths)
    h, c = np.zeros((ABREAST, n_units), np.float32), np.zeros((ABREAST, n_units), np.float32)
    pools = (np.zeros(h.shape), np.zeros(h.shape), np.zeros(h.shape, np.float32), np.zeros(ABREAST))
    scratch = np.empty(ABREAST * 4 * n_units, np.float32)
    document, at = np.zeros(ABREAST, np.int64), np.zeros(ABREAST, np.int64)
    n_live = next_document = 0
    while True:
        while n_live < ABREAST and next_document < len(lengths):
            document[n_live], at[n_live] = next_document, ends[next_document] - lengths[next_document]
            h[n_live], c[n_live] = 0, 0
            pools[0][n_live], pools[1][n_live], pools[2][n_live], pools[3][n_live] = 0, 0, -np.inf, 0
            n_live += 1
            next_document += 1
        if n_live == 0:
            return
        _advance(tokens[at[:n_live]], model, h, c, scratch)
        for lane in range(n_live - 1, -1, -1):  # backwards, so that the document moved here has had its step counted
            read, token = document[lane], tokens[at[lane]]
            if at[lane] - (ends[read] - lengths[read]) >= skips[read]:
                _pool(pools, lane, h[lane], token_weights[token] if len(token_weights) else 0.0, out)
            at[lane] += 1
            if at[lane] == ends[read]:
                _hand_in(out, read, pools, lane, h[lane], pooled, lengths[read] - skips[read])
                n_live -= 1
                document[lane], at[lane] = document[n_live], at[n_live]
                h[lane], c[lane] = h[n_live], c[n_live]
                for pool in pools[:2]:
                    pool[lane] = pool[n_live]
                pools[2][lane], pools[3][lane] = pools[2][n_live], pools[3][n_live]


@compiled
def _advance(tokens, model, h, c, scratch):
    """One step of every layer: h and c [lanes, units of all layers] after the next of `tokens` [lanes].

    `model`: embedding, the table of `fill_table`, all weights as `narrow._packed` lays them out, the first unit of each
    layer and, last, the number of units.
    """
    embedding, table, weights, first = model
    known = True
    for token in tokens:
        known = known and token < len(table)
    offset = 0
    for layer in range(len(first) - 1):
        width = first[layer + 1] - first[layer]
        n_in = embedding.shape[1] if layer == 0 else first[layer] - first[layer - 1]
        states = slice(first[layer], first[layer + 1])
        sums = scratch[: len(tokens) * 4 * width].reshape(len(tokens), 4 * width)
        bias, offset = weights[offset : offset + 4 * width], offset + 4 * width
        for lane in range(len(tokens)):
            sums[lane] = table[tokens[lane]] if layer == 0 and known else bias
        if layer > 0:
            _add_products(sums, h[:, first[layer - 1] : first[layer]], weights[offset : offset + n_in * 4 * width])
        elif not known:
            _add_products(sums, embedding[tokens], weights[offset : offset + n_in * 4 * width])
        offset += n_in * 4 * width
        _add_products(sums, h[:, states], weights[offset : offset + width * 4 * width])
        offset += width * 4 * width
        for lane in range(len(tokens)):
            _step(sums[lane], h[lane, states], c[lane, states])


@compiled
def _pool(pools, lane, state, weight, out):
    """Add a state, of all layers, to a lane's pools, as far as they are asked for."""
    pools[3][lane] += weight
    if len(out[1]):
        _add(pools[0][lane], state, 1.0)
    if len(out[3]):
        _add(pools[1][lane], state, weight)
    if len(out[2]):
        _raise(pools[2][lane], state)


@compiled
def _hand_in(out, row, pools, lane, state, pooled, n_pooled):
    """Write the pools of a lane, whose document has ended in `state`, to its row of each output."""
    column = 0
    for place in range(len(pooled)):
        first, width = pooled[place, 0], pooled[place, 1]
        units, columns = slice(first, first + width), slice(column, column + width)
        column += width
        if len(out[0]):
            out[0][row, columns] = state[units]
        if len(out[1]):
            out[1][row, columns] = pools[0][lane, units] / n_pooled
        if len(out[2]):
            out[2][row, columns] = pools[2][lane, units]
        if len(out[3]):
            out[3][row, columns] = pools[1][lane, units] / (pools[3][lane] if pools[3][lane] else 1.0)


@compiled
def fill_table(table, embedding, weights):
    """Write bias and input product of the first tokens of the vocabulary, as `read_documents` makes those of the others."""
    n_in, n_out = embedding.shape[1], table.shape[1]
    from_below = weights[n_out : n_out + n_in * n_out]
    for token in range(len(table)):
        table[token] = weights[:n_out]
    for token in range(0, len(table), ABREAST):
        _add_products(table[token : token + ABREAST], embedding[token:], from_below)


@compiled
def _add_products(out, x, weights):
    """Add x @ matrix to the rows of `out`, to each in the order of the matrix's rows; `weights` is the matrix, laid out flat.

    `x` may have more rows than `out`.
    """
    matrix = weights.reshape(len(weights) // out.shape[1], out.shape[1])
    if len(out) == ABREAST:
        _add_four(out, x, matrix)
    else:
        for row in range(len(out)):
            _add_one(out[row], x[row], matrix)


@compiled
def _add_four(out, x, matrix):
    n = matrix.shape[0]
    whole = n - n % 4
    for k in range(0, whole, 4):
        a0, a1, a2, a3 = x[0, k], x[0, k + 1], x[0, k + 2], x[0, k + 3]
        b0, b1, b2, b3 = x[1, k], x[1, k + 1], x[1, k + 2], x[1, k + 3]
        c0, c1, c2, c3 = x[2, k], x[2, k + 1], x[2, k + 2], x[2, k + 3]
        d0, d1, d2, d3 = x[3, k], x[3, k + 1], x[3, k + 2], x[3, k + 3]
        for j in range(out.shape[1]):
            w0, w1, w2, w3 = matrix[k, j], matrix[k + 1, j], matrix[k + 2, j], matrix[k + 3, j]
            out[0, j] = (((out[0, j] + a0 * w0) + a1 * w1) + a2 * w2) + a3 * w3
            out[1, j] = (((out[1, j] + b0 * w0) + b1 * w1) + b2 * w2) + b3 * w3
            out[2, j] = (((out[2, j] + c0 * w0) + c1 * w1) + c2 * w2) + c3 * w3
            out[3, j] = (((out[3, j] + d0 * w0) + d1 * w1) + d2 * w2) + d3 * w3
    for k in range(whole, n):
        for row in range(4):
            for j in range(out.shape[1]):
                out[row, j] += x[row, k] * matrix[k, j]


@compiled
def _add_one(out, x, matrix):
    n = matrix.shape[0]
    whole = n - n % 8
    for k in range(0, whole, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = x[k], x[k + 1], x[k + 2], x[k + 3], x[k + 4], x[k + 5], x[k + 6], x[k + 7]
        for j in range(len(out)):
            so_far = out[j] + x0 * matrix[k, j]
            so_far += x1 * matrix[k + 1, j]
            so_far += x2 * matrix[k + 2, j]
            so_far += x3 * matrix[k + 3, j]
            so_far += x4 * matrix[k + 4, j]
            so_far += x5 * matrix[k + 5, j]
            so_far += x6 * matrix[k + 6, j]
            so_far += x7 * matrix[k + 7, j]
            out[j] = so_far
    for k in range(whole, n):
        for j in range(len(out)):
            out[j] += x[k] * matrix[k, j]


@compiled
def _step(gates, h, c):
    """From the gates' sums [4 * width], in the order i, f, o, g, to the next h and c [width]."""
    width = len(h)
    for j in range(3 * width):
        gates[j] = sigmoid(gates[j])
    i, f, o, g = quarters(gates, width)
    for j in range(width):
        g[j] = tanh(g[j])
    for j in range(width):
        c[j] = f[j] * c[j] + i[j] * g[j]
        h[j] = tanh(c[j])
    for j in range(width):
        h[j] *= o[j]


@compiled
def _add(total, state, weight):
    for j in range(len(total)):
        total[j] += state[j] * weight


@compiled
def _raise(top, state):
    for j in range(len(top)):
        top[j] = state[j] if state[j] > top[j] else top[j]

"""Products of rows of factors with packed weights, for code compiled by numba: in the registers that the weights' type names.

Bytes and pairs with a sign (int8, int16) are for matrix registers (`amx.py`), all others for vector registers (`tiles.py`).
"""

from numba.extending import overload

from unpadded.kernels.amx import (
    PAIR_ROWS,
    ROWS,
    SHAPES,
    close_matrices,
    factors_of_register,
    in_matrices,
    open_matrices,
    sixteen_rows,
    thirty_two_rows,
)
from unpadded.kernels.tiles import (
    MOST_ROWS,
    TILE,
    five_rows,
    four_rows,
    one_row,
    six_rows,
    three_rows,
    two_rows,
)


def open_registers(weights):
    """Make the thread's registers ready for products with `weights`; `close_registers` before it does anything else."""
    raise NotImplementedError


@overload(open_registers)
def _opened(weights):
    """`open_registers` for those of the weights."""
    return (lambda weights: open_matrices(SHAPES)) if in_matrices(weights) else (lambda weights: None)


def close_registers(weights):
    """Give the registers back."""
    raise NotImplementedError


@overload(close_registers)
def _closed(weights):
    """`close_registers` for those of the weights."""
    return (lambda weights: close_matrices()) if in_matrices(weights) else (lambda weights: None)


def tile_rows(weights):
    """Rows of a tile at most."""
    raise NotImplementedError


@overload(tile_rows)
def _tile_rows(weights):
    """`tile_rows` for the registers of the weights."""
    most = PAIR_ROWS if in_matrices(weights) else MOST_ROWS
    return lambda weights: most


def tile_bounds(weights, tile, n_tiles, n):
    """The first of `n` rows that belongs to a tile, and the first that does not any more."""
    raise NotImplementedError


@overload(tile_bounds)
def _tile_bounds(weights, tile, n_tiles, n):
    """`tile_bounds` for the registers: full matrices; of vectors, where every row takes time, tiles of about the same size."""
    if in_matrices(weights):
        return lambda weights, tile, n_tiles, n: (tile * PAIR_ROWS, min(n, (tile + 1) * PAIR_ROWS))
    return lambda weights, tile, n_tiles, n: (n * tile // n_tiles, n * (tile + 1) // n_tiles)


def multiply(x, first, n_rows, weights, blocks, n_factors, sums):
    """Write to `sums` the products of `n_rows` rows of factors, from `first` on, with a block of weights.

    `blocks`: where the product's weights begin, the number of the block, the first and last that are this thread's own, and
    the number of the tile: the first four tiles of vector registers fetch a quarter each of the next block.
    """
    raise NotImplementedError


@overload(multiply)
def _multiplied(x, first, n_rows, weights, blocks, n_factors, sums):
    """`multiply` for the registers of the weights."""
    if in_matrices(weights):
        whole = factors_of_register(weights)

        def multiply_matrices(x, first, n_rows, weights, blocks, n_factors, sums):
            begin, n = blocks[0] + blocks[1] * n_factors * TILE, -(-n_factors // whole)
            if n_rows > ROWS:
                thirty_two_rows(x, first, weights, begin, n, sums)
            else:
                sixteen_rows(x, first, weights, begin, n, sums)

        return multiply_matrices

    def multiply_vectors(x, first, n_rows, weights, blocks, n_factors, sums):
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

    return multiply_vectors

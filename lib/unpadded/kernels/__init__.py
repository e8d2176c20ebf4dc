"""Arithmetic whose bits are ours: packed products, scalar mathematics for compiled code, what this processor is good at."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.kernels.amx import has_bfloat16_matrices, has_int8_matrices
    from unpadded.kernels.cells import add_values, next_states
    from unpadded.kernels.cpu import bfloat16_is_fast
    from unpadded.kernels.elementwise import tanh_for
    from unpadded.kernels.factors import clear, prepare, room_for_factors, row_size
    from unpadded.kernels.numba_math import HALF, ONE, compiled, inlined, quarters, rounded, sigmoid, tanh, widened
    from unpadded.kernels.products import PANEL, PRECISIONS, RowProduct, packed_low_product, packed_product
    from unpadded.kernels.registers import close_registers, multiply, open_registers, tile_bounds, tile_rows
    from unpadded.kernels.tiles import (
        COLUMNS,
        LANES,
        TILE,
        has_bfloat16_tiles,
        has_float32_tiles,
        has_int8_tiles,
    )
    from unpadded.kernels.together import meet, run_together

__getattr__, __dir__, __all__ = hand_on(__name__)

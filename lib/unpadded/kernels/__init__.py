"""Arithmetic whose bits are ours: packed products, scalar mathematics for compiled code, what this processor is good at."""

from typing import TYPE_CHECKING

from unpadded.common.lazy import hand_on

if TYPE_CHECKING:
    from unpadded.kernels.cells import next_states
    from unpadded.kernels.cpu import bfloat16_is_fast
    from unpadded.kernels.elementwise import tanh_for
    from unpadded.kernels.numba_math import HALF, ONE, compiled, inlined, quarters, rounded, sigmoid, tanh, widened
    from unpadded.kernels.products import PANEL, PRECISIONS, RowProduct, packed_low_product, packed_product
    from unpadded.kernels.tiles import (
        COLUMNS,
        LANES,
        MOST_ROWS,
        TILE,
        five_rows,
        four_rows,
        has_bfloat16_tiles,
        has_float32_tiles,
        has_int8_tiles,
        one_row,
        six_rows,
        three_rows,
        two_rows,
    )
    from unpadded.kernels.together import meet, run_together

__getattr__, __dir__, __all__ = hand_on(__name__)

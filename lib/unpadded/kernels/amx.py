"""The inner loop of a matrix product in the processor's matrix registers (AMX), for code compiled by numba.

Eight registers of 16 rows of 64 bytes: four hold sums of a block's four gates, the others factors and weights, which are
packed as for vector registers (`tiles.py`). Sixteen rows of factors are multiplied whether there are as many or not, and each
is added up by itself, in one order: so its bits depend on its own row and column alone.
"""

from functools import cache

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from unpadded.kernels.tiles import I8, I64, TILE, declared, features

ROWS = 16  # of a register
ROW_BYTES = 64
GROUPS = 16  # groups of factors that a register of weights has
PAIR_ROWS = 2 * ROWS  # rows of the larger product
# What the registers are: of the first and only kind, each with all its rows and bytes (Intel's manual, LDTILECFG).
SHAPES = np.zeros(64, np.uint8)
SHAPES[0] = 1
SHAPES[16:32] = np.full(8, ROW_BYTES, np.uint16).view(np.uint8)
SHAPES[48:56] = ROWS


@cache
def _allowed() -> bool:
    """Whether the system gives this process the registers: Linux has to be asked, and torch asks for its own products."""
    return bool(getattr(torch.cpu, "_init_amx", bool)())


def has_int8_matrices() -> bool:
    """Whether this processor multiplies matrices of bytes (AMX)."""
    return {"avx512f", "amx-tile", "amx-int8"} <= features() and _allowed()


def has_bfloat16_matrices() -> bool:
    """Whether this processor multiplies matrices of bfloat16 (AMX)."""
    return {"avx512f", "amx-tile", "amx-bf16"} <= features() and _allowed()


def in_matrices(weights) -> bool:
    """Whether packed weights, of a type of numba's, are for matrix registers: those with a sign are."""
    return weights.dtype in _PRODUCTS


_PRODUCTS = {types.int8: "llvm.x86.tdpbssd", types.int16: "llvm.x86.tdpbf16ps"}  # by the type of the weights


def factors_of_register(weights) -> int:
    """How many factors of a row a register holds, for packed weights of a type of numba's."""
    return 8 * ROW_BYTES // weights.dtype.bitwidth


@intrinsic
def open_matrices(typing_context, shapes):
    """(SHAPES) -> None: make the thread's matrix registers ready; `close_matrices` before the thread does anything else."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        _call(builder, "llvm.x86.ldtilecfg", builder.bitcast(array.data, I8.as_pointer()))
        return context.get_dummy_value()

    return types.void(shapes), generate


@intrinsic
def close_matrices(typing_context):
    """() -> None: give the matrix registers back, so that nobody has to save them."""

    def generate(context, builder, signature, arguments):
        _call(builder, "llvm.x86.tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


def _product(pairs: bool):
    """The product of 16 rows, or of twice as many: (x, first, weights, begin, n, out) -> None.

    Rows `first` on of `x` [n_rows, factors] times `n` registers of weights (flat) from `begin` on, into `out` [rows, TILE],
    whose type is that of the sums. What of the last register lies beyond the weights meets factors that have to be zeros.
    """

    @intrinsic
    def product(typing_context, x, first, weights, begin, n, out):
        signature = types.void(x, types.intp, weights, types.intp, types.intp, out)

        def generate(context, builder, signature, arguments):
            kinds = signature.args
            arrays = [context.make_array(kinds[at])(context, builder, arguments[at]) for at in (0, 2, 5)]
            factors, packed, result = (builder.bitcast(array.data, I8.as_pointer()) for array in arrays)
            stride = builder.extract_value(arrays[0].strides, 0)
            _, first, _, begin, n, _ = arguments
            factors = builder.gep(factors, [builder.mul(first, stride)])
            packed = builder.gep(packed, [builder.mul(begin, I64(kinds[2].dtype.bitwidth // 8))])
            name, given = _PRODUCTS[kinds[2].dtype], {"stride": stride, "n": n}
            for gates in ((0, 1), (2, 3)) if pairs else ((0, 1, 2, 3),):
                _sums(builder, name, gates, pairs, factors=factors, packed=packed, result=result, **given)
            return context.get_dummy_value()

        return signature, generate

    return product


def _sums(builder, name: str, gates, pairs: bool, *, factors, stride, packed, n, result) -> None:
    """The sums of some gates. Registers: 0 to 3 are sums, 4 and 5 factors, 6 and 7 weights, in turn."""
    halves = range(2 if pairs else 1)
    sums = {(half, gate): len(gates) * half + at for half in halves for at, gate in enumerate(gates)}
    for register in sums.values():
        _call(builder, "llvm.x86.tilezero", I8(register))
    before, body, after = builder.block, builder.append_basic_block("factors"), builder.append_basic_block("summed")
    builder.branch(body)
    builder.position_at_end(body)
    at = builder.phi(I64)
    at.add_incoming(I64(0), before)
    for half in halves:
        first = builder.mul(stride, I64(ROWS * half))
        place = builder.gep(factors, [builder.add(first, builder.mul(at, I64(ROW_BYTES)))])
        _call(builder, "llvm.x86.tileloadd64", I8(4 + half), place, stride)
    group = builder.gep(packed, [builder.mul(at, I64(4 * TILE * GROUPS))])
    for turn, gate in enumerate(gates):
        register = 6 + turn % 2
        _call(builder, "llvm.x86.tileloadd64", I8(register), builder.gep(group, [I64(ROW_BYTES * gate)]), I64(4 * TILE))
        for half in halves:
            _call(builder, name, I8(sums[half, gate]), I8(4 + half), I8(register))
    following = builder.add(at, I64(1))
    at.add_incoming(following, body)
    builder.cbranch(builder.icmp_signed("<", following, n), body, after)
    builder.position_at_end(after)
    for (half, gate), register in sums.items():
        place = builder.gep(result, [I64(4 * TILE * ROWS * half + ROW_BYTES * gate)])
        _call(builder, "llvm.x86.tilestored64", I8(register), place, I64(4 * TILE))


def _call(builder, name: str, *arguments) -> None:
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(declared(builder.module, name, kind), arguments)


sixteen_rows, thirty_two_rows = _product(pairs=False), _product(pairs=True)

"""The inner loop of a matrix product, for code compiled by numba: a few rows times four vector registers of columns.

Every number of the result is added up by itself, in the order of the factors, whatever the number of rows: so its bits depend
on its own row and column alone. The loop is written in LLVM's instructions, because no Python says "keep these 24 sums in
registers", and because the processor's products of bytes and of bfloat16 have no other name. The type of the weights says
which product it is: float32; uint16, the bits of bfloat16 (AVX-512-BF16), in pairs; uint8 (VNNI), in fours. The same numbers
with a sign, int16 and int8, are for matrix registers (`amx.py`).
"""

from functools import cache

from llvmlite import binding, ir
from numba import config, types
from numba.extending import intrinsic

COLUMNS = 4  # vector registers side by side
I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
F32 = ir.FloatType()


@cache
def features() -> frozenset[str]:
    """What the processor can do for which numba compiles: this one, unless NUMBA_CPU_FEATURES says otherwise."""
    told = config.CPU_FEATURES
    if told is not None:
        return frozenset(name[1:] for name in told.split(",") if name.startswith("+"))
    try:
        return frozenset(name for name, there in dict(binding.get_host_cpu_features()).items() if there)
    except RuntimeError:  # LLVM does not know
        return frozenset()


def has_float32_tiles() -> bool:
    """Whether this processor has registers for which the tiles were written: AVX-512, or AVX2 with FMA."""
    return {"avx2", "fma"} <= features() or "avx512f" in features()


def has_bfloat16_tiles() -> bool:
    """Whether this processor multiplies pairs of bfloat16 (AVX-512-BF16)."""
    return {"avx512f", "avx512bf16"} <= features()


def has_int8_tiles() -> bool:
    """Whether this processor multiplies bytes in fours (AVX-512-VNNI or AVX-VNNI)."""
    return {"avx512f", "avx512vnni"} <= features() or "avxvnni" in features()


LANES = 16 if "avx512f" in features() else 8  # float32 numbers in a vector register
MOST_ROWS = 6 if LANES == 16 else 2  # rows of a tile: of 32 registers 24 are sums, of 16 eight
TILE = COLUMNS * LANES  # columns of a tile
FEW_ROWS = 2  # whose products take less time than their weights


class _BFloat(ir.types.Type):
    """LLVM's bfloat, for which llvmlite has no name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


def _tile(rows: int):
    """The tile of so many rows: (x, first, weights, begin, n, ahead, out) -> None.

    Rows `first` on of `x` [n_rows, factors] times `n` groups of factors of `weights` (flat, aligned to 64 bytes) from `begin`
    on, into `out` [rows, TILE], whose type is that of the sums. On the way a quarter as many weights, from `ahead` on, are
    fetched into the core's own cache, where they would be waited for; few rows wait for their own weights as it is.
    """

    @intrinsic
    def tile(typing_context, x, first, weights, begin, n, ahead, out):
        signature = types.void(x, types.intp, weights, types.intp, types.intp, types.intp, out)

        def generate(context, builder, signature, arguments):
            kinds = signature.args
            arrays = [context.make_array(kinds[at])(context, builder, arguments[at]) for at in (0, 2, 6)]
            factors, packed, result = (builder.bitcast(array.data, I8.as_pointer()) for array in arrays)
            stride = builder.extract_value(arrays[0].strides, 0)
            _, first, _, begin, n, ahead, _ = arguments
            product = _PRODUCTS[kinds[2].dtype](builder.module)
            factors = builder.gep(factors, [builder.mul(first, stride)])
            n_bytes = I64(kinds[2].dtype.bitwidth // 8)
            following = builder.gep(packed, [builder.mul(ahead, n_bytes)])
            packed = builder.gep(packed, [builder.mul(begin, n_bytes)])
            given = {"factors": factors, "stride": stride, "packed": packed, "following": following}
            sums = _loop(builder, product, rows, n=n, **given)
            for at, total in enumerate(sums):
                place = builder.gep(result, [I64(4 * LANES * at)])
                builder.store(total, builder.bitcast(place, total.type.as_pointer()), align=4)
            return context.get_dummy_value()

        return signature, generate

    return tile


def _loop(builder, product, rows: int, *, factors, stride, packed, following, n) -> list:
    """The sums of a tile, row by row, after `n` groups of factors."""
    before, body, after = builder.block, builder.append_basic_block("factors"), builder.append_basic_block("summed")
    builder.branch(body)
    builder.position_at_end(body)
    at = builder.phi(I64)
    at.add_incoming(I64(0), before)
    sums = [builder.phi(product.sums) for _ in range(rows * COLUMNS)]
    for total in sums:
        total.add_incoming(ir.Constant(product.sums, [0] * LANES), before)
    if rows > FEW_ROWS:
        _fetch(builder, builder.gep(following, [builder.mul(at, I64(TILE))]))
    group = builder.gep(packed, [builder.mul(at, I64(4 * TILE))])
    places = (builder.gep(group, [I64(4 * LANES * j)]) for j in range(COLUMNS))
    columns = [builder.load(builder.bitcast(place, product.factors.as_pointer()), align=4 * LANES) for place in places]
    added = []
    for row in range(rows):
        place = builder.gep(factors, [builder.add(builder.mul(stride, I64(row)), builder.mul(at, I64(4)))])
        factor = spread(builder, builder.load(builder.bitcast(place, I32.as_pointer()), align=1), product.factors)
        own = sums[row * COLUMNS : (row + 1) * COLUMNS]
        added += [product.add(builder, total, column, factor) for total, column in zip(own, columns, strict=True)]
    following = builder.add(at, I64(1))
    at.add_incoming(following, body)
    for total, new in zip(sums, added, strict=True):
        total.add_incoming(new, body)
    builder.cbranch(builder.icmp_signed("<", following, n), body, after)
    builder.position_at_end(after)
    return added


def _fetch(builder, place) -> None:
    """Ask for the line of memory at `place`, to be in the second cache when it is read."""
    kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
    function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
    builder.call(function, [place, I32(0), I32(2), I32(1)])  # to read, twice removed from the registers, data


def spread(builder, word, kind):
    """A register that holds the four bytes of `word` in every lane."""
    words = ir.VectorType(I32, LANES)
    undefined = ir.Constant(words, ir.Undefined)
    first = builder.insert_element(undefined, word, I32(0))
    return builder.bitcast(builder.shuffle_vector(first, undefined, ir.Constant(words, [0] * LANES)), kind)


def declared(module, name: str, kind):
    """The function of LLVM's that has this name, declared in the module once."""
    return module.globals.get(name) or ir.Function(module, kind, name)


class _Product:
    """sums + weights * x for a register of weights and a spread group of x: a function of LLVM's that does that."""

    def __init__(self, module, name: str, sums, factors, order):
        self.sums, self.factors, self._order = ir.VectorType(sums, LANES), factors, order
        self._function = declared(module, name, ir.FunctionType(self.sums, self._operands(order)))

    def _operands(self, order) -> list:
        return [self.sums if name == "sums" else self.factors for name in order]

    def add(self, builder, sums, weights, x):
        """The new sums."""
        named = {"sums": sums, "weights": weights, "x": x}
        return builder.call(self._function, [named[name] for name in self._order])


_BITS = 32 * LANES
FMA = f"llvm.fma.v{LANES}f32"
_PRODUCTS = {
    types.float32: lambda module: _Product(module, FMA, F32, ir.VectorType(F32, LANES), ("weights", "x", "sums")),
    types.uint16: lambda module: _Product(
        module,
        f"llvm.x86.avx512bf16.dpbf16ps.{_BITS}",
        F32,
        ir.VectorType(_BFloat(), 2 * LANES),
        ("sums", "weights", "x"),
    ),
    types.uint8: lambda module: _Product(
        module,
        f"llvm.x86.avx512.vpdpbusd.{_BITS}",
        I32,
        # The instruction's factors are bytes; LLVM before 21 called four of them a word.
        ir.VectorType(I8, 4 * LANES) if binding.llvm_version_info[0] > 20 else ir.VectorType(I32, LANES),
        ("sums", "weights", "x"),
    ),
}
one_row, two_rows, three_rows, four_rows, five_rows, six_rows = (_tile(n) for n in range(1, 7))

"""An LSTM's step from the sums of its gates to the next states, for code compiled by numba: LANES units at once.

Written in LLVM's instructions, so that it is whole vector registers of whatever width and fused multiply-adds everywhere, and
a unit's bits are the same in all of them. The functions are those of `numba_math`, with one division where they have two.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from unpadded.kernels.numba_math import FIFTH, FOURTH, HALF, LN2_HIGH, LN2_LOW, LOG2_E, MOST, SEVENTH, SIXTH, THIRD
from unpadded.kernels.tiles import COLUMNS, F32, FMA, I8, I32, I64, LANES, declared, spread

NUMBERS, WHOLE = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)
SERIES = (SIXTH, FIFTH, FOURTH, THIRD, HALF, 1)  # coefficients of exp, after that of the highest power
CERTAIN = 20  # tanh of half of it is 1, to rounding
TO_WHOLE, ITS_BITS = 3 << 22, 0x4B400000  # a sum with it has no fraction: its last bits are the nearest whole number


class _Lanes:
    """Arithmetic on registers of float32 numbers, which `builder` writes down."""

    def __init__(self, builder):
        self._builder = builder
        kind = ir.FunctionType(NUMBERS, [NUMBERS] * 3)
        self._fma = declared(builder.module, FMA, kind)

    def all(self, number: float):
        """A register that holds the number in every lane."""
        return ir.Constant(NUMBERS, [float(number)] * LANES)

    def fma(self, a, b, c):
        """a * b + c, rounded once."""
        return self._builder.call(self._fma, [a, b, c])

    def exponential(self, x, most: float):
        """A power of two and a fraction with exp(x) = power * (1 + fraction), to rounding, for |x| up to `most`."""
        build, least, most = self._builder, self.all(-most), self.all(most)
        x = build.select(build.fcmp_ordered("<", x, least), least, x)
        x = build.select(build.fcmp_ordered(">", x, most), most, x)
        shifted = self.fma(x, self.all(LOG2_E), self.all(TO_WHOLE))
        n = build.fsub(shifted, self.all(TO_WHOLE))
        r = self.fma(n, self.all(-LN2_LOW), self.fma(n, self.all(-LN2_HIGH), x))
        f = self.all(SEVENTH)
        for coefficient in SERIES:
            f = self.fma(f, r, self.all(coefficient))
        bias = ir.Constant(WHOLE, [127 - ITS_BITS] * LANES)
        exponent = build.shl(build.add(build.bitcast(shifted, WHOLE), bias), ir.Constant(WHOLE, [23] * LANES))
        return build.bitcast(exponent, NUMBERS), build.fmul(f, r)

    def under_sigmoid(self, x):
        """1 + exp(-x), through which 1 is divided."""
        power, fraction = self.exponential(self._builder.fneg(x), MOST)
        return self._builder.fadd(self.fma(power, fraction, power), self.all(1))

    def tanh(self, x):
        """Numerator exp(2 x) - 1, without cancellation, and denominator; both small enough to be multiplied by another."""
        power, fraction = self.exponential(self._builder.fadd(x, x), CERTAIN)
        less_one = self.fma(power, fraction, self._builder.fsub(power, self.all(1)))
        return less_one, self._builder.fadd(less_one, self.all(2))


class _Values:
    """What the sums of a tile's row stand for, gate by gate, with what is added to them: registers of LANES numbers.

    Sums of bytes have to be scaled, and the offset of weights without sign has to be taken away.
    """

    def __init__(self, context, builder, kinds, arguments):
        self._builder, self._bytes = builder, kinds[0].dtype in (types.int8, types.uint8)
        _, sums, row, facts, facts_row, scales, scales_at, terms, terms_row, terms_at, *_ = arguments
        start = I64(0)
        self._sums = _pointer(context, builder, kinds[1], sums, row, start)
        facts = _pointer(context, builder, kinds[3], facts, facts_row, start)
        self._scales = _pointer(context, builder, kinds[5], scales, start, scales_at)
        self._terms = _pointer(context, builder, kinds[7], terms, terms_row, terms_at)
        if self._bytes:
            words = builder.bitcast(facts, I32.as_pointer())
            self._scale = spread(builder, builder.load(words, align=4), NUMBERS)
            self._offset = spread(builder, builder.load(builder.gep(words, [I64(1)]), align=4), WHOLE)

    def of(self, gate: int):
        """The values of a gate."""
        build, at = self._builder, [I64(LANES * gate)]
        sums, terms = build.gep(self._sums, at), _load(build, build.gep(self._terms, at), NUMBERS)
        if not self._bytes:
            return build.fadd(terms, _load(build, sums, NUMBERS))
        whole = build.sub(_load(build, sums, WHOLE), self._offset)
        scale = build.fmul(self._scale, _load(build, build.gep(self._scales, at), NUMBERS))
        return build.fadd(terms, build.fmul(build.sitofp(whole, NUMBERS), scale))


def _pointer(context, builder, kind, array, row, column):
    """Where the number of an array, [rows, columns] or flat, is."""
    array = context.make_array(kind)(context, builder, array)
    start = builder.bitcast(array.data, I8.as_pointer())
    if kind.ndim == 2:
        start = builder.gep(start, [builder.mul(row, builder.extract_value(array.strides, 0))])
    return builder.gep(builder.bitcast(start, F32.as_pointer()), [column])


def _load(builder, pointer, kind):
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=4)


def _store(builder, numbers, pointer) -> None:
    builder.store(numbers, builder.bitcast(pointer, NUMBERS.as_pointer()), align=4)


@intrinsic
def add_values(typing_context, weights, sums, i, facts, k, scales, at, terms, row, column, out, out_row, out_column):
    """Write to a row of `out`, from a column on, the TILE values of a row of sums and what is added to them.

    Arguments: the weights, for their type; the sums and which row; the scale of each row of factors and what its offset adds
    up to, and which row; the scales of the columns (flat), and from where on; then, each with a row and a column, the terms
    that are added, and `out`.
    """
    place = types.intp, types.intp
    given = weights, sums, types.intp, facts, types.intp, scales, types.intp, terms, *place
    signature = types.void(*given, out, *place)

    def generate(context, builder, signature, arguments):
        values = _Values(context, builder, signature.args, arguments)
        out = _pointer(context, builder, signature.args[10], *arguments[10:13])
        for gate in range(COLUMNS):
            _store(builder, values.of(gate), builder.gep(out, [I64(LANES * gate)]))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def next_states(
    typing_context, weights, sums, i, facts, k, scales, at, terms, row, column, c, c_row, c_column, h, h_row, h_column
):
    """From the values of a row of sums, the gates i, f, o, g of LANES units, to their next c and h, in place.

    Arguments: those of `add_values`, with `c` and `h`, each with a row and its first unit's column, in the place of `out`.
    """
    place = types.intp, types.intp
    given = weights, sums, types.intp, facts, types.intp, scales, types.intp, terms, *place
    signature = types.void(*given, c, *place, h, *place)

    def generate(context, builder, signature, arguments):
        values = _Values(context, builder, signature.args, arguments)
        i, f, o, g = (values.of(gate) for gate in range(COLUMNS))
        old = _pointer(context, builder, signature.args[10], *arguments[10:13])
        new_h = _pointer(context, builder, signature.args[13], *arguments[13:16])
        lanes = _Lanes(builder)
        top, bottom = lanes.tanh(g)
        taken = builder.fdiv(top, builder.fmul(lanes.under_sigmoid(i), bottom))
        new = builder.fadd(builder.fdiv(_load(builder, old, NUMBERS), lanes.under_sigmoid(f)), taken)
        _store(builder, new, old)
        top, bottom = lanes.tanh(new)
        _store(builder, builder.fdiv(top, builder.fmul(lanes.under_sigmoid(o), bottom)), new_h)
        return context.get_dummy_value()

    return signature, generate

"""An LSTM's step from the sums of its gates to the next states, for code compiled by numba: LANES units at once.

Written in LLVM's instructions, so that it is whole vector registers of whatever width and fused multiply-adds everywhere, and
a unit's bits are the same in all of them. The functions are those of `numba_math`, with one division where they have two.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from unpadded.kernels.numba_math import FIFTH, FOURTH, HALF, LN2_HIGH, LN2_LOW, LOG2_E, MOST, SEVENTH, SIXTH, THIRD
from unpadded.kernels.tiles import F32, FMA, I8, I32, I64, LANES, declared

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


@intrinsic
def next_states(typing_context, gates, c, row, unit, h, at):
    """(gates, c, row, unit, h, at) -> None: from the sums of the gates i, f, o, g of LANES units to their next c and h.

    `gates`, float32 [1, 4 * LANES]; the units are those from `unit` on of a `row` of `c`, and from `at` on of that of `h`.
    """
    signature = types.void(gates, c, types.intp, types.intp, h, types.intp)

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        gates, c, h = (context.make_array(kinds[at])(context, builder, arguments[at]) for at in (0, 1, 4))
        _, _, row, unit, _, at = arguments

        def place(array, column):
            first = builder.mul(row, builder.extract_value(array.strides, 0))
            start = builder.gep(builder.bitcast(array.data, I8.as_pointer()), [first])
            return builder.gep(builder.bitcast(start, F32.as_pointer()), [column])

        def load(pointer):
            return builder.load(builder.bitcast(pointer, NUMBERS.as_pointer()), align=4)

        def store(numbers, pointer):
            builder.store(numbers, builder.bitcast(pointer, NUMBERS.as_pointer()), align=4)

        i, f, o, g = (load(builder.gep(gates.data, [I64(LANES * gate)])) for gate in range(4))
        lanes, old = _Lanes(builder), place(c, unit)
        top, bottom = lanes.tanh(g)
        taken = builder.fdiv(top, builder.fmul(lanes.under_sigmoid(i), bottom))
        new = builder.fadd(builder.fdiv(load(old), lanes.under_sigmoid(f)), taken)
        store(new, old)
        top, bottom = lanes.tanh(new)
        store(builder.fdiv(top, builder.fmul(lanes.under_sigmoid(o), bottom)), place(h, at))
        return context.get_dummy_value()

    return signature, generate

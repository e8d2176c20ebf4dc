"""The step of an LSTM's cell in vector registers, against the formula in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpadded.kernels import LANES, TILE, add_values, compiled, has_float32_tiles, next_states

pytestmark = pytest.mark.skipif(not has_float32_tiles(), reason="no such registers here")
ROUNDING = 1e-6


NONE, NOWHERE = (
    np.empty(0, np.float32),
    np.empty((1, 2), np.float32),
)  # weights, of which the type counts; what is not read


@compiled
def step(gates, c, row, unit, h, at):
    terms = np.zeros_like(gates)
    next_states(NONE, gates, 0, NOWHERE, 0, NONE, 0, terms, 0, 0, c, row, unit, h, row, at)


@compiled
def values(weights, sums, facts, scales, terms, out):
    add_values(weights, sums, 1, facts, 2, scales, 3, terms, 0, 5, out, 1, 7)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@given(scale=st.sampled_from([0.1, 1, 5, 30, 300]), seed=st.integers(0, 999))
def test_it_is_the_formula_to_rounding_however_large_the_sums(scale, seed):
    rng = np.random.default_rng(seed)
    gates, c = (
        rng.normal(0, scale, (1, 4 * LANES)).astype(np.float32),
        rng.normal(0, 2, (2, 3 * LANES)).astype(np.float32),
    )
    h, before = np.zeros((2, 2 * LANES), np.float32), c.copy()
    step(gates, c, 1, LANES, h, LANES)
    i, f, o, g = gates[0].astype(np.float64).reshape(4, LANES)
    with np.errstate(over="ignore"):
        expected = sigmoid(f) * before[1, LANES : 2 * LANES] + sigmoid(i) * np.tanh(g)
        out = sigmoid(o) * np.tanh(expected)
    np.testing.assert_allclose(c[1, LANES : 2 * LANES], expected, rtol=ROUNDING, atol=3 * ROUNDING)
    np.testing.assert_allclose(h[1, LANES:], out, rtol=ROUNDING, atol=3 * ROUNDING)
    c[1, LANES : 2 * LANES] = before[1, LANES : 2 * LANES]
    assert np.array_equal(c, before)  # nothing else is written to
    assert not h[0].any()
    assert not h[1, :LANES].any()


@pytest.mark.parametrize("gate", range(4))
def test_what_is_no_number_stays_none(gate):
    gates, c, h = (
        np.zeros((1, 4 * LANES), np.float32),
        np.zeros((1, LANES), np.float32),
        np.zeros((1, LANES), np.float32),
    )
    gates[0, gate * LANES] = np.nan
    step(gates, c, 0, 0, h, 0)
    assert np.isnan(h[0, 0])
    assert np.isfinite(h[0, 1:]).all()


def test_a_units_bits_are_those_of_any_lane():
    rng = np.random.default_rng(0)
    gates = rng.normal(0, 3, (1, 4 * LANES)).astype(np.float32)
    turned = np.roll(gates.reshape(4, LANES), 1, axis=1).reshape(1, -1).copy()
    found = []
    for sums in (gates, turned):
        c, h = np.full((1, LANES), 0.3, np.float32), np.zeros((1, LANES), np.float32)
        step(sums, c, 0, 0, h, 0)
        found.append((c, h))
    (c, h), (turned_c, turned_h) = found
    assert np.array_equal(np.roll(c, 1), turned_c)
    assert np.array_equal(np.roll(h, 1), turned_h)


@pytest.mark.parametrize(("kind", "offset"), [(np.uint8, 12_345), (np.int8, 0)])
def test_sums_of_bytes_are_scaled_and_freed_of_the_offset(kind, offset):
    """To the bit: as it is done here, number by number."""
    rng = np.random.default_rng(0)
    whole = rng.integers(-(2**22), 2**22, (2, TILE), np.int32)
    scales, terms = (rng.random(n, np.float32) for n in (TILE + 3, TILE + 5))
    facts, out = rng.random((3, 2), np.float32), np.zeros((2, TILE + 9), np.float32)
    facts[2, 1] = np.int32(offset).view(np.float32)
    values(np.empty(0, kind), whole.view(np.float32), facts, scales, terms[None], out)
    expected = (whole[1] - offset).astype(np.float32) * (facts[2, 0] * scales[3:]) + terms[5:]
    assert np.array_equal(out[1, 7 : 7 + TILE], expected)
    assert not out[0].any()
    assert not out[1, :7].any()
    assert not out[1, 7 + TILE :].any()

"""Dropped weights: as many as asked for, the same for the gradient, and nothing of a pattern among them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unpadded.training.cpu_bfloat16.dropout import Drop, drop, drop_gradient


def left(weight: np.ndarray, which: Drop) -> np.ndarray:
    """What `drop` leaves of float32 `weight`, as float32."""
    bits = np.zeros(weight.shape, np.uint16)
    drop(weight, which, bits)
    return torch.from_numpy(bits).view(torch.bfloat16).float().numpy()


@given(st.integers(1, 9), st.integers(1, 33), st.integers(0, 2**62 - 1), st.sampled_from([0.0, 0.1, 0.5, 0.9]))
def test_a_kept_weight_is_scaled_and_so_is_its_gradient_and_a_dropped_one_has_none(n, width, seed, probability):
    weight = np.random.default_rng(0).uniform(1, 2, (n, width)).astype(np.float32)
    found = left(weight, Drop(probability, seed))
    kept = found != 0
    np.testing.assert_allclose(found[kept], weight[kept] / (1 - probability), rtol=2**-8)
    assert probability or kept.all()
    gradient = np.full((n, width), np.nan, np.float32)
    ones = torch.ones(n, width, dtype=torch.bfloat16).view(torch.uint16).numpy()
    drop_gradient(ones, Drop(probability, seed), gradient)
    np.testing.assert_allclose(gradient, kept / (1 - probability), rtol=1e-6)


def test_what_is_not_dropped_is_rounded_to_bfloat16_as_torch_rounds_it():
    weight = np.random.default_rng(0).standard_normal((64, 1_001)).astype(np.float32)
    expected = torch.from_numpy(weight).bfloat16().float().numpy()
    np.testing.assert_array_equal(left(weight, Drop(0.0, 5)), expected)


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.5])
def test_draws_are_as_frequent_as_asked_and_independent_of_neighbours_rows_and_seeds(probability):
    ones, n = np.ones((400, 1_000), np.float32), 400_000
    first, second = (left(ones, Drop(probability, seed)) == 0 for seed in (1, 2))
    deviation = (probability * (1 - probability) / n) ** 0.5
    assert first.mean() == pytest.approx(probability, abs=5 * deviation)
    pairs = [
        *((first[:, :-gap], first[:, gap:]) for gap in (1, 2, 3, 4, 250, 500)),  # 250: the other draws of one number
        *((first[:-gap], first[gap:]) for gap in (1, 2, 16)),
        (first, second),
    ]
    for one, other in pairs:
        both = (one & other).mean()
        assert both == pytest.approx(probability**2, abs=5 * (probability**2 / one.size) ** 0.5)

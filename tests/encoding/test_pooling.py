"""Poolings: what they are, from one pass, and sums that stay right over a million tokens."""

import numpy as np
import pytest
import torch

from encoder_tools import fastai_loop, random_documents, random_model
from unpadded.common.errors import InputError
from unpadded.common.names import CONCAT
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.pooling import RunningPools, _add_in_order, parts_of


def test_concat_is_last_mean_max_side_by_side():
    lm, documents = random_model(), random_documents([4, 1, 19])
    parts = fastai_loop(lm, documents)
    found = DocumentEncoder(lm, "concat").encode_tokens(documents)
    np.testing.assert_allclose(found, np.hstack([parts["last"], parts["mean"], parts["max"]]), rtol=0, atol=1e-6)


def test_all_poolings_come_from_one_pass():
    lm, documents = random_model(), random_documents([4, 1, 19, 50, 8])
    encoder = DocumentEncoder(lm, token_weights=np.linspace(0, 2, 50))
    names = ["max", "concat", "weighted_mean", "last", "mean"]
    together = encoder.encode_tokens(documents, pooling=names)
    assert list(together) == names
    for name in names:
        assert np.array_equal(together[name], encoder.encode_tokens(documents, pooling=name))
    assert all(np.shares_memory(together["concat"], together[name]) for name in CONCAT)  # never held twice


def test_weighted_mean_is_the_weighted_mean():
    lm, documents = random_model(), random_documents([4, 1, 19])
    weights = np.random.default_rng(0).random(50)
    found = DocumentEncoder(lm, "weighted_mean", token_weights=weights).encode_tokens(documents)
    for tokens, vector in zip(documents, found, strict=True):
        # Every prefix's last state is a state of the document.
        states = fastai_loop(lm, [tokens[: n + 1] for n in range(len(tokens))])["last"].astype(np.float64)
        w = weights[tokens][:, None]
        np.testing.assert_allclose(vector, (states * w).sum(0) / w.sum(), rtol=0, atol=1e-6)


def test_constant_weights_give_the_mean_and_zero_weights_give_zeros():
    lm, documents = random_model(), random_documents([4, 1, 19])
    mean = DocumentEncoder(lm, "mean").encode_tokens(documents)
    constant = DocumentEncoder(lm, "weighted_mean", token_weights=np.full(50, 2.5)).encode_tokens(documents)
    np.testing.assert_allclose(constant, mean, rtol=0, atol=1e-7)
    assert not DocumentEncoder(lm, "weighted_mean", token_weights=np.zeros(50)).encode_tokens(documents).any()


def test_layers_can_be_chosen():
    lm, documents = random_model(50, 7, 11, 3), random_documents([4, 1, 19, 33])
    every = DocumentEncoder(lm, "concat", layer="all")
    vectors = every.encode_tokens(documents, pooling=["last", "mean", "max"])
    assert every.width == 3 * (11 + 11 + 7)
    assert vectors["mean"].shape == (4, 29)
    for layer, columns in [(0, slice(0, 11)), (1, slice(11, 22)), (-1, slice(22, 29))]:
        one = DocumentEncoder(lm, layer=layer).encode_tokens(documents, pooling=["last", "mean", "max"])
        assert all(np.array_equal(vectors[name][:, columns], one[name]) for name in one)
    np.testing.assert_allclose(vectors["max"][:, 22:], fastai_loop(lm, documents)["max"], rtol=0, atol=1e-6)


def test_the_mean_of_a_million_tokens_is_right():
    # States near 1 that differ in the last bits: a float32 sum is off by far more than 1e-5 after a million of them.
    n_steps, width = 1000, 3
    rng = np.random.default_rng(0)
    values = (0.9 + 0.1 * rng.random((n_steps, 1, width))).astype(np.float32)
    pools = RunningPools(
        ["mean", "weighted_mean"], n_slots=1, width=width, device="cpu", weights=torch.rand(2).double()
    )
    ids = torch.zeros(n_steps, 1, dtype=torch.int64)
    slot = torch.tensor([0])
    for block in range(1000):
        ends = [None] * (n_steps - 1) + [slot if block == 999 else None]
        starts = [slot if block == 0 else None] + [None] * (n_steps - 1)
        pooled = pools.add(
            torch.from_numpy(values), ids, starts, ends, np.array([1_000_000] * (block == 999), np.int64)
        )
    expected = values.astype(np.float64).mean((0, 1))
    for array in pooled.values():
        np.testing.assert_allclose(array[0], expected, rtol=0, atol=1e-7)
    assert abs(np.cumsum(np.tile(values[:, 0, 0], 1000), dtype=np.float32)[-1] / 1e6 - expected[0]) > 1e-5


def test_empty_documents_are_zeros():
    encoder = DocumentEncoder(random_model())
    vectors = encoder.encode_tokens([[], [3, 4], np.array([], np.int64)])
    assert not vectors[[0, 2]].any()
    assert vectors[1].any()
    assert np.array_equal(vectors[1:2], encoder.encode_tokens([[3, 4]]))


@pytest.mark.parametrize("n_steps", [2, 7, 50])
@pytest.mark.parametrize("size", [(2, 1), (2, 7), (300, 40)])
def test_sums_are_the_same_however_they_are_cut(n_steps, size):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(100, *size, dtype=torch.float64, generator=generator).mul(20).exp()  # every sum is rounded
    whole, total = torch.zeros(2, *size, dtype=torch.float64).unbind()
    for value in values:
        whole += value
    for part in values.split(n_steps):
        _add_in_order(total, part)
    assert torch.equal(total, whole)
    assert not torch.equal(values.flip(0).sum(0), whole)


@pytest.mark.parametrize("names", [[], ["medain"], ["mean", "first"]])
def test_unknown_poolings_are_refused(names):
    with pytest.raises(InputError, match="not known"):
        parts_of(names)


def test_a_weighted_mean_needs_weights():
    with pytest.raises(InputError, match="token_weights"):
        DocumentEncoder(random_model(), "weighted_mean").encode_tokens([[1]])

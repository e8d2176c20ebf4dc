"""The LSTM of bfloat16 training against torch's own in float32, and what it leaves behind."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from training_tools import SMALL, assert_same, weights
from unpadded import stepped_lstm
from unpadded.fastai_modules import make_module
from unpadded.stepped_lstm import Memory, _drop_weights, _forward, stepped_lstms
from unpadded.training import train

needs_bfloat16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16 products"
)


def gradients(lstm: nn.LSTM, forward, x, state) -> list[torch.Tensor]:
    """The outputs of one call, and the gradients of x, the state and all weights, of a loss that looks at every output."""
    leaves = [x, *state]
    for tensor in [*leaves, *lstm.parameters()]:
        tensor.requires_grad_(True)
        tensor.grad = None
    states, (h, c) = forward(x, state)
    scale = torch.linspace(-1, 1, states.numel()).view(states.shape)
    (((states * scale).sum() + h.square().sum() + (c * 0.3).sum()) / x.shape[0]).backward()
    return [part.detach().clone() for part in (states, h, c)] + [t.grad.clone() for t in (*leaves, *lstm.parameters())]


@needs_bfloat16
@settings(deadline=None)  # the first example compiles
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))
def test_outputs_and_gradients_are_torchs_to_bfloat16(n_steps, batch, n_in, width):
    torch.manual_seed(n_steps + 10 * batch)
    lstm = nn.LSTM(n_in, width, batch_first=True)
    x, state = torch.randn(batch, n_steps, n_in), tuple(torch.randn(1, batch, width) * 0.5 for _ in "hc")
    expected = gradients(lstm, lambda *a: nn.LSTM.forward(lstm, *a), x, state)
    found = gradients(lstm, lambda *a: _forward(lstm, Memory(), *a), x, state)
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= 0.03 * one.norm() + 0.02  # the second for sums that cancel


@needs_bfloat16
def test_a_window_whose_memory_was_used_again_has_no_backward_pass():
    lstm, memory = nn.LSTM(3, 4, batch_first=True), Memory()
    state = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    first, second = (_forward(lstm, memory, torch.randn(2, 5, 3), state)[0] for _ in "ab")
    second.sum().backward()
    with pytest.raises(RuntimeError, match="has read another window since"):
        first.sum().backward()


@needs_bfloat16
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_the_compiled_step_keeps_what_is_not_finite_and_saturates_what_is_large(value):
    lstm, state = nn.LSTM(1, 2, batch_first=True), (torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    x = torch.tensor([[[value]]])
    expected, found = nn.LSTM.forward(lstm, x, state)[0], _forward(lstm, Memory(), x, state)[0]
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0.02, equal_nan=True)


def test_weights_are_dropped_as_often_as_asked_and_the_rest_is_scaled():
    rnn = make_module(20, {"emb_sz": 64, "n_hid": 64, "n_layers": 1, "weight_p": 0.3})[0].rnns[0].train()
    torch.manual_seed(3)
    _drop_weights(rnn)
    dropped, raw = rnn.module.weight_hh_l0, rnn.weight_hh_l0_raw
    share = (dropped == 0).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.02)  # 16,384 weights: four standard deviations
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], raw[kept] / 0.7)
    torch.manual_seed(3)
    _drop_weights(rnn)
    assert torch.equal(rnn.module.weight_hh_l0, dropped)
    rnn.eval()
    _drop_weights(rnn)
    assert torch.equal(rnn.module.weight_hh_l0, raw)


def test_only_wide_layers_change_only_for_a_while_and_only_in_training(monkeypatch):
    awd_lstm = make_module(20, {"emb_sz": 8, "n_hid": 8, "n_layers": 2})[0]
    layers = [rnn.module for rnn in awd_lstm.rnns]
    with stepped_lstms(awd_lstm):
        assert not any("forward" in vars(lstm) for lstm in layers)
    monkeypatch.setattr(stepped_lstm, "MANY", 0)
    ids = torch.arange(12).view(2, 6)
    awd_lstm.eval()
    awd_lstm.reset()
    before = awd_lstm(ids)
    with stepped_lstms(awd_lstm):
        awd_lstm.reset()
        assert torch.equal(awd_lstm(ids), before)
        assert all("forward" in vars(lstm) for lstm in layers)
    with pytest.raises(ZeroDivisionError), stepped_lstms(awd_lstm):
        raise ZeroDivisionError
    assert not any("forward" in vars(lstm) for lstm in layers)


@needs_bfloat16
def test_training_through_it_learns_and_repeats(tiny_tokens, monkeypatch):
    settings = replace(SMALL, precision="bfloat16", epochs=6, learning_rate=0.02)
    usual = train(tiny_tokens, settings, progress=False)
    monkeypatch.setattr(stepped_lstm, "MANY", 0)
    first, second = (train(tiny_tokens, settings, progress=False) for _ in "ab")
    assert_same(weights(first), weights(second))
    assert first.card["valid_perplexity"] < 0.8 * usual.training.valid_perplexity.dropna().iloc[0]
    assert first.card["valid_perplexity"] == pytest.approx(usual.card["valid_perplexity"], rel=0.2)

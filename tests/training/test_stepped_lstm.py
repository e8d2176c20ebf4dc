"""The LSTM of bfloat16 training against torch's own in float32, and what it leaves behind."""

import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training_tools import SMALL, assert_same, weights
from unpadded.model.fastai_modules import make_module
from unpadded.training import fitting
from unpadded.training.cpu_bfloat16.dropout import Drop
from unpadded.training.cpu_bfloat16.lstm import LayerMemory, read_window
from unpadded.training.loop import train

pytestmark = pytest.mark.slow

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


def run(lstm: nn.LSTM, memory: LayerMemory, x, state):
    """As `nn.LSTM.forward` with `batch_first`, nothing dropped."""
    return read_window(lstm, lstm.weight_hh_l0, x, state, Drop(0.0, 0), memory)


@needs_bfloat16
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))
def test_outputs_and_gradients_are_torchs_to_bfloat16(n_steps, batch, n_in, width):
    torch.manual_seed(n_steps + 10 * batch)
    lstm = nn.LSTM(n_in, width, batch_first=True)
    x, state = torch.randn(batch, n_steps, n_in), tuple(torch.randn(1, batch, width) * 0.5 for _ in "hc")
    expected = gradients(lstm, lambda *a: nn.LSTM.forward(lstm, *a), x, state)
    found = gradients(lstm, partial(run, lstm, LayerMemory()), x, state)
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= 0.03 * one.norm() + 0.02  # the second for sums that cancel


@needs_bfloat16
def test_gradients_pass_through_gates_that_are_nearly_open_over_many_steps():
    """A bfloat16 would round the forget gates to 1 or 0.996, and after 200 steps to anything."""
    lstm = nn.LSTM(2, 2, batch_first=True)
    with torch.no_grad():
        for weight in lstm.parameters():
            weight.zero_()
        lstm.bias_ih_l0[2:4] = torch.tensor([7.0, 6.2])  # forget: 0.9991, 0.9980
        lstm.bias_ih_l0[6:8] = 3.0
    x, state = torch.zeros(1, 200, 2), (torch.zeros(1, 1, 2), torch.full((1, 1, 2), 0.3))
    expected = gradients(lstm, lambda *a: nn.LSTM.forward(lstm, *a), x, state)[5]  # of the first c
    found = gradients(lstm, partial(run, lstm, LayerMemory()), x, state)[5]
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0)


@needs_bfloat16
def test_gradients_are_at_least_as_near_to_float32_as_those_of_torchs_bfloat16_lstm():
    torch.manual_seed(0)
    lstm = nn.LSTM(100, 100, batch_first=True)
    with torch.no_grad():
        for weight in lstm.parameters():
            weight.mul_(3)
        lstm.bias_ih_l0[100:200] += torch.linspace(-1, 6, 100)  # cells of short and of long memory
    x, state = torch.randn(16, 70, 100), tuple(torch.randn(1, 16, 100) * 0.3 for _ in "hc")

    def torchs(x, state):
        with torch.autocast("cpu", torch.bfloat16):
            states, ends = nn.LSTM.forward(lstm, x, state)
        return states.float(), tuple(part.float() for part in ends)

    forwards = lambda *a: nn.LSTM.forward(lstm, *a), torchs, partial(run, lstm, LayerMemory())
    expected, theirs, ours = (gradients(lstm, forward, x, state) for forward in forwards)
    for one, bfloat16, stepped in zip(expected, theirs, ours, strict=True):
        assert (stepped - one).norm() <= 1.1 * (bfloat16 - one).norm()


@needs_bfloat16
def test_a_window_whose_memory_was_used_again_has_no_backward_pass():
    lstm, memory = nn.LSTM(3, 4, batch_first=True), LayerMemory()
    state = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    first, second = (run(lstm, memory, torch.randn(2, 5, 3), state)[0] for _ in "ab")
    second.sum().backward(retain_graph=True)
    for states in (first, second):
        with pytest.raises(RuntimeError, match="call backward once, before the next forward pass"):
            states.sum().backward()


@needs_bfloat16
def test_gradients_are_added_up_over_windows_where_nobody_clears_them():
    lstm, memory = nn.LSTM(3, 4, batch_first=True), LayerMemory()
    state, expected = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)), []
    windows = torch.randn(3, 2, 5, 3)
    for x in windows:
        run(lstm, memory, x, state)[0].sum().backward()
        expected.append([weight.grad.clone() for weight in lstm.parameters()])
        lstm.zero_grad()
    for x in windows:
        run(lstm, memory, x, state)[0].sum().backward()
    for weight, parts in zip(lstm.parameters(), zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(weight.grad, sum(parts))


@needs_bfloat16
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_the_compiled_step_keeps_what_is_not_finite_and_saturates_what_is_large(value):
    lstm, state = nn.LSTM(1, 2, batch_first=True), (torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    x = torch.tensor([[[value]]])
    expected, found = nn.LSTM.forward(lstm, x, state)[0], run(lstm, LayerMemory(), x, state)[0].float()
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0.02, equal_nan=True)


@needs_bfloat16
def test_a_layer_drops_other_weights_in_every_window_and_the_same_ones_again_from_the_same_seed(monkeypatch):
    monkeypatch.setattr(fitting, "WIDE", 0)
    awd_lstm = make_module(20, {"emb_sz": 8, "n_hid": 8, "n_layers": 1, "weight_p": 0.5, "input_p": 0, "embed_p": 0})[0]
    found = []
    with fitting.fast_layers(awd_lstm.train()):
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            awd_lstm.reset()
            found.append(awd_lstm(torch.arange(12).view(2, 6)).detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_only_wide_layers_change_only_for_a_while_and_only_in_training(monkeypatch):
    awd_lstm = make_module(20, {"emb_sz": 8, "n_hid": 8, "n_layers": 2})[0]
    layers = awd_lstm.rnns
    with fitting.fast_layers(awd_lstm):
        assert not any("forward" in vars(rnn) for rnn in layers)
    monkeypatch.setattr(fitting, "WIDE", 0)
    ids = torch.arange(12).view(2, 6)
    awd_lstm.eval()
    awd_lstm.reset()
    before = awd_lstm(ids)
    with fitting.fast_layers(awd_lstm):
        awd_lstm.reset()
        assert torch.equal(awd_lstm(ids), before)
        assert all("forward" in vars(rnn) for rnn in layers)
    with pytest.raises(ZeroDivisionError), fitting.fast_layers(awd_lstm):
        raise ZeroDivisionError
    assert not any("forward" in vars(rnn) for rnn in layers)


@needs_bfloat16
def test_training_through_it_learns_and_repeats(tiny_tokens, monkeypatch):
    settings = replace(SMALL, precision="bfloat16", epochs=6, learning_rate=0.02)
    usual = train(tiny_tokens, settings, progress=False)
    monkeypatch.setattr(fitting, "WIDE", 0)
    first, second = (train(tiny_tokens, settings, progress=False) for _ in "ab")
    assert_same(weights(first), weights(second))
    assert first.card["valid_perplexity"] < 0.8 * usual.training.valid_perplexity.dropna().iloc[0]
    assert first.card["valid_perplexity"] == pytest.approx(usual.card["valid_perplexity"], rel=0.2)


class NoCompiler:
    """Finds what importing the code of wide layers finds where numba is not installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "unpadded.training.cpu_bfloat16.lstm":
            raise ModuleNotFoundError("No module named 'numba'", name="numba")


def test_wide_layers_train_in_torch_where_the_compiler_is_missing(monkeypatch):
    awd_lstm = make_module(20, {"emb_sz": 8, "n_hid": 8, "n_layers": 1})[0]
    monkeypatch.setattr(fitting, "WIDE", 0)
    monkeypatch.delitem(sys.modules, "unpadded.training.cpu_bfloat16.lstm")
    monkeypatch.setattr(sys, "meta_path", [NoCompiler, *sys.meta_path])
    with pytest.warns(UserWarning, match=r"unpadded\[narrow\]"), fitting.fast_layers(awd_lstm):
        assert not any("forward" in vars(rnn) for rnn in awd_lstm.rnns)


@needs_bfloat16
def test_several_windows_of_other_lengths_are_read_before_their_gradients_are_taken():
    config = dict.fromkeys(("input_p", "hidden_p", "embed_p", "weight_p", "output_p"), 1e-12)
    awd_lstm = make_module(20, {"emb_sz": 8, "n_hid": 8, "n_layers": 1, **config})[0].train()
    windows = [torch.randint(0, 20, (3, n)) for n in (7, 2, 5)]

    def gradients_of_windows():
        awd_lstm.zero_grad()
        found = []
        for window in windows:
            awd_lstm.reset()
            found.append(awd_lstm(window).float().mean(1))
        torch.cat(found).square().sum().backward()
        return [weight.grad.clone() for weight in awd_lstm.parameters() if weight.grad is not None]

    expected = gradients_of_windows()
    with fitting.fast_layers(awd_lstm, n_windows=3, least=0):
        for _ in range(2):  # the second time in memory that was used before
            found = gradients_of_windows()
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other, atol=0.02 * other.abs().max().item(), rtol=0.05)
    with fitting.fast_layers(awd_lstm, n_windows=2, least=0), pytest.raises(RuntimeError, match="another window"):
        gradients_of_windows()

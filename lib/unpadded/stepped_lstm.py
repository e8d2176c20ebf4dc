"""An LSTM layer for training in bfloat16 on CPUs: torch's own backward pass hardly gains from bfloat16 there.

The products of a step are made in bfloat16 with the weights packed once a window; gates, cells and all sums over steps stay
float32. What is between two products is compiled (`compiled_gates`). The weights' gradients are one product each, over all
steps (Hochreiter and Schmidhuber, 1997; Appleyard et al., arXiv 1604.01946).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from fastai.text.models.awdlstm import AWD_LSTM, WeightDropout
from torch import nn

from .compiled_gates import step_back, step_on
from .products import packed_product

LOW = torch.bfloat16
DRAWS = 1 << 16  # a dropout's probability is rounded to this many parts
MANY = 2_000_000  # weights of a layer from which this is the faster way (benchmarks/README.md)


@contextmanager
def stepped_lstms(awd_lstm: AWD_LSTM) -> Iterator[None]:
    """While the block lasts, wide layers of `awd_lstm` train through `SteppedLSTM`; out of training they run as ever."""
    wide = [rnn for rnn in awd_lstm.rnns if rnn.module.weight_ih_l0.numel() + rnn.weight_hh_l0_raw.numel() >= MANY]
    for rnn in wide:
        rnn._setweights, rnn.module.forward = partial(_drop_weights, rnn), partial(_forward, rnn.module, Memory())
    try:
        yield
    finally:
        for rnn in wide:
            del rnn._setweights, rnn.module.forward


def _drop_weights(rnn: WeightDropout) -> None:
    """fastai's weight dropout with a mask from numpy's generator, seeded by torch's, which takes five times as long."""
    if not (rnn.training and rnn.weight_p):
        return WeightDropout._setweights(rnn)
    weight, seed = rnn.weight_hh_l0_raw, int(torch.randint(1 << 62, ()))
    draws = np.random.Generator(np.random.SFC64(seed)).integers(0, DRAWS, weight.shape, dtype=np.uint16)
    kept = torch.from_numpy(draws >= round(DRAWS * rnn.weight_p))
    rnn.module.weight_hh_l0 = weight * kept.float().mul_(1 / (1 - rnn.weight_p))


def _forward(lstm: nn.LSTM, memory: "Memory", x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]):
    """As `nn.LSTM.forward` with `batch_first`: `x` [batch, n_steps, n_in], `state` h and c [1, batch, width]."""
    if not lstm.training:
        return nn.LSTM.forward(lstm, x, state)
    h, c = (part[0].float() for part in state)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    with torch.autocast("cpu", enabled=False):
        states, h, c = SteppedLSTM.apply(x.transpose(0, 1), h, c, lstm.weight_ih_l0, lstm.weight_hh_l0, bias, memory)
    return states.transpose(0, 1), (h[None], c[None])


class Memory:
    """Tensors that a layer uses again in every window, because it takes time to be given so much memory anew."""

    def __init__(self):
        self.window, self._tensors = 0, {}

    def take(self, name: str, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        """The tensor of that name, dtype and shape, with whatever it was left with."""
        key = name, dtype, shape
        if key not in self._tensors:
            self._tensors[key] = torch.empty(shape, dtype=dtype)
        return self._tensors[key]


class SteppedLSTM(torch.autograd.Function):
    """(x [n_steps, batch, n_in], h, c [batch, width], weights and bias as torch has them) -> all h, the last h, the last c.

    Gates are in torch's order: input, forget, candidate, output. What the backward pass needs lies in the layer's `Memory`
    until the next window is read, so a window's backward pass has to come before that.
    """

    @staticmethod
    def forward(ctx, x, h, c, w_ih, w_hh, bias, memory):
        """Run all steps; the gates, cells and inputs of each are kept for `backward`."""
        (n_steps, batch, n_in), width = x.shape, w_hh.shape[1]
        inputs = memory.take("inputs", LOW, n_steps, batch, n_in).copy_(x)
        w_ih = memory.take("w_ih", LOW, *w_ih.shape).copy_(w_ih)
        w_hh = memory.take("w_hh", LOW, *w_hh.shape).copy_(w_hh)
        from_x = memory.take("sums", LOW, n_steps, batch, 4 * width)
        torch.mm(inputs.flatten(0, 1), w_ih.T, out=from_x.view(-1, 4 * width))
        gates = memory.take("gates", torch.float32, n_steps, batch, 4 * width)
        cells = memory.take("cells", torch.float32, n_steps + 1, batch, width)
        squashed = memory.take("squashed", torch.float32, n_steps, batch, width)
        before = memory.take("before", LOW, n_steps + 1, batch, width)  # h before each step
        states, scratch = h.new_empty(n_steps, batch, width), h.new_empty(2, width)
        cells[0], before[0] = c, h
        written = [_array(part) for part in (from_x, bias, gates, cells, squashed, states, before, scratch)]
        multiply = packed_product(w_hh, LOW)
        for t in range(n_steps):
            step_on(t, _array(multiply(before[t], None)), *written)
        memory.window += 1
        ctx.memory, ctx.window, ctx.dtype = memory, memory.window, x.dtype
        ctx.kept = inputs, w_ih, w_hh, gates, cells, squashed, before
        return states, states[-1].clone(), cells[-1].clone()

    @staticmethod
    def backward(ctx, of_states, of_h, of_c):
        """The gradients of what `forward` takes, given those of what it returns, from the last step to the first."""
        if ctx.window != ctx.memory.window:
            raise RuntimeError("The layer has read another window since: call backward before the next forward pass.")
        inputs, w_ih, w_hh, gates, cells, squashed, before = ctx.kept
        n_steps, batch, width = squashed.shape
        of_c, of_bias, scratch = of_c.clone(memory_format=torch.contiguous_format), *gates.new_zeros(2, 4 * width)
        of_sums = ctx.memory.take("sums", LOW, n_steps, batch, 4 * width)  # what came from x is in the gates by now
        fixed = [_array(part) for part in (of_states, of_c, gates, cells, squashed, of_sums, of_bias, scratch)]
        multiply = packed_product(w_hh.T.contiguous(), LOW)
        for t in reversed(range(n_steps)):
            step_back(t, _array(of_h), *fixed)
            of_h = multiply(of_sums[t], None)
        flat = of_sums.view(n_steps * batch, 4 * width)
        of_x = (flat @ w_ih).view(n_steps, batch, -1).to(ctx.dtype)
        of_w_ih = (flat.T @ inputs.flatten(0, 1)).float()
        of_w_hh = (flat.T @ before[:-1].flatten(0, 1)).float()
        return of_x, of_h, of_c, of_w_ih, of_w_hh, of_bias, None


def _array(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's memory, if it lies in order, or a copy, as an array; of bfloat16, which numpy does not know, the bits."""
    tensor = tensor.detach().contiguous()
    return (tensor.view(torch.uint16) if tensor.dtype == LOW else tensor).numpy()

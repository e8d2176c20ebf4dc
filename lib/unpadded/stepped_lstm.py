"""An LSTM layer for training in bfloat16 on CPUs: torch's own backward pass hardly gains from bfloat16 there.

The products of a step are made in bfloat16 with the weights packed once a window; gates, cells and all sums over steps stay
float32. What the backward pass needs of a step beside the two running gradients is computed for all steps at once. The
weights' gradients are one product each, over all steps (Hochreiter and Schmidhuber, 1997; Appleyard et al., arXiv 1604.01946).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from fastai.text.models.awdlstm import AWD_LSTM, WeightDropout
from torch import nn
from torch.nn.functional import linear

from .elementwise import tanh_for
from .products import packed_product

LOW = torch.bfloat16
DRAWS = 1 << 16  # a dropout's probability is rounded to this many parts
MANY = 2_000_000  # weights of a layer from which this is the faster way (benchmarks/README.md)


@contextmanager
def stepped_lstms(awd_lstm: AWD_LSTM) -> Iterator[None]:
    """While the block lasts, wide layers of `awd_lstm` train through `SteppedLSTM`; out of training they run as ever."""
    wide = [rnn for rnn in awd_lstm.rnns if rnn.module.weight_ih_l0.numel() + rnn.weight_hh_l0_raw.numel() >= MANY]
    for rnn in wide:
        rnn._setweights, rnn.module.forward = partial(_drop_weights, rnn), partial(_forward, rnn.module)
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


def _forward(lstm: nn.LSTM, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]):
    """As `nn.LSTM.forward` with `batch_first`: `x` [batch, n_steps, n_in], `state` h and c [1, batch, width]."""
    if not lstm.training:
        return nn.LSTM.forward(lstm, x, state)
    h, c = (part[0].float() for part in state)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    with torch.autocast("cpu", enabled=False):
        states, h, c = SteppedLSTM.apply(x.transpose(0, 1), h, c, lstm.weight_ih_l0, lstm.weight_hh_l0, bias)
    return states.transpose(0, 1), (h[None], c[None])


class SteppedLSTM(torch.autograd.Function):
    """(x [n_steps, batch, n_in], h, c [batch, width], weights and bias as torch has them) -> all h, the last h, the last c.

    Gates are in torch's order: input, forget, candidate, output.
    """

    @staticmethod
    def forward(ctx, x, h, c, w_ih, w_hh, bias):
        """Run all steps; the gates, cells and inputs of each are kept for `backward`."""
        n_steps, batch = x.shape[:2]
        width, tanh = w_hh.shape[1], tanh_for(x.device)
        inputs, w_ih = x.to(LOW, memory_format=torch.contiguous_format), w_ih.to(LOW)
        gates = linear(inputs.flatten(0, 1), w_ih).float().add_(bias).view(n_steps, batch, 4 * width)
        cells = gates.new_empty(n_steps + 1, batch, width)
        squashed, states = (gates.new_empty(n_steps, batch, width) for _ in "ab")
        before = inputs.new_empty(n_steps + 1, batch, width)  # h before each step, bfloat16
        cells[0], before[0] = c, h
        multiply = packed_product(w_hh.detach(), LOW)
        for t in range(n_steps):
            gates[t] += multiply(before[t], None)
            write, forget, candidate, read = gates[t].chunk(4, 1)
            gates[t, :, : 2 * width].sigmoid_()
            tanh(candidate, candidate)
            read.sigmoid_()
            torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(write, candidate)
            torch.mul(read, tanh(cells[t + 1], squashed[t]), out=states[t])
            before[t + 1] = states[t]
        ctx.save_for_backward(inputs, w_ih, w_hh, gates, cells, squashed, before)
        ctx.dtype = x.dtype
        return states, states[-1].clone(), cells[-1].clone()

    @staticmethod
    def backward(ctx, of_states, of_h, of_c):
        """The gradients of what `forward` takes, given those of what it returns, from the last step to the first."""
        inputs, w_ih, w_hh, gates, cells, squashed, before = ctx.saved_tensors
        n_steps, batch, width = squashed.shape
        write, forget, candidate, read = gates.chunk(4, 2)
        # Derivatives of c by the first three gates' sums, of h by the output gate's, and of h by c.
        slopes = gates.new_empty(n_steps, batch, 4, width)
        by_sigmoid, by_tanh = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward
        by_sigmoid.grad_input(candidate, write, grad_input=slopes[:, :, 0])
        by_sigmoid.grad_input(cells[:-1], forget, grad_input=slopes[:, :, 1])
        by_tanh.grad_input(write, candidate, grad_input=slopes[:, :, 2])
        by_sigmoid.grad_input(squashed, read, grad_input=slopes[:, :, 3])
        through = by_tanh(read, squashed)
        of_sums = inputs.new_empty(n_steps, batch, 4, width)  # gradients of the gates' sums, bfloat16
        multiply = packed_product(w_hh.detach().T.contiguous(), LOW)
        for t in reversed(range(n_steps)):
            of_h = of_h + of_states[t]
            of_c = torch.addcmul(of_c, of_h, through[t])
            slopes[t, :, :3].mul_(of_c[:, None])
            slopes[t, :, 3].mul_(of_h)
            of_sums[t] = slopes[t]
            of_c = of_c.mul_(forget[t])
            of_h = multiply(of_sums[t].view(batch, 4 * width), None)
        flat = of_sums.view(n_steps * batch, 4 * width)
        of_x = (flat @ w_ih).view(n_steps, batch, -1).to(ctx.dtype)
        of_w_ih = (flat.T @ inputs.flatten(0, 1)).float()
        of_w_hh = (flat.T @ before[:-1].flatten(0, 1)).float()
        return of_x, of_h, of_c, of_w_ih, of_w_hh, slopes.sum((0, 1)).view(-1)

"""An LSTM layer for training in bfloat16 on CPUs: torch's own backward pass hardly gains from bfloat16 there.

The products of a step are made in bfloat16 with the weights packed once a window; gates, cells and all sums over steps stay
float32. What is between two products is compiled (`gates`). The weights' gradients are one product each, over all
steps (Hochreiter and Schmidhuber, 1997; Appleyard et al., arXiv 1604.01946).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle

import numpy as np
import torch
from fastai.text.models.awdlstm import WeightDropout
from torch import nn

from unpadded.kernels import packed_low_product
from unpadded.training.cpu_bfloat16.dropout import Drop, drop, drop_gradient
from unpadded.training.cpu_bfloat16.gates import step_back, step_on
from unpadded.training.workspace import Workspace

LOW = torch.bfloat16


@contextmanager
def stepped_lstms(layers: Sequence[WeightDropout], *, n_windows: int = 1) -> Iterator[None]:
    """While the block lasts, `layers` train through `SteppedLSTM`; out of training they run as ever.

    `n_windows`: how many windows a layer reads before their gradients are taken.
    """
    for rnn in layers:
        rnn.forward = partial(_forward, rnn, cycle([LayerMemory() for _ in range(n_windows)]))
    try:
        yield
    finally:
        for rnn in layers:
            del rnn.forward


def _forward(
    rnn: WeightDropout, memories: Iterator["LayerMemory"], x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
):
    """As `nn.LSTM.forward` with `batch_first`: `x` [batch, n_steps, n_in], `state` h and c [1, batch, width]."""
    if not rnn.training:
        return WeightDropout.forward(rnn, x, state)
    dropped = Drop(rnn.weight_p, int(torch.randint(1 << 62, ())))
    return read_window(rnn.module, rnn.weight_hh_l0_raw, x, state, dropped, next(memories))


def read_window(lstm: nn.LSTM, w_hh: torch.Tensor, x: torch.Tensor, state, dropped: Drop, memory: "LayerMemory"):
    """As `lstm(x, state)` with `batch_first`, but `w_hh` for its weights between states; `dropped` as for `SteppedLSTM`."""
    h, c = (part[0].float() for part in state)
    weights = lstm.weight_ih_l0, w_hh, lstm.bias_ih_l0 + lstm.bias_hh_l0
    with torch.autocast("cpu", enabled=False):
        states, h, c = SteppedLSTM.apply(x.transpose(0, 1), h, c, *weights, dropped, memory)
    return states.transpose(0, 1), (h[None], c[None])


class LayerMemory(Workspace):
    """A layer's workspace; `n_windows` counts the windows of text, forward and back, that it has held."""

    n_windows = 0


class SteppedLSTM(torch.autograd.Function):
    """(x [n_steps, batch, n_in], h, c [batch, width], weights and bias as torch has them) -> all h, the last h, the last c.

    All h are bfloat16. `dropped` says which weights between states are dropped. Gates are in torch's order: i, f, g, o. What
    the backward pass needs, and all h, lie in `memory` until the next window is read, so it has to come before that.
    """

    @staticmethod
    def forward(ctx, x, h, c, w_ih, w_hh, bias, dropped, memory):
        """Run all steps; the gates, cells and inputs of each are kept for `backward`."""
        (n_steps, batch, n_in), width, take = x.shape, w_hh.shape[1], memory.take
        inputs = take("inputs", LOW, n_steps, batch, n_in).copy_(x)
        from_input, from_state = take("w_ih", LOW, *w_ih.shape).copy_(w_ih), take("w_hh", LOW, *w_hh.shape)
        drop(_array(w_hh), dropped, _array(from_state))
        sums = take("sums", LOW, n_steps, batch, 4 * width)
        torch.mm(inputs.flatten(0, 1), from_input.T, out=sums.view(-1, 4 * width))
        cells = take("cells", torch.float32, n_steps + 1, batch, width)
        squashed = take("squashed", torch.uint16, n_steps, batch, width)
        before = take("before", LOW, n_steps + 1, batch, width)  # h before each step
        cells[0], before[0] = c, h
        arrays = [_array(part) for part in (sums, bias, cells, squashed, before)]
        multiply = packed_low_product(from_state, LOW)
        for t, last_h in enumerate(before[:-1].unbind()):
            step_on(t, _array(multiply(last_h)), *arrays)
        memory.n_windows += 1
        ctx.memory, ctx.n_windows, ctx.dtype, ctx.dropped = memory, memory.n_windows, x.dtype, dropped
        ctx.weights, ctx.rounded = (w_ih, w_hh), (from_input, from_state)
        ctx.kept = inputs, sums, cells, squashed, before
        return before.data[1:], before[-1].float(), cells[-1].clone()  # data: its use again is seen by the number

    @staticmethod
    def backward(ctx, of_states, of_h, of_c):
        """The gradients of what `forward` takes, given those of what it returns, from the last step to the first."""
        if ctx.n_windows != ctx.memory.n_windows:
            raise RuntimeError("The layer holds another window: call backward once, before the next forward pass.")
        (w_ih, w_hh), (from_input, from_state) = ctx.weights, ctx.rounded
        inputs, sums, cells, squashed, before = ctx.kept
        n_steps, batch, width = squashed.shape
        of_h, of_c = of_h.to(LOW), of_c.clone(memory_format=torch.contiguous_format)
        of_bias = of_c.new_zeros(4 * width)
        arrays = [_array(part) for part in (of_states, of_c, sums, cells, squashed, of_bias)]
        multiply = packed_low_product(from_state.T.contiguous(), LOW)
        for t in reversed(range(n_steps)):
            step_back(t, _array(of_h), *arrays)
            of_h = multiply(sums[t])  # the gradients now
        ctx.memory.n_windows += 1  # the gates are gone
        flat, take, gradient = sums.view(n_steps * batch, 4 * width), ctx.memory.take, ctx.memory.gradient
        of_x = (flat @ from_input).view(n_steps, batch, -1).to(ctx.dtype)
        of_w_ih, of_w_hh = gradient("of_w_ih", w_ih), gradient("of_w_hh", w_hh)
        of_w_ih.copy_(torch.mm(flat.T, inputs.flatten(0, 1), out=take("low_of_w_ih", LOW, *w_ih.shape)))
        of_kept = torch.mm(flat.T, before[:-1].flatten(0, 1), out=take("low_of_w_hh", LOW, *w_hh.shape))
        drop_gradient(_array(of_kept), ctx.dropped, _array(of_w_hh))
        return of_x, of_h.float(), of_c, of_w_ih, of_w_hh, of_bias, None, None


def _array(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's memory, if it lies in order, or a copy, as an array; of bfloat16, which numpy does not know, the bits."""
    tensor = tensor.detach().contiguous()
    return (tensor.view(torch.uint16) if tensor.dtype == LOW else tensor).numpy()

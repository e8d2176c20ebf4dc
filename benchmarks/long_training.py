"""What a training of many passes over a small text gains by: dropouts that grow, and weights that are averaged.

fastai callbacks for `unpadded.train(..., callbacks=...)`; both go by the share of the budget that is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from fastai.callback.core import Callback
from fastai.text.models.core import SequentialRNN

LAST_RATE = 0.1  # of the peak, at the end of a training whose weights are averaged


class GrowingDropout(Callback):
    """Let the dropouts grow with the share of the training that is done, to `times` what they were at its start.

    The first passes read what is new and need little; the last ones read it for the twentieth time.
    """

    order, run_valid = 64, False  # behind OneCycle, which knows the share

    def __init__(self, times: float):
        self.times = times

    def before_fit(self):
        self.first = [(layer, name, getattr(layer, name)) for layer, name in dropouts(self.model.module)]

    def before_batch(self):
        factor = 1 + (self.times - 1) * self.one_cycle.share
        for layer, name, first in self.first:
            setattr(layer, name, first * factor)


class Averaged(Callback):
    """Average the weights over the last steps, `part` of all steps so far, while the rate falls in a line to a tenth.

    The average takes away the noise of the steps, for which one cycle has small rates at its end; so the steps go on
    learning (Polyak and Juditsky, *Acceleration of Stochastic Approximation by Averaging*, 1992; the AWD-LSTM's own training
    ends in an average). At the end of the fit the model has the average.
    """

    order, run_valid = 65, False
    every = 5  # steps from one that counts to the next

    def __init__(self, part: float):
        self.part, self.step = part, 0

    def before_fit(self):
        self.mean = [weights.detach().clone() for weights in self.model.parameters()]

    def before_batch(self):
        settings, share = self.one_cycle.settings, self.one_cycle.share
        if share > settings.warmup:
            left = (1 - share) / (1 - settings.warmup)
            self.opt.set_hyper("lr", settings.learning_rate * (LAST_RATE + (1 - LAST_RATE) * left))

    @torch.no_grad()
    def after_batch(self):
        self.step += 1
        if self.step % self.every == 0:
            newest = min(1.0, self.every / (self.part * self.step))
            torch._foreach_lerp_(self.mean, list(self.model.parameters()), newest)

    def after_fit(self):
        self._swap()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While the block lasts, the model has the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for mean, weights in zip(self.mean, self.model.parameters(), strict=True):
            own = weights.clone()
            weights.copy_(mean)
            mean.copy_(own)


def dropouts(module: SequentialRNN) -> list[tuple[torch.nn.Module, str]]:
    """The layers of a fastai language model that drop something, and the name under which each has its probability."""
    awd_lstm, decoder = module
    plain = (awd_lstm.input_dp, *awd_lstm.hidden_dps, decoder.output_dp)
    return [
        (awd_lstm.encoder_dp, "embed_p"),
        *((rnn, "weight_p") for rnn in awd_lstm.rnns),
        *((dropout, "p") for dropout in plain),
    ]

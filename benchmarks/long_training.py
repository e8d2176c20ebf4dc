"""What a training of many passes over a small text gains by: dropouts that grow, and weights that are averaged.

fastai callbacks for `unpadded.train(..., callbacks=...)`; both go by the share of the budget that is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from fastai.callback.core import Callback
from fastai.text.models.core import SequentialRNN

LAST_RATE = 0.1  # of the peak, at the end of a training whose weights are averaged, where no other is given
# What Merity, Keskar and Socher train with on WikiText-2 (arXiv 1708.02182, section 5), under fastai's names.
PAPER_DROPOUTS = {"embed_p": 0.1, "input_p": 0.65, "weight_p": 0.5, "hidden_p": 0.25, "output_p": 0.4}


class GrowingDropout(Callback):
    """Let the dropouts grow in a line with the share of the training that is done, up to `last`, by fastai's names of them.

    The first passes read what is new and need little; the last ones read it for the twentieth time.
    """

    order, run_valid = 64, False  # behind OneCycle, which knows the share

    def __init__(self, last: dict[str, float]):
        self.last = last

    def before_fit(self):
        found = dropouts(self.model.module)
        self.lines = [(layer, name, getattr(layer, name), self.last[kind]) for kind, layer, name in found]

    def before_batch(self):
        share = self.one_cycle.share
        for layer, name, first, last in self.lines:
            setattr(layer, name, first + (last - first) * share)


class Averaged(Callback):
    """Average the weights over the last steps, `part` of all steps so far, while the rate falls in a line to `last_rate`.

    `last_rate` is in shares of the peak. The average takes away the noise of the steps, for which one cycle has small rates
    at its end; so the steps go on learning (Polyak and Juditsky, *Acceleration of Stochastic Approximation by Averaging*,
    1992; the AWD-LSTM's own training ends in an average). At the end of the fit the model has the average.
    """

    order, run_valid = 65, False
    every = 5  # steps from one that counts to the next

    def __init__(self, part: float, last_rate: float = LAST_RATE):
        self.part, self.last_rate, self.step = part, last_rate, 0

    def before_fit(self):
        self.mean = [weights.detach().clone() for weights in self.model.parameters()]

    def before_batch(self):
        settings, share = self.one_cycle.settings, self.one_cycle.share
        if share > settings.warmup:
            left = (1 - share) / (1 - settings.warmup)
            self.opt.set_hyper("lr", settings.learning_rate * (self.last_rate + (1 - self.last_rate) * left))

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


def dropouts(module: SequentialRNN) -> list[tuple[str, torch.nn.Module, str]]:
    """What a fastai language model drops: its name in fastai's config, the layer, the attribute with the probability."""
    awd_lstm, decoder = module
    return [
        ("embed_p", awd_lstm.encoder_dp, "embed_p"),
        ("input_p", awd_lstm.input_dp, "p"),
        *(("weight_p", rnn, "weight_p") for rnn in awd_lstm.rnns),
        *(("hidden_p", dropout, "p") for dropout in awd_lstm.hidden_dps),
        ("output_p", decoder.output_dp, "p"),
    ]

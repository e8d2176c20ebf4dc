"""The learning rate of a training run: one cycle, tied to the share of the budget that is used."""

from fastai.callback.core import Callback, CancelFitException, CancelTrainException
from fastai.callback.schedule import combined_cos

from .distribution import said_by_first
from .recipe import TrainingSettings


class OneCycle(Callback):
    """One cycle of the learning rate over the planned steps or the allowed minutes, whichever is further on.

    The shape is Smith's one cycle with cosine flanks (fastai's `fit_one_cycle`); tying it to the share of the budget that
    is used means that training which is stopped by the clock has still completed it. `log` counts steps and minutes.
    """

    run_valid, order = False, 63  # behind the log and the checkpoint, which count the last step too

    def __init__(self, settings: TrainingSettings, log):
        peak = settings.learning_rate
        self.rate = combined_cos(settings.warmup, peak / 25, peak, peak / 1_000)
        self.settings, self.log = settings, log
        self.share = 0.0

    @property
    def used(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        steps = self.log.step / max(len(self.dls.train) * self.settings.epochs, 1)
        minutes = self.log.minutes / self.settings.max_minutes if self.settings.max_minutes else 0.0
        return min(max(steps, minutes), 1.0)

    @property
    def minutes_left(self) -> float:
        """Minutes until the budget is used up, at the pace so far."""
        share = max(self.share, 1e-9)
        return self.log.minutes * (1 - share) / share

    def before_batch(self):
        self.share = said_by_first(self.used, self.dls.train.device)  # processes have clocks of their own
        self.opt.set_hyper("lr", float(self.rate(self.share)))

    def after_batch(self):
        if self.share >= 1:
            raise CancelTrainException()

    def after_epoch(self):
        if self.share >= 1:
            raise CancelFitException()

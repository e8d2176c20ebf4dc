"""The learning rate of a training run: one cycle, tied to the share of the budget that is used."""

from collections import deque
from math import inf
from statistics import median

from fastai.callback.core import Callback, CancelFitException, CancelTrainException
from fastai.callback.schedule import combined_cos

from unpadded.training.distributed import broadcast
from unpadded.training.settings import TrainingSettings

PACE_OVER, PACE_FROM = 25, 5  # steps whose median duration is a pace, and how many tell one


class OneCycle(Callback):
    """One cycle of the learning rate over the planned steps, or over the allowed minutes where those end it first.

    The shape is Smith's one cycle with cosine flanks (fastai's `fit_one_cycle`); tying it to the share of the budget that
    is used means that training which is stopped by the clock has still completed it. While the steps left can be done in
    the minutes left, at the best pace that was seen, the steps alone decide: a run that stood still, was killed or shared
    the machine for a while has the same rates, and so the same weights, as one that did not. `log` counts steps and minutes.
    """

    run_valid, order = False, 63  # behind the log and the checkpoint, which count the last step too

    def __init__(self, settings: TrainingSettings, log):
        peak = settings.learning_rate
        self.rate = combined_cos(settings.warmup, peak / 25, peak, peak / 1_000)
        self.settings, self.log = settings, log
        self.share = 0.0
        self.at: float | None = None
        self.durations: deque[float] = deque(maxlen=PACE_OVER)  # of the last steps of this sitting, minutes
        self.pace = 0.0  # minutes a step at the best of times; 0: not known yet

    @property
    def used(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        steps = self.log.step / max(self._planned, 1)
        minutes = self.log.minutes / self.settings.max_minutes if self._clock_ends_it() else 0.0
        return min(max(steps, minutes), 1.0)

    @property
    def _planned(self) -> int:
        return len(self.dls.train) * self.settings.epochs

    def _clock_ends_it(self) -> bool:
        """Whether the minutes are over, or will be before the planned steps are done, however well it goes."""
        if not self.settings.max_minutes:
            return False
        left = self.settings.max_minutes - self.log.minutes
        return left <= 0 or self.pace * (self._planned - self.log.step) > left

    @property
    def minutes_left(self) -> float:
        """Minutes until the budget is used up, at the pace so far."""
        share = max(self.share, 1e-9)
        return self.log.minutes * (1 - share) / share

    def before_fit(self):
        self.at = None

    def before_batch(self):
        """Time the step before, and set the learning rate of this one."""
        now = self.log.minutes
        if self.at is not None:
            self.durations.append(now - self.at)
        self.at = now
        if len(self.durations) >= PACE_FROM:
            self.pace = min(self.pace or inf, median(self.durations))
        self.share = broadcast(self.used, self.dls.train.device)  # processes have clocks of their own
        self.opt.set_hyper("lr", float(self.rate(self.share)))

    def after_batch(self):
        if self.share >= 1:
            raise CancelTrainException()

    def after_epoch(self):
        if self.share >= 1:
            raise CancelFitException()

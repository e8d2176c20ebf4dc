"""The fastai callback that ends a training which has stopped to improve, and takes the best weights."""

import torch
from fastai.callback.core import Callback, CancelFitException
from torch import nn

from unpadded.training.log import TrainingLog


class EarlyStop(Callback):
    """End training when `patience` validations in a row have found nothing better, and put the best weights back.

    fastai's own counts in the memory of one sitting; this one reads the log and keeps the weights in `best`, which a
    `Checkpoint` stores, so that a run which was stopped ends as one that was not. Validation losses are those of all
    processes, so that all end together. `patience` 0: never, and the last weights are kept.
    """

    run_valid, order = False, 64  # behind the log, the schedule and the checkpoint

    def __init__(self, objective: nn.Module, log: TrainingLog, patience: int):
        self.objective, self.log, self.patience = objective, log, patience
        self.best: dict[str, torch.Tensor] = {}

    def after_epoch(self):
        """Keep the weights where they are the best so far; raise `CancelFitException` where they have not been for long."""
        losses = self._losses()
        if not self.patience or not losses:
            return
        if losses[-1] <= min(losses):
            self.best = {name: value.detach().clone() for name, value in self.objective.named_parameters()}
        if len(losses) - 1 - losses.index(min(losses)) >= self.patience:
            raise CancelFitException()

    def after_fit(self):
        """Put the best weights back where later ones were worse."""
        losses = self._losses()
        if self.best and losses[-1] > min(losses):
            with torch.no_grad():
                for name, value in self.objective.named_parameters():
                    value.copy_(self.best[name])

    def _losses(self) -> list[float]:
        return [row["valid_loss"] for row in self.log.rows if "valid_loss" in row]

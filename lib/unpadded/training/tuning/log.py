"""The fastai callback that counts a tuning's steps and minutes and asks held-out documents for their other halves."""

import pandas as pd
import torch
from fastai.callback.core import CancelValidException

from unpadded.tokens import TokenizedCorpus
from unpadded.training.log import TrainingLog
from unpadded.training.tuning.objective import TuningObjective
from unpadded.training.tuning.other_half import halves, halves_found
from unpadded.training.tuning.pieces import PieceLoader, grouped

COLUMNS = ["step", "tokens", "minutes", "train_loss", "learning_rate", "halves_found"]


class TuningLog(TrainingLog):
    """Count steps, tokens and minutes over all sittings; a row before the first step, every few, and after each pass.

    Columns: step, tokens, minutes, train_loss (nats), learning_rate, halves_found (share of the documents in `held_out`
    whose first half finds the second). Raises as `TrainingLog` does.
    """

    name = "training_log"

    def __init__(self, loader: PieceLoader, objective: TuningObjective, held_out: TokenizedCorpus):
        super().__init__(loader)
        self.objective, self.found = objective, float("nan")
        firsts, seconds = halves([held_out[i] for i in range(len(held_out)) if held_out.lengths[i] > 2])
        self.n_held_out = len(firsts)
        self.halves = grouped(firsts + seconds, pad=loader.pad, n_groups=8).to(loader.device) if firsts else None

    def to_frame(self) -> pd.DataFrame:
        """The log as a table."""
        return pd.DataFrame(self.rows, columns=COLUMNS)

    def begin(self) -> float:
        """The share before the first step, which the table begins with; a checkpoint that is taken up holds that row too."""
        found = self.halves_found()
        if self.halves is not None:
            self.rows.append({"step": 0, "tokens": 0, "minutes": 0.0, "halves_found": found})
        return found

    def before_validate(self):
        self.found = self.halves_found()
        raise CancelValidException  # there is no batch to validate on: all is measured here

    def after_batch(self):
        if self.training:
            super().after_batch()

    def after_validate(self):
        if self.halves is not None:
            self._add_row(halves_found=self.found)

    @torch.no_grad()
    def halves_found(self) -> float:
        """The share now, of the model as it stands; NaN where no document was held out."""
        if self.halves is None:
            return float("nan")
        mode = self.objective.training
        vectors = self.objective.eval().vectors(self.halves).cpu().numpy()
        self.objective.train(mode)
        return halves_found(vectors[: self.n_held_out], vectors[self.n_held_out :])

    def _n_tokens(self) -> int:
        return self.xb[0].n_tokens

"""The fastai callbacks that count a run's steps, tokens and minutes, keep its curve, and show its progress."""

import math
import time

import numpy as np
import pandas as pd
import torch
from fastai.callback.core import Callback

from unpadded.tokens import TokenizedCorpus
from unpadded.training.distributed import all_gather, n_processes
from unpadded.training.held_out import perplexity
from unpadded.training.loader import StreamLoader

LOG_EVERY = 20  # steps
LOOK_EVERY, LOOK_TOKENS = 2.0, 10_000  # minutes, and tokens of the validation text: about half a per cent of the time


class TrainingLog(Callback):
    """Count steps, tokens and minutes over all sittings of a run; one row every LOG_EVERY steps and each validation.

    Columns: step, tokens, minutes, train_loss (nats a token, as the objective has it), learning_rate, valid_loss,
    valid_perplexity. Raises `FloatingPointError`, in every process, at the first loss that is not finite, before it
    reaches the weights.
    """

    order = 61  # behind fastai's progress bar, whose comment it completes

    def __init__(self, loader: StreamLoader):
        self.loader = loader
        self.step = self.tokens = 0
        self.earlier_minutes = 0.0
        self.started: float | None = None
        self.rows: list[dict] = []
        self.recent: list[float] = []
        self.valid_nats = self.valid_tokens = 0.0

    @property
    def minutes(self) -> float:
        """Minutes spent training, validation included, in this sitting and those before."""
        return self.earlier_minutes + ((time.monotonic() - self.started) / 60 if self.started is not None else 0.0)

    @property
    def perplexity(self) -> float | None:
        """The last validation perplexity."""
        return next((row["valid_perplexity"] for row in reversed(self.rows) if "valid_perplexity" in row), None)

    def to_frame(self) -> pd.DataFrame:
        """The log as a table."""
        columns = ["step", "tokens", "minutes", "train_loss", "learning_rate", "valid_loss", "valid_perplexity"]
        return pd.DataFrame(self.rows, columns=columns)

    def validation_perplexity(self) -> float:
        """Perplexity over the validation tokens seen since the validation began: fastai's table shows it."""
        return math.exp(min(self._validation_loss(), 700))

    def before_fit(self):
        self.started = time.monotonic()

    def after_fit(self):
        self.earlier_minutes, self.started = self.minutes, None

    def before_validate(self):
        self.valid_nats = self.valid_tokens = 0.0

    def after_loss(self):
        """Raise where the loss of any process is not finite."""
        if not self.training:
            return
        losses = torch.stack(all_gather(self.loss.detach().double(), self.loader.device))  # so that all end, or none
        wrong = (~torch.isfinite(losses)).nonzero().flatten().tolist()
        if wrong:
            where = f" of process {wrong[0]}" if n_processes() > 1 else ""
            raise FloatingPointError(
                f"The training loss{where} is {losses[wrong[0]].item()} at step {self.step + 1}: lower learning_rate or clip"
            )

    def after_batch(self):
        """Count a training step, its tokens and its loss; add a validation batch's loss to the sum."""
        if not self.training:
            self.valid_nats += self.loss.item() * self.xb[0].numel()
            self.valid_tokens += self.xb[0].numel()
            return
        self.step += 1
        self.tokens += self._n_tokens() * n_processes()
        self.recent.append(self.loss.item())
        if self.step % LOG_EVERY == 0:
            self._add_row(train_loss=sum(self.recent) / len(self.recent))
            self.recent.clear()
        if _has_progress_bar(self.learn):
            self.progress.pbar.comment = self._comment()

    def after_validate(self):
        self._add_row(valid_loss=self._validation_loss(), valid_perplexity=self.validation_perplexity())

    def _n_tokens(self) -> int:
        """Tokens of this process's batch."""
        return self.xb[0].numel()

    def _validation_loss(self) -> float:
        """Mean over the tokens of all processes, nats."""
        sums = torch.tensor([self.valid_nats, self.valid_tokens], dtype=torch.float64)
        nats, tokens = torch.stack(all_gather(sums, self.loader.device)).sum(0).tolist()
        return nats / max(tokens, 1)

    def _comment(self) -> str:
        rate = self.tokens / max(self.minutes * 60, 1e-9)
        left = f", {self.one_cycle.minutes_left:.1f} min left" if hasattr(self.learn, "one_cycle") else ""
        sampled = self.live_perplexity.value if hasattr(self.learn, "live_perplexity") else None
        known = f", validation perplexity about {sampled:,.0f}" if sampled else ""
        return f"loss {self.loss.item():.3f}{known}, {rate:,.0f} tokens/s{left}"

    def _add_row(self, **values: float):
        rate = float(self.opt.hypers[-1]["lr"])
        self.rows.append(
            {"step": self.step, "tokens": self.tokens, "minutes": self.minutes, "learning_rate": rate, **values}
        )


class LivePerplexity(Callback):
    """Between two validations, now and then, the perplexity on a little of the validation text, for the progress bar.

    Measured only where there is a progress bar; training is not changed by it. `network`: the language model that is
    trained.
    """

    run_valid, order = False, 60  # before the log, which shows it

    def __init__(self, network, tokens: TokenizedCorpus, log: TrainingLog):
        self.network, self.log = network, log
        n = int(np.searchsorted(tokens.offsets, LOOK_TOKENS, side="right"))
        self.tokens = tokens.select(range(min(max(n, 1), len(tokens))))
        self.value: float | None = None
        self.looked = 0.0

    def after_batch(self):
        """Measure where there is a progress bar and LOOK_EVERY minutes have passed since the last time."""
        if _has_progress_bar(self.learn) and self.log.minutes - self.looked >= LOOK_EVERY:
            self.value = perplexity(self.network, self.tokens, batch_size=10 * n_processes())
            self.looked = self.log.minutes


def _has_progress_bar(learn) -> bool:
    return hasattr(learn, "progress") and hasattr(learn.progress, "pbar")

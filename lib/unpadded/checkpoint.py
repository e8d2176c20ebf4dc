"""fastai callbacks that keep a training run's state: its log and its checkpoints."""

import json
import math
import os
import time
from pathlib import Path

import pandas as pd
import torch
from fastai.callback.core import Callback
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .batches import StreamLoader
from .files import atomic_write

LOG_EVERY = 20  # steps
CHECKPOINT_EVERY = 60.0  # seconds


class TrainingLog(Callback):
    """Count steps, tokens and minutes over all sittings of a run; one row every LOG_EVERY steps and each validation.

    Columns: step, tokens, minutes, train_loss (nats a token, as the objective has it), learning_rate, valid_loss,
    valid_perplexity. Raises `FloatingPointError` at the first loss that is not finite, before it reaches the weights.
    """

    order = 61  # behind fastai's progress bar, whose comment it completes

    def __init__(self, loader: StreamLoader):
        self.loader = loader
        self.step = self.tokens = 0
        self.earlier_minutes = 0.0
        self.started: float | None = None
        self.rows: list[dict] = []
        self.recent: list[float] = []

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

    def before_fit(self):
        self.started = time.monotonic()

    def after_fit(self):
        self.earlier_minutes, self.started = self.minutes, None

    def after_loss(self):
        if self.training and not torch.isfinite(self.loss):
            raise FloatingPointError(
                f"The training loss is {self.loss.item()} at step {self.step + 1}: lower learning_rate or clip; the last "
                "checkpoint is kept."
            )

    def after_batch(self):
        if not self.training:
            return
        self.step += 1
        self.tokens += self.xb[0].numel()
        self.recent.append(self.loss.item())
        if self.step % LOG_EVERY == 0:
            self._add_row(train_loss=sum(self.recent) / len(self.recent))
            self.recent.clear()
        if hasattr(self.learn, "progress") and hasattr(self.progress, "pbar"):
            rate = self.tokens / max(self.minutes * 60, 1e-9)
            self.progress.pbar.comment = f"loss {self.loss.item():.3f}, {rate:,.0f} tokens/s"

    def after_validate(self):
        loss = float(self.recorder.loss.value)
        self._add_row(valid_loss=loss, valid_perplexity=math.exp(min(loss, 700)))

    def _add_row(self, **values: float):
        rate = float(self.opt.hypers[-1]["lr"])
        self.rows.append(
            {"step": self.step, "tokens": self.tokens, "minutes": self.minutes, "learning_rate": rate, **values}
        )


class Checkpoint(Callback):
    """Everything a run needs to go on as if it had not stopped, in one safetensors file that is replaced atomically.

    Weights, optimizer, carried recurrent state and torch's random state are tensors; step, pass, window and log are JSON
    in the file's header. `folder` None keeps nothing. The file's name holds `key`: another corpus or setting has another.
    """

    run_valid, order = False, 62  # behind the log, whose state it stores

    def __init__(self, folder: str | os.PathLike | None, key: str, log: TrainingLog):
        self.path = Path(folder) / f"checkpoint-{key}.safetensors" if folder is not None else None
        self.log, self.carried, self.saved = log, None, 0.0

    def resume(self, learn) -> bool:
        """Load the checkpoint, if there is a whole one, into a Learner that has its optimizer; say whether there was."""
        state = _read(self.path)
        if state is None:
            return False
        tensors, header = state
        learn.model.module.load_state_dict(
            {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
        )
        _load_optimizer(learn.opt.opt, tensors)
        torch.set_rng_state(tensors["random"])
        log, loader = self.log, learn.dls.train
        log.step, log.tokens, log.earlier_minutes = header["step"], header["tokens"], header["minutes"]
        log.rows, log.recent = header["rows"], header["recent"]
        loader.passes, loader.start = header["pass"], header["window"]
        self.carried = [(tensors[f"state.{i}.h"], tensors[f"state.{i}.c"]) for i in range(header["layers"])]
        return True

    def before_fit(self):
        self.saved = time.monotonic()

    def before_train(self):
        if self.carried:  # after ModelResetter, which has just cleared it
            device = self.dls.train.device
            awd_lstm = self.model.module[0]
            awd_lstm.hidden = [(h.to(device), c.to(device)) for h, c in self.carried]
            awd_lstm.bs = self.carried[0][0].shape[1]
            self.carried = None

    def after_batch(self):
        if self.path is not None and time.monotonic() - self.saved >= CHECKPOINT_EVERY:
            self.write()
            self.saved = time.monotonic()

    def write(self) -> None:
        """Write the state after the current step."""
        tensors = {f"model.{name}": value for name, value in self.model.module.state_dict().items()}
        tensors |= _optimizer_tensors(self.opt.opt)
        for i, (h, c) in enumerate(self.model.module[0].hidden):
            tensors |= {f"state.{i}.h": h, f"state.{i}.c": c}
        tensors["random"] = torch.get_rng_state()
        header = {
            "step": self.log.step,
            "tokens": self.log.tokens,
            "minutes": self.log.minutes,
            "rows": self.log.rows,
            "recent": self.log.recent,
            "pass": self.dls.train.passes - 1,
            "window": _position(self.dls.train, self.log.step),
            "layers": len(self.model.module[0].hidden),
        }
        whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        with atomic_write(self.path) as file:
            file.write(save(whole, metadata={"run": json.dumps(header)}))

    def discard(self) -> None:
        """Remove the checkpoint of a run that has ended well."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _position(loader: StreamLoader, step: int) -> int:
    """Windows of the current pass that `step` steps have used up: every pass has len(loader) of them."""
    return step - (loader.passes - 1) * len(loader) if loader.passes else 0


def _read(path: Path | None) -> tuple[dict[str, torch.Tensor], dict] | None:
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in list(file.keys())}, json.loads(file.metadata()["run"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None  # torn by something other than us; training starts again rather than from a guess


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{i}.{name}": torch.as_tensor(value) for i, values in state.items() for name, value in values.items()
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

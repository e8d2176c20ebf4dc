"""The fastai callback that keeps a training run's state, so that it can be stopped at any moment."""

import os
import time
from pathlib import Path

import torch
from fastai.callback.core import Callback

from unpadded.training.distributed import all_gather, broadcast, rank
from unpadded.training.early_stop import EarlyStop
from unpadded.training.loader import StreamLoader
from unpadded.training.log import TrainingLog
from unpadded.training.run_state import read_state, write_state

CHECKPOINT_EVERY = 60.0  # seconds


class Checkpoint(Callback):
    """Everything a run needs to go on as if it had not stopped, in one file that is replaced atomically.

    Weights, optimizer, and each process's carried recurrent state and random state are tensors; step, pass, window, log and
    the scale of float16's gradients are JSON. `folder` None keeps nothing. The file's name holds `key`: another corpus or
    setting has another. Weights that are not finite are never kept, so the file always holds the last good model.
    """

    run_valid, order = False, 62  # behind the log, whose state it stores

    def __init__(
        self, folder: str | os.PathLike | None, key: str, *, objective, log: TrainingLog, stop: EarlyStop | None = None
    ):
        self.path = Path(folder) / f"checkpoint-{key}.safetensors" if folder is not None else None
        self.key, self.objective, self.log, self.stop = key, objective, log, stop
        self.carried, self.scaling, self.saved = None, None, 0.0

    def resume(self, learn) -> bool:
        """Load the checkpoint, if there is one, into a Learner that has its optimizer; say whether there was.

        Raises `InputError` for a file that is truncated, altered or another run's.
        """
        state = self._load_weights()
        if state is None:
            return False
        tensors, facts = state
        _load_optimizer(learn.opt.opt, tensors)
        if self.stop is not None:
            best = {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
            self.stop.best = {name: value.to(learn.dls.train.device) for name, value in best.items()}
        own = {name.split(".", 2)[2]: value for name, value in tensors.items() if name.startswith(f"process.{rank()}.")}
        torch.set_rng_state(own["random"])
        device = learn.dls.train.device
        if device.type == "cuda" and "random_cuda" in own:
            torch.cuda.set_rng_state(own["random_cuda"], device)
        log, loader = self.log, learn.dls.train
        log.step, log.tokens, log.earlier_minutes = facts["step"], facts["tokens"], facts["minutes"]
        log.rows, log.recent = facts["rows"], facts["recent"]
        loader.passes, loader.start = facts["pass"], facts["window"]
        self.scaling = facts.get("scaling")
        self.carried = [(own[f"state.{i}.h"], own[f"state.{i}.c"]) for i in range(facts["layers"])]
        return True

    def before_fit(self):
        self.saved = time.monotonic()
        if self.scaling:  # behind MixedPrecision, which has just made a new scaler
            self.learn.scaler.load_state_dict(self.scaling)
            self.scaling = None

    def before_train(self):
        """Give the model the recurrent state of the run that was resumed, once."""
        if self.carried:  # after ModelResetter, which has just cleared it
            device = self.dls.train.device
            self.objective.carry([(h.to(device), c.to(device)) for h, c in self.carried])
            self.carried = None

    def after_batch(self):
        """Write the state where CHECKPOINT_EVERY seconds have passed, in all processes at once by the first one's clock."""
        if self.path is None:
            return
        due = time.monotonic() - self.saved >= CHECKPOINT_EVERY
        if broadcast(float(due), self.dls.train.device):
            self.write()
            self.saved = time.monotonic()

    def write(self) -> None:
        """Write the state after the current step, unless a weight is not finite."""
        weights = {f"model.{name}": value for name, value in self.objective.named_parameters()}
        if not all(torch.isfinite(value).all() for value in weights.values()):
            return
        loader, device = self.dls.train, self.dls.train.device
        hidden = self.objective.module[0].hidden
        own = {"random": torch.get_rng_state()}
        if device.type == "cuda":
            own["random_cuda"] = torch.cuda.get_rng_state(device)
        for i, (h, c) in enumerate(hidden):
            own |= {f"state.{i}.h": h, f"state.{i}.c": c}
        parts = {name: all_gather(value, device) for name, value in own.items()}
        if rank():
            return
        best = self.stop.best if self.stop is not None else {}
        tensors = weights | _optimizer_tensors(self.opt.opt) | {f"best.{name}": value for name, value in best.items()}
        tensors |= {f"process.{n}.{name}": part for name, found in parts.items() for n, part in enumerate(found)}
        facts = {
            "key": self.key,
            "step": self.log.step,
            "tokens": self.log.tokens,
            "minutes": self.log.minutes,
            "rows": self.log.rows,
            "recent": self.log.recent,
            "pass": loader.passes - 1,
            "window": _position(loader, self.log.step),
            "layers": len(hidden),
            "scaling": self.learn.scaler.state_dict() if hasattr(self.learn, "scaler") else None,
        }
        write_state(self.path, tensors, facts)

    def last_good_step(self) -> int | None:
        """Put the weights of the checkpoint back into the model; the step they are of, None where there is no checkpoint."""
        state = self._load_weights()
        return None if state is None else state[1]["step"]

    def discard(self) -> None:
        """Remove the checkpoint of a run that has ended well."""
        if self.path is not None and not rank():
            self.path.unlink(missing_ok=True)

    def _load_weights(self) -> tuple[dict[str, torch.Tensor], dict] | None:
        state = read_state(self.path, key=self.key) if self.path is not None else None
        if state is not None:
            with torch.no_grad():
                for name, value in self.objective.named_parameters():
                    value.copy_(state[0][f"model.{name}"])
        return state


def _position(loader: StreamLoader, step: int) -> int:
    """Windows of the current pass that `step` steps have used up: every pass has len(loader) of them."""
    return step - (loader.passes - 1) * len(loader) if loader.passes else 0


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

"""What every training here shares: a fastai Learner for a loss that is computed, its precision, its fast layers, its end."""

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.rnn import ModelResetter
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner, ValueMetric
from fastai.optimizer import OptimWrapper
from fastai.text.models.awdlstm import AWD_LSTM

from unpadded.common import InputError, MissingExtraError, extras_needed
from unpadded.kernels import bfloat16_is_fast
from unpadded.model import LanguageModel
from unpadded.training.checkpoint import Checkpoint
from unpadded.training.distributed import distributed_data_parallel, rank
from unpadded.training.log import TrainingLog

WIDE = 2_000_000  # weights of a layer from which `cpu_bfloat16` is the faster way (benchmarks/README.md)


def learner(
    loaders: DataLoaders, objective, settings, log: TrainingLog, metric: ValueMetric, callbacks, precision: str
) -> Learner:
    """A fastai Learner, with its optimizer, for an objective that gives the loss itself.

    `settings` has learning_rate, weight_decay and clip; `metric` is shown in fastai's table; `log` and `callbacks` join.
    """
    scaled = [MixedPrecision()] if precision == "float16" else []  # its gradients would vanish unscaled
    learn = Learner(
        loaders,
        objective,
        loss_func=_already_a_loss,
        opt_func=partial(OptimWrapper, opt=torch.optim.AdamW, betas=(0.8, 0.99), fused=True),
        lr=settings.learning_rate,
        wd=settings.weight_decay,
        metrics=metric,
        cbs=[ModelResetter(), GradientClip(settings.clip), log, *scaled, *callbacks],
    )
    learn.create_opt()
    return learn


def fast_layers(awd_lstm: AWD_LSTM, *, n_windows: int = 1, least: int | None = None) -> AbstractContextManager[None]:
    """While the block lasts, layers so wide that it pays train by way of `cpu_bfloat16`, which is imported only then.

    `least`: weights of a layer from which it pays (default: WIDE); `n_windows`: how many windows are read before their
    gradients are taken.
    """
    least = WIDE if least is None else least
    wide = [rnn for rnn in awd_lstm.rnns if rnn.module.weight_ih_l0.numel() + rnn.weight_hh_l0_raw.numel() >= least]
    if not wide:
        return nullcontext()
    try:
        with extras_needed():
            from unpadded.training.cpu_bfloat16.lstm import stepped_lstms
    except MissingExtraError as error:
        warnings.warn(f"{error} Until then wide layers train more slowly.", stacklevel=2)
        return nullcontext()
    return stepped_lstms(wide, n_windows=n_windows)


def training_layers(
    awd_lstm: AWD_LSTM, precision: str, device: torch.device, **options
) -> AbstractContextManager[None]:
    """`fast_layers` where the precision and the device are those that they are for."""
    return fast_layers(awd_lstm, **options) if precision == "bfloat16" and device.type == "cpu" else nullcontext()


def fit(
    learn: Learner,
    settings,
    checkpoint: Checkpoint,
    model: LanguageModel,
    *,
    layers: AbstractContextManager[None],
    progress: bool,
) -> None:
    """Train `settings.epochs` from where the checkpoint is, within `layers`, shown or not.

    A loss that is not finite ends it, and the last good `model` is stored.
    """
    with nullcontext() if progress else learn.no_bar(), nullcontext() if progress else learn.no_logging(), layers:
        checkpoint.resume(learn)
        _fit(learn, settings, checkpoint, model)


def _fit(learn: Learner, settings, checkpoint: Checkpoint, model: LanguageModel) -> None:
    try:
        with distributed_data_parallel(learn, learn.dls.train.device):
            learn.fit(max(settings.epochs - learn.dls.train.passes, 0))
    except FloatingPointError as error:
        step = checkpoint.last_good_step()
        if step is None or checkpoint.path is None:
            raise FloatingPointError(f"{error}; no checkpoint was made yet.") from error
        model.module.cpu()
        if model.tokenizer.kind == "custom":
            raise FloatingPointError(f"{error}; step {step} is kept in {checkpoint.path}.") from error
        folder = checkpoint.path.parent / "last_good_model"
        if not rank():
            model.save(folder)
        raise FloatingPointError(f"{error}; the model of step {step} is kept in {folder}.") from error


def chosen_precision(asked: str, device: torch.device) -> str:
    """What `asked`, a setting, means there: "auto" is the precision that the hardware multiplies fastest."""
    if asked == "float16" and device.type != "cuda":
        raise InputError(f"Training setting precision is 'float16' on {device.type}: only CUDA has it; give 'auto'.")
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "bfloat16" if bfloat16_is_fast() else "float32"


def _already_a_loss(loss: torch.Tensor, _targets: torch.Tensor) -> torch.Tensor:
    return loss

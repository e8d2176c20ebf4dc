"""The verb between `TokenizedCorpus` and `LanguageModel`: training through fastai's Learner."""

import hashlib
import json
import os
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException, CancelTrainException
from fastai.callback.rnn import ModelResetter
from fastai.callback.schedule import combined_cos
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from .batches import StreamLoader
from .checkpoint import Checkpoint, TrainingLog
from .errors import InputError
from .language_model import LanguageModel
from .objective import LanguageModelObjective
from .tokens import TokenizedCorpus, TokenizerSettings

VALIDATION_TOKENS = 100_000  # enough for a perplexity within about one per cent, quick to measure with the full softmax


@dataclass(frozen=True)
class TrainingSettings:
    """How a language model is trained; the defaults are the recipe for two to eight CPU cores.

    `epochs` passes over the corpus end the training, or `max_minutes`, whichever comes first; the learning rate completes
    its cycle either way. `dropout` multiplies fastai's dropout probabilities. `negatives` = 0 trains with the full
    softmax. `window` is in tokens, `clip` bounds the gradient's norm, `direction` "backward" reads documents reversed.
    `precision` is "auto" (bfloat16 where the hardware multiplies it faster), "float32" or "bfloat16".
    """

    emb_sz: int = 400
    n_hid: int = 400
    n_layers: int = 1
    max_vocab: int = 12_000
    min_count: int = 3
    dropout: float = 0.4
    batch_size: int = 32
    window: int = 70
    epochs: int = 2
    max_minutes: float = 0.0  # 0: no limit
    learning_rate: float = 6e-3
    warmup: float = 0.15  # share of the training spent reaching the peak learning rate
    weight_decay: float = 0.01
    clip: float = 0.25
    negatives: int = 1_024
    direction: str = "forward"
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in (int, float) and (
                isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0
            ):
                raise InputError(f"Training setting {field.name} is {value!r}: give a number that is not negative.")
        for name in ("emb_sz", "n_hid", "n_layers", "batch_size", "window", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(f"Training setting {name} is {getattr(self, name)!r}: give at least 1.")
        if self.direction not in ("forward", "backward"):
            raise InputError(f"Training setting direction is {self.direction!r}: give 'forward' or 'backward'.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise InputError(f"Training setting precision is {self.precision!r}: give 'auto', 'float32' or 'bfloat16'.")


def train(
    corpus: TokenizedCorpus,
    settings: TrainingSettings | None = None,
    *,
    tokenizer: TokenizerSettings | None = None,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = True,
    device: str | torch.device | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> LanguageModel:
    """Train an AWD-LSTM on `corpus` and return it, with its training curve and card.

    A few documents are held out for the validation perplexity (full softmax). With `checkpoints`, a folder, the state is
    kept there at least every two minutes; the same call after a stop goes on from it and ends in the same weights (same
    machine and thread count). Raises `InputError` for a corpus that is too small, `FloatingPointError` when the loss is
    not finite; the last checkpoint is then still there.
    """
    settings = settings or TrainingSettings()
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    held_out, kept = _split(corpus, settings.seed)
    vocab = kept.build_vocab(max_size=settings.max_vocab, min_count=settings.min_count)
    train_tokens, valid_tokens = (_directed(part.with_vocab(vocab), settings.direction) for part in (kept, held_out))
    loader = partial(StreamLoader, batch_size=settings.batch_size, window=settings.window, device=device)
    loaders = DataLoaders(loader(train_tokens, seed=settings.seed), loader(valid_tokens, shuffle=False))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = LanguageModel.new(vocab, _model_config(settings), tokenizer=tokenizer)
        precision = _precision(settings.precision, device)
        objective = LanguageModelObjective(
            model.module, train_tokens.counts, negatives=settings.negatives, precision=precision
        ).to(device)
        log = TrainingLog(loaders.train)
        schedule = Schedule(settings, log)
        checkpoint = Checkpoint(checkpoints, _key(settings, train_tokens), log)
        learn = Learner(
            loaders,
            objective,
            loss_func=_already_a_loss,
            opt_func=partial(OptimWrapper, opt=torch.optim.AdamW, betas=(0.8, 0.99), fused=True),
            lr=settings.learning_rate,
            wd=settings.weight_decay,
            cbs=[ModelResetter(), GradientClip(settings.clip), schedule, log, checkpoint, *callbacks],
        )
        learn.create_opt()
        checkpoint.resume(learn)
        with nullcontext() if progress else learn.no_bar(), nullcontext() if progress else learn.no_logging():
            learn.fit(max(settings.epochs - loaders.train.passes, 0))
    checkpoint.discard()
    model.module.reset()
    model.module.cpu().eval()
    model.training = log.to_frame()
    model.card = _card(settings, precision, corpus, train_tokens, log)
    return model


class Schedule(Callback):
    """One cycle of the learning rate over the planned steps or the allowed minutes, whichever is further on.

    The shape is Smith's one cycle with cosine flanks (fastai's `fit_one_cycle`); tying it to the share of the budget that
    is used means that training which is stopped by the clock has still completed it.
    """

    run_valid = False

    def __init__(self, settings: TrainingSettings, log: TrainingLog):
        peak = settings.learning_rate
        self.rate = combined_cos(settings.warmup, peak / 25, peak, peak / 1_000)
        self.settings, self.log = settings, log

    @property
    def used(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        steps = self.log.step / max(len(self.dls.train) * self.settings.epochs, 1)
        minutes = self.log.minutes / self.settings.max_minutes if self.settings.max_minutes else 0.0
        return min(max(steps, minutes), 1.0)

    def before_batch(self):
        self.opt.set_hyper("lr", float(self.rate(self.used)))

    def after_batch(self):
        if self.used >= 1:
            raise CancelTrainException()

    def after_epoch(self):
        if self.used >= 1:
            raise CancelFitException()


def _split(corpus: TokenizedCorpus, seed: int) -> tuple[TokenizedCorpus, TokenizedCorpus]:
    """Documents held out for validation (a twentieth, at most VALIDATION_TOKENS) and the others."""
    if len(corpus) < 2:
        raise InputError(f"The corpus has {len(corpus)} documents, too few to train on: give at least two.")
    order = np.random.default_rng(seed).permutation(len(corpus))
    allowed = min(VALIDATION_TOKENS, len(corpus.ids) // 20)
    n = int(np.searchsorted(np.cumsum(corpus.lengths[order]), allowed, side="right"))
    n = min(max(n, 1), len(corpus) - 1)
    return corpus.select(np.sort(order[:n])), corpus.select(np.sort(order[n:]))


def _directed(corpus: TokenizedCorpus, direction: str) -> TokenizedCorpus:
    """The corpus as the model reads it: documents reversed for a backward model."""
    if direction == "forward":
        return corpus
    reversed_ids = np.concatenate([corpus[i][::-1] for i in range(len(corpus))])
    return TokenizedCorpus(np.ascontiguousarray(reversed_ids), corpus.offsets, corpus.types)


def _model_config(settings: TrainingSettings) -> dict:
    from fastai.text.models.awdlstm import awd_lstm_lm_config

    # With a weight dropout of exactly 0, fastai's WeightDropout hands torch the parameter itself and its next reset fails.
    dropouts = {k: max(p * settings.dropout, 1e-12) for k, p in awd_lstm_lm_config.items() if k.endswith("_p")}
    return {"emb_sz": settings.emb_sz, "n_hid": settings.n_hid, "n_layers": settings.n_layers, **dropouts}


def _precision(asked: str, device: torch.device) -> str:
    """bfloat16 pays on CPUs with AMX tiles and on GPUs; AVX-512's own bfloat16 products are slower than float32."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu.get_capabilities().get("amx_bf16", False) else "float32"


def _key(settings: TrainingSettings, tokens: TokenizedCorpus) -> str:
    """What a checkpoint must share with the call that takes it up. The time limit may differ."""
    digest = hashlib.sha256(json.dumps(asdict(replace(settings, max_minutes=0.0)), sort_keys=True).encode())
    for part in (tokens.ids, tokens.offsets):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _already_a_loss(loss: torch.Tensor, _targets: torch.Tensor) -> torch.Tensor:
    return loss


def _card(
    settings: TrainingSettings, precision: str, corpus: TokenizedCorpus, tokens: TokenizedCorpus, log: TrainingLog
) -> dict:
    """What a reader of the model wants to know of its making."""
    from . import __version__

    return {
        "settings": asdict(settings),
        "precision": precision,
        "documents": len(corpus),
        "training_tokens": len(tokens.ids),
        "tokens_seen": log.tokens,
        "minutes": round(log.minutes, 3),
        "tokens_per_second": round(log.tokens / max(log.minutes * 60, 1e-9)),
        "valid_perplexity": log.perplexity,
        "vocabulary": len(tokens.types),
        "threads": torch.get_num_threads(),
        "versions": {"unpadded": __version__, "torch": torch.__version__},
    }

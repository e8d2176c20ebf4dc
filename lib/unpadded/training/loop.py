"""The verb between `TokenizedCorpus` and `LanguageModel`: training through fastai's Learner."""

import json
import os
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import ValueMetric

from unpadded.common import InputError
from unpadded.model import LanguageModel
from unpadded.tokens import TokenizedCorpus, TokenizerSettings
from unpadded.training.card import model_card, tokens_digest
from unpadded.training.checkpoint import Checkpoint
from unpadded.training.directions import one_after_the_other
from unpadded.training.distributed import join_processes, n_processes, rank
from unpadded.training.early_stop import EarlyStop
from unpadded.training.fitting import chosen_precision, fit, learner, training_layers
from unpadded.training.initialization import pass_inputs_through, start_from_topics
from unpadded.training.loader import StreamLoader
from unpadded.training.log import LivePerplexity, TrainingLog
from unpadded.training.objective import LanguageModelObjective
from unpadded.training.one_cycle import OneCycle
from unpadded.training.pad_injection import inject_pads
from unpadded.training.settings import VALIDATION_TOKENS, TrainingSettings
from unpadded.training.start import first_model


def train(
    corpus: TokenizedCorpus,
    settings: TrainingSettings | None = None,
    *,
    tokenizer: TokenizerSettings | None = None,
    start: LanguageModel | None = None,
    valid: TokenizedCorpus | None = None,
    about: dict | None = None,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = True,
    device: str | torch.device | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> LanguageModel:
    """Train an AWD-LSTM on `corpus` and return it, with its training curve and card.

    `tokenizer`: what made the corpus's tokens. `start`: a language model to go on from; its sizes hold, its vocabulary is
    matched by token. `about`: JSON-ready facts for the card, such as the corpus's name. The validation perplexity (full
    softmax) is that of `valid`, or else of a few documents that are held out. With `checkpoints`, a folder, the state is
    kept there once a minute; the same call after a stop goes on from it and ends in the same weights (same
    machine and thread count).

    Raises `InputError` for a corpus that is too small, a `start` that does not fit, a checkpoint that is torn, and float16
    without CUDA; `FloatingPointError` when the loss is not finite, after storing the last good model in
    `checkpoints`/last_good_model.
    """
    settings = settings or TrainingSettings()
    device = join_processes(torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    options = {"valid": valid, "about": about or {}, "progress": progress, "device": device, "callbacks": callbacks}
    if settings.direction == "both":
        return _train_both(corpus, settings, start, checkpoints, tokenizer=tokenizer, **options)
    start = start and start.directed(settings.direction)
    return _train(corpus, settings, start, checkpoints, tokenizer=tokenizer, **options)


def _train_both(corpus, settings, start, checkpoints, *, tokenizer, **options) -> LanguageModel:
    making = {}
    for direction in ("forward", "backward"):
        own = replace(settings, direction=direction, max_minutes=settings.max_minutes / 2)
        first = start and start.directed(direction)
        making[_key(own, corpus, first)] = partial(
            _train, corpus, own, first, checkpoints, tokenizer=tokenizer, **options
        )
    return one_after_the_other(making, checkpoints, tokenizer or TokenizerSettings())


def _train(
    corpus, settings, start, checkpoints, *, tokenizer, valid, about, progress, device, callbacks
) -> LanguageModel:
    """Train one direction."""
    if start is not None:
        settings = replace(settings, emb_sz=start.emb_sz, n_hid=start.n_hid, n_layers=start.n_layers)
    held_out, kept = _split(corpus, settings.seed) if valid is None else (valid, corpus)
    vocab = kept.build_vocab(max_size=settings.max_vocab, min_count=settings.min_count)
    parts = [part.with_vocab(vocab) for part in (kept, held_out)]
    train_tokens, valid_tokens = parts if settings.direction == "forward" else [part.reversed() for part in parts]
    train_tokens = inject_pads(
        train_tokens, share=settings.pad_injection, placement=settings.pad_placement, seed=settings.seed
    )
    loader = partial(StreamLoader, batch_size=settings.batch_size, window=settings.window, device=device)
    loaders = DataLoaders(loader(train_tokens, seed=settings.seed), loader(valid_tokens, shuffle=False))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = first_model(vocab, settings, tokenizer=tokenizer, start=start)
        if start is None:
            pass_inputs_through(model.awd_lstm, settings.pass_through)
            if settings.initial_embeddings == "lsa":
                start_from_topics(model.awd_lstm.encoder.weight, parts[0], seed=settings.seed)
        torch.manual_seed(settings.seed + rank())  # other dropouts and negatives in every process
        precision = chosen_precision(settings.precision, device)
        objective = LanguageModelObjective(
            model.module, train_tokens.counts, negatives=settings.negatives, precision=precision
        ).to(device)
        log = TrainingLog(loaders.train)
        stop = EarlyStop(objective, log, settings.patience)
        checkpoint = Checkpoint(
            checkpoints, _key(settings, train_tokens, start), objective=objective, log=log, stop=stop
        )
        own = [OneCycle(settings, log), LivePerplexity(model.module, valid_tokens, log), checkpoint, stop]
        metric = ValueMetric(log.validation_perplexity, "perplexity")
        learn = learner(loaders, objective, settings, log, metric, [*own, *callbacks], precision)
        layers = training_layers(model.awd_lstm, precision, device)
        fit(learn, settings, checkpoint, model, layers=layers, progress=progress)
    checkpoint.discard()
    model.module.reset()
    model.module.cpu().eval()
    model.training = log.to_frame()
    model.card = {**about, **model_card(settings, precision, model, corpus, train_tokens, log)}
    return model


def _split(corpus: TokenizedCorpus, seed: int) -> tuple[TokenizedCorpus, TokenizedCorpus]:
    """Documents held out for validation (a twentieth, at most VALIDATION_TOKENS) and the others."""
    if len(corpus) < 2:
        raise InputError(f"The corpus has {len(corpus)} documents, too few to train on: give at least two.")
    order = np.random.default_rng(seed).permutation(len(corpus))
    allowed = min(VALIDATION_TOKENS, len(corpus.ids) // 20)
    n = int(np.searchsorted(np.cumsum(corpus.lengths[order]), allowed, side="right"))
    n = min(max(n, 1), len(corpus) - 1)
    return corpus.select(np.sort(order[:n])), corpus.select(np.sort(order[n:]))


def _key(settings: TrainingSettings, tokens: TokenizedCorpus, start: LanguageModel | None) -> str:
    """What a checkpoint must share with the call that takes it up. The time limit may differ."""
    facts = [asdict(replace(settings, max_minutes=0.0)), n_processes(), start.fingerprint if start else ""]
    return tokens_digest(tokens, beside=json.dumps(facts, sort_keys=True))[:16]

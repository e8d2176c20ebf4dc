"""The verb between `LanguageModel` and a better one: tuning its document vectors, without labels, through fastai."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import ValueMetric

from unpadded.common import InputError
from unpadded.model import LanguageModel, config_of, module_with, weights_of
from unpadded.tokens import TokenizedCorpus, idf_weights, mark_ids
from unpadded.training.card import tokens_digest
from unpadded.training.checkpoint import Checkpoint
from unpadded.training.directions import one_after_the_other
from unpadded.training.distributed import join_processes, n_processes, rank
from unpadded.training.fitting import chosen_precision, fit, learner, training_layers
from unpadded.training.held_out import perplexity
from unpadded.training.loader import StreamLoader
from unpadded.training.objective import LanguageModelObjective
from unpadded.training.one_cycle import OneCycle
from unpadded.training.start import dropouts_times
from unpadded.training.tuning.log import TuningLog
from unpadded.training.tuning.objective import TuningObjective
from unpadded.training.tuning.pieces import GROUPS, PieceLoader
from unpadded.training.tuning.settings import TuningSettings

HELD_OUT = 400  # documents at most, a tenth of a smaller corpus
STREAMS, WINDOW = 32, 70  # of the text whose next words are predicted beside
NEGATIVES = 512
PERPLEXITY_TOKENS = 15_000
PAYS = 100_000  # weights of a layer from which the way of `cpu_bfloat16` is faster with batches of pieces


def tune(
    lm: LanguageModel,
    tokens: TokenizedCorpus,
    settings: TuningSettings | None = None,
    *,
    valid: TokenizedCorpus | None = None,
    checkpoints: str | os.PathLike | None = None,
    progress: bool = True,
    device: str | torch.device | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> LanguageModel:
    """A copy of `lm` whose document vectors tell documents apart: pieces of one document near each other, of two apart.

    `tokens`: the documents to learn from, as `tokenize(texts, lm.tokenizer)` gives them; no label is read. Vocabulary,
    tokenizer, sizes and direction(s) stay; `lm` is not changed. Of a model of two directions each is tuned, half of the
    minutes each. The documents `valid` (by default a tenth of the others, which are not learned from then; 400 at most)
    are asked, before and pass by pass, how often a first half finds its second half: `tuning` of the result is that curve,
    `card["tuning"]` the facts, with the perplexity before and after. With `checkpoints`, a folder, the same call after a
    stop goes on from where it was and ends in the same weights (same machine and thread count).

    Raises `InputError` for a corpus of fewer than two documents of more than one word, tokens that the model does not
    know, a checkpoint that is torn; `FloatingPointError` when the loss is not finite.
    """
    settings = settings or TuningSettings()
    device = join_processes(torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    options = {
        "valid": valid,
        "checkpoints": checkpoints,
        "progress": progress,
        "device": device,
        "callbacks": callbacks,
    }
    if lm.backward is None:
        return _tune(lm, tokens, settings, **options)
    settings = replace(settings, max_minutes=settings.max_minutes / 2)
    making = {
        _key(settings, tokens, part): partial(_tune, part, tokens, settings, **options)
        for part in (lm.directed("forward"), lm.backward)
    }
    return one_after_the_other(making, checkpoints, lm.tokenizer)


def _tune(lm, tokens, settings, *, valid, checkpoints, progress, device, callbacks) -> LanguageModel:
    """Tune one direction."""
    read = _as_read(lm, tokens)
    kept, held_out = _split(read, settings.seed) if valid is None else (read, _some(_as_read(lm, valid), settings.seed))
    loader = _loader(lm, kept, held_out, settings, device)
    steps = max(settings.epochs * len(loader.documents) // loader.batch_size, 1)
    rate = settings.rate_for(len(loader.documents))
    plan = replace(settings, epochs=-(-steps // len(loader)), learning_rate=rate)
    measured = _beginning(held_out if len(held_out) else kept)
    before = perplexity(lm.module, measured)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed + rank())
        own = _with_dropout(lm, settings.dropout)
        precision = chosen_precision(settings.precision, device)
        objective = _objective(own, kept, settings, precision).to(device)
        log = TuningLog(loader, objective, held_out)
        checkpoint = Checkpoint(checkpoints, _key(settings, kept, lm), objective=objective, log=log)
        metric = ValueMetric(lambda: log.found, "halves_found")
        learn = learner(
            DataLoaders(loader, loader),
            objective,
            plan,
            log,
            metric,
            [OneCycle(plan, log), checkpoint, *callbacks],
            precision,
        )
        first = log.begin()
        stream = StreamLoader(kept, batch_size=STREAMS, window=WINDOW, seed=settings.seed, device=device)
        objective.windows = _windows(stream, log)
        layers = training_layers(own.awd_lstm, precision, device, n_windows=GROUPS + 1, least=PAYS)
        fit(learn, plan, checkpoint, own, layers=layers, progress=progress)
    checkpoint.discard()
    tuned = _like(lm, own)
    after = perplexity(tuned.module, measured)
    tuned.tuning = log.to_frame()
    tuned.card = {
        **lm.card,
        "tuning": _facts(replace(settings, learning_rate=rate), precision, log, kept, first, before, after),
    }
    return tuned


def _loader(lm: LanguageModel, kept: TokenizedCorpus, held_out: TokenizedCorpus, settings, device) -> PieceLoader:
    return PieceLoader(
        kept,
        batch_size=settings.batch_size,
        length=settings.piece_length,
        deletion=settings.deletion,
        topics=settings.topics,
        held_out=held_out,
        backward=lm.direction == "backward",
        pad=lm.awd_lstm.pad_token,
        seed=settings.seed,
        device=device,
    )


def _objective(own: LanguageModel, kept: TokenizedCorpus, settings: TuningSettings, precision: str) -> TuningObjective:
    """What is minimised of the model `own`; the words weigh as they do in the documents that are learned from."""
    weights = idf_weights([kept[i] for i in range(len(kept))], len(kept.types), marks=mark_ids(kept.types))
    negatives = min(NEGATIVES, len(own.vocab))
    return TuningObjective(
        LanguageModelObjective(own.module, kept.counts, negatives=negatives, precision=precision),
        pooling=settings.pooling,
        relations=settings.relations,
        contrast=settings.contrast,
        temperature=settings.temperature,
        near_duplicate=settings.near_duplicate,
        language_weight=settings.language_weight,
        token_weights=torch.from_numpy(weights),
    )


def _as_read(lm: LanguageModel, tokens: TokenizedCorpus) -> TokenizedCorpus:
    """The documents numbered by the model's vocabulary, in the direction in which it reads."""
    if not isinstance(tokens, TokenizedCorpus):
        raise InputError(f"The documents to tune on are a {type(tokens).__name__}: give tokenize(texts, lm.tokenizer).")
    numbered = tokens.with_vocab(lm.vocab, filler=lm.tokenizer.filler)
    if len(numbered.ids) and not (np.asarray(numbered.ids) != 0).any():
        raise InputError("The model knows no token of the corpus: tokenize it with the model's own tokenizer.")
    return numbered.reversed() if lm.direction == "backward" else numbered


def _split(tokens: TokenizedCorpus, seed: int) -> tuple[TokenizedCorpus, TokenizedCorpus]:
    """(documents to learn from, documents held out); fewer than twenty hold none out."""
    order = np.random.default_rng(seed).permutation(len(tokens))
    n = min(HELD_OUT, len(tokens) // 10) if len(tokens) >= 20 else 0
    return tokens.select(np.sort(order[n:])), tokens.select(np.sort(order[:n]))


def _some(tokens: TokenizedCorpus, seed: int) -> TokenizedCorpus:
    """At most HELD_OUT of the documents: they are read after every pass."""
    return tokens.select(np.sort(np.random.default_rng(seed).permutation(len(tokens))[:HELD_OUT]))


def _beginning(tokens: TokenizedCorpus) -> TokenizedCorpus:
    """The first documents, of about PERPLEXITY_TOKENS tokens together."""
    return tokens.select(range(int(np.searchsorted(tokens.offsets[:-1], PERPLEXITY_TOKENS))))


def _with_dropout(lm: LanguageModel, dropout: float) -> LanguageModel:
    """A copy of a model with fastai's dropout probabilities times `dropout`, for training."""
    config = {**config_of(lm.awd_lstm, lm.module[1]), **dropouts_times(dropout)}
    return LanguageModel(module_with(weights_of(lm.module), config), lm.vocab, lm.tokenizer, direction=lm.direction)


def _like(lm: LanguageModel, trained: LanguageModel) -> LanguageModel:
    """The trained weights in a model that is like `lm` in everything else."""
    module = module_with(weights_of(trained.module.cpu()), config_of(lm.awd_lstm, lm.module[1])).eval()
    return LanguageModel(module, lm.vocab, lm.tokenizer, direction=lm.direction, training=lm.training)


def _windows(stream: StreamLoader, log: TuningLog) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Windows of text without end; the first that is asked for is that of the step which `log` has come to."""
    stream.passes, stream.start = divmod(log.step, len(stream))
    while True:
        for x, y, _ in stream:
            yield x, y


def _facts(settings, precision, log: TuningLog, kept, first, before, after) -> dict:
    return {
        "settings": asdict(settings),
        "precision": precision,
        "documents": len(kept),
        "held_out_documents": log.n_held_out,
        "steps": log.step,
        "tokens_seen": log.tokens,
        "minutes": round(log.minutes, 3),
        "halves_found_before": None if np.isnan(first) else round(first, 4),
        "halves_found": None if np.isnan(log.found) else round(log.found, 4),
        "perplexity_before": round(before, 2),
        "perplexity": round(after, 2),
        "threads": torch.get_num_threads(),
        "processes": n_processes(),
    }


def _key(settings: TuningSettings, tokens: TokenizedCorpus, lm: LanguageModel) -> str:
    """What a checkpoint must share with the call that takes it up. The time limit may differ."""
    facts = ["tune", asdict(replace(settings, max_minutes=0.0)), n_processes(), lm.fingerprint]
    return tokens_digest(tokens, beside=json.dumps(facts, sort_keys=True))[:16]

"""What tuning each pooling teaches, and what the language model's own training brings to it. (10)"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from unpadded.common import CONCAT
from unpadded.encoding import DocumentEncoder
from unpadded.evaluation import Pieces
from unpadded.model import LanguageModel
from unpadded.tokens import TokenizedCorpus
from unpadded.training import TrainingSettings, TuningSettings, train, tune

TAUGHT = ("mean", "weighted_mean", "max", "last")
SHARES = {"hardly trained": 0.0, "a tenth of its training": 0.1, "trained": 1.0}  # of the language model's minutes
LEAST_MINUTES = 1 / 60  # of a training


def taught_by_pooling(
    lm: LanguageModel, tokens: TokenizedCorpus, settings: TuningSettings, *, valid: TokenizedCorpus
) -> dict[str, LanguageModel]:
    """The model as it is ("nothing"), and tuned on `tokens` for each pooling of TAUGHT alone, as `settings` say else."""
    taught = {name: replace(settings, pooling=name) for name in TAUGHT}
    return {"nothing": lm} | {name: tune(lm, tokens, s, valid=valid, progress=False) for name, s in taught.items()}


def from_each_start(
    lm: LanguageModel, tokens: TokenizedCorpus, settings: TuningSettings, *, valid: TokenizedCorpus
) -> dict[str, LanguageModel]:
    """Models as large as `lm`, trained for each of SHARES of its minutes, before and after tuning on `tokens`."""
    shape = {name: getattr(lm.awd_lstm, name) for name in ("emb_sz", "n_hid", "n_layers")}
    models = {}
    for name, share in SHARES.items():
        minutes = max(share * lm.card.get("minutes", 0), LEAST_MINUTES)
        limits = TrainingSettings(**shape, max_vocab=len(lm.vocab), epochs=60, max_minutes=minutes, seed=settings.seed)
        begun = lm if share == 1 else train(tokens, limits, tokenizer=lm.tokenizer, progress=False)
        models[f"{name}, before"] = begun
        models[f"{name}, after"] = tune(begun, tokens, settings, valid=valid, progress=False)
    return models


def found_by_pieces(models: Mapping[str, LanguageModel], pieces: Pieces) -> pd.DataFrame:
    """The mean reciprocal rank that pieces of documents find the rest at: a row a model, columns (pooling, kind of pieces)."""
    rows = {}
    for name, model in models.items():
        vectors = DocumentEncoder(model).encode_tokens(model.numericalize(pieces.texts), pooling=list(CONCAT))
        found = {pooling: pieces.found(array) for pooling, array in vectors.items()}
        rows[name] = {(pooling, kind): value.mean() for pooling, by in found.items() for kind, value in by.items()}
    return pd.DataFrame(rows).T

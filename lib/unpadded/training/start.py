"""The model that a training begins with."""

from collections.abc import Sequence

import torch
from fastai.text.models.awdlstm import awd_lstm_lm_config

from unpadded.common import InputError
from unpadded.model import BIAS, EMBEDDING, TIED, TWIN, LanguageModel, config_of, load_weights, make_module, weights_of
from unpadded.tokens import TokenizerSettings, vocabulary_index
from unpadded.training.settings import TrainingSettings


def first_model(
    vocab: Sequence[str],
    settings: TrainingSettings,
    *,
    tokenizer: TokenizerSettings | None,
    start: LanguageModel | None,
) -> LanguageModel:
    """The model that training begins with: random weights, or those of `start` for the tokens that both know.

    Raises `InputError` for a `start` whose tokens another tokenizer made.
    """
    dropouts = dropouts_times(settings.dropout)
    sizes = {"emb_sz": settings.emb_sz, "n_hid": settings.n_hid, "n_layers": settings.n_layers}
    options = {"tokenizer": tokenizer, "direction": settings.direction}
    if start is None:
        return LanguageModel.new(vocab, {**sizes, **dropouts}, **options)
    if start.tokenizer.key != (tokenizer or TokenizerSettings()).key:
        raise InputError(
            f"The starting model reads {start.tokenizer.kind} tokens of another tokenizer than the corpus: tokenize it with "
            "the starting model's."
        )
    config = {**config_of(start.awd_lstm, start.module[1]), **dropouts}
    model = LanguageModel(make_module(len(vocab), config), vocab, **options)
    load_weights(model.module, matched(weights_of(start.module), start.vocab, vocab))
    return model


def dropouts_times(factor: float) -> dict[str, float]:
    """fastai's dropout probabilities times `factor`, by the keys of its configuration."""
    # With a weight dropout of exactly 0, fastai's WeightDropout hands torch the parameter itself and its next reset fails.
    return {k: max(p * factor, 1e-12) for k, p in awd_lstm_lm_config.items() if k.endswith("_p")}


def matched(weights: dict[str, torch.Tensor], old: Sequence[str], new: Sequence[str]) -> dict[str, torch.Tensor]:
    """`weights` of a model with the vocabulary `old` for the vocabulary `new`; a new token gets the mean of all rows.

    What fastai's `match_embeds` does, and the same for an output layer of its own.
    """
    index = vocabulary_index(old)
    places = torch.tensor([index.get(token, len(old)) for token in new])  # the last row is the mean
    weights = dict(weights)
    for name in {EMBEDDING, TWIN, TIED, BIAS} & set(weights):
        rows = weights[name]
        weights[name] = torch.cat([rows, rows.mean(0, keepdim=True)])[places]
    return weights

"""The perplexity of a language model on given tokens, measured with the full softmax."""

import math

import numpy as np
import torch

from .batches import StreamLoader
from .objective import LanguageModelObjective
from .tokens import TokenizedCorpus


@torch.no_grad()
def cross_entropy(module, tokens: TokenizedCorpus, *, batch_size: int = 10, window: int = 70) -> float:
    """Mean nats a token that a fastai language model needs for `tokens` (numbered by its vocabulary), in given order.

    The documents are read as `batch_size` streams whose state is carried on. The module's own state is left as it was.
    """
    awd_lstm, training = module[0], module.training
    held, device = (awd_lstm.hidden, awd_lstm.bs), awd_lstm.encoder.weight.device
    objective = LanguageModelObjective(module, np.ones(len(tokens.types)))
    nats = n_tokens = 0.0
    try:
        module.eval()
        objective.to(device).eval()
        module.reset()
        for x, y, _ in StreamLoader(tokens, batch_size=batch_size, window=window, shuffle=False, device=device):
            nats += objective(x, y).item() * y.numel()
            n_tokens += y.numel()
    finally:
        module.train(training)
        awd_lstm.hidden, awd_lstm.bs = held
    return nats / n_tokens


def perplexity(module, tokens: TokenizedCorpus, **options) -> float:
    """exp of `cross_entropy`."""
    return math.exp(min(cross_entropy(module, tokens, **options), 700))

"""The perplexity of a language model on given tokens, measured with the full softmax."""

import math

import numpy as np
import torch

from unpadded.model import borrowed
from unpadded.tokens import TokenizedCorpus
from unpadded.training.loader import StreamLoader
from unpadded.training.objective import LanguageModelObjective


@torch.no_grad()
def cross_entropy(module, tokens: TokenizedCorpus, *, batch_size: int = 10, window: int = 70) -> float:
    """Mean nats a token that a fastai language model needs for `tokens` (numbered by its vocabulary), in given order.

    The documents are read as `batch_size` streams whose state is carried on. The module's own state is left as it was.
    """
    with borrowed(module) as awd_lstm:
        device = awd_lstm.encoder.weight.device
        objective = LanguageModelObjective(module, np.ones(len(tokens.types))).to(device).eval()
        loader = StreamLoader(tokens, batch_size=batch_size, window=window, shuffle=False, device=device)
        return sum(objective(x, y).item() * y.numel() for x, y, _ in loader) / loader.n_tokens


def perplexity(module, tokens: TokenizedCorpus, **options) -> float:
    """exp of `cross_entropy`."""
    return math.exp(min(cross_entropy(module, tokens, **options), 700))

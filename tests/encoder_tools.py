"""Tiny random models and documents for the tests of the engine, and the loop that they are compared with."""

from functools import lru_cache

import numpy as np
import torch
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
from fastai.text.models.core import get_language_model

from unpadded.model.language_model import LanguageModel
from unpadded.tokens.tokenized import TokenizedCorpus


@lru_cache(maxsize=16)
def random_model(n_tokens=50, emb_sz=7, n_hid=11, n_layers=2, seed=0) -> LanguageModel:
    """A model with random weights, twice those that fastai begins with, so that states are not all near zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = awd_lstm_lm_config | {"emb_sz": emb_sz, "n_hid": n_hid, "n_layers": n_layers}
        module = get_language_model(AWD_LSTM, n_tokens, config)
        with torch.no_grad():
            for parameter in module[0].parameters():
                parameter.mul_(2)
    return LanguageModel(module, [f"t{i}" for i in range(n_tokens)])


def random_documents(lengths, n_tokens=50, seed=0) -> list[np.ndarray]:
    """One int64 array of random token ids (the pad id 1 among them) for each length."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, n_tokens, n) for n in lengths]


def fastai_loop(lm: LanguageModel, documents) -> dict[str, np.ndarray]:
    """last, mean and max of fastai's own encoder run on each document alone, pooled in float64."""
    awd_lstm, training = lm.awd_lstm, lm.awd_lstm.training
    awd_lstm.eval()
    pooled = {"last": [], "mean": [], "max": []}
    with torch.no_grad():
        for tokens in documents:
            awd_lstm.bs = 1
            awd_lstm.reset()
            states = awd_lstm(torch.as_tensor(np.asarray(tokens, np.int64))[None])[0].double()
            pooled["last"].append(states[-1])
            pooled["mean"].append(states.mean(0))
            pooled["max"].append(states.amax(0))
    awd_lstm.train(training)
    return {name: torch.stack(rows).float().numpy() for name, rows in pooled.items()}


def as_corpus(documents) -> TokenizedCorpus:
    """Token ids of the vocabulary of `random_model` as a corpus."""
    offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in documents])])
    return TokenizedCorpus(np.concatenate(documents).astype(np.int32), offsets, [f"t{i}" for i in range(50)])

"""What a reader of a trained model wants to know of its making."""

import hashlib
from dataclasses import asdict
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from unpadded.model import LanguageModel
from unpadded.tokens import TokenizedCorpus
from unpadded.training.distributed import n_processes
from unpadded.training.log import TrainingLog
from unpadded.training.settings import TrainingSettings


def model_card(
    settings: TrainingSettings,
    precision: str,
    model: LanguageModel,
    corpus: TokenizedCorpus,
    tokens: TokenizedCorpus,
    log: TrainingLog,
) -> dict:
    """The card as JSON-ready values. `corpus` is all that was given, `tokens` what was trained on."""
    from unpadded import __version__

    return {
        "settings": asdict(settings),
        "precision": precision,
        "documents": len(corpus),
        "tokens_fingerprint": tokens_digest(corpus),
        "training_tokens": len(tokens.ids),
        "tokens_seen": log.tokens,
        "seconds": round(log.minutes * 60, 1),
        "minutes": round(log.minutes, 3),
        "tokens_per_second": round(log.tokens / max(log.minutes * 60, 1e-9)),
        "valid_perplexity": log.perplexity,
        "vocabulary": len(tokens.types),
        "tokenizer": model.tokenizer.kind,
        "threads": torch.get_num_threads(),
        "processes": n_processes(),
        "versions": {"unpadded": __version__, "torch": torch.__version__, "fastai": version("fastai")},
    }


def card_facts(card: dict) -> pd.Series:
    """The card for readers: settings and versions unfolded, long fingerprints shortened, one row a fact."""
    facts = {}
    for name, value in card.items():
        if isinstance(value, dict):
            facts |= {f"{name}: {part}": fact for part, fact in value.items()}
        else:
            facts[name] = f"{value[:16]}..." if name.endswith("fingerprint") and isinstance(value, str) else value
    return pd.Series(facts, dtype=object)


def tokens_digest(corpus: TokenizedCorpus, *, beside: str = "") -> str:
    """SHA-256 over token names, token ids and document borders, and before them `beside`; 64 hexadecimal digits."""
    digest = hashlib.sha256((beside + "\x00".join(corpus.types)).encode("utf-8", "surrogatepass"))
    for part in (corpus.ids, corpus.offsets):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()

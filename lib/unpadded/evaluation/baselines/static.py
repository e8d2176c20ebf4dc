"""A baseline of static vectors that others trained: the token table in wordllama's wheel (Miller, 2024; extra `static`).

The table (32,000 subwords of 256 numbers, distilled from a large language model's input embeddings) and its tokenizer are
data files in the installed package. They are read as files: importing the package would configure the root logger, and its
own loader may ask the network. Which documents they were trained on is not published: the record of that fit names no ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.utils import gen_batches

from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import mean_rows

TABLE, TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
UNKNOWN_TEXTS = FitRecord("pretrained vectors", frozenset())
BATCH = 1_000  # texts whose tokens are Python objects at the same time


def installed() -> Path | None:
    """The folder of wordllama's data files, None where the package or one of them is missing."""
    spec = find_spec("wordllama")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    return folder if folder and all((folder / name).is_file() for name in (TABLE, TOKENIZER)) else None


def static_vectors(texts: Sequence[str]) -> Representation | None:
    """The mean of the pretrained rows of a text's subwords, float32 [n, 256]; None where wordllama is not installed.

    A text without subwords gets zeros.
    """
    folder = installed()
    if folder is None:
        return None
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    table = load_file(folder / TABLE)["embedding.weight"].astype(np.float32)
    vectors = []
    for batch in gen_batches(len(texts), BATCH):
        found = tokenizer.encode_batch(list(texts[batch]), add_special_tokens=False)
        vectors.append(mean_rows([np.array(text.ids, np.int32) for text in found], table))
    return Representation("wordllama", "", "none", np.concatenate(vectors), (UNKNOWN_TEXTS,))

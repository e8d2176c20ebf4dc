"""Two texts side by side: how alike they are, and how alike a padded batch would have made them look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unpadded.common import STUDIED, InputError
from unpadded.encoding import DocumentEncoder
from unpadded.studies import PLACEMENTS, read_padded

ALONE = "each alone"


def compare_pair(encoder: DocumentEncoder, texts: Sequence[str], *, extra: int = 0) -> tuple[pd.DataFrame, list[int]]:
    """Cosine of two texts under each pooling, exact and out of a padded batch of the two; and the pads each text gets.

    Index pooling; columns ALONE and "pads <placement>". In the batch both texts are filled up to `extra` tokens more than
    the longer one has, and pooled over every position, as one does who keeps no lengths. A model of both directions reads
    both texts in both, padded too. Raises `InputError` for a text without a word.
    """
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise InputError(f"Text {number} is empty: paste something to compare.")
    tokens = encoder.lm.numericalize(texts)
    pads = [max(map(len, tokens)) + extra - len(ids) for ids in tokens]
    columns = {ALONE: encoder.encode_tokens(tokens, pooling=list(STUDIED))}
    for placement in PLACEMENTS[1:]:
        found = read_padded(encoder.lm, tokens, placement, pads, batch_size=len(tokens))
        columns[f"pads {placement}"] = found["naive"]
    table = {name: {pooling: cosine(*vectors[pooling]) for pooling in STUDIED} for name, vectors in columns.items()}
    return pd.DataFrame(table).loc[list(STUDIED)], pads


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of two vectors; 0 where one is zero."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else 0.0

"""Which words a model takes for similar: the nearest rows of its embedding."""

from collections.abc import Sequence

import pandas as pd
import torch

from unpadded.common import InputError


def nearest_words(embedding: torch.Tensor, vocab: Sequence[str], words: Sequence[str], *, k: int) -> pd.DataFrame:
    """For each word the `k` whose rows of `embedding` [n_vocab, width] are nearest by cosine; columns word, nearest.

    Raises `InputError` for a word that is not in the vocabulary.
    """
    table = torch.nn.functional.normalize(embedding.detach().float().cpu())
    index = {word: row for row, word in enumerate(vocab)}
    rows = []
    for word in words:
        if word not in index:
            raise InputError(f"The vocabulary has no word {word!r}: give one of the model's own.")
        found = (table @ table[index[word]]).topk(k + 1).indices.tolist()
        rows.append((word, ", ".join(vocab[i] for i in found if i != index[word])))
    return pd.DataFrame(rows, columns=["word", "nearest"])

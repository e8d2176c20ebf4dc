"""A baseline of word vectors by fastText's skip-gram (Bojanowski et al., TACL 2017), trained on the training documents.

The words are the language model's tokens, by number, so character n-grams are off: what is compared is how a table of
vectors is learnt, not how a text is cut. One thread, because fastText's threads race for the same weights and no two runs
of more would be equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import fasttext
import numpy as np


def fasttext_vectors(token_ids: Sequence[np.ndarray], n_vocabulary: int, *, width: int = 100) -> np.ndarray:
    """A vector for every token, float32 [n_vocabulary, width], from the documents `token_ids` (int arrays).

    fastText's own settings, but for the words: all that occur. Tokens that never occur get zeros.
    """
    if not any(len(ids) for ids in token_ids):
        return np.zeros((n_vocabulary, width), np.float32)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "documents.txt"
        with path.open("w", encoding="ascii") as file:
            file.writelines(" ".join(map(str, ids.tolist())) + "\n" for ids in token_ids)
        model = fasttext.train_unsupervised(str(path), dim=width, minCount=1, minn=0, maxn=0, thread=1, verbose=0)
    return np.stack([model.get_word_vector(str(i)) for i in range(n_vocabulary)])

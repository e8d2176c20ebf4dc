"""TF-IDF of character n-grams, which stand in for stemming in any language.

McNamee and Mayfield, *Character N-Gram Tokenization for European Language Text Retrieval*, Information Retrieval 7 (2004),
who find four characters a good choice. Those of five would cost half as much again, and are often whole words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from unpadded.tokens import MOST_NGRAMS, character_ngrams


def ngram_tfidf(texts: Sequence[str], *, train: Sequence[int] | np.ndarray) -> sparse.csr_matrix:
    """TF-IDF of the n-grams within words, sublinear term frequency, unit length; sparse float32 [n, n-grams].

    What scikit-learn's `TfidfVectorizer` gives with the analyzer "char_wb", whose n-grams do not cross from word to word:
    so those of each distinct word are counted once, instead of at each of its occurrences. `train` holds the positions of
    the documents to fit on. From 100 documents on, n-grams in fewer than three of them or in more than half are dropped,
    unless that leaves none. Raises ValueError where no text has a word.
    """
    train = np.asarray(train)
    words = CountVectorizer(analyzer=_split, dtype=np.float32)
    of_texts = words.fit_transform(texts)
    of_words = character_ngrams(words.get_feature_names_out())
    kept = _kept(of_texts[train] @ of_words)
    counts = of_texts @ of_words[:, kept]
    return TfidfTransformer(sublinear_tf=True).fit(counts[train]).transform(counts, copy=False)


def _split(text: str) -> list[str]:
    return text.lower().split()


def _kept(counts: sparse.csr_matrix) -> np.ndarray:
    """The columns of the training documents' counts that become features, in order."""
    n, frequency = counts.shape[0], counts.getnnz(axis=0)
    suited = (frequency >= 3) & (frequency <= n / 2) if n >= 100 else frequency > 0
    found = np.flatnonzero(suited if suited.any() else frequency > 0)
    often = np.asarray(counts.sum(axis=0)).ravel()[found]
    return np.sort(found[np.argsort(-often, kind="stable")[:MOST_NGRAMS]])

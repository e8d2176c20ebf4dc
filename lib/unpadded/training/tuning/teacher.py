"""What tuning learns from: how the whole documents of a corpus stand to each other, without labels."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from unpadded.tokens import (
    BAR,
    MOST_NGRAMS,
    NGRAM_DOCUMENTS,
    NGRAM_ITERATIONS,
    TokenizedCorpus,
    character_ngrams,
    count_matrix,
    document_frequencies,
    mark_ids,
)

ENOUGH, FEWEST = 100, 3  # from so many documents on, a feature is in at least so many of them and in half at most
DOCUMENTS_A_TOPIC, LEAST_TOPICS = 10, 20  # more topics than that are single documents of a small corpus


def document_topics(corpus: TokenizedCorpus, width: int, *, seed: int = 0) -> np.ndarray:
    """Latent semantic analysis (Deerwester et al., 1990) of the documents, float32 [n, width or fewer], unit length.

    It is one of tokens and of their character n-grams side by side, which do what stemming does, in any language (McNamee
    and Mayfield, Information Retrieval 7, 2004). There is a topic for ten documents at most, or twenty.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    counts = count_matrix(corpus, len(corpus.types))
    weighted = sparse.hstack([_tfidf(counts), _tfidf(counts @ ngrams_of(corpus.types))], format="csr")
    width = min(width, max(len(corpus) // DOCUMENTS_A_TOPIC, LEAST_TOPICS), min(weighted.shape) - 1)
    if not weighted.count_nonzero() or width < 1:  # every document has the same words: nothing tells them apart
        return np.zeros((len(corpus), 1), np.float32)
    fitted_on = np.sort(np.random.default_rng(seed).permutation(len(corpus))[:NGRAM_DOCUMENTS])
    svd = TruncatedSVD(width, n_iter=NGRAM_ITERATIONS, random_state=seed).fit(weighted[fitted_on])
    return normalize(svd.transform(weighted)).astype(np.float32)


def ngrams_of(types: Sequence[str]) -> sparse.csr_matrix:
    """How often each token holds each character n-gram, sparse float32 [n_types, n-grams]; marks (xxmaj, ...) hold none."""
    from fastai.text.core import UNK

    words = dict(enumerate(types)) | dict.fromkeys(mark_ids(types).tolist(), "")
    return character_ngrams(["" if word in (UNK, BAR + UNK) else word for word in words.values()])


def _tfidf(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """TF-IDF of the features that are neither rare nor everywhere, float32 [n, features], rows of unit length or empty."""
    from sklearn.preprocessing import normalize

    n, frequencies = counts.shape[0], document_frequencies(counts)
    some = (frequencies > 0) & (frequencies < n)  # a feature of all documents tells none from another
    usual = some & (frequencies >= FEWEST) & (frequencies <= n / 2)
    found = np.flatnonzero(usual if n >= ENOUGH and usual.any() else some)
    kept = np.sort(found[np.argsort(-frequencies[found], kind="stable")[:MOST_NGRAMS]])
    counts = counts.tocsc()[:, kept].tocsr()
    if not len(kept):
        return counts
    counts.data = 1 + np.log(counts.data)
    idf = np.log((1 + n) / (1 + frequencies[kept])) + 1
    return normalize(counts @ sparse.diags(idf.astype(np.float32)))

"""What tuning learns from: how the whole documents of a corpus stand to each other, without labels.

Two views of them side by side, because neither is right for every corpus: which words stand in the same documents (a latent
semantic analysis), and which stand near each other (the mean of word vectors). The second knows more of short texts, the first
more of few long ones. Documents that are held out say how much each counts.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from unpadded.tokens import (
    BAR,
    MOST_NGRAMS,
    NGRAM_ITERATIONS,
    TokenizedCorpus,
    character_ngrams,
    count_matrix,
    document_frequencies,
    documents_read,
    idf_weights,
    mark_ids,
    mean_rows,
    ppmi_vectors,
    topics_and_words,
    words_share,
)
from unpadded.training.tuning.other_half import halves

ENOUGH, FEWEST = 100, 3  # from so many documents on, a feature is in at least so many of them and in half at most
DOCUMENTS_A_TOPIC, LEAST_TOPICS = 10, 20  # more topics than that are single documents of a small corpus


def teacher_vectors(
    corpus: TokenizedCorpus, width: int, *, held_out: TokenizedCorpus | None = None, seed: int = 0
) -> np.ndarray:
    """Topics and mean word vectors of the documents side by side, float32 [n, at most twice `width`], unit length or 0.

    How much the word vectors count is what the halves of the documents `held_out` say (`words_share`).
    """
    from unpadded.common import reciprocal_places

    asked = held_out.select(np.flatnonzero(held_out.lengths > 2)) if held_out is not None else corpus.select([])
    firsts, seconds = halves([asked[i] for i in range(len(asked))])
    views = (document_topics, document_words)
    topics, words = (view(corpus, width, beside=firsts + seconds, seed=seed) for view in views)
    n, behind = len(corpus), len(corpus) + len(firsts)
    mean, found = words[:n].mean(axis=0), (1.0, 1.0)
    if firsts:
        found = (reciprocal_places(rows[n:behind], rows[behind:]).mean() for rows in (topics, words - mean))
    return topics_and_words(topics[:n], words[:n], mean=mean, share=words_share(*found))


def document_words(
    corpus: TokenizedCorpus, width: int, *, beside: Sequence[np.ndarray] = (), seed: int = 0
) -> np.ndarray:
    """The documents' IDF-weighted mean word vectors, float32 [n, `width` or fewer], and behind them those of `beside`.

    The words' vectors are learned (`ppmi_vectors`) from the documents that `seed` draws (`documents_read`).
    """
    documents, types = [corpus[i] for i in range(len(corpus))], len(corpus.types)
    read = [documents[i] for i in documents_read(corpus.lengths, seed=seed)]
    table = ppmi_vectors(read, types, width=width, seed=seed)
    weights = idf_weights(read, types, marks=mark_ids(corpus.types))
    return mean_rows([*documents, *beside], table, weights=weights)


def document_topics(
    corpus: TokenizedCorpus, width: int, *, beside: Sequence[np.ndarray] = (), seed: int = 0
) -> np.ndarray:
    """Latent semantic analysis (Deerwester et al., 1990) of the documents, float32 [n, width or fewer], unit length.

    It is one of tokens and of their character n-grams side by side, which do what stemming does, in any language (McNamee
    and Mayfield, Information Retrieval 7, 2004). There is a topic for ten documents at most, or twenty. Behind them stand
    the rows of the documents `beside`, token ids, from which nothing is learned.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    n = len(corpus)
    counts = count_matrix([*(corpus[i] for i in range(n)), *beside], len(corpus.types))
    weighted = sparse.hstack([_tfidf(counts, n), _tfidf(counts @ ngrams_of(corpus.types), n)], format="csr")
    width = min(width, max(n // DOCUMENTS_A_TOPIC, LEAST_TOPICS), min(n, weighted.shape[1]) - 1)
    if not weighted.count_nonzero() or width < 1:  # every document has the same words: nothing tells them apart
        return np.zeros((weighted.shape[0], 1), np.float32)
    read = documents_read(corpus.lengths, seed=seed)
    svd = TruncatedSVD(width, n_iter=NGRAM_ITERATIONS, random_state=seed).fit(weighted[read])
    return normalize(svd.transform(weighted)).astype(np.float32)


def ngrams_of(types: Sequence[str]) -> sparse.csr_matrix:
    """How often each token holds each character n-gram, sparse float32 [n_types, n-grams]; marks (xxmaj, ...) hold none."""
    from fastai.text.core import UNK

    words = dict(enumerate(types)) | dict.fromkeys(mark_ids(types).tolist(), "")
    return character_ngrams(["" if word in (UNK, BAR + UNK) else word for word in words.values()])


def _tfidf(counts: sparse.csr_matrix, n: int) -> sparse.csr_matrix:
    """TF-IDF of the features that are neither rare nor everywhere in the first `n` documents, float32 [rows, features].

    Rows are of unit length or empty.
    """
    from sklearn.preprocessing import normalize

    frequencies = document_frequencies(counts[:n])
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

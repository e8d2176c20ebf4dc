"""Baselines: random vectors, TF-IDF, LSA, means of token vectors (the model's own, trained here, pretrained), BM25.

Whatever is fitted is fitted on `train` documents only and records their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from unpadded.common import InputError, listed
from unpadded.embeddings import WordIndex
from unpadded.evaluation.baselines.fasttext import fasttext_vectors
from unpadded.evaluation.baselines.ppmi import ppmi_vectors
from unpadded.evaluation.baselines.static import static_vectors
from unpadded.evaluation.baselines.transformer import transformer_vectors
from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import idf_weights, mean_rows


class NoWordError(InputError):
    """The texts hold no word that a baseline could count."""


BASELINES = (
    "random",
    "tfidf",
    "lsa",
    "input_embeddings",
    "input_embeddings_idf",
    "word_vectors",
    "fasttext",
    "wordllama",
)
ON_REQUEST = ("minilm",)  # made only when named: it takes longer than all others together
MOST_WORDS = 20_000  # the most frequent words, which TF-IDF counts


def random_vectors(n: int, *, width: int = 100, seed: int = 0) -> Representation:
    """Gaussian noise, float32 [n, width]: what chance scores."""
    vectors = np.random.default_rng(seed).standard_normal((n, width), dtype=np.float32)
    return Representation("random", "", "none", vectors)


def tfidf(texts: Sequence[str], ids: Sequence[str], *, train: Sequence[int] | np.ndarray) -> Representation:
    """TF-IDF of words, sublinear term frequency, unit length; sparse float32 [n, vocabulary].

    `train` holds the positions of the documents to fit on. From 100 documents on, words in fewer than three of them or
    in more than half are dropped, unless that leaves none. Raises InputError when no word is left.
    """
    train = np.asarray(train)
    read = [texts[i] for i in train]
    options = {"sublinear_tf": True, "max_features": MOST_WORDS, "dtype": np.float32}
    vectorizer = TfidfVectorizer(**options, **({"min_df": 3, "max_df": 0.5} if len(train) >= 100 else {}))
    try:
        vectorizer.fit(read)
    except ValueError:  # the bounds leave no word: documents that share nothing, or everything
        try:
            vectorizer = TfidfVectorizer(**options).fit(read)
        except ValueError:
            raise NoWordError(
                "texts: the training documents hold no word that TF-IDF could count; use other texts."
            ) from None
    return Representation("tfidf", "", "none", vectorizer.transform(texts), (_record("tfidf", ids, train),))


def lsa(
    tfidf_vectors: Representation, *, train: Sequence[int] | np.ndarray, width: int = 100, seed: int = 0
) -> Representation:
    """Latent semantic analysis (Deerwester et al., 1990): TF-IDF cut to `width` dimensions, unit length; float32."""
    matrix, train = tfidf_vectors.vectors, np.asarray(train)
    width = max(1, min(width, matrix.shape[1] - 1, len(train) - 1))
    if matrix.shape[1] < 2:  # one word: nothing to decompose
        return Representation("lsa", "", "none", matrix.toarray(), tfidf_vectors.fitted)
    svd = TruncatedSVD(width, random_state=seed).fit(matrix[train])
    vectors = normalize(svd.transform(matrix)).astype(np.float32)
    return Representation("lsa", "", "none", vectors, tfidf_vectors.fitted)


def input_embeddings(
    token_ids: Sequence[np.ndarray],
    table: np.ndarray,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    idf: bool = False,
) -> Representation:
    """The mean of the model's own input embeddings over a document's tokens; float32 [n, table width].

    token_ids: one int array per document; table: float [vocabulary, width]. With `idf` tokens are weighted by their
    inverse document frequency in the `train` documents. A document without tokens gets zeros.
    """
    if not idf:
        return Representation("input_embeddings", "", "none", mean_rows(token_ids, table))
    weights = idf_weights([token_ids[i] for i in train], len(table))
    record = _record("idf weights", ids, np.asarray(train))
    return Representation("input_embeddings_idf", "", "none", mean_rows(token_ids, table, weights=weights), (record,))


def word_vectors(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 100,
    seed: int = 0,
) -> Representation:
    """The IDF-weighted mean of word vectors (PPMI-SVD) trained on the `train` documents; float32 [n, width]."""
    make, train = partial(ppmi_vectors, width=width, seed=seed), np.asarray(train)
    vectors = _means_of_trained(make, token_ids, n_vocabulary, train)
    return Representation("word_vectors", "", "none", vectors, (_record("word vectors", ids, train),))


def fasttext(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 100,
) -> Representation:
    """The IDF-weighted mean of fastText's word vectors trained on the `train` documents; float32 [n, width]."""
    make, train = partial(fasttext_vectors, width=width), np.asarray(train)
    vectors = _means_of_trained(make, token_ids, n_vocabulary, train)
    return Representation("fasttext", "", "none", vectors, (_record("fasttext", ids, train),))


def all_baselines(
    texts: Sequence[str],
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    token_ids: Sequence[np.ndarray] | None = None,
    table: np.ndarray | None = None,
    learned: FitRecord | None = None,
    names: str = "",
    seed: int = 0,
) -> list[Representation]:
    """random, tfidf, lsa; with `token_ids` and the embedding `table` those of tokens; wordllama where installed.

    `learned` says what the table was trained on, and goes with the representations that use it. `names`: which of BASELINES
    and ON_REQUEST are made, comma separated (empty: all of the former). Raises `InputError` for an unknown name and
    `MissingExtraError` for one that is named and not installed.
    """
    wanted = listed(names, [*BASELINES, *ON_REQUEST], what="baseline") if names else BASELINES
    found = [random_vectors(len(texts), seed=seed)]
    with suppress(NoWordError):  # numbers and signs alone: then there are no such baselines
        words = tfidf(texts, ids, train=train)
        found += [words, lsa(words, train=train, seed=seed)]
    if token_ids is not None and table is not None:
        means = [input_embeddings(token_ids, table, ids, train=train, idf=idf) for idf in (False, True)]
        found += [mean if learned is None else mean.with_record(learned) for mean in means]
        if "word_vectors" in wanted:
            found.append(word_vectors(token_ids, len(table), ids, train=train, seed=seed))
        if "fasttext" in wanted:
            found.append(fasttext(token_ids, len(table), ids, train=train))
    static = static_vectors(texts) if "wordllama" in wanted else None
    found += [] if static is None else [static]
    found += [transformer_vectors(texts)] if "minilm" in wanted else []
    return [representation for representation in found if representation.method in wanted]


class BM25:
    """BM25 (Lucene's form, k1 = 1.5, b = 0.75) over texts, by the index that searches by words; no English stop words."""

    def __init__(self, texts: Sequence[str]) -> None:
        index = WordIndex.of(texts)
        if index is None:
            raise NoWordError("texts: the documents hold no word that BM25 could index; leave BM25 out.")
        self._index, self.n_documents = index, index.n_documents

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """The score of every document for every query text, float32 [n_queries, n_documents]; 0 where no word is shared."""
        scores = np.empty((len(queries), self.n_documents), dtype=np.float32)
        for row, query in zip(scores, queries, strict=True):
            row[:] = self._index.scores(query)
        return scores


def _means_of_trained(make, token_ids, n_vocabulary: int, train: np.ndarray) -> np.ndarray:
    read = [token_ids[i] for i in train]
    return mean_rows(token_ids, make(read, n_vocabulary), weights=idf_weights(read, n_vocabulary))


def _record(fitted: str, ids: Sequence[str], train: np.ndarray) -> FitRecord:
    return FitRecord(fitted, frozenset(str(ids[i]) for i in train))

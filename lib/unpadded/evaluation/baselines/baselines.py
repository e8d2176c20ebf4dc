"""Baselines: random vectors, those of words (TF-IDF, LSA, NMF), all that are made for a run, BM25.

Whatever is fitted is fitted on `train` documents only and records their ids.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.decomposition import NMF, TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from unpadded.common import InputError, listed
from unpadded.embeddings import WordIndex
from unpadded.evaluation.baselines.ngrams import ngram_tfidf
from unpadded.evaluation.baselines.of_tokens import (
    doc2vec,
    fasttext,
    input_embeddings,
    sif,
    word_vectors,
)
from unpadded.evaluation.baselines.static import static_vectors
from unpadded.evaluation.baselines.transformer import transformer_vectors
from unpadded.evaluation.choice.pieces import Pieces
from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import NGRAM_ITERATIONS, documents_read, topics_and_words, words_share


class NoWordError(InputError):
    """The texts hold no word that a baseline could count."""


BASELINES = (
    "random",
    "tfidf",
    "lsa",
    "lsa_ngrams",
    "input_embeddings",
    "input_embeddings_idf",
    "word_vectors",
    "lsa_word_vectors",
    "sif",
    "fasttext",
    "wordllama",
)
ON_REQUEST = ("nmf", "doc2vec", "minilm")  # made only when named: each takes longer than most others together
JOINED = ("lsa_ngrams", "word_vectors")  # what lsa_word_vectors is made of
EMBEDDING_MEANS = {"input_embeddings": False, "input_embeddings_idf": True}  # whether tokens are weighted
MOST_WORDS = 20_000  # the most frequent words, which TF-IDF counts
NMF_STEPS = 50  # of coordinate descent from a good start; later ones change little and take as long


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
    return Representation("tfidf", "", "none", vectorizer.transform(texts), (FitRecord.of("tfidf", ids, train),))


def lsa(
    tfidf_vectors: Representation,
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 100,
    n_iter: int = 5,
    seed: int = 0,
) -> Representation:
    """Latent semantic analysis (Deerwester et al., 1990): TF-IDF cut to `width` dimensions, unit length; float32.

    n_iter: passes of the randomized decomposition over the training documents' rows, forth and back.
    """
    matrix, train = tfidf_vectors.vectors, np.asarray(train)
    width = max(1, min(width, matrix.shape[1] - 1, len(train) - 1))
    if matrix.shape[1] < 2:  # one word: nothing to decompose
        return Representation("lsa", "", "none", matrix.toarray(), tfidf_vectors.fitted)
    # Where all documents are the same, scikit-learn takes the share of a variance of 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        svd = TruncatedSVD(width, n_iter=n_iter, random_state=seed).fit(matrix[train])
    vectors = normalize(svd.transform(matrix)).astype(np.float32)
    return Representation("lsa", "", "none", vectors, tfidf_vectors.fitted)


def lsa_ngrams(
    tfidf_vectors: Representation,
    texts: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 200,
    seed: int = 0,
) -> Representation:
    """`lsa` of words and of character n-grams (`ngram_tfidf`) side by side, both counting the same; float32 [n, width].

    Its topics are those of the training documents that `seed` draws (`documents_read`, of words).
    """
    both = sparse.hstack([tfidf_vectors.vectors, ngram_tfidf(texts, train=train)], format="csr")
    stacked = Representation("lsa_ngrams", "", "none", both, tfidf_vectors.fitted)
    train = np.asarray(train)
    some = train[documents_read([len(texts[i].split()) for i in train], seed=seed)]
    return replace(stacked, source=lsa(stacked, train=some, width=width, n_iter=NGRAM_ITERATIONS, seed=seed).vectors)


def lsa_word_vectors(
    topics: Representation,
    words: Representation,
    *,
    train: Sequence[int] | np.ndarray,
    pieces: Pieces | None = None,
) -> Representation:
    """An LSA (`lsa_ngrams`) and mean word vectors (`word_vectors`) side by side; float32 [n, width of both], unit length.

    It is what tuning is taught by (`topics_and_words`), made of the training documents. The last rows of both are of
    `pieces`, which say how much the word vectors count.
    """
    mean = words.vectors[np.asarray(train)].mean(axis=0)
    found = [1.0, 1.0]
    if pieces is not None and len(pieces.documents):
        last = slice(-len(pieces.texts), None)
        found = [pieces.found(view[last])["halves"].mean() for view in (topics.vectors, words.vectors - mean)]
    both = topics_and_words(topics.vectors, words.vectors, mean=mean, share=words_share(*found))
    return Representation("lsa_word_vectors", "", "none", both, (*dict.fromkeys([*topics.fitted, *words.fitted]),))


def nmf(
    tfidf_vectors: Representation, *, train: Sequence[int] | np.ndarray, width: int = 100, seed: int = 0
) -> Representation:
    """Weights of `width` topics by non-negative matrix factorization of TF-IDF, unit length; float32 [n, width].

    Xu, Liu and Gong, *Document Clustering Based on Non-negative Matrix Factorization*, SIGIR 2003: topics are scaled to unit
    length, so that the weights of different ones can be compared.
    """
    matrix, train = tfidf_vectors.vectors, np.asarray(train)
    width = max(1, min(width, matrix.shape[1], len(train)))
    factorization = NMF(width, init="nndsvd", max_iter=NMF_STEPS, random_state=seed)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # the root of an error of -0
        warnings.simplefilter("ignore", ConvergenceWarning)  # of steps that are few on purpose
        factorization.fit(matrix[train])
        weights = factorization.transform(matrix) * np.linalg.norm(factorization.components_, axis=1)
    return Representation("nmf", "", "none", normalize(weights).astype(np.float32), tfidf_vectors.fitted)


def all_baselines(
    texts: Sequence[str],
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    token_ids: Sequence[np.ndarray] | None = None,
    table: np.ndarray | None = None,
    marks: Sequence[int] | np.ndarray = (),
    learned: FitRecord | None = None,
    pieces: Pieces | None = None,
    names: str = "",
    seed: int = 0,
) -> list[Representation]:
    """random, those of words; with `token_ids` and the embedding `table` those of tokens; wordllama where installed.

    `marks` are the ids that weigh least. The last of the texts are those of `pieces`, where there are any. `learned` says
    what the table was trained on, and goes with the representations that use it. `names`: which of BASELINES and ON_REQUEST
    are made, comma separated (empty: all of the former). Raises `InputError` for an unknown name and `MissingExtraError` for
    one that is named and not installed.
    """
    wanted = listed(names, [*BASELINES, *ON_REQUEST], what="baseline") if names else BASELINES
    needed = {*wanted, *(JOINED if "lsa_word_vectors" in wanted else ())}
    found = [random_vectors(len(texts), seed=seed)]
    with suppress(NoWordError):  # numbers and signs alone: then there are no such baselines
        words = tfidf(texts, ids, train=train)
        found.append(words)
        if "lsa" in wanted:
            found.append(lsa(words, train=train, seed=seed))
        if "lsa_ngrams" in needed:
            found.append(lsa_ngrams(words, texts, train=train, seed=seed))
        if "nmf" in wanted:
            found.append(nmf(words, train=train, seed=seed))
    if token_ids is not None and table is not None:
        weightings = [idf for name, idf in EMBEDDING_MEANS.items() if name in wanted]
        means = [input_embeddings(token_ids, table, ids, train=train, idf=idf, marks=marks) for idf in weightings]
        found += [mean if learned is None else mean.with_record(learned) for mean in means]
        if "word_vectors" in needed:
            found.append(word_vectors(token_ids, len(table), ids, train=train, seed=seed, marks=marks))
        made = {one.method: one for one in found}
        if "lsa_word_vectors" in wanted and made.keys() >= {*JOINED}:
            found.append(lsa_word_vectors(*(made[part] for part in JOINED), train=train, pieces=pieces))
        if "fasttext" in wanted:
            found.append(fasttext(token_ids, len(table), ids, train=train, marks=marks))
        if "sif" in wanted:
            found.append(sif(token_ids, len(table), ids, train=train, seed=seed))
        if "doc2vec" in wanted:
            found.append(doc2vec(token_ids, len(table), ids, train=train, seed=seed))
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

"""How often each token stands in each document, and in how many documents it stands at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unpadded.common import InputError

if TYPE_CHECKING:
    from scipy import sparse

NGRAM_LENGTHS = (3, 4)  # characters, the blank at a word's either end among them
MOST_NGRAMS = 30_000  # that an analysis counts
READ_DOCUMENTS = 6_000  # that it is fitted on, drawn at random: enough for some hundred topics
READ_TOKENS = 2_000_000  # and more of them, where they are shorter than these allow
NGRAM_ITERATIONS = 2  # power iterations of it: n-grams stand in a document by hundreds


def documents_read(lengths: Sequence[int] | np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Positions of the documents that an analysis is fitted on, int64 [m], ascending: the first that `seed` draws.

    `lengths`: tokens of each document. READ_DOCUMENTS are read, and as many as have READ_TOKENS in all, if those are more:
    thousands of titles are few words, and cost little.
    """
    drawn = np.random.default_rng(seed).permutation(len(lengths))
    tokens = np.asarray(lengths)[drawn]
    before = tokens.cumsum() - tokens
    return np.sort(drawn[(before < READ_TOKENS) | (np.arange(len(drawn)) < READ_DOCUMENTS)])


def count_matrix(token_ids: Sequence[np.ndarray], n_vocabulary: int) -> sparse.csr_matrix:
    """How often each token stands in each document, sparse float32 [n_documents, n_vocabulary]; zeros are not stored.

    token_ids: one int array per document, as a TokenizedCorpus has them. Raises InputError for ids beyond the vocabulary.
    """
    from scipy import sparse

    lengths = np.fromiter((len(document) for document in token_ids), dtype=np.int64, count=len(token_ids))
    columns = np.concatenate(
        [np.asarray(document, dtype=np.int32) for document in token_ids] or [np.empty(0, np.int32)]
    )
    if len(columns) and not 0 <= columns.min() <= columns.max() < n_vocabulary:
        raise InputError(
            f"token_ids: ids run to {columns.max()}, the table has {n_vocabulary} rows; use the model's own ids."
        )
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    matrix = sparse.csr_matrix(
        (np.ones(len(columns), np.float32), columns, offsets), shape=(len(lengths), n_vocabulary)
    )
    matrix.sum_duplicates()
    return matrix


def character_ngrams(words: Sequence[str]) -> sparse.csr_matrix:
    """How often each word holds each character n-gram of NGRAM_LENGTHS, sparse float32 [n_words, n-grams]; "" holds none.

    Counts of words times this matrix are the counts of the n-grams within them. Raises ValueError where no word has any.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer="char_wb", ngram_range=NGRAM_LENGTHS, lowercase=False, dtype=np.float32)
    return vectorizer.fit_transform(words)


def document_frequencies(counts: sparse.csr_matrix) -> np.ndarray:
    """In how many documents each token stands, int64 [n_vocabulary], of a ``count_matrix`` [n_documents, n_vocabulary]."""
    return counts.getnnz(axis=0)


def mark_ids(types: Sequence[str]) -> np.ndarray:
    """Positions of fastai's marks (xxbos, xxup, ...) among `types`, int64; that of unknown words, xxunk, is none of them."""
    from fastai.text.core import UNK, defaults

    marks = {bar + mark for mark in defaults.text_spec_tok if mark != UNK for bar in ("", "▁")}
    return np.array([i for i, token in enumerate(types) if token in marks], np.int64)


def idf_weights(
    token_ids: Sequence[np.ndarray], n_vocabulary: int, *, marks: Sequence[int] | np.ndarray = ()
) -> np.ndarray:
    """Smoothed inverse document frequency ln((1 + n) / (1 + df)) + 1 of every token id, float32 [n_vocabulary].

    token_ids: one int array per training document. The form is scikit-learn's; for a weighted mean of states it plays
    the part of the frequency weights of Arora et al. (ICLR 2017). The `marks` weigh 1, as a token of every document: that of
    capitals may stand in no document and before each word of a query. Raises InputError for ids beyond the vocabulary.
    """
    df = document_frequencies(count_matrix(token_ids, n_vocabulary))
    weights = (np.log((1 + len(token_ids)) / (1 + df)) + 1).astype(np.float32)
    weights[np.asarray(marks, np.int64)] = 1
    return weights

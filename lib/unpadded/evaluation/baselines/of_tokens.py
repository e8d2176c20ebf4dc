"""Baselines that are made of tokens by number: means of token vectors, and Doc2Vec's vectors of documents.

Whatever is fitted is fitted on `train` documents only and records their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from unpadded.evaluation.baselines.doc2vec import WIDTH, doc2vec_vectors
from unpadded.evaluation.baselines.fasttext import fasttext_vectors
from unpadded.evaluation.baselines.sif import sif_vectors
from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import idf_weights, mean_rows, ppmi_vectors


def input_embeddings(
    token_ids: Sequence[np.ndarray],
    table: np.ndarray,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    idf: bool = False,
    marks: Sequence[int] | np.ndarray = (),
) -> Representation:
    """The mean of the model's own input embeddings over a document's tokens; float32 [n, table width].

    token_ids: one int array per document; table: float [vocabulary, width]. With `idf` tokens are weighted by their
    inverse document frequency in the `train` documents (`marks`: see `idf_weights`). A document without tokens gets zeros.
    """
    if not idf:
        return Representation("input_embeddings", "", "none", mean_rows(token_ids, table))
    weights = idf_weights([token_ids[i] for i in train], len(table), marks=marks)
    record = FitRecord.of("idf weights", ids, train)
    return Representation("input_embeddings_idf", "", "none", mean_rows(token_ids, table, weights=weights), (record,))


def word_vectors(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 100,
    seed: int = 0,
    marks: Sequence[int] | np.ndarray = (),
) -> Representation:
    """The IDF-weighted mean of word vectors (PPMI-SVD) trained on the `train` documents; float32 [n, width]."""
    vectors = _means_of_trained(partial(ppmi_vectors, width=width, seed=seed), token_ids, n_vocabulary, train, marks)
    return Representation("word_vectors", "", "none", vectors, (FitRecord.of("word vectors", ids, train),))


def fasttext(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 100,
    marks: Sequence[int] | np.ndarray = (),
) -> Representation:
    """The IDF-weighted mean of fastText's word vectors trained on the `train` documents; float32 [n, width]."""
    vectors = _means_of_trained(partial(fasttext_vectors, width=width), token_ids, n_vocabulary, train, marks)
    return Representation("fasttext", "", "none", vectors, (FitRecord.of("fasttext", ids, train),))


def sif(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = 100,
    seed: int = 0,
) -> Representation:
    """The word vectors of `word_vectors` by smooth inverse frequency, without what all documents share; float32 [n, width]."""
    table = ppmi_vectors([token_ids[i] for i in train], n_vocabulary, width=width, seed=seed)
    vectors = sif_vectors(token_ids, table, train=train)
    return Representation("sif", "", "none", vectors, (FitRecord.of("word vectors", ids, train),))


def doc2vec(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    ids: Sequence[str],
    *,
    train: Sequence[int] | np.ndarray,
    width: int = WIDTH,
    seed: int = 0,
) -> Representation:
    """Doc2Vec's vectors of documents, trained on the `train` documents and inferred for all others; float32 [n, width]."""
    vectors = doc2vec_vectors(token_ids, n_vocabulary, train=train, width=width, seed=seed)
    return Representation("doc2vec", "", "none", vectors, (FitRecord.of("doc2vec", ids, train),))


def _means_of_trained(make, token_ids, n_vocabulary: int, train: Sequence[int] | np.ndarray, marks) -> np.ndarray:
    read = [token_ids[i] for i in train]
    return mean_rows(token_ids, make(read, n_vocabulary), weights=idf_weights(read, n_vocabulary, marks=marks))

"""A rival that learns a vector for each document: Doc2Vec, or paragraph vectors (Le and Mikolov, ICML 2014; extra `doc2vec`).

Its simpler form, PV-DBOW with the words' vectors learnt beside, and the settings are those that Lau and Baldwin recommend
(*An Empirical Evaluation of doc2vec*, Rep4NLP 2016); none was chosen on scores here. The words are the language model's
tokens, by number, as for fastText. One thread, because more race for the same weights. Nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unpadded.common import extras_needed

if TYPE_CHECKING:
    from gensim.models.doc2vec import Doc2Vec

WIDTH, WINDOW, NEGATIVES, SUBSAMPLING = 300, 15, 5, 1e-5
EPOCHS, MOST_EPOCHS = 20, 400  # theirs: of their large corpora, and of their smallest
TOKENS = 60_000_000  # in all passes; a small corpus gets more of them, so that no corpus gets a few steps only
LEARNING_RATE, LAST_LEARNING_RATE = 0.025, 0.0001  # gensim's; falls linearly
FEWEST, ENOUGH = 5, 100  # a word must stand so often, where there are so many documents
LONGEST = 10_000  # tokens of a document; gensim reads no further


def doc2vec_vectors(
    token_ids: Sequence[np.ndarray],
    n_vocabulary: int,
    *,
    train: Sequence[int] | np.ndarray,
    width: int = WIDTH,
    seed: int = 0,
) -> np.ndarray:
    """A vector for every document, float32 [n, width]: learnt for those in `train`, inferred for all others.

    token_ids: one int array per document, of which the first 10,000 known tokens are read; `train`: positions. An inferred
    vector depends on its own document and on the model alone. A document without a token that the model knows gets zeros.
    Raises `MissingExtraError` where gensim is not installed.
    """
    with extras_needed():
        from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    train = np.asarray(train)
    documents = _documents(token_ids, n_vocabulary, train)
    vectors = np.zeros((len(documents), width), np.float32)
    learnt = [i for i in train if documents[i]]
    if not learnt:
        return vectors
    model = Doc2Vec(
        [TaggedDocument(documents[i], [place]) for place, i in enumerate(learnt)],
        dm=0,
        dbow_words=1,
        vector_size=width,
        window=WINDOW,
        negative=NEGATIVES,
        sample=SUBSAMPLING,
        min_count=1,
        epochs=epochs(sum(len(documents[i]) for i in learnt)),
        alpha=LEARNING_RATE,
        min_alpha=LAST_LEARNING_RATE,
        seed=seed,
        workers=1,
    )
    vectors[learnt] = model.dv.vectors
    for i in set(range(len(documents))) - set(train.tolist()):
        if documents[i]:
            vectors[i] = _inferred(model, documents[i], seed)
    return vectors


def epochs(n_tokens: int) -> int:
    """How many passes are made over `n_tokens`: 20 over three million and more, up to 400 over fewer."""
    return int(np.clip(TOKENS // max(1, n_tokens), EPOCHS, MOST_EPOCHS))


def _documents(token_ids: Sequence[np.ndarray], n_vocabulary: int, train: np.ndarray) -> list[list[str]]:
    """The known tokens of each document, by name, as gensim reads them."""
    occurrences = np.zeros(n_vocabulary, np.int64)
    for i in train:
        occurrences += np.bincount(token_ids[i], minlength=n_vocabulary)
    known = occurrences >= (FEWEST if len(train) >= ENOUGH else 1)
    names = [str(i) for i in range(n_vocabulary)]
    return [[names[i] for i in ids[known[ids]][:LONGEST]] for ids in token_ids]


def _inferred(model: Doc2Vec, words: list[str], seed: int) -> np.ndarray:
    """The vector that PV-DBOW learns for `words` while all other weights stand still, float32 [width].

    gensim's own `infer_vector` starts from a hash that Python salts anew in every process, and draws on from where the
    document before left off: the same document would get another vector in another process, and in another order.
    """
    from gensim.models.doc2vec import train_document_dbow

    model.random = np.random.RandomState(seed)
    start = np.random.default_rng(seed).random((1, model.vector_size), dtype=np.float32)
    vector = (start - np.float32(0.5)) / model.vector_size
    work, unlocked = np.zeros(model.vector_size, np.float32), np.ones(1, np.float32)
    fixed = {"learn_words": False, "learn_hidden": False}
    for rate in np.linspace(LEARNING_RATE, LAST_LEARNING_RATE, model.epochs):
        train_document_dbow(model, words, [0], rate, work, doctag_vectors=vector, doctags_lockf=unlocked, **fixed)
    return vector[0]

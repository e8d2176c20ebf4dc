"""Baselines: what they compute, and that only training documents are looked at."""

import numpy as np
import pytest

from unpadded.baselines import BM25, all_baselines, count_matrix, input_embeddings, lsa, random_vectors, tfidf
from unpadded.errors import InputError
from unpadded.postprocess import idf_weights

TEXTS = ["rocket moon", "moon orbit", "bread butter", "butter oven bread", "zebra zebra moon", ""]
IDS = [f"d{i}" for i in range(6)]
TOKENS = [np.array(x, dtype=np.int32) for x in ([1, 2], [2, 2, 2], [3], [3, 1], [0], [])]


def test_random_vectors_repeat_with_their_seed():
    first = random_vectors(4, width=3, seed=5).vectors
    np.testing.assert_array_equal(first, random_vectors(4, width=3, seed=5).vectors)
    assert first.shape == (4, 3)
    assert (first != random_vectors(4, width=3, seed=6).vectors).all()


def test_tfidf_and_lsa_know_only_the_training_words_and_say_what_they_saw():
    words = tfidf(TEXTS, IDS, train=np.arange(4))
    assert words.vectors.shape == (6, 6)  # zebra is not among the training words
    assert words.vectors.dtype == np.float32
    assert words.vectors[5].nnz == 0
    topics = lsa(words, train=np.arange(4), width=2)
    assert topics.vectors.shape == (6, 2)
    assert topics.vectors.dtype == np.float32
    similarity = topics.vectors @ topics.vectors.T
    assert similarity[0, 1] > 0.9 > abs(similarity[0, 2]) + 0.5
    for representation in (words, topics):
        assert representation.fitted[0].ids == frozenset(IDS[:4])


def test_texts_without_words_are_refused():
    with pytest.raises(InputError, match="no word"):
        tfidf(["", "!"], ["a", "b"], train=[0, 1])
    with pytest.raises(InputError, match="no word"):
        BM25(["", "!"])


@pytest.mark.parametrize("idf", [False, True])
def test_input_embeddings_are_the_weighted_mean_of_the_tokens_rows(idf):
    table = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    train = np.arange(5)
    made = input_embeddings(TOKENS, table, IDS, train=train, idf=idf)
    weights = idf_weights([TOKENS[i] for i in train], 4) if idf else np.ones(4)
    for vector, tokens in zip(made.vectors[:5], TOKENS, strict=False):
        np.testing.assert_allclose(vector, np.average(table[tokens], axis=0, weights=weights[tokens]), rtol=1e-5)
    np.testing.assert_array_equal(made.vectors[5], 0)
    assert made.vectors.dtype == np.float32
    assert [record.ids for record in made.fitted] == ([frozenset(IDS[:5])] if idf else [])


def test_counts_are_exact_and_ids_beyond_the_table_are_refused():
    np.testing.assert_array_equal(count_matrix(TOKENS, 4).toarray()[1], [0, 0, 3, 0])
    with pytest.raises(InputError, match="ids run to 3, the table has 3 rows"):
        count_matrix(TOKENS, 3)


def test_all_baselines_at_once():
    table = np.ones((4, 3), dtype=np.float32)
    made = all_baselines(TEXTS, IDS, train=np.arange(4), token_ids=TOKENS, table=table)
    names = [representation.name for representation in made]
    assert names == ["random", "tfidf", "lsa", "input_embeddings", "input_embeddings_idf"]
    assert all(representation.vectors.shape[0] == 6 for representation in made)
    assert len(all_baselines(TEXTS, IDS, train=np.arange(4))) == 3


def test_bm25_prefers_rare_shared_words_and_ignores_unknown_ones():
    scores = BM25(TEXTS).scores(["zebra moon", "unknown", ""])
    assert scores.shape == (3, 6)
    assert scores.dtype == np.float32
    assert scores[0].argmax() == 4
    assert scores[0, 2] == 0
    assert not scores[1:].any()

"""Baselines: what they compute, and that only training documents are looked at."""

import numpy as np
import pytest

from unpadded.common.errors import InputError
from unpadded.evaluation.baselines import static as static_vectors
from unpadded.evaluation.baselines.baselines import (
    BM25,
    all_baselines,
    fasttext,
    input_embeddings,
    lsa,
    random_vectors,
    tfidf,
    word_vectors,
)
from unpadded.evaluation.baselines.fasttext import fasttext_vectors
from unpadded.evaluation.scores import FitRecord
from unpadded.tokens import idf_weights, ppmi_vectors
from unpadded.tokens.counts import count_matrix, document_frequencies

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


def test_a_document_counts_once_for_each_of_its_tokens():
    frequencies = document_frequencies(count_matrix(TOKENS, 5))
    np.testing.assert_array_equal(frequencies, [1, 2, 2, 2, 0])
    assert frequencies.dtype == np.int64
    np.testing.assert_array_equal(document_frequencies(count_matrix([], 2)), [0, 0])


def test_all_baselines_at_once(monkeypatch):
    monkeypatch.setattr(static_vectors, "find_spec", lambda name: None)
    table, learned = np.ones((4, 3), dtype=np.float32), FitRecord("language model", frozenset({"d9"}))
    made = all_baselines(TEXTS, IDS, train=np.arange(4), token_ids=TOKENS, table=table, learned=learned)
    names = [representation.name for representation in made]
    of_texts, of_table = ["random", "tfidf", "lsa", "lsa_ngrams"], ["input_embeddings", "input_embeddings_idf"]
    assert names == [*of_texts, *of_table, "word_vectors", "lsa_word_vectors", "fasttext", "sif"]
    assert all(representation.vectors.shape[0] == 6 for representation in made)
    assert [learned in representation.fitted for representation in made] == [False] * 4 + [True] * 2 + [False] * 4
    assert len(all_baselines(TEXTS, IDS, train=np.arange(4))) == 4


@pytest.mark.parametrize(("make", "times"), [(ppmi_vectors, 20), (fasttext_vectors, 2_000)])
def test_words_that_share_contexts_get_similar_vectors(make, times):
    """fastText leaves most occurrences of a frequent word out, and here all words are: it needs more of them."""
    rng = np.random.default_rng(0)
    # Tokens 0 and 1 stand among 4 to 7, tokens 2 and 3 among 8 to 11: never beside each other, yet alike.
    documents = [
        np.concatenate([[word, *rng.integers(first, first + 4, 3)] for _ in range(4)])
        for word, first in ((0, 4), (1, 4), (2, 8), (3, 8))
        for _ in range(times)
    ]
    table = make(documents, 13, width=4)
    assert table.shape == (13, 4)
    assert table.dtype == np.float32
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    assert unit[0] @ unit[1] > 0.8 > unit[0] @ unit[2] + 0.5
    np.testing.assert_array_equal(table[12], 0)  # never seen
    np.testing.assert_array_equal(table, make(documents, 13, width=4))


@pytest.mark.parametrize(("baseline", "name"), [(word_vectors, "word vectors"), (fasttext, "fasttext")])
def test_word_vectors_look_at_training_documents_only(baseline, name):
    tokens = [*TOKENS[:4], np.array([0, 3, 2]), np.array([], dtype=np.int32)]
    changed = [*TOKENS[:4], np.array([1, 1, 1]), np.array([2])]
    first, second = (baseline(t, 4, IDS, train=np.arange(4), width=2) for t in (tokens, changed))
    np.testing.assert_array_equal(first.vectors[:4], second.vectors[:4])
    assert first.fitted == (FitRecord(name, frozenset(IDS[:4])),)
    np.testing.assert_array_equal(first.vectors[5], 0)


def test_fasttext_of_documents_without_a_token_is_zeros():
    np.testing.assert_array_equal(fasttext_vectors([np.array([], np.int32)] * 3, 4, width=2), np.zeros((4, 2)))


def test_static_vectors_are_the_packages_own_means_and_need_no_network(monkeypatch):
    if static_vectors.installed() is None:
        pytest.skip("wordllama is not installed: pip install 'unpadded[static]'")
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("asked the network"))
    made = static_vectors.static_vectors(
        ["a rocket to the moon", "the rocket flew to the moon", "bread and butter", ""]
    )
    assert made.name == "wordllama"
    assert made.fitted == (FitRecord("pretrained vectors", frozenset()),)  # on texts that nobody names
    assert made.vectors.shape == (4, 256)
    assert made.vectors.dtype == np.float32
    np.testing.assert_array_equal(made.vectors[3], 0)
    unit = made.vectors[:3] / np.linalg.norm(made.vectors[:3], axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.2


def test_without_the_package_there_are_no_static_vectors(monkeypatch):
    monkeypatch.setattr(static_vectors, "find_spec", lambda name: None)
    assert static_vectors.static_vectors(["a"]) is None


def test_bm25_prefers_rare_shared_words_and_ignores_unknown_ones():
    scores = BM25(TEXTS).scores(["zebra moon", "unknown", ""])
    assert scores.shape == (3, 6)
    assert scores.dtype == np.float32
    assert scores[0].argmax() == 4
    assert scores[0, 2] == 0
    assert not scores[1:].any()

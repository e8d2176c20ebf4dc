"""Pieces of documents that ask for the rest of their document."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from unpadded.corpus.corpus import Corpus
from unpadded.evaluation.choice.pieces import KINDS, MOST_DOCUMENTS, PHRASE, cut, documents_asked, words_of
from unpadded.evaluation.classification import training_documents

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=9), min_size=0, max_size=60)


@given(st.lists(WORDS, min_size=1, max_size=12), st.integers(0, 9))
def test_a_question_and_its_answer_are_the_document_and_share_no_word(documents, seed):
    texts = [" ".join(words) for words in documents]
    pieces = cut(texts, range(len(texts)), seed=seed)
    assert set(pieces.documents) == {i for i, words in enumerate(documents) if len(words_of(texts[i])[0]) >= 4}
    for row, i in enumerate(pieces.documents):
        words, gap = words_of(texts[i])
        half, rest = pieces.questions["halves"][row], pieces.answers["halves"][row]
        assert gap.join([half, rest]) == gap.join(words)
        phrase, without = pieces.questions["phrases"][row], pieces.answers["phrases"][row]
        asked = phrase.split() if gap else list(phrase)
        kept = without.split() if gap else list(without)
        assert len(asked) == min(PHRASE, len(words) // 2)
        assert sorted(asked + kept) == sorted(words)


def test_a_text_without_blanks_is_cut_between_characters():
    text = "文書ベクトルは何と一緒に符号化されるかによらない" * 2
    assert words_of(text) == (list(text), "")
    pieces = cut([text], [0])
    assert pieces.questions["halves"] == [text[: len(text) // 2]]
    assert len(pieces.questions["phrases"][0]) == PHRASE


def test_no_more_documents_are_asked_than_are_worth_the_time():
    texts = [f"document number {i} of very many documents" for i in range(2 * MOST_DOCUMENTS)]
    pieces = cut(texts, range(len(texts)))
    assert len(pieces.documents) == len(set(pieces.documents)) == MOST_DOCUMENTS
    assert len(pieces.texts) == 2 * len(KINDS) * MOST_DOCUMENTS


def test_what_is_found_is_one_over_the_place_of_the_answer():
    pieces = cut(["one two three four five six"] * 3, [0, 1, 2])
    questions = np.eye(3)
    halves = np.eye(3)[[1, 0, 2]]  # the first two answers are exchanged
    vectors = np.concatenate([questions, halves, questions, 7 * questions])
    for given_vectors in (vectors, sparse.csr_matrix(vectors)):
        found = pieces.found(given_vectors)
        np.testing.assert_allclose(found["halves"], [1 / 3, 1 / 3, 1])
        np.testing.assert_allclose(found["phrases"], [1, 1, 1])
    same = pieces.found(np.ones((12, 3)))
    assert all((same[kind] == 1 / 3).all() for kind in KINDS)


def test_documents_that_nothing_is_fitted_on_are_asked_where_there_are_enough():
    texts = [f"text number {i}" for i in range(40)]
    split = Corpus("parts", list(map(str, range(40))), texts, split=["train", "train", "test", "train"] * 10)
    assert documents_asked(split).tolist() == list(range(2, 40, 4))
    whole = Corpus("whole", split.ids, texts)
    asked = documents_asked(whole, seed=3)
    assert len(asked) == 4
    assert set(asked) <= set(training_documents(whole, 3))
    np.testing.assert_array_equal(asked, documents_asked(whole, seed=3))

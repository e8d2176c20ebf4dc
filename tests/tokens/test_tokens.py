from collections import Counter

import numpy as np
import pytest
from fastai.text.core import SpacyTokenizer, TokenizeWithRules
from fastai.text.data import Numericalize, make_vocab
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.tokens import tokenized as tokens
from unpadded.tokens.tokenized import TokenizedCorpus, tokenize, tokens_depend_on
from unpadded.tokens.tokenizer import TokenizerSettings

TEXTS = [
    "Hello WORLD, it's 3.5 <br /> times!!!!",
    "",
    "xxpad xxbos in the text",
    "a a a a a b",
    "emoji 🙂\u200b\x00 end",
]


def test_tokens_are_fastais_own():
    expected = [list(t) for t in TokenizeWithRules(SpacyTokenizer())(TEXTS)]
    corpus = tokenize(TEXTS)
    assert [[corpus.types[i] for i in document] for document in corpus] == expected


def test_vocabulary_and_ids_are_fastais_own():
    corpus = tokenize(TEXTS * 3)
    counter = {t: int(n) for t, n in zip(corpus.types, corpus.counts, strict=True)}
    vocab = corpus.build_vocab(min_count=3)
    assert vocab == list(make_vocab(Counter(counter), 3, 60_000))
    numericalize = Numericalize(vocab=vocab)
    numbered = corpus.with_vocab(vocab)
    for i in range(len(corpus)):
        words = [corpus.types[j] for j in corpus[i]]
        assert numbered[i].tolist() == numericalize(words).tolist()


def test_literal_pad_in_a_text_is_the_pad_id():
    corpus = tokenize(["xxpad"] * 3)
    assert 1 in corpus.with_vocab(corpus.build_vocab(min_count=1))[0]


def test_workers_do_not_change_the_result(monkeypatch):
    texts = [f"document {i} says {i * i} words of {'x' * (i % 5)}" for i in range(200)]
    alone = tokenize(texts, n_workers=1)
    monkeypatch.setattr(tokens, "PARALLEL_FROM", 0)
    shared = tokenize(texts, n_workers=2)
    assert alone.types == shared.types
    np.testing.assert_array_equal(alone.ids, shared.ids)
    np.testing.assert_array_equal(alone.offsets, shared.offsets)


def test_cache_does_the_work_once_and_notices_another_text(tmp_path, monkeypatch):
    first = tokenize(TEXTS, cache=tmp_path)
    monkeypatch.setattr(tokens, "_tokenize", lambda *_: pytest.fail("tokenized twice"))
    again = tokenize(TEXTS, cache=tmp_path)
    assert isinstance(again.ids, np.memmap)
    np.testing.assert_array_equal(first.ids, again.ids)
    with pytest.raises(pytest.fail.Exception):
        tokenize([*TEXTS, "more"], cache=tmp_path)


def test_tokens_of_another_spacy_or_fastai_are_made_again(tmp_path, monkeypatch):
    tokenize(TEXTS, cache=tmp_path)
    monkeypatch.setattr("unpadded.tokens.tokenized.version", lambda package: f"99 of {package}")
    tokens_depend_on.cache_clear()
    tokenize(TEXTS, cache=tmp_path)
    monkeypatch.undo()
    tokens_depend_on.cache_clear()
    tokenize(TEXTS, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert all(name in tokens_depend_on() for name in ("spacy", "fastai"))


def test_a_torn_cache_is_made_again(tmp_path):
    first = tokenize(TEXTS, cache=tmp_path)
    expected = np.array(first.ids)
    path = next(tmp_path.glob("*/ids.npy"))
    path.write_bytes(path.read_bytes()[:-8])
    np.testing.assert_array_equal(tokenize(TEXTS, cache=tmp_path).ids, expected)


@pytest.mark.parametrize("text", ["x" * 2_000_000, "\u200b", "\x00\x01", "🙂" * 500, "é" * 3000 + " a"])
def test_odd_texts_do_not_crash(text):
    corpus = tokenize([text])
    assert corpus.types[corpus[0][0]] == "xxbos"


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8), st.data())
def test_select_returns_the_documents(documents, data):
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    corpus = TokenizedCorpus(
        np.array([i for d in documents for i in d], np.int32), offsets, [str(i) for i in range(10)]
    )
    indices = data.draw(st.lists(st.integers(0, len(documents) - 1), max_size=6)) if documents else []
    chosen = corpus.select(indices)
    assert [d.tolist() for d in chosen] == [documents[i] for i in indices]


def test_unknown_kind_and_missing_subword_model_are_refused(tmp_path):
    with pytest.raises(InputError, match="'bpe' is not known"):
        TokenizerSettings("bpe")
    with pytest.raises(InputError, match=r"nowhere\.model"):
        TokenizerSettings("subword", subword_model=str(tmp_path / "nowhere.model"))


def test_no_documents():
    assert len(tokenize([])) == 0

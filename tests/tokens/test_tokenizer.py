"""fastai's tokens, exactly, from the faster ways in which they are made."""

from pathlib import Path

import numpy as np
import pytest
from fastai.text.core import SentencePieceTokenizer, SpacyTokenizer, TokenizeWithRules, defaults
from fastcore.basics import maps
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor

from unpadded.common.errors import InputError
from unpadded.model.language_model import LanguageModel
from unpadded.tokens import tokenizer as module
from unpadded.tokens.rules import apply_rules
from unpadded.tokens.subword import chosen_tokenizer, train_subword
from unpadded.tokens.tokenized import tokenize
from unpadded.tokens.tokenizer import Tokenizer, TokenizerSettings

HARD = st.text(alphabet="aAbBzZ 09.,!'-/#\\&;<>\n\t\x1c\x85\u2028éßİ🙂_", max_size=60)
WORDS = st.lists(
    st.sampled_from(["the", "The", "THE", "a", "a.", "x_1", "...", "don't", "(b)", "e.g.", "3.5"]), max_size=12
)


@pytest.fixture(scope="module")
def spacy_tokens():
    return TokenizeWithRules(SpacyTokenizer())


@pytest.fixture(scope="module")
def subword(tiny_corpus, tmp_path_factory):
    return train_subword(tiny_corpus.texts, vocab_size=80, folder=tmp_path_factory.mktemp("subword"))


@settings(max_examples=30)
@given(HARD, WORDS, st.sampled_from([" ", "  ", "\n", "\u2003"]))
def test_rules_and_words_are_fastais(spacy_tokens, text, words, space):
    texts = [text, space.join(words), text + space.join(words)]
    assert [apply_rules(t) for t in texts] == list(maps(*defaults.text_proc_rules, texts))
    assert list(Tokenizer()(texts)) == [list(tokens) for tokens in spacy_tokens(texts)]


def test_numbers_are_in_order_of_appearance():
    ids, lengths, types = Tokenizer().number(["b a b", "", "c a"])
    assert types == ["xxbos", "b", "a", "c"]
    assert ids.tolist() == [0, 1, 2, 1, 0, 0, 3, 2]
    assert lengths.tolist() == [4, 1, 3]
    assert ids.dtype == np.int32


def test_more_than_spacys_longest_text():
    ids, _, types = Tokenizer().number(["ab cd " * 170_000])
    assert len(ids) == 340_001
    assert types == ["xxbos", "ab", "cd"]


def test_subword_pieces_are_fastais(subword, tmp_path):
    texts = ["the rocket and the Moon!!!!", "naïve 🙂 orbit", "", "xxpad goal"]
    theirs = SentencePieceTokenizer(sp_model=subword.subword_model, cache_dir=tmp_path)
    assert list(Tokenizer(subword)(texts)) == [list(tokens) for tokens in TokenizeWithRules(theirs)(texts)]


def test_subword_is_learned_once(subword, tiny_corpus, tmp_path, monkeypatch):
    again = train_subword(tiny_corpus.texts, vocab_size=80, folder=tmp_path)
    assert again.key == subword.key  # although both were learned, in folders of different names
    monkeypatch.setattr("unpadded.tokens.subword._learned", lambda *_: pytest.fail("learned twice"))
    assert train_subword(tiny_corpus.texts, vocab_size=80, folder=tmp_path) == again
    with pytest.raises(pytest.fail.Exception):
        train_subword(tiny_corpus.texts[:-1], vocab_size=80, folder=tmp_path)


def test_pieces_are_those_that_fastai_learns(tmp_path, tiny_corpus):
    texts = [*tiny_corpus.texts, "two lines\n\nand\r\nmore\x85of\u2028them", "", "x" * 5000, "Été, ÇA!!!! <br /> again"]
    ours = SentencePieceProcessor(model_file=train_subword(texts, vocab_size=80, folder=tmp_path).subword_model)
    theirs = SentencePieceTokenizer(vocab_sz=80, cache_dir=tmp_path / "fastai")
    theirs.setup(texts, defaults.text_proc_rules)
    pieces = [[(m.id_to_piece(i), m.get_score(i)) for i in range(m.get_piece_size())] for m in (ours, theirs.tok)]
    assert pieces[0] == pieces[1]


def test_training_a_tokenizer_leaves_nothing_behind(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = train_subword([*tiny_corpus.texts, "lone \ud800 surrogate"], vocab_size=60, folder=tmp_path / "made")
    Tokenizer(settings).number(tiny_corpus.texts)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert len(list((tmp_path / "made").iterdir())) == 1


def test_subword_model_travels_with_the_language_model(subword, tiny_corpus, tmp_path):
    tokens = tokenize(tiny_corpus.texts, subword)
    vocab = tokens.build_vocab(min_count=1)
    model = LanguageModel.new(vocab, {"emb_sz": 8, "n_hid": 8, "n_layers": 1}, tokenizer=subword)
    loaded = LanguageModel.load(model.save(tmp_path))
    assert (tmp_path / "subword.model").read_bytes() == Path(subword.subword_model).read_bytes()
    assert loaded.fingerprint == model.fingerprint
    for one, other in zip(loaded.numericalize(tiny_corpus.texts), tokens.with_vocab(vocab), strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "subword.model").write_bytes(b"x")
    with pytest.raises(InputError, match=r"subword\.model is torn or altered"):
        LanguageModel.load(tmp_path)


def test_bad_subword_input_is_named(tmp_path):
    (tmp_path / "foreign.model").write_bytes(b"no protocol buffer")
    with pytest.raises(InputError, match="no SentencePiece model"):
        Tokenizer(TokenizerSettings("subword", subword_model=str(tmp_path / "foreign.model")))
    with pytest.raises(InputError, match="vocab_size is 10"):
        train_subword(["text"], vocab_size=10, folder=tmp_path)
    with pytest.raises(InputError, match="too little to learn subwords from"):
        train_subword([], vocab_size=100, folder=tmp_path)
    with pytest.raises(InputError, match="'bpe' is not known"):
        chosen_tokenizer("bpe", [])
    with pytest.raises(InputError, match="owner's"):
        Tokenizer(TokenizerSettings("custom"))


def test_tokenizers_by_name(tiny_corpus, tmp_path):
    assert chosen_tokenizer("word", []) == TokenizerSettings()
    assert chosen_tokenizer("subword", tiny_corpus.texts, max_vocab=70, folder=tmp_path).kind == "subword"
    assert module.Tokenizer(TokenizerSettings()).settings.kind == "word"

"""A Learner's texts become the ids that its own tokenizer gives, whatever kind of Learner it is."""

import shutil
import threading
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastai.text.all import (
    AWD_LSTM,
    BaseTokenizer,
    CategoryBlock,
    ColReader,
    DataBlock,
    Datasets,
    LMDataLoader,
    Numericalize,
    RandomSplitter,
    SentencePieceTokenizer,
    TextBlock,
    TextDataLoaders,
    TfmdLists,
    Tokenizer,
    WordTokenizer,
    awd_lstm_clas_config,
    awd_lstm_lm_config,
    defaults,
    fix_html,
    language_model_learner,
    lowercase,
    text_classifier_learner,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_texts
from unpadded.common.errors import InputError
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel
from unpadded.tokens.tokenized import tokenize
from unpadded.tokens.tokenizer import HARD_TEXTS, TokenizerSettings

SIZES = {"emb_sz": 8, "n_hid": 12, "n_layers": 1}
FRENCH = [
    "L'été, l'homme qu'on n'attendait plus s'est dit aujourd'hui : « c'est l'hiver ».",
    "J'ai vu l'été d'hier !",
] * 6
LINES = ["first line\n  second line,\tA TAB\n \n  The end <br /> here", "one\n  two two two two\n \n  three"] * 6
TEXTS = make_texts(30)[0] + FRENCH + LINES + ["今日は良い天気です。这是一个句子。🙂 🙂", "这是一个句子。 今日は 🙂"] * 4
FRAME = pd.DataFrame({"text": TEXTS, "label": ["a", "b"] * (len(TEXTS) // 2)})


def from_df(tok=None, **options):
    options = {"is_lm": True, "bs": 4, "seq_len": 8, "valid_pct": 0.1, "seed": 0, "text_col": "text", **options}
    return TextDataLoaders.from_df(FRAME, tok_tfm=tok, **options)


def special(text):
    return text.replace("!", " xxbang ")


def own_words(text):
    return ["xxbos", *text.upper().split("l")]


def own_spacy():
    tok = WordTokenizer()
    tok.pipe.__self__.tokenizer.add_special_case("rocket", [{"ORTH": "roc"}, {"ORTH": "ket"}])
    return tok


def block(tokenizer_of_block, **options):
    data = DataBlock(
        TextBlock(tokenizer_of_block, is_lm=True, seq_len=8, **options), splitter=RandomSplitter(0.1, seed=0)
    )
    return data.dataloaders(TEXTS, bs=4)


def from_folder(path: Path):
    for i, text in enumerate(TEXTS):
        file = path / "texts" / ("valid" if i % 9 == 0 else "train") / "ab"[i % 2] / f"{i}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return TextDataLoaders.from_folder(path / "texts", is_lm=True, bs=4, seq_len=8)


KINDS = {
    "word": ("word", lambda _: from_df()),
    "French words": ("word", lambda _: from_df(WordTokenizer("fr"))),
    "German words, backwards": ("word", lambda _: from_df(WordTokenizer("de"), backwards=True)),
    "words of any language": ("word", lambda _: from_df(WordTokenizer("xx"))),
    "SentencePiece unigram": ("subword", lambda p: from_df(SentencePieceTokenizer(vocab_sz=120, cache_dir=p))),
    "SentencePiece BPE": (
        "subword",
        lambda p: from_df(SentencePieceTokenizer(vocab_sz=150, model_type="bpe", cache_dir=p), backwards=True),
    ),
    "folder": ("word", from_folder),
    "classifier with the language model's words": (
        "word",
        lambda _: from_df(is_lm=False, label_col="label", text_vocab=from_df().vocab),
    ),
    "DataBlock": ("word", lambda _: block(Tokenizer(WordTokenizer()), backwards=True)),
    "DataBlock of a table": (
        "word",
        lambda _: DataBlock(
            (TextBlock.from_df("text", min_freq=1), CategoryBlock), get_x=ColReader("text"), get_y=ColReader("label")
        ).dataloaders(FRAME, bs=4),
    ),
    "BaseTokenizer": ("custom", lambda _: from_df(BaseTokenizer())),
    "rules of its own": ("custom", lambda _: block(Tokenizer(WordTokenizer(), rules=[fix_html, special, lowercase]))),
    "no rules": ("custom", lambda _: block(Tokenizer(BaseTokenizer("e"), rules=[]))),
    "one special case more": ("custom", lambda _: from_df(own_spacy())),
    "other special tokens": ("custom", lambda _: from_df(WordTokenizer(special_toks=["xxpad", "<sep>"]))),
    "no special tokens": (
        "custom",
        lambda _: block(Tokenizer(WordTokenizer(special_toks=[]), rules=[]), special_toks=[]),
    ),
    "a function of its own": ("custom", lambda _: block(own_words)),
    "Datasets": (
        "word",
        lambda _: Datasets(TEXTS, [[Tokenizer(WordTokenizer()), Numericalize()]]).dataloaders(
            dl_type=LMDataLoader, bs=4, seq_len=8
        ),
    ),
    "TfmdLists": (
        "custom",
        lambda _: TfmdLists(TEXTS, [Tokenizer(BaseTokenizer()), Numericalize(min_freq=1)]).dataloaders(
            dl_type=LMDataLoader, bs=4, seq_len=8
        ),
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Learner, and the LanguageModel of it, of a kind; both made once."""

    @cache
    def make(kind):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dls = KINDS[kind][1](tmp_path_factory.mktemp("learner"))
            is_classifier = "classifier" in kind or "table" in kind
            config = {**(awd_lstm_clas_config if is_classifier else awd_lstm_lm_config), **SIZES}
            build = text_classifier_learner if is_classifier else language_model_learner
            learn = build(dls, AWD_LSTM, config=config, pretrained=False)
        return learn, LanguageModel.from_learner(learn)

    return make


def own_ids(learn, text) -> list[int]:
    """What the Learner's own transforms make of a text."""
    return learn.dls.numericalize(getattr(learn.dls, "tokenizer", own_words)(text)).tolist()


LONG = [
    "\n".join(["word", "another\tone"] * 200),
    "été\t" * 400,
    "x" * 3_000,
    "ab" * 2_000 + " é",
    "这是一个句子" * 300,
]
ANY = st.one_of(
    st.text(alphabet="aAbBzZ 09.,!'’-/#\\&;<>\n\t\u2028éßİ🙂_今这", max_size=40),
    st.lists(st.sampled_from([*" ".join(TEXTS).split(" "), "\n  ", "\n \n  ", "XX", "Xx"]), max_size=20).map(" ".join),
)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_learner(made, kind):
    learn, lm = made(kind)
    assert lm.tokenizer.kind == KINDS[kind][0]
    texts = [*HARD_TEXTS, *LONG, *TEXTS, " ".join(lm.vocab), "xxfake"]
    found = lm.numericalize(texts)
    assert [ids.tolist() for ids in found] == [own_ids(learn, text) for text in texts]
    assert lm.direction == ("backward" if "back" in kind or kind in ("DataBlock", "SentencePiece BPE") else "forward")


@pytest.mark.parametrize(
    "kind", ["word", "French words", "SentencePiece unigram", "SentencePiece BPE", "BaseTokenizer"]
)
def test_any_text_gets_the_ids_of_the_learner(made, kind):
    learn, lm = made(kind)

    @settings(max_examples=60)
    @given(ANY)
    def check(text):
        assert lm.numericalize([text])[0].tolist() == own_ids(learn, text)

    check()


def test_a_french_elision_is_known(made):
    _, lm = made("French words")
    assert lm.decode(lm.numericalize(["l'été"])[0])[-2:] == ["l'", "été"]


@pytest.mark.parametrize("kind", [kind for kind, (found, _) in KINDS.items() if found != "custom"])
def test_ids_are_the_same_after_saving(made, kind, tmp_path):
    learn, lm = made(kind)
    loaded = LanguageModel.load(lm.save(tmp_path))
    texts = [*HARD_TEXTS, *TEXTS, "xxfake"]
    assert [ids.tolist() for ids in loaded.numericalize(texts)] == [own_ids(learn, text) for text in texts]
    assert loaded.fingerprint == lm.fingerprint


def test_code_is_not_saved_and_what_can_be_done_is_said(made, tmp_path):
    learn, lm = made("BaseTokenizer")
    with pytest.raises(InputError, match=r"code that cannot be saved: .*TokenizerSettings\('custom'\)"):
        lm.save(tmp_path)
    assert not any(tmp_path.iterdir())
    again = LanguageModel.from_learner(learn)
    assert again.fingerprint == lm.fingerprint  # known by what its code makes of texts
    vectors = DocumentEncoder(lm, pooling="mean").encode(TEXTS[:5])
    again.tokenizer = TokenizerSettings("custom")
    loaded = LanguageModel.load(again.save(tmp_path))
    with pytest.raises(InputError, match="encode token ids"):
        loaded.numericalize(["a text"])
    assert np.array_equal(DocumentEncoder(loaded, pooling="mean").encode_tokens(lm.numericalize(TEXTS[:5])), vectors)


@pytest.mark.parametrize(
    "kind", ["SentencePiece unigram", "French words", "BaseTokenizer", "classifier with the language model's words"]
)
def test_an_exported_learner_whose_cache_is_gone(made, kind, tmp_path):
    learn, lm = made(kind)
    learn.path = tmp_path
    learn.export("export.pkl")
    tok = learn.dls.tokenizer.tok
    kept = getattr(tok, "cache_dir", None)
    if kept is not None:
        shutil.rmtree(kept)
    found = LanguageModel.from_learner(tmp_path / "export.pkl", run_its_code=True)
    texts = [*HARD_TEXTS, *TEXTS]
    assert [ids.tolist() for ids in found.numericalize(texts)] == [ids.tolist() for ids in lm.numericalize(texts)]
    assert found.tokenizer.kind == lm.tokenizer.kind


def test_data_that_say_nothing_of_texts_are_no_guess(made):
    words = [text.split(" ") for text in TEXTS]
    dls = TfmdLists(words, [Numericalize(min_freq=1)]).dataloaders(dl_type=LMDataLoader, bs=4, seq_len=8)
    learn = language_model_learner(dls, AWD_LSTM, config={**awd_lstm_lm_config, **SIZES}, pretrained=False)
    with pytest.raises(InputError, match="encode token ids"):
        LanguageModel.from_learner(learn).numericalize(["a text"])


def test_changed_defaults_of_fastai_change_no_model(made, monkeypatch):
    expected = made("word")[1].numericalize(["THE Rocket!"])[0].tolist()
    monkeypatch.setattr(defaults, "text_proc_rules", [lowercase])
    assert made("word")[1].numericalize(["THE Rocket!"])[0].tolist() == expected
    dls = from_df()
    learn = language_model_learner(dls, AWD_LSTM, config={**awd_lstm_lm_config, **SIZES}, pretrained=False)
    lm = LanguageModel.from_learner(learn)
    assert lm.tokenizer.kind == "custom"
    assert lm.numericalize(["THE Rocket!"])[0].tolist() == own_ids(learn, "THE Rocket!")


def test_code_of_a_learner_from_many_threads(made):
    _, lm = made("one special case more")
    expected = [ids.tolist() for ids in lm.numericalize(TEXTS)]
    found = [None] * 4

    def read(i):
        found[i] = [ids.tolist() for ids in lm.numericalize(TEXTS)]

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("one text", "one str"),
        (FRAME, r"DataFrame, which yields its columns"),
        ({"a": "text"}, "dict, which yields its keys"),
        ({"a", "b"}, "set, which has no order"),
        ([None, "a"], r"positions 0 \(None\)"),
        (b"bytes", "bytes"),
        (5, "int"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(made, given, words):
    lm = made("word")[1]
    for read in (lm.numericalize, tokenize):
        with pytest.raises(InputError, match=words):
            read(given)


def test_any_list_of_texts_is_read(made):
    lm = made("word")[1]
    expected = [ids.tolist() for ids in lm.numericalize(TEXTS[:3])]
    for some in (FRAME["text"][:3], np.array(TEXTS[:3], object), iter(TEXTS[:3]), dict.fromkeys(TEXTS[:3]).keys()):
        assert [ids.tolist() for ids in lm.numericalize(some)] == expected


def test_a_vocabulary_without_xxbos_is_refused_for_texts():
    lm = LanguageModel.new(["xxunk", "xxpad", "a", "text"], SIZES)
    with pytest.raises(InputError, match="no xxbos"):
        lm.numericalize(["a text"])
    assert lm.numericalize([]) == []
    assert DocumentEncoder(lm, pooling="mean").encode_tokens([[2, 3]]).shape == (1, 8)

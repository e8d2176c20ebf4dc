"""The harder baselines: n-grams, topics, smooth inverse frequency, Doc2Vec."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from unpadded.common.errors import InputError
from unpadded.evaluation.baselines import doc2vec as doc2vec_module
from unpadded.evaluation.baselines import ngrams
from unpadded.evaluation.baselines.baselines import all_baselines, lsa_ngrams, lsa_word_vectors, nmf, sif, tfidf
from unpadded.evaluation.baselines.doc2vec import doc2vec_vectors, epochs
from unpadded.evaluation.baselines.ngrams import ngram_tfidf
from unpadded.evaluation.baselines.sif import A
from unpadded.evaluation.choice.pieces import cut
from unpadded.evaluation.scores import FitRecord, Representation
from unpadded.tokens import ppmi_vectors

RIVALS = ("lsa_ngrams", "nmf", "lsa_word_vectors", "sif", "doc2vec")
SPACE, KITCHEN = "rocket moon orbit".split(), "bread butter oven".split()


def two_topics(n: int, *, seed: int = 0) -> list[str]:
    """Texts of six words, about space and the kitchen in turn, which share no word."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice((SPACE, KITCHEN)[i % 2], 6)) for i in range(n)]


def numbered(texts: list[str]) -> tuple[list[np.ndarray], int]:
    words = sorted({word for text in texts for word in text.split()})
    return [np.array([words.index(word) for word in text.split()], np.int32) for text in texts], len(words)


def names(texts: list[str]) -> list[str]:
    return [f"d{i}" for i in range(len(texts))]


@pytest.fixture
def gensim(monkeypatch):
    """The module, where it is installed; few passes, with most words read: in a test each is frequent."""
    monkeypatch.setattr(doc2vec_module, "SUBSAMPLING", 1e-2)
    monkeypatch.setattr(doc2vec_module, "MOST_EPOCHS", 40)
    return pytest.importorskip("gensim.models.doc2vec", reason="gensim, of the extra `doc2vec`, is not installed")


@pytest.mark.parametrize("n", [40, 160])  # below and above the number from which rare and frequent n-grams are dropped
def test_ngrams_are_those_of_scikit_learn(n):
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abcÄß .\n\t"), rng.integers(5, 60))) for _ in range(n + 20)]
    bounds = {"min_df": 3, "max_df": 0.5} if n >= 100 else {}
    peer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, dtype=np.float32, **bounds)
    expected = peer.fit(texts[:n]).transform(texts)
    made = ngram_tfidf(texts, train=np.arange(n))
    assert made.shape == expected.shape
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.toarray(), expected.toarray(), atol=1e-6)


def test_the_most_frequent_ngrams_are_kept(monkeypatch):
    monkeypatch.setattr(ngrams, "MOST_NGRAMS", 3)
    made = ngram_tfidf(["aaa aaa", "aaa b", "cde"], train=[0, 1]).toarray()
    assert made.shape == (3, 3)
    np.testing.assert_array_equal(made[2], 0)  # of the training documents alone
    assert (made[:2] > 0).all()  # " aa", "aaa" and "aa " stand three times, all others fewer


def test_bounds_that_leave_no_ngram_are_let_go():
    assert ngram_tfidf(["same"] * 100, train=np.arange(100)).nnz > 0


def test_a_words_forms_are_alike_by_their_ngrams_and_not_by_words():
    texts = ["rocket launcher", "rockets launching", "buttered bread", "butter breads", "the rocket", "a buttery bread"]
    words = tfidf(texts, names(texts), train=np.arange(6))
    assert (words.vectors[0] @ words.vectors[1].T).toarray() == 0
    made = lsa_ngrams(words, texts, train=np.arange(6), width=2)
    assert made.vectors.shape == (6, 2)
    assert made.vectors.dtype == np.float32
    similarity = made.vectors @ made.vectors.T
    np.testing.assert_allclose(similarity.diagonal(), 1, rtol=1e-5)
    assert similarity[0, 1] > 0.9 > similarity[0, 2] + 0.5


def test_the_words_part_counts_half_as_much_unless_pieces_say_else_and_without_what_all_share():
    rng = np.random.default_rng(0)
    topics, words = rng.standard_normal((30, 4)), rng.standard_normal((30, 3)) + 5
    words[29] = 0  # a document without words
    parts = [Representation(name, "", "none", array) for name, array in (("lsa", topics), ("word_vectors", words))]
    made = lsa_word_vectors(*parts, train=np.arange(20)).vectors
    assert made.shape == (30, 7)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-6)
    unit, centred = (array / np.linalg.norm(array, axis=1)[:, None] for array in (topics, words - words[:20].mean(0)))
    expected = (unit[:29] @ unit[:29].T + 0.5 * centred[:29] @ centred[:29].T) / 1.5
    np.testing.assert_allclose(made[:29] @ made[:29].T, expected, atol=1e-6)
    np.testing.assert_allclose(made[29], [*unit[29], 0, 0, 0], atol=1e-6)
    pieces = cut([f"a b c d {i}" for i in range(7)], range(7))
    assert len(pieces.texts) == 28
    topics[-28:], words[-28:] = rng.standard_normal((28, 4)), np.tile(rng.standard_normal((7, 3)), (4, 1)) + 5
    by_words = lsa_word_vectors(*parts, train=np.arange(2), pieces=pieces).vectors  # which find every half
    assert np.linalg.norm(by_words[0, 4:]) ** 2 == pytest.approx(0.5)
    by_topics = lsa_word_vectors(*parts[::-1], train=np.arange(2), pieces=pieces).vectors
    assert np.linalg.norm(by_topics[0, 3:]) ** 2 < 0.2


def test_topics_are_weights_and_the_two_that_there_are():
    texts = two_topics(40)
    made = nmf(tfidf(texts, names(texts), train=np.arange(30)), train=np.arange(30), width=2)
    assert made.vectors.dtype == np.float32
    assert made.vectors.min() >= 0
    of_space = made.vectors[0].argmax()
    np.testing.assert_allclose(made.vectors[0::2, of_space], 1, atol=1e-3)
    np.testing.assert_allclose(made.vectors[1::2, 1 - of_space], 1, atol=1e-3)


def test_sif_is_the_papers_formula():
    tokens, n_words = numbered(two_topics(12))
    tokens[11] = np.array([], np.int32)
    train = np.arange(8)
    made = sif(tokens, n_words, names(tokens), train=train, width=3).vectors
    table = ppmi_vectors([tokens[i] for i in train], n_words, width=3)
    read = np.concatenate([tokens[i] for i in train])
    share = np.array([(read == word).mean() for word in range(n_words)])
    plain = np.array([sum((A / (A + share[w]) * table[w] for w in t), np.zeros(3)) / max(1, len(t)) for t in tokens])
    common = np.linalg.svd(plain[train])[2][0]
    np.testing.assert_allclose(made, [v - (v @ common) * common for v in plain], atol=1e-6)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made[11], 0)


def test_documents_that_are_the_same_keep_nothing_under_sif():
    np.testing.assert_array_equal(sif([np.array([0, 1, 2])] * 4, 3, list("abcd"), train=[0, 1], width=2).vectors, 0)


def test_doc2vec_puts_documents_of_a_topic_together_learnt_and_inferred(gensim):
    tokens, n_words = numbered(two_topics(200))
    vectors = doc2vec_vectors(tokens, n_words, train=np.arange(150), width=8)
    assert vectors.dtype == np.float32
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit[150:] @ unit[:150].T
    same = np.arange(150, 200)[:, None] % 2 == np.arange(150) % 2
    assert similarity[same].mean() > similarity[~same].mean() + 0.2


def test_an_inferred_vector_depends_on_no_other_document(gensim):
    tokens, n_words = numbered(two_topics(30))
    tokens[29] = np.array([], np.int32)
    both = doc2vec_vectors(tokens, n_words, train=np.arange(20), width=4)
    other = doc2vec_vectors([*tokens[:20], *tokens[:-6:-1]], n_words, train=np.arange(20), width=4)
    np.testing.assert_array_equal(other[:20], both[:20])
    np.testing.assert_array_equal(other[20:25], both[:-6:-1])
    np.testing.assert_array_equal(both[29], 0)
    assert (both != doc2vec_vectors(tokens, n_words, train=np.arange(20), width=4, seed=1))[:29].any(axis=1).all()


def test_an_inferred_vector_is_gensims_own_from_the_same_start(gensim, monkeypatch):
    tagged = [gensim.TaggedDocument(text.split(), [i]) for i, text in enumerate(two_topics(20))]
    model = gensim.Doc2Vec(tagged, dm=0, vector_size=4, min_count=1, epochs=7, seed=3, workers=1)
    made = doc2vec_module._inferred(model, SPACE * 5, seed=3)
    model.random = np.random.RandomState(3)
    start = (np.random.default_rng(3).random(4, dtype=np.float32) - np.float32(0.5)) / 4
    monkeypatch.setattr(gensim, "pseudorandom_weak_vector", lambda *_, **__: start.copy())
    np.testing.assert_allclose(made, model.infer_vector(SPACE * 5), rtol=1e-5)
    assert np.abs(made - start).max() > 1e-3


@pytest.mark.slow
def test_doc2vec_is_the_same_in_every_process(gensim):
    script = (
        "import numpy as np, hashlib; from unpadded.evaluation.baselines.doc2vec import doc2vec_vectors\n"
        "tokens = list(np.random.default_rng(0).integers(0, 50, (40, 30)))\n"
        "print(hashlib.sha256(doc2vec_vectors(tokens, 50, train=range(30), width=8)).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": salt}, capture_output=True, check=True
        ).stdout
        for salt in ("1", "2")
    }
    assert len(told) == 1


def test_small_corpora_are_read_more_often():
    assert [epochs(n) for n in (0, 1_000, 1_000_000, 3_000_000, 100_000_000)] == [400, 400, 60, 20, 20]


def test_without_gensim_one_sentence_says_what_brings_it(monkeypatch):
    for module in ("gensim", "gensim.models.doc2vec"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"^gensim is not installed: pip install 'unpadded\[doc2vec\]' brings it\.$"):
        doc2vec_vectors([np.array([0])], 1, train=[0])


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_look_at_training_documents_only_and_say_so(name, request):
    if name == "doc2vec":
        request.getfixturevalue("gensim")
    texts = two_topics(130)
    changed = [*texts[:120], *two_topics(10, seed=7)[::-1]]
    n_words = len({*SPACE, *KITCHEN})
    first, second = (
        all_baselines(
            some,
            names(texts),
            train=np.arange(120),
            token_ids=numbered(some)[0],
            table=np.zeros((n_words, 2), np.float32),
            names=name,
        )[0]
        for some in (texts, changed)
    )
    assert first.name == name
    np.testing.assert_array_equal(first.vectors[:120], second.vectors[:120])
    assert (first.vectors[120:] != second.vectors[120:]).any()
    assert {record.ids for record in first.fitted} == {frozenset(names(texts)[:120])}
    assert isinstance(first.fitted[0], FitRecord)


@pytest.mark.parametrize(
    "texts",
    [
        ["the same text"] * 3,
        ["word"] * 3,
        ["word"],
        ["!", "?", ""],
        ["日本語の文章です", "東京は首都です。", "猫が好き"],
        ["moon", "moon rocket", ""],
    ],
    ids=["the same", "one word", "one document", "no word", "Japanese", "an empty one"],
)
@pytest.mark.parametrize("n_train", [1, 3])
def test_odd_corpora_get_vectors_without_a_warning(gensim, texts, n_train):
    tokens, n_words = numbered(texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = all_baselines(
            texts,
            names(texts),
            train=np.arange(min(n_train, len(texts))),
            token_ids=tokens,
            table=np.zeros((n_words, 2), np.float32),
            names=",".join(RIVALS),
        )
    assert [r.name for r in made] == ["sif", "doc2vec"] if texts[0] == "!" else list(RIVALS)
    for representation in made:
        assert len(representation.vectors) == len(texts)
        assert representation.vectors.dtype == np.float32
        assert np.isfinite(representation.vectors).all()

"""Tuning: the pieces, the loss, what it teaches, and that it can be stopped."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from hypothesis import given
from hypothesis import strategies as st

from training_tools import StopAt, assert_same, killed_at, weights
from unpadded import DocumentEncoder, LanguageModel, TuningSettings, tokenize, tune
from unpadded.common import InputError
from unpadded.tokens import TokenizedCorpus, idf_weights, mark_ids
from unpadded.training import checkpoint
from unpadded.training.objective import LanguageModelObjective
from unpadded.training.tuning import halves, halves_found, loop, teacher
from unpadded.training.tuning.case import CAPITALS, LOWERED, Recasing
from unpadded.training.tuning.objective import TuningObjective, contrastive_loss, relation_loss
from unpadded.training.tuning.pieces import PieceLoader, grouped, two_pieces
from unpadded.training.tuning.teacher import document_topics, document_words, ngrams_of, teacher_vectors

pytestmark = pytest.mark.slow

SMALL = TuningSettings(
    max_minutes=0, epochs=30, batch_size=16, piece_length=12, learning_rate=1e-2, precision="float32"
)
FEW = replace(SMALL, epochs=8)


@given(st.integers(3, 120), st.integers(2, 30), st.floats(0, 0.99), st.integers(0, 2**32 - 1))
def test_pieces_are_of_the_text_in_its_order_and_begin_as_it_does(n, length, deletion, seed):
    for piece in two_pieces(np.arange(n), length, deletion, np.random.default_rng(seed)):
        assert piece[0] == 0
        assert 2 <= len(piece) <= length
        assert piece[-1] < n
        steps = np.diff(piece)
        assert (steps > 0).all()
        if n > length:
            assert len(piece) == length
            assert (steps[1:] == 1).all()  # a crop without gaps, behind the first token


@pytest.mark.parametrize("bar", ["", "▁"])
@pytest.mark.parametrize("backward", [False, True])
def test_some_pieces_are_read_in_small_letters_and_some_in_capitals(bar, backward):
    types = [bar + word for word in ("xxbos", "xxup", "xxmaj", "the", "NASA", "7", "xxunk")] + ["ing"]
    piece = np.array([0, 2, 3, 1, 4, 5, 6, 7])  # xxbos xxmaj the xxup nasa 7 unknown -ing
    small, capitals = [0, 3, 4, 5, 6, 7], [0, 1, 3, 1, 4, 5, 1, 6, 7] if bar else [0, 1, 3, 1, 4, 5, 1, 6, 1, 7]
    if backward:
        piece, small = piece[::-1].copy(), small[::-1]
        capitals = capitals[::-1]
    recased, rng = Recasing(types, backward=backward), np.random.default_rng(0)
    found = [tuple(recased(piece, 20, rng).tolist()) for _ in range(4_000)]
    shares = {tuple(small): LOWERED, tuple(capitals): CAPITALS, tuple(piece.tolist()): 1 - LOWERED - CAPITALS}
    assert set(found) == set(shares)
    assert all(found.count(read) / 4_000 == pytest.approx(share, abs=0.03) for read, share in shares.items())
    assert max(len(recased(piece, 8, rng)) for _ in range(200)) == 8


def test_a_tokenizer_without_marks_of_case_leaves_pieces_as_they_are():
    recased, rng = Recasing(["a", "b"]), np.random.default_rng(0)
    assert all((recased(np.array([0, 1]), 9, rng) == [0, 1]).all() for _ in range(99))


def test_marks_weigh_as_little_as_what_is_in_every_document():
    types = ["xxbos", "xxup", "▁xxmaj", "xxunk", "the", "rare"]
    assert mark_ids(types).tolist() == [0, 1, 2]
    weights = idf_weights([np.array([0, 4]), np.array([0, 4, 5])], 6, marks=mark_ids(types))
    assert weights[[0, 1, 2, 4]].tolist() == [1] * 4
    assert weights[3] > weights[5] > 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 6))
def test_groups_hold_every_piece_once_and_say_where(lengths, n_groups):
    pieces = [np.arange(n) + 2 for n in lengths]
    made = grouped(pieces, pad=1, n_groups=n_groups)
    tables, found, places = made.groups, made.lengths, made.places
    rows = [row[:n].tolist() for row, n in zip((r for t in tables for r in t), found.tolist(), strict=True)]
    assert [rows[place] for place in places] == [piece.tolist() for piece in pieces]
    assert all((row[n:] == 1).all() for row, n in zip((r for t in tables for r in t), found, strict=True))


def test_batches_of_a_pass_read_every_document_and_a_resumed_pass_goes_on(tiny_tokens):
    def loader():
        return PieceLoader(tiny_tokens, batch_size=8, length=10, deletion=0.3, topics=20)

    whole = list(loader())
    resumed = loader()
    resumed.start = len(whole) - 2
    for (one, *_), (other, *_) in zip(whole[-2:], resumed, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.groups, other.groups, strict=True))
    order = loader()._order(0).reshape(-1, 8)
    assert all(len(set(batch)) == 8 for batch in order.tolist())
    assert set(order.ravel()) == set(range(len(tiny_tokens)))


def test_pieces_are_as_alike_as_the_words_of_their_documents_say(tiny_corpus):
    texts = [*tiny_corpus.texts[:6], tiny_corpus.texts[0]]
    tokens = tokenize(texts)
    loader = PieceLoader(tokens, batch_size=7, length=10, deletion=0.3, topics=3)
    _, likeness, _ = next(iter(loader))
    order = loader._order(0)[:7]
    taught = teacher_vectors(tokens, 3)
    assert taught.shape == (7, 3 + 3)
    np.testing.assert_allclose(np.linalg.norm(taught, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(likeness[:7, :7], (taught @ taught.T)[np.ix_(order, order)], atol=1e-6)
    np.testing.assert_array_equal(likeness, likeness[:7, :7].repeat(2, 2))
    copies = np.flatnonzero(np.isin(order, [0, 6]))
    np.testing.assert_allclose(likeness[np.ix_(copies, copies)], 1, atol=1e-6)


def test_tokens_are_taken_apart_into_the_pieces_of_words_and_marks_are_not():
    vectorized = ngrams_of(["xxmaj", "▁xxbos", "wing", "wings", "of"])
    assert vectorized.sum(axis=1).ravel().tolist()[0] == [0, 0, 4 + 3, 5 + 4, 2 + 1]
    shared = (vectorized @ vectorized.T).toarray()
    assert shared[2, 3] == 3 + 2  # " wi", "win", "ing", " win", "wing"
    assert shared[2, 4] == 0


def test_documents_that_share_no_word_but_its_stem_are_alike():
    about = [f"the {a} of a {b}" for a in ("wings", "winged", "winging") for b in ("plane", "planes", "planed")]
    others = [f"the {a} of a {b}" for a in ("cooking", "cooked", "cooks") for b in ("carrot", "carrots", "carroty")]
    topics = document_topics(tokenize([*about, *others]), 2)
    cosines = topics @ topics.T
    assert cosines[:9, :9].min() > 0.8
    assert cosines[9:, 9:].min() > 0.8
    assert cosines[:9, 9:].max() < 0.3


def test_there_are_no_more_topics_than_a_small_corpus_can_have(tiny_tokens):
    few = tiny_tokens.select(range(60))
    assert document_topics(few, 200).shape == (60, 20)


def test_documents_of_the_same_words_have_no_topics():
    same = tokenize(["one two three"] * 5)
    topics = document_topics(same, 10)
    assert topics.shape == (5, 1)
    assert not topics.any()
    assert not teacher_vectors(same, 10).any(), "what rounding leaves of equal word vectors is no direction"


def test_documents_whose_words_stand_among_the_same_words_are_alike_though_they_share_none():
    """What the teacher's word vectors know of a text of one rare word, and its topics hardly do."""
    rng = np.random.default_rng(0)
    around = ["lift drag stall flap rudder".split(), "oven flour sugar bake butter".split()]
    rare = [["".join(rng.choice(list("abcdefghijklm"), 6)) for _ in range(8)] for _ in around]
    texts = [f"{rare[kind][i % 8]} {' '.join(rng.permutation(around[kind])[:3])}" for kind in (0, 1) for i in range(80)]
    tokens = tokenize([*texts, *rare[0], *rare[1]])

    def margin(vectors) -> float:
        """How much nearer the rare words of one kind are to each other than to those of the other, on average."""
        cosines = vectors[160:] @ vectors[160:].T
        return cosines[:8, :8][~np.eye(8, dtype=bool)].mean() - cosines[:8, 8:].mean()

    assert margin(teacher_vectors(tokens, 20)) > margin(document_topics(tokens, 20)) + 0.2


def test_what_halves_of_other_documents_find_says_how_much_word_vectors_count(monkeypatch, tiny_tokens):
    n = len(tiny_tokens)
    read, asked = tiny_tokens.select(range(n - 20)), tiny_tokens.select(range(n - 20, n))
    rng = np.random.default_rng(0)
    good, bad = np.tile(rng.standard_normal((20, 9)), (2, 1)), rng.standard_normal((40, 9))  # rows of the 40 halves

    def share(of_topics, of_words) -> float:
        for name, rows in (("document_topics", of_topics), ("document_words", of_words)):
            made = np.vstack([rng.standard_normal((len(read), 9)), rows]).astype(np.float32)
            monkeypatch.setattr(teacher, name, lambda *_, made=made, **options: made)
        return float(np.linalg.norm(teacher.teacher_vectors(read, 9, held_out=asked)[0, 9:]) ** 2)

    assert share(good, good) == pytest.approx(0.5 / 1.5, abs=1e-3)
    assert share(bad, good) == pytest.approx(0.5, abs=1e-3)  # as much as topics, and no more
    assert share(good, bad) < 0.05


def test_nothing_is_learned_from_the_documents_beside(tiny_tokens):
    read, other = tiny_tokens.select(range(60)), [tiny_tokens[i] for i in range(60, 80)]
    for view in (document_topics, document_words):
        alone, with_others = view(read, 8), view(read, 8, beside=other)
        assert len(with_others) == 80
        np.testing.assert_allclose(with_others[:60], alone, atol=1e-5)
        assert np.abs(with_others[60:]).max() > 0


@pytest.mark.parametrize("view", [document_topics, document_words])
def test_short_documents_are_all_learned_from_and_of_many_tokens_some(monkeypatch, tiny_tokens, view):
    learned = view(tiny_tokens, 8)
    monkeypatch.setattr("unpadded.tokens.counts.READ_DOCUMENTS", 1)
    np.testing.assert_array_equal(view(tiny_tokens, 8), learned)
    monkeypatch.setattr("unpadded.tokens.counts.READ_TOKENS", len(tiny_tokens.ids) // 3)
    fewer = view(tiny_tokens, 8)
    assert fewer.shape == learned.shape, "those that are not learned from have vectors too"
    assert np.abs(fewer - learned).max() > 0.01


def test_the_loss_is_how_far_cosines_are_from_those_of_the_documents():
    torch.manual_seed(0)
    vectors, likeness = torch.randn(6, 4), torch.rand(6, 6) * 2 - 1
    likeness = (likeness + likeness.T) / 2
    wrong = []
    for i in range(6):
        for j in range(6):
            if i != j:
                cosine = torch.cosine_similarity(vectors[i], vectors[j], dim=0)
                wrong.append((cosine - likeness[i, j]) ** 2 * (1 + 10 * max(likeness[i, j], 0) ** 2))
    assert relation_loss(vectors, likeness).item() == pytest.approx(100 * float(sum(wrong) / len(wrong)), rel=1e-5)
    unit = torch.nn.functional.normalize(vectors, dim=1)
    assert relation_loss(3 * vectors, unit @ unit.T).item() == pytest.approx(0, abs=1e-8)


def test_the_loss_is_the_cross_entropy_of_finding_the_other_piece():
    torch.manual_seed(0)
    vectors, n = torch.randn(10, 4), 5
    apart = torch.ones(10, 10, dtype=torch.bool)
    for i, j in ((0, 3), (0, 8), (5, 3), (5, 8)):  # documents 0 and 3 are nearly the same
        apart[i, j] = apart[j, i] = False
    expected = []
    for i in range(10):
        partner = (i + n) % 10
        others = [j for j in range(10) if j not in (i, partner) and apart[i, j]]
        cosines = torch.stack([torch.cosine_similarity(vectors[i], vectors[j], dim=0) for j in [partner, *others]])
        expected.append(-(cosines / 0.1).log_softmax(0)[0])
    found = contrastive_loss(vectors, apart, 0.1)
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "weighted_mean", "last", "max"])
def test_pieces_are_pooled_as_the_encoder_pools_documents(tiny_model, tiny_tokens, pooling):
    documents = list(tiny_tokens.with_vocab(tiny_model.vocab))[:20]
    idf = np.random.default_rng(0).uniform(1, 3, len(tiny_model.vocab)).astype(np.float32)
    language = LanguageModelObjective(tiny_model.module, np.ones(len(idf)))
    weights = {"relations": 1, "contrast": 0, "temperature": 0.1, "near_duplicate": 0.9, "language_weight": 0}
    options = {**weights, "token_weights": torch.from_numpy(idf)}
    objective = TuningObjective(language, pooling=pooling, **options).eval()
    with torch.no_grad():
        found = objective.vectors(grouped(documents, pad=1)).numpy()
    tiny_model.module.reset()
    expected = DocumentEncoder(tiny_model, pooling).weighted(idf).encode_tokens(documents, pooling=[pooling])[pooling]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_halves_are_found_by_cosine():
    firsts, seconds = halves([np.arange(9), np.arange(3), np.arange(1000)], longest=50)
    assert firsts[0].tolist() == [0, 1, 2, 3, 4]
    assert seconds[0].tolist() == [0, 5, 6, 7, 8]
    assert firsts[1].tolist() == [0, 1]
    assert seconds[1].tolist() == [0, 2]
    assert len(firsts[2]) == len(seconds[2]) == 50
    assert seconds[2][-1] == 999
    unit = np.eye(4, dtype=np.float32)
    assert halves_found(unit, unit * 7) == 1
    assert halves_found(unit, unit[[1, 0, 2, 3]]) == 0.5


@pytest.fixture(scope="module")
def tuned(tiny_model, tiny_tokens):
    return tune(tiny_model, tiny_tokens, SMALL, progress=False)


def neighbours_of_one_topic(lm, corpus):
    vectors = DocumentEncoder(lm).encode(corpus.texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    labels = np.array(corpus.labels)
    return (labels[np.argsort(-cosines, axis=1)[:, :10]] == labels[:, None]).mean()


def test_tuned_vectors_tell_topics_apart_and_the_model_that_was_given_stays(tiny_model, tiny_tokens, tiny_corpus):
    before = weights(tiny_model)
    tuned = tune(tiny_model, tiny_tokens, SMALL, progress=False)
    assert_same(before, weights(tiny_model))
    was, now = (neighbours_of_one_topic(lm, tiny_corpus) for lm in (tiny_model, tuned))
    assert now > max(was + 0.3, 0.75), (was, now)
    facts = tuned.card["tuning"]
    assert facts["halves_found"] == pytest.approx(tuned.tuning.halves_found.dropna().iloc[-1], abs=1e-4)
    assert facts["steps"] == tuned.tuning.step.iloc[-1]
    start = tuned.tuning.iloc[0]
    assert (start.step, start.tokens, start.minutes) == (0, 0, 0)
    assert start.halves_found == pytest.approx(facts["halves_found_before"], abs=1e-4)
    assert facts["perplexity"] > 1
    assert tuned.vocab == tiny_model.vocab
    assert tuned.tokenizer == tiny_model.tokenizer


def test_no_more_documents_are_held_out_than_a_pass_can_ask(tiny_model, tiny_tokens, monkeypatch):
    monkeypatch.setattr(loop, "HELD_OUT", 7)
    card = tune(tiny_model, tiny_tokens, replace(FEW, epochs=1), valid=tiny_tokens, progress=False).card["tuning"]
    assert (card["documents"], card["held_out_documents"]) == (len(tiny_tokens), 7)


def test_the_next_word_beside_keeps_it_a_language_model(tiny_model, tiny_tokens):
    perplexities = [
        tune(tiny_model, tiny_tokens, replace(SMALL, language_weight=weight), progress=False).card["tuning"][
            "perplexity"
        ]
        for weight in (0.0, 5.0)
    ]
    assert perplexities[1] < 0.9 * perplexities[0]


def test_the_curve_is_saved_with_the_model(tuned, tmp_path):
    again = LanguageModel.load(tuned.save(tmp_path / "model"))
    assert again.tuning.round(6).equals(tuned.tuning.round(6))
    assert again.card["tuning"] == tuned.card["tuning"]
    assert_same(weights(again), weights(tuned))


def test_the_same_call_gives_the_same_weights(tiny_model, tiny_tokens):
    assert_same(*(weights(tune(tiny_model, tiny_tokens, FEW, progress=False)) for _ in "ab"))


def test_killed_tuning_goes_on_to_the_same_weights(tmp_path, tiny_model, tiny_tokens, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    uninterrupted = tune(tiny_model, tiny_tokens, FEW, progress=False)
    steps = uninterrupted.card["tuning"]["steps"]
    tiny_tokens.save(tmp_path / "tokens")
    tiny_model.save(tmp_path / "model")
    lm, tokens = f"LanguageModel.load({str(tmp_path / 'model')!r})", str(tmp_path / "tokens")
    killed_at(steps - 7, f"tune({lm}, TokenizedCorpus.open({tokens!r}), {FEW!r}, checkpoints={str(tmp_path)!r}")
    assert len(list(tmp_path.glob("checkpoint-*.safetensors"))) == 1
    seen = []
    count = StopAt(steps, lambda: seen.append(1))
    resumed = tune(tiny_model, tiny_tokens, FEW, checkpoints=tmp_path, progress=False, callbacks=(count,))
    assert seen == [1]
    assert_same(weights(uninterrupted), weights(resumed))
    assert resumed.tuning.drop(columns="minutes").equals(uninterrupted.tuning.drop(columns="minutes"))
    assert not list(tmp_path.glob("checkpoint-*"))


def test_both_directions_and_a_stop_in_the_second(tmp_path, tiny_model, tiny_tokens):
    backward = LanguageModel(tiny_model.module, tiny_model.vocab, direction="backward")
    both = LanguageModel(tiny_model.module, tiny_model.vocab).with_backward(backward)
    whole = tune(both, tiny_tokens, FEW, progress=False)
    assert_same(weights(whole), weights(tune(tiny_model, tiny_tokens, FEW, progress=False)))
    assert whole.backward.direction == "backward"
    assert whole.backward.tuning.halves_found.notna().any()

    class StopBackward(Callback):
        order = 99
        fits = 0

        def before_fit(self):
            self.fits += 1

        def after_batch(self):
            if self.training and self.fits == 2:
                raise KeyboardInterrupt

    stop = StopBackward()
    with pytest.raises(KeyboardInterrupt):
        tune(both, tiny_tokens, FEW, checkpoints=tmp_path, progress=False, callbacks=(stop,))
    count = StopAt(1, lambda: seen.append(1))
    seen = []
    resumed = tune(both, tiny_tokens, FEW, checkpoints=tmp_path, progress=False, callbacks=(count,))
    assert seen == [1]  # the forward one was not tuned again
    for model, expected in zip(resumed.directions, whole.directions, strict=True):
        assert_same(weights(model), weights(expected))
    assert not list(tmp_path.iterdir())


def test_copies_of_one_text_end_in_numbers(tiny_model):
    tokens = tokenize(["rocket orbit launch moon"] * 30)
    lm = tune(tiny_model, tokens, replace(FEW, epochs=2), progress=False)
    assert np.isfinite(DocumentEncoder(lm).encode(["rocket orbit"])).all()


@pytest.mark.parametrize("pooling", ["weighted_mean", "last", "max"])
def test_every_pooling_can_be_taught(tiny_model, tiny_tokens, pooling):
    lm = tune(tiny_model, tiny_tokens, replace(SMALL, pooling=pooling), progress=False)
    assert lm.card["tuning"]["halves_found"] > lm.card["tuning"]["halves_found_before"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_minutes", -1),
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", 1),
        ("piece_length", True),
        ("deletion", 1),
        ("temperature", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", "0.01"),
        ("pooling", "concat"),
        ("precision", "int8"),
    ],
)
def test_settings_that_mean_nothing_are_refused(name, value):
    with pytest.raises(InputError, match=f"Tuning setting {name} is .*: give "):
        TuningSettings(**{name: value})


def test_what_cannot_be_tuned_on_is_refused_in_a_sentence(tiny_model, tiny_tokens):
    with pytest.raises(InputError, match=r"0 documents of more than one word.*give at least two"):
        tune(tiny_model, tokenize(["", "a"]), SMALL, progress=False)
    with pytest.raises(InputError, match=r"are a list: give tokenize\(texts, lm.tokenizer\)"):
        tune(tiny_model, ["a text"], SMALL, progress=False)
    foreign = TokenizedCorpus(np.arange(6, dtype=np.int32), np.array([0, 3, 6]), [f"~{i}" for i in range(6)])
    with pytest.raises(InputError, match="knows no token of the corpus"):
        tune(tiny_model, foreign, SMALL, progress=False)


def test_the_learning_rate_is_given_or_follows_the_number_of_documents(tiny_model, tiny_tokens):
    rates = [TuningSettings().rate_for(n) for n in (0, 900, 1_000, 2_000, 5_000, 11_111, 10**7)]
    assert rates[:3] == [1e-2] * 3
    assert rates[3:] == pytest.approx([7.07e-3, 4.47e-3, 3e-3, 3e-3], rel=1e-2)
    assert TuningSettings(learning_rate=0.5).rate_for(10**7) == 0.5
    tuned = tune(tiny_model, tiny_tokens, replace(FEW, epochs=1, learning_rate=None), progress=False)
    assert tuned.card["tuning"]["settings"]["learning_rate"] == 1e-2
    assert tuned.tuning.learning_rate.max() <= 1e-2

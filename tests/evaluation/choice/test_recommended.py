"""Which vectors a run recommends, without labels."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from unpadded import DocumentEncoder
from unpadded.corpus.corpus import Corpus
from unpadded.evaluation.choice import recommended
from unpadded.evaluation.choice.pieces import KINDS, pieces_of
from unpadded.evaluation.choice.recommended import Choice, choose, write_recommended
from unpadded.evaluation.extraction import extract, extract_tuned
from unpadded.evaluation.representations import compared, prepared
from unpadded.evaluation.scores import Representation


@pytest.fixture(scope="module")
def run(tiny_corpus, tiny_model, tmp_path_factory):
    """A run's folder with the corpus extracted by two models; the second is the first, so that nothing need be trained."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNPADDED_DATA", str(folder / "data"))
        encoder = DocumentEncoder(tiny_model)
        extract(tiny_corpus, encoder, folder, baselines="tfidf,lsa")
        extract_tuned(tiny_corpus, encoder, folder)
    return folder


def test_every_representation_is_asked_and_the_best_of_the_model_is_recommended(run, tiny_corpus):
    choice = choose(tiny_corpus, run, postprocesses="none,l2,idf")
    asked = prepared(tiny_corpus, run, postprocesses="none,l2,idf")
    assert set(choice.table.name) == {r.name for r in asked}
    assert choice.table.score.is_monotonic_decreasing
    assert ((choice.table.ci_low <= choice.table.score) & (choice.table.score <= choice.table.ci_high)).all()
    best = choice.best
    path = write_recommended(choice, run)
    stored = json.loads(path.read_text())
    assert list(stored) == ["method", "pooling", "postprocess", "why"]
    assert f"{best.score:.2f}" in stored["why"]
    kept = pd.read_csv(run / "choice.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(kept, choice.table)


def test_the_numbers_are_those_of_the_pieces_own_vectors(run, tiny_corpus, tiny_model):
    choice = choose(tiny_corpus, run, poolings="max", postprocesses="none")
    pieces = pieces_of(tiny_corpus)
    found = pieces.found(DocumentEncoder(tiny_model, "max").encode(pieces.texts))
    row = choice.table.set_index("name").loc["lm_tuned max"]
    assert row.halves == pytest.approx(found["halves"].mean())
    assert row.phrases == pytest.approx(found["phrases"].mean())


def test_labels_are_not_read(run, tiny_corpus, monkeypatch):
    """The choice of an unlabelled copy is the same: only which documents may be asked depends on the split."""
    relabelled = replace(tiny_corpus, labels=list(reversed(tiny_corpus.labels)), split=tiny_corpus.split)
    monkeypatch.setattr(recommended, "prepared", lambda *_, **__: prepared(tiny_corpus, run, postprocesses="none"))
    monkeypatch.setattr(recommended, "pieces_of", lambda corpus, seed: pieces_of(tiny_corpus, seed=seed))
    assert choose(relabelled, run).table.equals(choose(tiny_corpus, run).table)


def test_a_kind_of_vectors_that_finds_every_answer_wins(monkeypatch, tiny_corpus, tmp_path):
    pieces = pieces_of(tiny_corpus)
    n = len(pieces.documents)
    rng = np.random.default_rng(0)
    right = np.concatenate([np.zeros((len(tiny_corpus), n)), *[np.eye(n)] * 4])
    wrong = rng.standard_normal(right.shape)
    given = [Representation("lm", "mean", "none", wrong), Representation("lm_tuned", "last", "none", right)]
    monkeypatch.setattr(recommended, "prepared", lambda *_, **__: given)
    choice = choose(tiny_corpus, tmp_path)
    assert choice.recommended["method"] == "lm_tuned"
    assert choice.table.score.iloc[0] == 1
    assert choice.table.score.iloc[1] < 0.5


@pytest.mark.parametrize(
    ("joined", "taken"), [((0.5, 0.4, 0.6), "lm_words"), ((0.7, 0.6, 0.8), "lm_words"), ((0.3, 0.2, 0.4), "lm_tuned")]
)
def test_words_are_joined_unless_pieces_show_that_it_costs(joined, taken):
    rows = [
        ("lm_tuned", "mean", "none", "lm_tuned mean", 0.55, 0.55, 0.55, 0.45, 0.65),
        ("lm_words", "mean", "none", "lm_words mean", joined[0], joined[0], *joined),
        ("tfidf", "", "none", "tfidf", 0.9, 0.9, 0.9, 0.8, 1.0),
    ]
    columns = ["method", "pooling", "postprocess", "name", *KINDS, "score", "ci_low", "ci_high"]
    table = pd.DataFrame(rows, columns=columns).sort_values("score", ascending=False, ignore_index=True)
    choice = Choice(table, 100)
    assert choice.recommended["method"] == taken
    why = choice.recommended["why"]
    assert f"{choice.best.score:.2f} by {taken} mean" in why
    assert "the best baseline, tfidf, has 0.90" in why
    assert ("no clear difference from lm_tuned mean (0.55)" in why) == (joined[0] == 0.5)


def test_documents_too_short_to_ask_anything_get_the_usual_recommendation(monkeypatch, tmp_path):
    corpus = Corpus("short", list("abc"), ["one", "two", "three"])
    monkeypatch.setattr(recommended, "prepared", lambda *_, **__: [Representation("lm", "mean", "none", np.eye(3))])
    choice = choose(corpus, tmp_path)
    assert len(choice.table) == 0
    assert choice.recommended["method"] == "lm"  # there is no tuned model
    assert "long enough" in choice.recommended["why"]
    given = [Representation(method, "mean", "none", np.eye(3)) for method in ("lm", "lm_tuned")]
    monkeypatch.setattr(recommended, "prepared", lambda *_, **__: given)
    assert choose(corpus, tmp_path).recommended["method"] == "lm_tuned"


def test_what_is_compared_does_not_hold_the_pieces(run, tiny_corpus):
    assert {len(r.vectors) for r in compared(tiny_corpus, run, poolings="mean,lsa")} == {len(tiny_corpus)}
    assert {r.method for r in compared(tiny_corpus, run)} == {"lm", "lm_tuned", "lm_words", "tfidf", "lsa"}

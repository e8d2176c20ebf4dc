"""What an evaluation hands to a notebook: tables, pictures and sentences of the same numbers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from unpadded import Corpus
from unpadded.evaluation import Representation
from unpadded.evaluation.scores import score_row, to_frame
from unpadded.evaluation.statistics import bootstrap_mean
from unpadded.report import Finding, Findings

N = 40


def finding(name: str = "tiny", *, chosen: str = "mean", methods=("mean", "last", "mean + l2", "tfidf")) -> Finding:
    """A finding whose items say that mean is right where last is wrong, and that TF-IDF does as well as mean."""
    right = np.arange(N) % 4 > 0
    values = {"mean": right, "last": ~right, "mean + l2": right, "tfidf": right, "bm25": ~right}
    per_item = {method: values[method].astype(float) for method in (*methods, "bm25")}
    vectors = [representation(method) for method in methods]
    about = {"corpus": name.split(",")[0], "task": "ranking", "n": N, "seed": 0, "seconds": 1.0}
    rows = [
        score_row(one, bootstrap_mean(per_item[one.name]), metric=metric, **about)
        for one in vectors
        for metric in ("nDCG@10", "AP")
    ]
    corpus = Corpus(name="tiny", ids=["a", "b"], texts=["one", "two"])
    details = SimpleNamespace(note="Nothing was left out.")
    return Finding(name, corpus, vectors, to_frame(rows), details, per_item, "nDCG@10", "nDCG@10", chosen, 0)


def representation(name: str) -> Representation:
    base, _, step = name.partition(" + ")
    method, pooling = ("lm", base) if base in ("mean", "last") else (base, "")
    return Representation(method, pooling, step or "none", np.eye(2))


def test_the_table_and_the_sentences_say_the_values_that_were_measured():
    found = finding()
    table = found.table()
    assert table.loc["mean", "nDCG@10"] == pytest.approx(0.75)
    assert table.loc["last", "AP"] == pytest.approx(0.25)
    assert found.note == "Nothing was left out."
    said = found.verdicts("mean")
    assert [sentence.split(" by ")[0] for sentence in said if "beats" in sentence] == [
        "mean beats bm25",
        "mean beats last",
    ]
    assert sum("No difference between mean and tfidf was shown" in sentence for sentence in said) == 1
    assert not any("+ l2" in sentence for sentence in said), "post-processed vectors are the steps' business"
    assert found.verdicts("tfidf", ["last", "unmeasured"]) == found.verdicts("tfidf", ["last"])
    assert [sentence.split(" (")[0] for sentence in found.step_verdicts()] == [
        "No difference between mean + l2 and mean was shown"
    ]


def test_the_recommended_vectors_are_tested_against_all_others():
    tests = finding(chosen="mean + l2").tests()
    assert set(tests["first"]) == {"mean + l2"}
    assert set(tests["second"]) == {"mean", "last", "tfidf", "bm25"}
    assert tests.set_index("second").loc["last", "significant"]
    assert not len(finding(chosen="").tests())


def test_what_is_drawn_is_what_the_table_holds():
    bars = finding().plot()
    assert [text.get_text() for text in bars.axes[0].get_yticklabels()] == ["last", "mean", "tfidf"]
    assert "mean 0.75" in bars.get_label()
    assert finding().plot_steps() is not None
    assert finding(methods=("tfidf",)).plot_steps() is None, "no vectors of the model, nothing to draw"


def test_several_corpora_stand_side_by_side():
    found = Findings([finding("one, same topic"), finding("two, same topic")])
    table = found.table("nDCG@10")
    assert list(table.columns) == ["one", "two"]
    assert table.loc[("lm", "mean", "none"), "two"] == pytest.approx(0.75)
    assert set(found.table().columns) == {"nDCG@10", "AP"}
    assert set(found.tests().corpus) == {"one, same topic", "two, same topic"}
    assert len(found.plot().axes) == 2


def test_nothing_found_has_no_table_and_no_picture():
    nothing = Findings([])
    assert nothing.table("nDCG@10") is None
    assert nothing.plot() is None
    assert nothing.plot_steps() is None
    assert isinstance(nothing.scores, pd.DataFrame)
    assert not len(nothing.scores)

"""The long table: what goes in comes out, and a broken table is refused with its row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from unpadded.common.errors import InputError
from unpadded.evaluation.scores import (
    COLUMNS,
    FitRecord,
    Representation,
    check_names,
    check_vectors,
    checked_vectors,
    concatenate,
    read_scores,
    score_row,
    to_frame,
    unprocessed,
    unprocessed_rows,
    validate_scores,
    write_scores,
)
from unpadded.evaluation.statistics import Interval
from vector_tools import lm, noise


@pytest.fixture
def table() -> pd.DataFrame:
    options = {"corpus": "tiny", "task": "clustering", "n": 5, "seed": 0, "seconds": 0.1234}
    baseline = Representation("tfidf", "", "none", noise(5))
    rows = [
        score_row(lm(noise(5)), Interval(0.1 + 0.2, 0.25, 1 / 3), metric="v_measure", **options),
        score_row(baseline, Interval(0.5, 0.5, 0.5), metric="v_measure", **options),
    ]
    return to_frame(rows)


def test_columns_stand_in_the_documented_order(table):
    assert list(table.columns) == COLUMNS
    assert ",".join(COLUMNS) == "corpus,task,method,pooling,postprocess,metric,value,ci_low,ci_high,n,seed,seconds"


def test_round_trip_keeps_every_bit_and_the_empty_pooling(table, tmp_path):
    write_scores(table, tmp_path / "scores.csv")
    again = read_scores(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert again["pooling"].tolist() == ["mean", ""]
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_any_number_comes_back_to_the_last_bit(table, tmp_path, numbers):
    table.loc[0, ["ci_low", "value", "ci_high"]] = sorted(numbers)
    write_scores(table, tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(read_scores(tmp_path / "scores.csv"), table, check_exact=True)


def test_text_in_place_of_a_number_is_refused(table, tmp_path):
    write_scores(table, tmp_path / "scores.csv")
    text = (tmp_path / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_text(text.replace("0.5,0.5,0.5", "0.5,low,0.5"))
    with pytest.raises(InputError, match="not a score table"):
        read_scores(tmp_path / "scores.csv")


def test_an_empty_table_round_trips(tmp_path):
    write_scores(to_frame([]), tmp_path / "scores.csv")
    assert read_scores(tmp_path / "scores.csv").empty
    assert concatenate([]).empty


def test_concatenate_keeps_a_repeated_row_once_but_refuses_two_values_for_one_thing(table):
    assert len(concatenate([table, table])) == 2
    with pytest.raises(InputError, match="row 2 repeats an earlier row"):
        concatenate([table, table.assign(value=0.3, ci_low=0.2).head(1)])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("task", "sorting", "row 1 has a task that is none of clustering, ranking, classification"),
        ("value", np.nan, "row 1 holds a number that is missing"),
        ("ci_low", np.inf, "row 1 holds a number that is missing or not finite"),
        ("ci_high", 0.1, "row 1 has a value outside its own interval"),
    ],
)
def test_broken_rows_are_named(table, column, value, message):
    table.loc[1, column] = value
    with pytest.raises(InputError, match=message):
        validate_scores(table)


def test_wrong_columns_missing_and_empty_files_are_named(table, tmp_path):
    with pytest.raises(InputError, match="columns are"):
        validate_scores(table.drop(columns="seed"))
    with pytest.raises(InputError, match="no such file"):
        read_scores(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="not a score table"):
        read_scores(tmp_path / "empty.csv")


def test_names_of_representations():
    assert lm(noise(3)).name == "mean"
    assert Representation("tfidf", "", "none", noise(3)).name == "tfidf"
    record = FitRecord("whiten", frozenset({"d1"}))
    processed = lm(noise(3)).with_vectors(noise(3, seed=1), postprocess="whiten", record=record)
    assert processed.name == "mean + whiten"
    assert processed.fitted == (record,)


def test_vectors_made_by_a_function_are_made_at_each_use_and_cut_late():
    made = []

    def make():
        made.append(1)
        return noise(4)

    late = Representation("lm", "mean", "none", make)
    part = late.rows(slice(1, 3))
    assert not made
    np.testing.assert_array_equal(part.vectors, noise(4)[1:3])
    np.testing.assert_array_equal(late.vectors, noise(4))
    assert len(made) == 2
    record = FitRecord("language model", frozenset({"d1"}))
    assert late.with_record(record).fitted == (record,)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_vectors_that_are_constant_or_not_finite_are_refused(kind):
    make = sparse.csr_matrix if kind == "sparse" else np.asarray
    broken = noise(6)
    broken[[2, 4], 1] = [np.nan, np.inf]
    with pytest.raises(InputError, match="2 vectors hold nan or infinity, the first in row 2"):
        check_vectors(make(broken))
    with pytest.raises(InputError, match="every document has the same vector"):
        check_vectors(make(np.ones((4, 3), np.float32)))
    check_vectors(make(noise(6)))


def test_vectors_of_the_wrong_shape_or_number_and_twice_the_same_name_are_refused():
    with pytest.raises(InputError, match="expected a matrix"):
        check_vectors(np.ones(3))
    with pytest.raises(InputError, match="3 vectors for 4 documents"):
        check_vectors(noise(3), n=4)
    with pytest.raises(InputError, match="'mean' is there twice"):
        check_names([lm(noise(3)), lm(noise(3))])
    with pytest.raises(InputError, match="got none"):
        check_names([])
    with pytest.raises(InputError, match="mean: 3 vectors for 4 documents"):
        checked_vectors(lm(noise(3)), 4)


def test_what_comes_as_it_is_are_the_model_s_own_vectors_and_the_baselines():
    steps = ("none", "l2", "idf", "whiten")
    made = [Representation("lm", "mean", step, noise(5)) for step in steps] + [
        Representation("lsa", "", "none", noise(5))
    ]
    assert [r.name for r in unprocessed(made)] == ["mean", "mean + idf", "lsa"]
    options = {"corpus": "tiny", "task": "clustering", "metric": "v_measure", "n": 5, "seed": 0, "seconds": 0.1}
    scores = to_frame([score_row(r, Interval(0.5, 0.4, 0.6), **options) for r in made])
    assert unprocessed_rows(scores)["postprocess"].tolist() == ["none", "idf", "none"]

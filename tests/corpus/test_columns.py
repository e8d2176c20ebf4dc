"""The columns of a corpus's file that are neither text nor label nor id."""

import json
from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.corpus.columns import source_columns, typed
from unpadded.corpus.corpora import load_corpus

ROWS = [
    {"key": "a", "body": "one, two", "stars": 4, "day": "2024-01-31", "shop": "east", "plz": "01069", "none": ""},
    {"key": "b", "body": "three", "stars": 2.5, "day": "2023-12-01", "shop": "", "plz": "80331", "none": ""},
    {"key": "c", "body": "four", "stars": None, "day": "", "shop": "west", "plz": "10115", "none": ""},
]


def written(folder, kind: str):
    path, table = folder / f"reviews.{kind}", pd.DataFrame(ROWS)
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        table.assign(day=pd.to_datetime(table.day)).to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_numbers_dates_and_categories(tmp_path, kind):
    found = source_columns(written(tmp_path, kind), text="body", id="key")
    assert list(found.columns) == ["stars", "day", "shop", "plz"]
    assert found.index.tolist() == ["a", "b", "c"]
    pd.testing.assert_series_equal(found.stars, pd.Series([4, 2.5, None], found.index, name="stars"))
    assert found.day.tolist() == [pd.Timestamp("2024-01-31"), pd.Timestamp("2023-12-01"), pd.NaT]
    assert found.shop.tolist()[::2] == ["east", "west"]
    assert pd.isna(found.shop.iloc[1])
    assert found.plz.tolist() == ["01069", "80331", "10115"]


def test_a_sample_of_rows_without_ids_finds_its_own_values(tmp_path):
    path = tmp_path / "many.csv"
    pd.DataFrame({"text": [f"text {i}" for i in range(40)], "number": range(40)}).to_csv(path, index=False)
    corpus = load_corpus(str(path), n_documents=7, seed=3)
    found = source_columns(path).reindex(corpus.ids)
    assert [f"text {number:.0f}" for number in found.number] == corpus.texts


def test_a_beir_folder_has_the_columns_of_its_documents(tmp_path):
    rows = [
        {"_id": "x", "title": "T", "text": "t", "year": 1999, "metadata": {"venue": "A"}},
        {"_id": "y", "text": "u"},
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "queries.jsonl").write_text("")
    found = source_columns(tmp_path)
    assert list(found.columns) == ["venue", "year"]
    assert found.loc["x"].tolist() == ["A", 1999]
    assert found.loc["y"].isna().all()


def test_what_has_no_columns_gives_none(tmp_path):
    (tmp_path / "topic").mkdir()
    (tmp_path / "topic" / "a.txt").write_text("text")
    assert source_columns(tmp_path).empty
    assert source_columns("newsgroups").empty
    (tmp_path / "bare.csv").write_text("text\nwords of a text\n")
    assert not source_columns(tmp_path / "bare.csv").columns.size
    with pytest.raises(InputError, match="has no column 'body'"):
        source_columns(tmp_path / "bare.csv", text="body")


def test_what_is_no_number_and_no_date_is_a_category():
    assert typed(["01/02/2024", "03/04/2024"]).tolist() == ["01/02/2024", "03/04/2024"]  # which is the month?
    assert typed(["01/02/2024", "31/12/2024"]).tolist() == [pd.Timestamp(2024, 2, 1), pd.Timestamp(2024, 12, 31)]
    assert typed([date(2024, 2, 1), None]).tolist() == [pd.Timestamp(2024, 2, 1), pd.NaT]
    assert typed(["2024-01-01T10:00:00+02:00"]).tolist() == [pd.Timestamp("2024-01-01T08:00:00")]
    assert typed([True, False]).tolist() == ["True", "False"]
    assert typed([["a", "b"], [], {"k": 1}]).tolist()[::2] == ["a, b", '{"k": 1}']
    assert typed(["1", "two"]).tolist() == ["1", "two"]


@given(st.lists(st.none() | st.text(max_size=5) | st.integers() | st.floats() | st.booleans(), max_size=6))
def test_any_values_become_a_column_of_one_kind(values):
    found = typed(values)
    assert len(found) == len(values)
    kind = found.dtype.kind
    assert kind in "fMO"
    assert kind != "O" or all(isinstance(value, str) for value in found.dropna())


def test_a_folder_of_one_table_a_part_has_the_columns_of_all_of_them(tmp_path):
    pd.DataFrame({"text": ["a", "b"], "year": [1, 2]}).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"text": ["c"], "shop": ["east"]}).to_csv(tmp_path / "test.csv", index=False)
    found = source_columns(tmp_path).reindex(load_corpus(str(tmp_path)).ids)
    assert found.year.dropna().tolist() == [1, 2]
    assert found.shop.dropna().to_dict() == {"test/1": "east"}

"""Columns as colours and filters, and what was selected taken along."""

import json

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_run import make_run, other_columns
from unpadded.common.errors import InputError
from unpadded.corpus.corpora import load_corpus
from unpadded.corpus.corpus import Corpus
from unpadded.explore.colours import GREY, MOST_CATEGORIES, STEPS, colouring, is_telling
from unpadded.explore.data import Explorable
from unpadded.explore.explorer import Explorer
from unpadded.explore.panels.colours import ALL
from unpadded.explore.panels.filters import FilterPanel
from unpadded.explore.panels.names import NONE, TOPICS, WORDS, NamePanel
from unpadded.explore.selection import selection_frame, write_selection


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, tiny_corpus, tiny_model):
    folder = tmp_path_factory.mktemp("selected")
    make_run(folder / "tiny", tiny_corpus, tiny_model)
    return folder


@pytest.fixture(scope="module")
def data(outputs) -> Explorable:
    return Explorable.open(outputs / "tiny")


@pytest.fixture
def explorer(outputs) -> Explorer:
    return Explorer(outputs=outputs)


def test_the_files_own_columns_are_there_with_their_kinds(data):
    expected = other_columns(len(data))
    assert list(data.columns) == ["stars", "day", "shop"]
    np.testing.assert_array_equal(data.columns.stars, np.array(expected["stars"], float))
    assert data.columns.day.tolist() == [pd.NaT if day is None else pd.Timestamp(day) for day in expected["day"]]
    assert [None if pd.isna(shop) else shop for shop in data.columns.shop] == expected["shop"]


@pytest.mark.parametrize("name", ["stars", "day", "shop"])
def test_a_column_colours_every_map_and_its_counts_are_those_of_the_maps(explorer, name):
    maps = explorer.panels["maps"]
    maps.colours.colour.value = name
    values = maps.data.columns[name].iloc[maps.points["row"]]
    found = maps.colours._shown
    assert sum(found.counts.values()) == len(values)
    assert found.counts["missing"] == values.isna().sum()
    assert found.colours["missing"] == GREY
    assert f">{found.counts['missing']}</span>" in maps.colours.legend.value
    if name == "shop":
        assert found.counts == {**values.value_counts().to_dict(), "missing": values.isna().sum()}
    else:
        assert len(found.colours) == STEPS + 1
    (palette,) = {str(scatter.widget.color) for scatter in maps.scatters.values()}
    assert palette.count("[") == len(found.colours) + 1


def test_steps_are_in_order_and_hold_what_their_names_say():
    values = pd.Series([*np.random.default_rng(0).lognormal(size=500), np.nan, np.inf])
    found = colouring(values)
    assert list(found.colours)[-1] == "missing"
    assert found.counts["missing"] == 2
    for name in list(found.colours)[:-1]:
        low, high = map(float, name.split(" to "))
        inside = values[found.names == name]
        assert low * 0.999 <= inside.min()
        assert inside.max() <= high * 1.001
    few = colouring(pd.Series([3.0, 1.0, 2.0, 1.0]))
    assert few.counts == {"1": 2, "2": 1, "3": 1}


def test_categories_beyond_the_most_frequent_are_one():
    values = pd.Series([f"c{i:02d}" for i in range(30) for _ in range(40 - i)])
    found = colouring(values)
    assert list(found.colours)[-1] == "other (10 values)"
    assert len(found.colours) == MOST_CATEGORIES + 1
    assert found.counts["other (10 values)"] == sum(40 - i for i in range(20, 30))
    assert not is_telling(pd.Series(["a", "b", "c"]))
    assert not is_telling(pd.Series(["a", "a", None]))
    assert is_telling(pd.Series(["a", "a", "b"]))


@given(st.lists(st.floats() | st.none(), min_size=1, max_size=40))
def test_any_numbers_have_colours(values):
    found = colouring(pd.Series(values, dtype=float))
    assert set(found.names) <= set(found.colours)
    assert sum(found.counts.values()) == len(values)


def test_one_name_is_shown_against_the_rest(explorer):
    colours = explorer.panels["maps"].colours
    assert colours.alone.options == (ALL, "food", "space", "sport")
    colours.alone.value = "space"
    assert colours.legend.value.count(GREY) == 2
    colours.colour.value = "shop"
    assert colours.alone.value == ALL


def test_names_stand_over_every_map_where_the_documents_are(explorer):
    """Of the topics that lie together; of regions with words that their documents hold; of none."""
    maps = explorer.panels["maps"]
    assert maps.names.kind.options == (TOPICS, WORDS, NONE)
    for pooling in maps.scatters:
        assert maps.points[f"name of {TOPICS}, {pooling}, scale 0"].isna().all()  # no topic lies together
    maps.points[["mean_x", "mean_y"]] = np.random.default_rng(0).standard_normal((45, 2))
    maps.points.loc[maps.points.topic == "food", "mean_x"] += 20
    names = NamePanel(maps.data, maps.points.filter(regex="^(?!name of )"), {"mean": maps.scatters["mean"]})
    topics = names._points[f"name of {TOPICS}, mean, scale 0"]
    assert set(topics[maps.points.topic == "food"]) == {"food"}
    assert "food" not in set(topics[maps.points.topic != "food"])
    maps.names.kind.value = WORDS
    texts = " ".join(maps.data.corpus.texts)
    for pooling, scatter in maps.scatters.items():
        columns = maps.points.filter(like=f"name of {WORDS}, {pooling}, scale ")
        names = set(columns.stack().dropna())
        assert names
        assert set(scatter.widget.labels["label"]) <= names
        assert set(columns.iloc[:, 0].dropna()) & set(scatter.widget.labels["label"])
        assert all(word in texts for name in names for word in name.split(", "))
    maps.names.kind.value = NONE
    assert all(scatter.widget.labels is None for scatter in maps.scatters.values())


def test_filters_hold_together_and_hide_what_does_not_pass(explorer):
    maps = explorer.panels["maps"]
    filters, table = maps.filters, maps.data.columns
    filters.column.value = "shop"
    control = filters.control("shop")
    assert {name: label for label, name in control.options} == {
        "east": "east (45)", "missing": "missing (22)", "west": "west (23)",
    }  # fmt: skip
    control.value = ("east", "missing")
    day = filters.control("day")
    day.index = (10, 30)
    low, high = (pd.Timestamp(day.stops[place]) for place in day.index)
    expected = (table.shop.isna() | (table.shop == "east")) & (table.day >= low) & (table.day <= high)
    np.testing.assert_array_equal(filters.kept, expected)
    assert maps.chosen.tolist() == np.flatnonzero(expected).tolist()
    shown = maps.points["row"].to_numpy()[maps.scatters["mean"].widget.filter]
    assert shown.tolist() == [row for row in np.flatnonzero(expected) if row % 2 == 0]
    assert f"{expected.sum()} of 90 documents pass: shop, day" in filters._about.value
    maps.scatters["max"].widget.selection = np.arange(12, dtype=np.uint32)
    assert maps.chosen.tolist() == [row for row in range(0, 24, 2) if expected[row]]
    filters.clear.click()
    assert all(scatter.widget.filter is None for scatter in maps.scatters.values())
    assert not filters.active


def test_long_and_all_different_texts_are_filtered_by_words():
    values = pd.Series(["www.a.org", "WWW.B.ORG", None])
    panel = FilterPanel({"link": values}, n_documents=3, then=lambda: None)
    assert isinstance(panel.control("link"), ipywidgets.Text)
    panel.control("link").value = "b.org"
    assert panel.kept.tolist() == [False, True, False]


@pytest.mark.parametrize("name", ["some.csv", "some.jsonl"])
def test_a_selection_is_a_corpus_that_the_reader_reads_back(explorer, tmp_path, name):
    maps, corpus = explorer.panels["maps"], explorer.panels["maps"].data.corpus
    maps.scatters["last"].widget.selection = np.array([4, 1, 9], np.uint32)
    frame = explorer.selection
    assert frame.id.tolist() == [corpus.ids[row] for row in (8, 2, 18)]
    assert frame.text.tolist() == [corpus.texts[row] for row in (8, 2, 18)]
    assert list(frame.columns) == ["id", "text", "label", "stars", "day", "shop"]
    maps.taken.path.value = str(tmp_path / name)
    maps.taken.button.click()
    assert f"3 documents: <code>unpadded run --corpus {tmp_path / name}" in maps.taken.about.value
    found = load_corpus(str(tmp_path / name))
    assert (found.ids, found.texts, found.labels) == (frame.id.tolist(), frame.text.tolist(), frame.label.tolist())


def test_what_cannot_be_saved_is_said(explorer, tmp_path):
    maps = explorer.panels["maps"]
    maps.taken.button.click()
    assert "No document is selected" in maps.taken.about.value
    assert explorer.selection.empty
    maps.select([0, 2])
    for name, message in {"x.txt": "neither in .csv nor in .jsonl", "no/x.csv": "is not there: make it"}.items():
        maps.taken.path.value = str(tmp_path / name)
        maps.taken.button.click()
        assert message in maps.taken.about.value
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="No document"):
        write_selection(maps.data, [], tmp_path / "x.csv")


class Opened:
    """What of an opened corpus a selection needs."""

    def __init__(self, corpus: Corpus, columns: pd.DataFrame):
        self.corpus, self.columns = corpus, columns


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@given(texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=1, max_size=5))
def test_any_texts_come_back(tmp_path_factory, ending, texts):
    path = tmp_path_factory.mktemp("texts") / f"selection.{ending}"
    labels = [None, "a", "b, c", 'd "e"', "f\ng"][: len(texts)]
    corpus = Corpus("any", [f"id {i}" for i in range(len(texts))], texts, labels=labels)
    write_selection(Opened(corpus, pd.DataFrame({"label": range(len(texts))}, dtype=float)), range(len(texts)), path)
    found = Corpus.load(path)
    assert (found.ids, found.texts) == (corpus.ids, corpus.texts)
    assert found.labels == (labels if any(labels) else None)


def test_a_split_goes_along_where_there_is_something_to_learn_from(tmp_path):
    corpus = Corpus("any", ["1", "2"], ["one", "two"], split=["train", "test"])
    opened = Opened(corpus, pd.DataFrame({"split": corpus.split, "text": ["x", "y"]}))
    assert list(selection_frame(opened, [0, 1]).columns) == ["id", "text", "split", "source_text"]
    write_selection(opened, [1, 0], tmp_path / "both.jsonl")
    assert load_corpus(str(tmp_path / "both.jsonl")).split == ["test", "train"]
    write_selection(opened, [1], tmp_path / "test.jsonl")
    assert load_corpus(str(tmp_path / "test.jsonl")).split is None
    assert json.loads((tmp_path / "test.jsonl").read_text()) == {"id": "2", "text": "two", "source_text": "y"}

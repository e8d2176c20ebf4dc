"""Further corpora of a run: a list of names and paths, found from the notebooks' folder, refused in one sentence."""

import os

import pytest

from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.corpus.corpora import fingerprints, load_also, relocated
from unpadded.corpus.corpus import Corpus


@pytest.fixture
def two_files(tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\nthe {name},a\nanother,b\n")
    return tmp_path


def test_a_list_is_loaded_in_order_from_another_folder(two_files):
    found = load_also(" first.csv, second.csv,", beside="main", root=two_files)
    assert [corpus.name for corpus in found] == ["first", "second"]
    assert found[0].texts == ["the first", "another"]
    assert load_also("") == []


def test_paths_are_given_as_the_notebooks_reach_them(two_files, monkeypatch):
    monkeypatch.chdir(two_files)
    (two_files / "notebooks").mkdir()
    assert relocated("first.csv,lee", "notebooks") == f"{os.path.join('..', 'first.csv')},lee"


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ("first.csv,nowhere.csv", "also: .*nowhere.csv.* is neither a file or folder that exists nor a named dataset"),
        ("first.csv,first.csv", "two corpora are called 'first'"),
        ("main.csv", "two corpora are called 'main'"),
    ],
)
def test_a_missing_path_and_two_of_one_name_are_refused(two_files, also, message):
    (two_files / "main.csv").write_text("text\nx\n")
    with pytest.raises(InputError, match=message):
        load_also(also, beside="main", root=two_files)


def test_a_runs_key_follows_the_content_of_its_further_corpora(two_files):
    before = fingerprints("first.csv", beside="main", root=two_files)
    assert before == fingerprints("first.csv", beside="main", root=two_files)
    fingerprints.cache_clear()
    (two_files / "first.csv").write_text("text,label\nchanged,a\nanother,b\n")
    assert before != fingerprints("first.csv", beside="main", root=two_files)


def test_the_command_line_refuses_a_missing_corpus_before_anything_runs(two_files, capsys, monkeypatch):
    monkeypatch.chdir(two_files)
    assert main(["run", "--corpus", "first.csv", "--also", "nowhere", "--output", "out"]) == 2
    error = capsys.readouterr().err
    assert "'nowhere'" in error
    assert error.count("\n") == 1
    assert not (two_files / "out").exists()


def test_a_path_that_exists_wins_over_a_datasets_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for topic in ("pos", "neg"):
        (tmp_path / "imdb" / topic).mkdir(parents=True)
        (tmp_path / "imdb" / topic / "1.txt").write_text(f"my own {topic}")
    assert Corpus.load("imdb").texts == ["my own neg", "my own pos"]
    assert load_also("imdb")[0].texts == ["my own neg", "my own pos"]
    (tmp_path / "notebooks").mkdir()
    assert relocated("imdb,lee", "notebooks") == f"{os.path.join('..', 'imdb')},lee"

"""A study is opened from what its run recorded, from what is given, or from both."""

import shutil
from dataclasses import replace

import pytest

from unpadded.common.errors import InputError
from unpadded.common.files import write_json
from unpadded.runs import study as study_module
from unpadded.runs.study import RECORD, Study, recorded_settings
from unpadded.tokens.tokenized import tokenize


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "here" / "reviews.csv"
    path.parent.mkdir()
    rows = [f"the text of {i},{'ab'[i % 2]},n{i}" for i in range(9)]
    path.write_text("\n".join(["body,topic,name", *rows]))
    return path


COLUMNS = {"text": "body", "label": "topic", "id": "name"}


def test_a_run_says_what_it_is_about(table, tmp_path, monkeypatch):
    """Wherever the run is opened from, and whatever was sampled."""
    run = tmp_path / "outputs" / "mine"
    monkeypatch.chdir(table.parent)
    first = Study.open("../outputs/mine", corpus="reviews.csv", **COLUMNS, n_documents=6, seed=3)
    assert (len(first.documents), first.seed, first.others) == (6, 3, [])
    first.record()
    assert str(tmp_path) not in (run / RECORD).read_text()
    monkeypatch.chdir(tmp_path)
    again = Study.open(run)
    assert again.documents.fingerprint == first.documents.fingerprint
    assert again.documents.labels is not None
    assert again.seed == 3
    assert (
        Study.open(run, **dict.fromkeys(("text",), "text"), label="", n_documents=0, seed=0).documents.ids
        == first.documents.ids
    )


def test_what_is_given_counts_for_more_than_what_is_recorded(table, tmp_path):
    run = tmp_path / "run"
    Study.open(run, corpus=str(table), **COLUMNS, n_documents=6).record()
    assert Study.open(run, label="-").documents.labels is None
    assert len(Study.open(run, n_documents=4, seed=1).documents) == 4
    other = tmp_path / "other.csv"
    other.write_text("text\none\ntwo\nthree\n")
    assert Study.open(run, corpus=str(other)).documents.texts == [
        "one",
        "two",
        "three",
    ]  # with no column of the record's


def test_a_record_that_is_linked_elsewhere_leads_to_the_same_documents(table, tmp_path):
    stage, point = tmp_path / "stages" / "01", tmp_path / "runs" / "deep" / "point"
    study = Study.open(stage, corpus=str(table), **COLUMNS)
    study.record()
    point.mkdir(parents=True)
    (point / RECORD).symlink_to(stage / RECORD)
    assert Study.open(point).documents.ids == study.documents.ids


def test_runs_of_earlier_versions_say_it_in_their_summary(table, tmp_path, monkeypatch):
    run = tmp_path / "run"
    parameters = {"run": "../run", "corpus": "../here/reviews.csv", **COLUMNS, "also": "lee", "epochs": 2}
    write_json(run / "run.json", {"stages": {"01_train_language_model": {"seconds": 1, "parameters": parameters}}})
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert recorded_settings(run) == {"corpus": "../here/reviews.csv", **COLUMNS}
    assert len(Study.open(run).documents) == 9


def test_a_folder_that_was_copied_elsewhere_says_it_in_its_summary(table, tmp_path, monkeypatch):
    """As a clone's notebooks see the corpus, from wherever the study is opened."""
    run = tmp_path / "run"
    Study.open(run, corpus=str(table), **COLUMNS).record()
    monkeypatch.setattr(study_module, "NOTEBOOKS", tmp_path / "notebooks")
    parameters = {"corpus": "../here/reviews.csv", **COLUMNS}
    write_json(run / "run.json", {"stages": {"02_extract_embeddings": {"seconds": 1, "parameters": parameters}}})
    copy = shutil.copytree(run, tmp_path / "far" / "away" / "run")
    (tmp_path / "notebooks").mkdir()
    for folder in (tmp_path, tmp_path / "notebooks", tmp_path / "here"):
        monkeypatch.chdir(folder)
        assert len(Study.open(copy).documents) == 9
    (copy / "run.json").unlink()
    with pytest.raises(InputError, match=r"reviews\.csv' is neither a file"):
        Study.open(copy)


def test_a_named_dataset_is_recorded_by_its_name(table, tmp_path):
    study = Study.open(tmp_path / "run", corpus=str(table), **COLUMNS)
    replace(study, settings={**study.settings, "corpus": "newsgroups"}).record()
    assert recorded_settings(tmp_path / "run") == {**study.settings, "corpus": "newsgroups"}


def test_nothing_recorded_and_nothing_given_is_said(tmp_path, table):
    with pytest.raises(InputError, match="does not say which documents it is about: give `corpus`"):
        Study.open(tmp_path / "new")
    with pytest.raises(InputError, match="'colour' is no setting: give some of text, label"):
        Study.open(tmp_path / "new", corpus=str(table), colour="red")


def test_its_model_and_tokens_are_the_runs(table, tmp_path, tiny_model):
    tiny_model.save(tmp_path / "run" / "language_model")
    other = tmp_path / "also.csv"
    other.write_text("text\nthe rocket\nthe moon\n")
    study = Study.open(tmp_path / "run", corpus=str(table), **COLUMNS, also=str(other))
    assert list(study.corpora) == list(study.tokens) == ["reviews", "also"]
    assert study.lm.fingerprint == tiny_model.fingerprint
    expected = tokenize(["the rocket", "the moon"], tiny_model.tokenizer)
    assert [list(document) for document in study.tokens["also"]] == [list(document) for document in expected]

"""How a file is read, said on the command line: the same options for a run and for vectors alone."""

import json

import pytest

from unpadded.cli.main import main
from unpadded.corpus.corpora import load_corpus
from unpadded.embeddings.store import Embeddings

TEXTS = ["первый фильм", "вторая книга", "третий матч", "ещё один фильм"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """No heading, an unusual delimiter, a code page that cannot be found out."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{('a', 'b')[i % 2]}~{text}" for i, text in enumerate(TEXTS)]
    (tmp_path / "t.csv").write_bytes("\r\n".join(rows).encode("cp1251"))
    return tmp_path / "t.csv"


OPTIONS = ["--encoding", "cp1251", "--delimiter", "~", "--no-heading", "--text", "2"]


def test_a_run_reads_a_table_as_it_is_told(table, capsys):
    asked = ["run", "--profile", "smoke", "--corpus", "t.csv", "--output", "out", "--check"]
    assert main([*asked, *OPTIONS, "--label", "1"]) == 0
    said = capsys.readouterr().out
    assert all(text in said for text in TEXTS)
    assert "topics: 2: a 2, b 2" in said
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "is not utf-8 at byte 2" in said
    assert "--encoding" in said
    assert said.count("\n") == 1


def test_vectors_read_a_table_as_they_are_told_and_ask_for_no_labels(table, tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    arguments = ["embed", "--model", "model", "--input", "t.csv", "--output", "out", "--pooling", "mean", *OPTIONS]
    assert main(arguments) == 0
    assert len(Embeddings.open(tmp_path / "out")) == len(TEXTS)
    for number, labels in enumerate((["x", None], [["x"], ["y"]], [None, None])):
        rows = [json.dumps({"text": "a", "label": label}) for label in labels]
        (tmp_path / "u.jsonl").write_text("\n".join(rows))
        assert (
            main(["embed", "--model", "model", "--input", "u.jsonl", "--output", f"out{number}", "--pooling", "mean"])
            == 0
        )


def test_a_run_does_without_topics_where_the_label_is_empty(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("text,label\none thing,a\nanother,\nthird,b\n")
    assert main(["run", "--profile", "smoke", "--corpus", "t.csv", "--output", "out", "--check", "--label", ""]) == 0
    said = capsys.readouterr().out
    assert "topics: none" in said
    assert "06_clustering: the corpus has no two topics" in said
    assert load_corpus("t.csv").labels == ["a", None, "b"]
    assert load_corpus("t.csv", label="-").labels is None


def test_vectors_ask_for_no_parts_either(tiny_model, tmp_path, capsys):
    tiny_model.save(tmp_path / "model")
    (tmp_path / "c.csv").write_text("text,split\nbread and salt,train\na match,\n")
    arguments = ["embed", "--model", str(tmp_path / "model"), "--input", str(tmp_path / "c.csv")]
    assert main([*arguments, "--output", str(tmp_path / "vectors"), "--pooling", "mean"]) == 0
    assert capsys.readouterr().out.startswith("2 documents")

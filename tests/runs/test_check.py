"""Look before you leap: what cannot be measured is known, with its reason, before anything is trained."""

import json
from pathlib import Path

import pandas as pd
import pytest

from conftest import make_texts
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.runs.check import in_line, in_words
from unpadded.runs.needs import NEEDS, lacking, left_out
from unpadded.runs.profiles import STAGES

TEXTS = [f"text number {i}" for i in range(6)]
STUDIES = [stage.name for stage in STAGES[:5]]


def corpus(labels=None, split=None, texts=TEXTS, **fields) -> Corpus:
    ids = [f"d{i}" for i in range(len(texts))]
    return Corpus("mine", ids, list(texts), labels=labels, split=split, **fields)


@pytest.mark.parametrize(
    ("need", "documents", "lacks"),
    [
        ("topics", corpus(), "no two topics"),
        ("topics", corpus(list("aaaaaa")), "no two topics"),
        ("topics", corpus(list("abcdef")), "no two topics with two different documents each"),
        ("topics", corpus(list("aaaabc")), "no two topics with two different documents each"),
        ("topics", corpus(list("aabb"), texts=["same"] * 4), "no two topics with two different documents each"),
        ("topics", corpus(list("aabbcd")), ""),
        ("held-out topics", corpus(list("aaabbb")), ""),
        ("held-out topics", corpus(list("abcdef")), "no two topics"),
        ("held-out topics", corpus(list("aabbab"), ["train"] * 6), ""),  # the test is drawn from them
        ("held-out topics", corpus(list("aabbbb"), ["train"] * 2 + ["test"] * 4), "no two topics in its training part"),
        ("held-out topics", corpus(list("aabbcc"), ["train"] * 4 + ["test"] * 2), "of a topic that is in training"),
        ("held-out topics", corpus(list("aabbab"), ["train"] * 4 + ["test"] * 2), ""),
        ("documents", corpus(texts=["one", "", " "]), "no two documents with text"),
        ("documents", corpus(texts=["one", "two"]), ""),
        ("queries", corpus(), "no judged queries"),
        ("queries", corpus(queries={"q": "what"}, relevance={"q": {"d1": 1}}), ""),
        ("ratings", corpus(), "no ratings"),
    ],
)
def test_needs_say_what_is_lacking(need, documents, lacks):
    reason = NEEDS[need](documents)
    assert (lacks in reason) if lacks else reason == ""


def test_one_of_several_needs_is_enough():
    judged = corpus(queries={"q": "what"}, relevance={"q": {"d1": 1}})
    assert lacking("topics|queries|ratings", judged) == ""
    assert lacking("topics|queries|ratings", corpus()) == "the corpus has no two topics, no judged queries, no ratings"


def test_every_stage_asks_for_what_is_known():
    assert {name for stage in STAGES for name in stage.asks.split("|")} == set(NEEDS)


def test_what_reads_only_what_is_left_out_is_left_out():
    no_comparison = [stage for stage in STAGES if stage.name in ("01_train_language_model", "06_clustering")]
    assert list(left_out(no_comparison, corpus())) == ["06_clustering"]
    judged = corpus(queries={"q": "what"}, relevance={"q": {"d1": 1}})
    assert list(left_out(STAGES, judged)) == ["06_clustering", "08_classification"]
    with pytest.raises(InputError, match=r"Nothing can be done with the corpus 'mine'.*: give another\."):
        left_out(STAGES, corpus(texts=["one"]))


@pytest.fixture
def table(tmp_path) -> Path:
    texts, labels = make_texts(30)
    rows = {"text": [f"{text}\n\x1b[31m{'long ' * 40}" for text in texts], "label": [*labels[:-1], "once"]}
    pd.DataFrame(rows).to_csv(tmp_path / "reviews.csv", index=False)
    return tmp_path / "reviews.csv"


def check(capsys, *arguments: str) -> str:
    assert main(["run", "--check", *arguments]) == 0
    return capsys.readouterr().out


def test_check_says_what_would_happen_and_writes_nothing(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("UNPADDED_DATA", str(tmp_path / "data"))
    before = sorted(tmp_path.rglob("*"))
    said = check(capsys, "--corpus", str(table), "--profile", "smoke", "--output", str(tmp_path / "run"))
    assert sorted(tmp_path.rglob("*")) == before
    assert "corpus reviews: 30 documents" in said
    assert "queries: none" in said
    assert "topics: 4: space 10, food 10, sport 9, once 1" in said
    lines = said.splitlines()
    examples = lines[lines.index("  examples:") + 1 :][:5]
    assert all(len(line) < 160 and line.endswith("…") and "\x1b" not in line for line in examples)
    assert [line.strip() for line in lines if line.startswith(("  0", "  10"))] == [stage.name for stage in STAGES]
    assert "left out" not in said
    assert "minutes on two free cores" in said
    assert lines[-1] == "nothing was executed or written"


def test_check_says_what_is_left_out_and_why(tmp_path, capsys):
    texts, _ = make_texts(700)
    pd.DataFrame({"text": [*texts, texts[0]], "label": [f"topic {i}" for i in range(701)]}).to_csv(
        tmp_path / "odd.csv", index=False
    )
    said = check(capsys, "--corpus", str(tmp_path / "odd.csv"), "--profile", "smoke", "--output", str(tmp_path / "run"))
    assert "this profile takes 400 of them" in said
    assert "06_clustering: the corpus has no two topics with two different documents each" in said
    assert "and 695 more" in said
    assert "note: kept" in said


def test_check_names_the_studies_that_would_have_to_be_asked_for(table, tmp_path, capsys):
    asked = ["--corpus", str(table), "--output", str(tmp_path / "run")]
    assert check(capsys, *asked).count(": only with --studies") == 3
    assert "only with" not in check(capsys, *asked, "--studies")


def test_check_refuses_what_a_run_refuses(table, tmp_path, capsys):
    assert main(["run", "--check", "--corpus", str(table), "-p", "06_clustering.n_seed=3"]) == 2
    assert "did you mean n_seeds" in capsys.readouterr().err
    assert main(["run", "--check", "--corpus", str(tmp_path / "nowhere.csv")]) == 2


def test_an_output_that_is_a_file_and_an_empty_name_are_refused_before_anything_runs(table, tmp_path, capsys):
    for output in (table, table / "below"):
        assert main(["run", "--check", "--corpus", str(table), "--output", str(output)]) == 2
        said = capsys.readouterr().err
        assert f"{output} cannot be a folder, because {table} is a file: give another --output." in said
    assert main(["run", "--check", "--corpus", "", "--output", str(tmp_path / "run")]) == 2  # not the present folder
    assert "'' is neither a file or folder that exists" in capsys.readouterr().err


def test_an_output_among_the_documents_is_refused(tmp_path, capsys, monkeypatch):
    for topic in ("a", "b"):
        (tmp_path / topic).mkdir()
        (tmp_path / topic / "1.txt").write_text("some text")
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["run", "--check", "--corpus", "."],
        ["embed", "--model", "none", "--input", ".", "--output", "x"],
    ):
        assert main(arguments) == 2
        assert "lies in the folder ., whose files are the documents: give another --output" in capsys.readouterr().err
    assert main(["run", "--check", "--corpus", "a", "--output", "out"]) == 2  # beside it, as far as that goes
    assert "Nothing can be done" in capsys.readouterr().err


def test_check_of_queries(tmp_path, capsys):
    folder = tmp_path / "judged"
    (folder / "qrels").mkdir(parents=True)
    texts, _ = make_texts(20)
    (folder / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"d{i}", "text": t}) for i, t in enumerate(texts))
    )
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "what"}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq1\td1\t0\n")
    said = check(capsys, "--corpus", str(folder), "--output", str(tmp_path / "run"))
    assert "queries: 1 query, 2 judgments" in said
    assert "topics: none" in said


def test_times_and_texts_in_words():
    assert in_words(0) == "nothing is left to do"
    assert [in_words(s)[:15] for s in (30, 540, 9000)] == ["about a minute ", "about 9 minutes", "about 2.5 hours"]
    assert in_line("a\n\tb\u202e\u0000c", 10) == "a b c"
    assert in_line("x" * 30, 10) == "x" * 9 + "…"

"""Runs through the command line, as a user starts them: real notebooks, real kernels (killed: test_killed_runs.py)."""

import errno
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from conftest import make_texts
from notebook_cells import leave_kernels_out, run_cells
from smoke_run import command, comparable, copied, run_here
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.evaluation.choice.recommended import recommended_name
from unpadded.evaluation.scores import COLUMNS
from unpadded.model.language_model import LanguageModel
from unpadded.runs import notebook as execution
from unpadded.runs.profiles import STAGES
from unpadded.runs.run import CorpusChoice, Run
from unpadded.runs.study import Study

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def beir_corpus(tmp_path_factory) -> Path:
    """A folder in the BEIR layout: each query wants its topic's documents."""
    root = tmp_path_factory.mktemp("corpora") / "judged"
    (root / "qrels").mkdir(parents=True)
    texts, labels = make_texts(90)
    lines = [json.dumps({"_id": f"d{i}", "title": "", "text": f"{t} number{i}"}) for i, t in enumerate(texts)]
    (root / "corpus.jsonl").write_text("\n".join(lines))
    queries, topics = make_texts(12, seed=1)
    (root / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"q{i}", "text": t}) for i, t in enumerate(queries))
    )
    rows = [f"q{i}\td{j}\t1" for i, topic in enumerate(topics) for j, label in enumerate(labels) if label == topic]
    (root / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def finished(shared_run, tmp_path_factory) -> Path:
    """An uninterrupted run."""
    return copied(shared_run, tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_leaves_what_it_should(finished):
    scores = pd.read_csv(finished / "scores.csv", keep_default_na=False)
    assert list(scores.columns) == COLUMNS
    for task in ("clustering", "ranking", "classification"):
        rows = scores[scores.task == task]
        assert {"last", "mean", "max", "concat"} <= set(rows[rows.method == "lm"].pooling)
        assert {"random", "tfidf", "lsa", "input_embeddings"} <= set(rows.method)
    assert scores[["ci_low", "ci_high", "n", "seed"]].notna().all(axis=None)
    assert (scores.ci_low <= scores.value).all()
    assert (scores.value <= scores.ci_high).all()
    for stage in STAGES:
        assert (finished / f"{stage.name}.html").stat().st_size > 10_000
        for cell in nbformat.read(finished / f"{stage.name}.ipynb", as_version=4).cells:
            assert "error" not in [output.output_type for output in cell.get("outputs", [])]
    assert (finished / "language_model" / "weights.safetensors").exists()
    assert len(list((finished / "figures").glob("*.png"))) >= 5


def test_a_notebook_opened_on_a_finished_run_needs_nothing_but_its_folder(finished, folders_corpus):
    given = CorpusChoice(str(folders_corpus), n_documents=400).load()
    assert Study.open(finished).documents.fingerprint == given.fingerprint
    assert Study.open(finished).lm.vocab == LanguageModel.load(finished / "language_model").vocab


def test_what_papermill_puts_in_is_folded_as_the_settings_are(finished):
    for stage in STAGES:
        cells = nbformat.read(finished / f"{stage.name}.ipynb", as_version=4).cells
        settings = [c for c in cells if {"parameters", "injected-parameters"} & set(c.metadata.get("tags", []))]
        assert len(settings) == 2
        assert all(cell.metadata["jupyter"]["source_hidden"] for cell in settings)


def test_the_picture_of_an_answer_is_the_runs_own(finished):
    """Drawn by the notebook's own kernel, long after the cell that shows it first."""
    for stage in STAGES:
        cells = nbformat.read(finished / f"{stage.name}.ipynb", as_version=4).cells
        (lead,) = (cell for cell in cells if "lead" in cell.metadata.get("tags", []))
        assert [set(output.data) >= {"image/png"} for output in lead.outputs] == [True], stage.name


def test_the_front_page_links_only_what_is_there(finished):
    import re
    from urllib.parse import unquote

    page = (finished / "index.html").read_text()
    links = re.findall(r'(?:href|src)="(?!data:)([^"]+)"', page)
    assert len(links) > 10
    assert all((finished / unquote(link)).exists() for link in links)
    assert "v_measure" in page


def test_pages_ask_the_network_for_nothing(finished):
    import re

    for page in finished.glob("*.html"):
        assert not re.findall(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//[^"]+"', page.read_text()), page.name
        assert not re.findall(r'<link[^>]+href="(?:https?:)?//[^"]+"', page.read_text()), page.name


def test_a_second_run_reuses_everything(finished, folders_corpus, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished.glob("*.ipynb")}
    assert run_here(folders_corpus, finished) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.count("reused") == len(STAGES)
    assert {path: path.stat().st_mtime_ns for path in finished.glob("*.ipynb")} == before


def test_a_changed_parameter_reruns_only_what_depends_on_it(finished, folders_corpus, tmp_path, capsys, monkeypatch):
    copy = shutil.copytree(finished, tmp_path / "copy")
    leave_kernels_out(monkeypatch)
    changed = ["-p", "08_classification.postprocesses=l2"]
    assert run_here(folders_corpus, copy, *changed) == 0, capsys.readouterr().err
    reused = [line.split()[1].rstrip(":") for line in capsys.readouterr().out.splitlines() if "reused" in line]
    assert set(reused) == {stage.name for stage in STAGES} - {"08_classification", "09_compare_runs"}
    scores = pd.read_csv(copy / "scores.csv", keep_default_na=False)
    assert "l2" in set(scores[scores.task == "classification"].postprocess)
    assert "l2" not in set(scores[scores.task == "clustering"].postprocess)


def test_a_failing_notebook_leaves_the_others_and_the_page(finished, folders_corpus, tmp_path, capsys, monkeypatch):
    """A clustering of no seeds fails; the command that mends it executes what had no result, and nothing else."""
    copy = shutil.copytree(finished, tmp_path / "copy")
    broken = [*command(folders_corpus, copy), "-p", "06_clustering.n_seeds=0"]
    done = subprocess.run(broken, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "06_clustering failed in cell" in done.stderr
    page = (copy / "index.html").read_text()
    assert "failed in cell" in page
    assert "09_compare_runs: not executed, because 06_clustering failed" in page
    assert set(pd.read_csv(copy / "scores.csv").task) == {"ranking", "classification"}
    leave_kernels_out(monkeypatch)
    assert run_here(folders_corpus, copy) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert said.count("reused") == len(STAGES) - 1  # the comparison is still that of the first run, and as good
    pd.testing.assert_frame_equal(comparable(copy), comparable(finished))
    assert "failed in cell" not in (copy / "index.html").read_text()


def test_another_corpus_in_the_same_folder_moves_the_first_aside(finished, tmp_path, capsys, monkeypatch):
    copy = shutil.copytree(finished, tmp_path / "copy")
    pd.DataFrame({"text": [f"{text} number{i}" for i, text in enumerate(make_texts(60)[0])]}).to_csv(
        tmp_path / "plain.csv"
    )
    leave_kernels_out(monkeypatch)
    assert run_here(tmp_path / "plain.csv", copy) == 0, capsys.readouterr().err
    assert "06_clustering: left out" in capsys.readouterr().out
    assert not (copy / "scores.csv").exists()
    page = (copy / "index.html").read_text()
    assert "What was left out" in page
    assert "v_measure" not in page
    (aside,) = (copy / "earlier").iterdir()
    pd.testing.assert_frame_equal(comparable(aside), comparable(finished))


def test_a_beir_corpus_is_ranked_by_its_judgments(beir_corpus, tmp_path):
    said = run_cells(tmp_path, CorpusChoice(str(beir_corpus)), but=("03", "04", "05"))
    assert {"07_ranking", "09_compare_runs"} <= set(said)
    assert not {"06_clustering", "08_classification"} & set(said)  # left out
    scores = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False)
    assert set(scores.task) == {"ranking"}
    assert {"nDCG@10", "AP", "R@100", "RR@10"} <= set(scores.metric)
    assert {"bm25", "lsa", "random", "lm"} <= set(scores.method)
    ndcg = scores[scores.metric == "nDCG@10"].set_index("method").value
    assert ndcg["bm25"] > ndcg["random"]


def test_a_failing_cell_is_named_and_its_notebook_kept(tmp_path):
    source = tmp_path / "01_fails.ipynb"
    cell = nbformat.v4.new_code_cell("x: int = 1  # a number", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("1 / (x - 2)")])
    notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(notebook, source)
    target = tmp_path / "out" / "01_fails.ipynb"
    with pytest.raises(
        execution.NotebookError, match=r"01_fails\.ipynb failed in cell \d+ \(ZeroDivisionError: division by zero\)"
    ):
        execution.execute(source, target, {"x": 2}, log=tmp_path / "log")
    outputs = [o for c in nbformat.read(target, as_version=4).cells for o in c.get("outputs", [])]
    assert "ZeroDivisionError" in [o.get("ename") for o in outputs]


def test_a_misspelt_parameter_is_refused_with_the_nearest(tmp_path, folders_corpus):
    run = Run(tmp_path / "run", CorpusChoice(str(folders_corpus)), "smoke", {"01_train_language_model": {"epoch": 3}})
    with pytest.raises(InputError, match="no parameter 'epoch': did you mean epochs"):
        run.execute()
    assert not (tmp_path / "run").exists()


def test_two_runs_in_one_folder_do_not_mix(tmp_path, folders_corpus, monkeypatch):
    import fcntl

    from unpadded.runs import run as runs

    monkeypatch.setattr(runs, "LOCK_TIMEOUT", 0.1)
    with open(tmp_path / ".lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="Another run is at work"):
            Run(tmp_path, CorpusChoice(str(folders_corpus)), "smoke").execute()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--corpus", "nowhere.csv"], "nowhere.csv"),
        (["run", "-p", "epochs=3"], "'epochs=3' is not STAGE.NAME=VALUE"),
        (["report", "nowhere"], "holds no executed notebook"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def start_kernels(monkeypatch, *errors) -> list:
    """What the child process does, with `errors` as what its starts of a kernel raise in turn; the starts so far."""
    starts, errors = [], list(errors)

    def execute_notebook(*_, **__):
        starts.append(1)
        if errors:
            raise errors.pop(0)

    # They would change this process, and the copy that is not made.
    for name in ("die_with_parent", "set_defaults", "skip_uri_grammar", "_fold_settings"):
        monkeypatch.setattr(execution, name, lambda *_: None)
    monkeypatch.setattr("papermill.execute_notebook", execute_notebook)
    job = {"notebook": "a.ipynb", "target": "b.ipynb", "parameters": {}, "parent": os.getppid()}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(job)))
    return starts


def test_a_kernel_that_does_not_start_is_tried_once_more(monkeypatch):
    dead = RuntimeError("Kernel died before replying to kernel_info")
    starts = start_kernels(monkeypatch, dead)
    assert execution._child() == 0
    assert len(starts) == 2
    starts = start_kernels(monkeypatch, dead, dead)
    with pytest.raises(RuntimeError, match="Kernel died"):
        execution._child()
    assert len(starts) == 2


def test_only_the_start_of_a_kernel_is_tried_again(monkeypatch):
    starts = start_kernels(monkeypatch, RuntimeError("Kernel died"))
    with pytest.raises(RuntimeError, match="Kernel died"):
        execution._child()
    assert len(starts) == 1


def test_a_full_disk_has_a_status_of_its_own(monkeypatch):
    start_kernels(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    assert execution._child() == execution.NO_ROOM
    start_kernels(monkeypatch, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output error"):
        execution._child()


def test_what_vectors_cost_is_measured_on_a_finished_run(finished):
    costs = runpy.run_path(str(ROOT / "benchmarks" / "vector_cost.py"))["costs"]
    texts = [
        f"{word} and {other} of the {word}" for word in "moon star orbit".split() for other in "soup bread".split()
    ]
    table = costs(finished, texts * 4, turns=1).set_index("vectors")
    assert [*table.index] == [
        "lm_tuned, float32",
        "lm_tuned, auto",
        "wordllama",
        "minilm",
        "lsa, fitted on these documents",
    ]
    assert (table["ms a document"] > 0).all()
    assert table["minutes once"]["lm_tuned, auto"] > 0
    assert np.isnan(table["minutes once"]["minilm"])


def test_what_a_run_recommends_is_tested_against_all_else(finished):
    chosen = recommended_name(finished)
    for name in ("06_clustering", "07_ranking", "08_classification"):
        tests = pd.read_csv(finished / "tests" / f"{name}.csv")
        assert set(tests["first"]) == {chosen}
        assert "tfidf" in set(tests.second)
        assert tests.p_holm.between(0, 1).all()
    assert "lm_bm25" in set(pd.read_csv(finished / "scores" / "07_ranking.csv").method)

"""A stage is reused only where everything that its result depends on is the same: code, versions, models, orders."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from conftest import make_texts
from sweep_tools import execute_here, write_corpus, write_notebooks
from unpadded.common.errors import InputError
from unpadded.report.notebooks import code_of
from unpadded.runs import code as code_module
from unpadded.runs import stage as stage_job
from unpadded.runs.code import LIBRARY, READS, code_key, modules_of, page_key
from unpadded.runs.executing import execute_jobs
from unpadded.runs.run import NOTEBOOKS, CorpusChoice, Run

ROOM = """from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unpadded.room.deep import used
    from unpadded.room.other import unused
"""


@pytest.fixture
def library(tmp_path) -> Path:
    """A library of one room, whose names are handed on; `used` needs another module, within a function."""
    room = tmp_path / "lib" / "unpadded" / "room"
    room.mkdir(parents=True)
    (room.parent / "__init__.py").write_text("")
    (room / "__init__.py").write_text(ROOM)
    (room / "deep.py").write_text("def used():\n    from ..far import constant\n    return constant\n")
    (room / "other.py").write_text("unused = 1\n")
    (room.parent / "far.py").write_text("constant = 1\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "beside.py").write_text("x = 1\n")
    return room.parent


@pytest.mark.parametrize(
    ("changed", "noticed"),
    [
        ("room/deep.py", True),
        ("far.py", True),
        ("room/other.py", False),
        ("../../notebooks/beside.py", True),
        ("room/__init__.py", True),
    ],
)
@pytest.mark.parametrize("statement", ["from unpadded.room import used", "import unpadded.room.deep", "%time\n"])
def test_a_change_is_noticed_where_the_code_is_run_and_nowhere_else(library, changed, noticed, statement):
    cells = ["import beside", f"{statement}\nfrom unpadded.room import used"]
    places = (library.parents[1] / "notebooks", library.parent)
    before = code_key(cells, *places)
    assert code_key(cells, *places) == before
    with open(library / changed, "a") as file:
        file.write("more = 2\n")
    assert (code_key(cells, *places) != before) == noticed


def test_a_name_that_a_room_hands_on_anew_changes_nothing_for_others(library):
    places = (library.parents[1] / "notebooks", library.parent)
    before = code_key(["from unpadded.room import used"], *places)
    (library / "room" / "__init__.py").write_text(ROOM + "    from unpadded.room.third import third\n")
    assert code_key(["from unpadded.room import used"], *places) == before


def test_a_cell_that_cannot_be_read_counts_as_running_everything(library):
    modules = modules_of(["this is no Python"], library.parents[1] / "notebooks", library.parent)
    assert {"unpadded.far", "unpadded.room.other"} <= set(modules)


def test_other_versions_of_what_is_imported_are_noticed(library, monkeypatch):
    (library / "far.py").write_text("import numpy as np\nconstant = 1\n")
    cells, places = ["from unpadded.room import used"], (library.parents[1] / "notebooks", library.parent)
    before = code_key(cells, *places)
    monkeypatch.setattr(code_module, "version_of", lambda package: f"{package} 99")
    assert code_key(cells, *places) != before


def test_what_works_behind_a_package_counts_too():
    cells = ["from fastai.text.all import *", "import umap.umap_ as u"]
    packages = code_module._closure(cells, [NOTEBOOKS, LIBRARY])[1]
    assert {"fastai", "spacy", "umap", "numba"} <= packages
    assert code_module.version_of("spacy").startswith("spacy ")
    assert code_module.version_of("sklearn").startswith("scikit-learn ")
    assert code_module.version_of("no_such_package") == ""


@pytest.mark.parametrize("stage", ["02_extract_embeddings", "07_ranking"])
def test_no_module_that_a_notebook_loads_is_missed(stage):
    """What Python itself has loaded when the notebook's imports have run."""
    cells = code_of(nbformat.read(NOTEBOOKS / f"{stage}.ipynb", as_version=4))
    imports = next(cell for cell in cells if "from unpadded" in cell)
    script = f"{imports}\nimport sys, json\nprint(json.dumps([m for m in sys.modules if m.startswith('unpadded')]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert len(loaded) > 20
    assert set(loaded) <= set(modules_of(cells, NOTEBOOKS))


def test_pooling_concerns_those_who_encode_and_not_those_who_train_or_compare():
    def covers(stage: str) -> bool:
        cells = code_of(nbformat.read(NOTEBOOKS / f"{stage}.ipynb", as_version=4))
        return "unpadded.encoding.pooling" in modules_of(cells, NOTEBOOKS)

    assert covers("02_extract_embeddings")
    assert not covers("01_train_language_model")
    assert not covers("06_clustering")


@pytest.fixture
def run(tmp_path) -> Run:
    """A run of notebooks that do nothing."""
    notebooks, corpus = write_notebooks(tmp_path / "notebooks"), write_corpus(tmp_path / "corpora")
    notebook = nbformat.read(notebooks / "01_train_language_model.ipynb", as_version=4)
    notebook.cells[0].source += 'start: str = ""  # a model\n'
    nbformat.write(notebook, notebooks / "01_train_language_model.ipynb")
    return Run(tmp_path / "run", CorpusChoice(str(corpus)), "smoke", notebooks=notebooks)


def keys(run: Run) -> dict[str, str]:
    return {job.stage.name: job.key for job in run.jobs(run.choice.load())}


def test_the_library_is_part_of_every_key(run, tmp_path, monkeypatch):
    notebook = nbformat.read(run.notebooks / "06_clustering.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("from unpadded.evaluation import cluster_all"))
    nbformat.write(notebook, run.notebooks / "06_clustering.ipynb")
    before = keys(run)
    copy = shutil.copytree(LIBRARY / "unpadded", tmp_path / "lib" / "unpadded").parent
    monkeypatch.setattr(stage_job, "code_key", lambda cells, folder: code_key(cells, folder, copy))
    assert keys(run) == before
    with open(copy / "unpadded" / "evaluation" / "clustering" / "kmeans.py", "a") as file:
        file.write("MORE = 1\n")
    after = keys(run)
    assert {name for name in after if after[name] != before[name]} == {"06_clustering", "09_compare_runs"}


def test_the_same_documents_under_another_name_are_made_anew(run, tmp_path):
    """Folders and tables go by the corpus's name, but not by its path."""
    before = keys(run)
    (tmp_path / "elsewhere").mkdir()
    for name, same in (("elsewhere/tiny.csv", True), ("other.csv", False)):
        shutil.copy(run.choice.source, tmp_path / name)
        assert (keys(replace(run, choice=CorpusChoice(str(tmp_path / name), n_documents=400))) == before) == same


def test_a_start_counts_by_its_content_and_not_by_its_path(run, tmp_path):
    def started(folder: Path) -> str:
        return keys(replace(run, overrides={"01_train_language_model": {"start": str(folder)}}))[
            "01_train_language_model"
        ]

    first = tmp_path / "first"
    first.mkdir()
    (first / "config.json").write_text("{}")
    (first / "weights.safetensors").write_text("weights")
    second = shutil.copytree(first, tmp_path / "second")
    before = started(first)
    assert started(second) == before != keys(run)["01_train_language_model"]
    (first / "weights.safetensors").write_text("others")
    assert started(first) != before


def test_a_start_that_is_not_there_or_would_be_replaced_is_refused(run, tmp_path):
    for start, message in (("nowhere", "holds no language model"), (run.folder / "language_model", "would replace")):
        (run.folder / "language_model").mkdir(parents=True, exist_ok=True)
        (run.folder / "language_model" / "config.json").write_text("{}")
        with pytest.raises(InputError, match=message):
            keys(replace(run, overrides={"01_train_language_model": {"start": str(start)}}))


def test_scores_of_other_runs_count_by_their_content(run, tmp_path):
    (tmp_path / "other").mkdir()
    scores = tmp_path / "other" / "scores.csv"
    notebook = nbformat.read(run.notebooks / "09_compare_runs.ipynb", as_version=4)
    notebook.cells[0].source += 'others: str = ""  # runs\n'
    nbformat.write(notebook, run.notebooks / "09_compare_runs.ipynb")
    compared = replace(run, overrides={"09_compare_runs": {"others": str(tmp_path / "other")}})
    with pytest.raises(InputError, match="got as far as a score"):
        keys(compared)
    scores.write_text("one")
    before = keys(compared)
    scores.write_text("two")
    after = keys(compared)
    assert {name for name in after if after[name] != before[name]} == {"09_compare_runs"}


def test_queries_in_another_order_are_another_corpus(tmp_path):
    texts, _ = make_texts(20)
    prints = []
    for name, queries in (("one", ("q1", "q2")), ("two", ("q2", "q1"))):
        folder = tmp_path / name / "judged"
        (folder / "qrels").mkdir(parents=True)
        lines = [json.dumps({"_id": f"d{i}", "title": "", "text": text}) for i, text in enumerate(texts)]
        (folder / "corpus.jsonl").write_text("\n".join(lines))
        (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": q, "text": f"what {q}"}) for q in queries))
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq2\td1\t1\n")
        prints.append(CorpusChoice(str(folder)).load().fingerprint)
    assert prints[0] != prints[1]


def test_what_other_code_left_half_done_is_not_gone_on_with(run, monkeypatch):
    monkeypatch.setattr(stage_job, "execute", execute_here)
    job = run.jobs(run.choice.load())[0]
    job.perform()
    checkpoint = run.folder / "checkpoints" / "checkpoint-1.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    job.perform()
    assert checkpoint.exists()  # of the same job: it goes on from there
    replace(job, key="another").perform()
    assert not checkpoint.exists()


def test_templates_count_for_the_code_that_reads_them(tmp_path):
    copy = shutil.copytree(LIBRARY / "unpadded", tmp_path / "lib" / "unpadded").parent
    cells = {
        "reads": ["from unpadded.report import with_links"],
        "reads none": ["from unpadded.corpus import Corpus"],
    }

    def found() -> dict[str, str]:
        return {name: code_key(cell, tmp_path, copy) for name, cell in cells.items()} | {"page": page_key((), copy)}

    before = found()
    for template in ("style.css", "parts.html", "notebook.html"):
        with open(copy / "unpadded" / "report" / "templates" / template, "a") as file:
            file.write("<!-- more -->")
        after = found()
        assert {name for name in before if before[name] != after[name]} == {"reads", "page"}
        before = after


def test_every_file_of_the_library_that_is_no_code_is_known_to_be_read():
    others = {
        path.parent.relative_to(LIBRARY).as_posix()
        for path in (LIBRARY / "unpadded").rglob("*")
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    }
    read = {f"{module.rpartition('.')[0].replace('.', '/')}/{folder}" for module, folder in READS.items()}
    assert (
        others - {"unpadded/explore/lab_settings", "unpadded/explore/panels"} == read
    )  # what JupyterLab shows is no result


def test_pages_of_what_is_reused_are_written_again_where_they_would_look_otherwise(run, monkeypatch):
    written = []
    monkeypatch.setattr(stage_job, "execute", execute_here)
    monkeypatch.setattr(
        stage_job, "write_page", lambda path: [written.append(path.stem), path.with_suffix(".html").touch()]
    )
    job = run.jobs(run.choice.load())[0]
    job = replace(job, stage=replace(job.stage, leaves=()))
    job.perform()
    written.clear()
    job.renew_page()
    assert not written
    monkeypatch.setattr(stage_job, "page_key", lambda prose: f"another template, {page_key(prose)}")
    for _ in range(2):
        assert not execute_jobs([job], at_once=1, say=print, before=lambda job: None)
    assert written == [job.stage.name]
    source = nbformat.read(job.notebook, as_version=4)
    source.cells.append(nbformat.v4.new_markdown_cell("Prose."))
    nbformat.write(source, job.notebook)
    assert run.jobs(run.choice.load())[0].key == job.key  # no code has changed
    job.renew_page()
    assert written == [job.stage.name] * 2
    assert job.seconds >= 0

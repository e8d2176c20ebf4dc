"""One failure is one failure, and what does not belong to a run is not on its page; with notebooks that take no time."""

import errno
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from sweep_tools import execute_here, write_corpus, write_notebooks
from unpadded.cli import main as cli
from unpadded.runs import notebook as execution
from unpadded.runs import stage as stage_job
from unpadded.runs.notebook import NoRoomError, NotebookError
from unpadded.runs.profiles import STAGES
from unpadded.runs.run import CorpusChoice, Run

NAMES = [stage.name for stage in STAGES]
WITHOUT_VECTORS = [*NAMES[:2], *NAMES[3:6]]  # what is executed where 02 fails: itself, and what reads nothing of it
UNLABELLED = NAMES[:6]
EXECUTED: list[str] = []


def execute(notebook: Path, target: Path, parameters, *, log: Path, at_once: int = 1) -> None:
    """A notebook in this process; it fails as one in a process of its own does, and leaves an executed copy."""
    EXECUTED.append(notebook.stem)
    try:
        execute_here(notebook, target, parameters, log=log)
    except AssertionError as error:
        target.write_bytes(notebook.read_bytes())
        reason = f"cell 2 (AssertionError: {' '.join(str(error).split())})"
        raise NotebookError.of(reason, f"{notebook.name} failed in {reason}") from error
    (target.parent / "figures").mkdir(exist_ok=True)
    (target.parent / "figures" / f"{notebook.stem[:2]} picture.txt").write_text("a picture")
    for leaf in next(stage for stage in STAGES if stage.name == notebook.stem).leaves:
        if not (target.parent / leaf).exists() and not leaf.startswith("scores/0"):
            (target.parent / leaf).mkdir()


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    write_notebooks(tmp_path / "notebooks")
    for stage in ("07_ranking", "08_classification"):  # they score too
        path = tmp_path / "notebooks" / f"{stage}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        clustering = nbformat.read(tmp_path / "notebooks" / "06_clustering.ipynb", as_version=4)
        task = stage[3:]
        for old, new in zip(notebook.cells, clustering.cells, strict=True):
            old.source = new.source.replace("06_clustering", stage).replace("tiny,clustering", f"tiny,{task}")
        if "n_queries" not in notebook.cells[0].source:
            notebook.cells[0].source += "n_queries: int = 1  # of a profile\n"
        nbformat.write(notebook, path)
    write_corpus(tmp_path)
    pd.DataFrame({"text": [f"plain {i}" for i in range(6)]}).to_csv(tmp_path / "plain.csv", index=False)
    monkeypatch.setattr(stage_job, "execute", execute)
    EXECUTED.clear()
    return tmp_path


def a_run(place: Path, corpus: str = "tiny.csv", **options) -> Run:
    options = {"profile": "quick", "studies": True} | options  # smoke executes two at once, which a process cannot
    return Run(place / "run", CorpusChoice(str(place / corpus)), notebooks=place / "notebooks", **options)


def failing(place: Path, stage: str) -> dict:
    (place / "fail").touch()
    return {stage: {"fail": str(place / "fail")}}


def summary(place: Path) -> dict:
    return json.loads((place / "run" / "run.json").read_text())


def on_the_page(place: Path) -> set[str]:
    """The notebooks to which the front page links."""
    return set(re.findall(r'href="(\d\d_\w+)\.ipynb"', (place / "run" / "index.html").read_text()))


def test_a_failing_notebook_ends_neither_the_others_nor_the_page(place):
    with pytest.raises(NotebookError, match=r"06_clustering failed in cell 2 \(AssertionError: on purpose.*index.html"):
        a_run(place, overrides=failing(place, "06_clustering")).execute()
    assert NAMES[:-1] == EXECUTED  # the comparison needs its scores
    page = (place / "run" / "index.html").read_text()
    assert "failed in cell 2 (AssertionError: on purpose" in page
    assert "09_compare_runs: not executed, because 06_clustering failed" in page
    assert on_the_page(place) == set(NAMES[:-1])
    assert set(pd.read_csv(place / "run" / "scores.csv").task) == {"ranking", "classification"}
    assert set(summary(place)["failures"]) == {"06_clustering", "09_compare_runs"}


def test_what_needs_the_failed_one_is_not_executed_and_the_rest_is_reused_when_it_is_mended(place):
    broken = failing(place, "02_extract_embeddings")
    with pytest.raises(NotebookError, match="02_extract_embeddings failed"):
        a_run(place, overrides=broken).execute()
    assert WITHOUT_VECTORS == EXECUTED
    assert not (place / "run" / "scores.csv").exists()
    assert summary(place)["failures"]["09_compare_runs"] == "not executed, because 02_extract_embeddings failed"
    (place / "fail").unlink()
    EXECUTED.clear()
    a_run(place, overrides=broken).execute()
    assert ["02_extract_embeddings", "10_teach_the_vectors", *NAMES[6:]] == EXECUTED
    page = (place / "run" / "index.html").read_text()
    assert "failed" not in page
    assert on_the_page(place) == set(NAMES)


def test_old_results_of_what_was_not_executed_are_not_on_the_page(place):
    a_run(place).execute()
    with pytest.raises(NotebookError):
        a_run(place, overrides=failing(place, "02_extract_embeddings")).execute()
    assert on_the_page(place) == set(WITHOUT_VECTORS)
    assert not (place / "run" / "scores.csv").exists()


def test_the_command_line_says_it_in_one_line_with_status_1(place, monkeypatch, capsys):
    for stage in NAMES[6:9]:
        path = place / "notebooks" / f"{stage}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell("assert False, 'odd\\nand even'"))
        nbformat.write(notebook, path)
    monkeypatch.setattr(Run, "__init__", _with_notebooks(Run.__init__, place / "notebooks"))
    command = ["run", "--corpus", str(place / "tiny.csv"), "--output", str(place / "run")]
    assert cli.main(command) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(name in error for name in ("06_clustering failed", "07_ranking failed", "08_classification failed"))
    assert "index.html" in error


def _with_notebooks(init, notebooks: Path):
    def changed(self, *arguments, **options):
        init(self, *arguments, **options | {"notebooks": notebooks})

    return changed


def test_a_page_that_cannot_be_written_is_one_notebooks_failure(place, monkeypatch):
    written = stage_job.write_page

    def write_page(notebook: Path) -> Path:
        if notebook.stem == "06_clustering":
            raise ValueError("no page of this")
        return written(notebook)

    monkeypatch.setattr(stage_job, "write_page", write_page)
    with pytest.raises(NotebookError, match=r"06_clustering failed \(ValueError: no page of this\)"):
        a_run(place).execute()
    assert "failed (ValueError: no page of this)" in (place / "run" / "index.html").read_text()


def test_a_full_disk_and_ctrl_c_end_everything(place, monkeypatch):
    for error in (NoRoomError("full"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()):

        def full(notebook: Path, *_, error=error, **__):
            EXECUTED.append(notebook.stem)
            raise error

        EXECUTED.clear()
        monkeypatch.setattr(stage_job, "execute", full)
        with pytest.raises(type(error)):
            a_run(place).execute()
        assert NAMES[:1] == EXECUTED


@pytest.mark.slow
def test_a_kernel_that_dies_is_a_failure_of_its_cell(tmp_path):
    cells = ["x: int = 1  # a number", "y = 1", "import os; os._exit(1)", "z = 1"]
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    cells[0].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "01_dies.ipynb")
    with pytest.raises(NotebookError) as caught:
        execution.execute(tmp_path / "01_dies.ipynb", tmp_path / "out" / "01_dies.ipynb", {}, log=tmp_path / "log")
    assert caught.value.reason.startswith("cell 3 (")
    assert "Kernel died" in caught.value.reason


def earlier(place: Path) -> list[Path]:
    return sorted((place / "run" / "earlier").glob("*"))


def test_an_unlabelled_corpus_after_a_labelled_one_has_none_of_its_scores(place):
    a_run(place).execute()
    assert set(pd.read_csv(place / "run" / "scores.csv").task) == {"clustering", "ranking", "classification"}
    a_run(place, "plain.csv").execute()
    assert not (place / "run" / "scores.csv").exists()
    assert not list((place / "run" / "scores").glob("*"))
    assert on_the_page(place) == set(UNLABELLED)
    (aside,) = earlier(place)
    assert (aside / "scores" / "06_clustering.csv").exists()
    assert (aside / "figures" / "06 picture.txt").exists()
    assert json.loads((aside / "run.json").read_text())["corpus"] == "tiny"
    assert (aside / "language_model" / "weights.safetensors").exists()
    assert cli.main(["report", str(aside)]) == 0  # a whole run, with its page


def test_studies_of_another_profile_do_not_stand_on_this_ones_page(place):
    a_run(place, profile="reference").execute()
    a_run(place, studies=False).execute()
    assert on_the_page(place) == {name for name in NAMES if name[:2] not in ("03", "04", "05")}
    (aside,) = earlier(place)
    assert (aside / "03_padding.ipynb").exists()
    assert (aside / "padding").is_dir()
    assert not (place / "run" / "padding").exists()


def test_studies_of_this_profile_stay_unless_their_code_or_corpus_changed(place):
    a_run(place).execute()
    EXECUTED.clear()
    a_run(place, studies=False).execute()
    assert (EXECUTED, earlier(place), on_the_page(place)) == ([], [], set(NAMES))
    path = place / "notebooks" / "03_padding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = "1 + 1"
    nbformat.write(notebook, path)
    a_run(place, studies=False).execute()
    assert on_the_page(place) == set(NAMES) - {"03_padding"}
    assert (earlier(place)[0] / "03_padding.ipynb").exists()


def test_other_parameters_replace_what_was_there_and_move_nothing(place):
    a_run(place).execute()
    a_run(place, overrides={"06_clustering": {"pooling": "max"}}).execute()
    assert earlier(place) == []
    scores = pd.read_csv(place / "run" / "scores.csv")
    assert set(scores[scores.task == "clustering"].pooling) == {"max"}


def test_what_an_earlier_version_left_of_the_same_corpus_and_profile_is_replaced(place):
    a_run(place).execute()
    for path in (place / "run" / "stages").iterdir():
        record = json.loads(path.read_text())
        del record["about"]
        path.write_text(json.dumps(record | {"key": "of an earlier version"}))
    EXECUTED.clear()
    a_run(place).execute()
    assert len(EXECUTED) == len(NAMES)
    assert earlier(place) == []


def test_what_is_nobodys_stays_where_it_is(place):
    a_run(place).execute()
    (place / "run" / "my notes.txt").write_text("mine")
    a_run(place, "plain.csv").execute()
    a_run(place).execute()
    assert (place / "run" / "my notes.txt").read_text() == "mine"
    assert len(earlier(place)) == 2
    assert "plain" not in (place / "run" / "index.html").read_text()

"""Notebooks executed in this process: their code cells one after the other, without a kernel, which takes most of a small
run's time. What a cell ends with is thrown away; pictures are drawn with few pixels, which are a good part of the rest."""

import json
from collections.abc import Iterable, Mapping
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import matplotlib as mpl
import pytest

from unpadded.evaluation import concatenate, read_scores, write_scores
from unpadded.report.plots import style
from unpadded.runs import run as whole_run
from unpadded.runs import stage as stage_job
from unpadded.runs.profiles import PROFILES, Stage
from unpadded.runs.run import NOTEBOOKS, CorpusChoice, Run

DPI = 24  # of a picture, in place of 192


def execute_cells(name: str, parameters: dict) -> str:
    """What the notebook's cells print with these parameters; raises as the first that fails."""
    mpl.use("agg")
    scope = {"__name__": name, "display": lambda *shown: None}
    said = StringIO()
    for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        with redirect_stdout(said), mock.patch.object(style, "DPI", DPI):
            exec(compile("".join(cell["source"]), f"{name}.ipynb", "exec"), scope)  # our own notebooks
        if "parameters" in cell["metadata"].get("tags", ()):
            scope |= parameters
    return said.getvalue()


def import_everything(stages: Iterable[Stage]) -> None:
    """Import what the notebooks of the stages import."""
    for stage in stages:
        for cell in json.loads((NOTEBOOKS / f"{stage.name}.ipynb").read_text())["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "from unpadded" in source:
                exec(source, {})  # our own notebooks


def execute_without_kernel(notebook: Path, target: Path, parameters: Mapping, *, log: Path, at_once: int = 1) -> None:
    """What `unpadded.runs.notebook.execute` does for one of our notebooks; the copy that it leaves is the source."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with chdir(notebook.parent):  # parameters name places from there
        execute_cells(notebook.stem, dict(parameters))
    target.write_bytes(notebook.read_bytes())


def leave_kernels_out(patched: pytest.MonkeyPatch) -> None:
    """Let runs execute their notebooks in this process, one at a time: it has one working directory."""
    patched.setattr(stage_job, "execute", execute_without_kernel)
    patched.setattr(whole_run, "AT_ONCE", dict.fromkeys(PROFILES, 1))


def run_cells(
    folder: Path, choice: CorpusChoice, overrides: Mapping[str, dict] | None = None, *, but: tuple[str, ...] = ()
) -> dict[str, str]:
    """What each notebook of a smoke run that suits the corpus prints, without those whose names begin with one of `but`.

    `overrides` are those of a `Run`.
    """
    run = Run(folder, choice, "smoke", overrides or {})
    corpus = run.choice.load()
    jobs = [job for job in run.jobs(corpus) if not job.stage.name.startswith(but)]
    paths = {"run": str(folder), "corpus": str(Path(choice.source).resolve())}
    said = {}
    for job in jobs:
        if scores := sorted((folder / "scores").glob("*.csv")):  # which the last notebook reads as one
            write_scores(concatenate([read_scores(path) for path in scores]), folder / "scores.csv")
        said[job.stage.name] = execute_cells(job.stage.name, job.parameters | paths)
    return said

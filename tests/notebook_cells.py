"""Notebooks executed in this process: their code cells one after the other, without a kernel, which takes most of a small
run's time. What a cell ends with is thrown away."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import matplotlib as mpl

from unpadded.evaluation import concatenate, read_scores, write_scores
from unpadded.runs.run import NOTEBOOKS, CorpusChoice, Run


def execute_cells(name: str, parameters: dict) -> str:
    """What the notebook's cells print with these parameters; raises as the first that fails."""
    mpl.use("agg")
    scope = {"__name__": name, "display": lambda *shown: None}
    said = StringIO()
    for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        with redirect_stdout(said):
            exec(compile("".join(cell["source"]), f"{name}.ipynb", "exec"), scope)  # our own notebooks
        if "parameters" in cell["metadata"].get("tags", ()):
            scope |= parameters
    return said.getvalue()


def run_cells(folder: Path, choice: CorpusChoice, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """What each notebook of a smoke run that suits the corpus prints, without those whose names begin with one of `but`."""
    run = Run(folder, choice, "smoke")
    corpus = run.choice.load()
    jobs = [job for job in run.jobs(corpus) if not job.stage.name.startswith(but)]
    paths = {"run": str(folder), "corpus": str(Path(choice.source).resolve())}
    said = {}
    for job in jobs:
        if scores := sorted((folder / "scores").glob("*.csv")):  # which the last notebook reads as one
            write_scores(concatenate([read_scores(path) for path in scores]), folder / "scores.csv")
        said[job.stage.name] = execute_cells(job.stage.name, job.parameters | paths)
    return said

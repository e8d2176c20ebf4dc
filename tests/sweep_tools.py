"""Notebooks of a sweep that take a second and need no torch, with the names and leavings of the real ones."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from unpadded.runs import stage as stage_job
from unpadded.runs.links import link_results
from unpadded.runs.profiles import STAGES
from unpadded.runs.sweeps.execute import _link
from unpadded.runs.sweeps.plan import SweepPlan

COMMON = """run: str = "."  # folder of the run
corpus: str = "newsgroups"  # documents
text: str = "text"  # column
label: str = ""  # column
id: str = ""  # column
n_documents: int = 0  # sample
seed: int = 0  # of every draw
wait: float = 0.0  # seconds
fail: str = ""  # a file; while it exists the notebook fails
"""
TRAIN = """size: int = 10  # of the model
rate: float = 0.5  # of learning
epochs: int = 1  # passes
"""
SCORED = """pooling: str = "mean"  # which
n_seeds: int = 1  # starts
"""
# Every execution leaves a file, so that a test can count them.
START = """import json, os, time
from pathlib import Path
run = Path(run)
(run / f"executed-{os.getpid()}-{time.time()}.txt").touch()
time.sleep(wait)
assert not (fail and Path(fail).exists()), "on purpose"
"""
BODIES = {
    "01_train_language_model": """(run / "language_model").mkdir(exist_ok=True)
(run / "language_model" / "weights.safetensors").write_text(json.dumps({"size": size, "seed": seed}))
""",
    "02_extract_embeddings": """model = json.loads((run / "language_model" / "weights.safetensors").read_text())
for name in ("embeddings", "representations", "geometry", "maps"):
    (run / name).mkdir(exist_ok=True)
(run / "embeddings" / "vectors.json").write_text(json.dumps(model))
""",
    "10_teach_the_vectors": '(run / "choice.csv").touch(), (run / "recommended.json").write_text("{}")',
    "06_clustering": """model = json.loads((run / "embeddings" / "vectors.json").read_text())
value = round(model["size"] / 100 + (pooling == "mean") / 10 + seed / 1000 + n_seeds / 10_000, 6)
head = "corpus,task,method,pooling,postprocess,metric,value,ci_low,ci_high,n,seed,seconds"
tail = f"none,v_measure,{value},{value - 0.01},{value + 0.01},10,{seed},{time.time() % 60}"
(run / "scores").mkdir(exist_ok=True)
(run / "scores" / "06_clustering.csv").write_text(f"{head}\\ntiny,clustering,lm,{pooling},{tail}\\n")
""",
    "09_compare_runs": 'print(len((run / "scores.csv").read_text().splitlines()), "lines")',
}
PARAMETERS = {"01": TRAIN, "06": SCORED}


def write_notebooks(folder: Path) -> Path:
    """A notebooks folder: 01 trains, 02 encodes, 06 scores, the others do nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        parameters = COMMON + PARAMETERS.get(stage.name[:2], "")
        for name, value in {n: v for chosen in stage.parameters.values() for n, v in chosen.items()}.items():
            if f"\n{name}:" not in parameters:  # profiles may set it
                parameters += f"{name}: {type(value).__name__} = {value!r}  # of a profile\n"
        sources = [START, BODIES.get(stage.name, "pass")]
        cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_markdown_cell(f"# {stage.name}?"), *map(nbformat.v4.new_code_cell, sources)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
        nbformat.write(notebook, folder / f"{stage.name}.ipynb")
    return folder


def execute_here(notebook: Path, target: Path, parameters, *, log: Path, at_once: int = 1) -> None:
    """What `execution.execute` does, without papermill and a kernel: the cells in this process."""
    content = nbformat.read(notebook, as_version=4)
    before, names = Path.cwd(), {}
    os.chdir(notebook.parent)
    try:
        for cell in content.cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
                names |= parameters if "parameters" in cell.metadata.get("tags", []) else {}
    finally:
        os.chdir(before)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, target)


def perform_here(plan: SweepPlan, patched: pytest.MonkeyPatch) -> None:
    """Execute every stage of a sweep in this process, in order, and link each run's folder to them."""
    patched.setattr(stage_job, "execute", execute_here)
    for job in plan.jobs.values():
        for earlier in plan.before(job):
            link_results(earlier.folder, job.folder)
        job.perform()
    for run in plan.runs:
        _link(run)


def write_corpus(folder: Path) -> Path:
    """Six labelled documents."""
    table = pd.DataFrame({"text": [f"document {i} of {'ab'[i % 2]}" for i in range(6)], "label": list("ababab")})
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "tiny.csv", index=False)
    return folder / "tiny.csv"


def write_sweep(path: Path, **content) -> Path:
    """A sweep file of that content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def command(file: Path, output: Path, notebooks: Path, *more: str) -> list[str]:
    """The command line that a user would give."""
    start = [sys.executable, "-m", "unpadded.cli.main", "sweep", str(file), "--output", str(output)]
    return [*start, "--notebooks", str(notebooks), *more]


def sweep(*arguments, **options) -> subprocess.CompletedProcess:
    """Run that command line to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, **options)


def executions(output: Path, stage: str) -> int:
    """How often a stage was executed below a sweep's folder."""
    return sum(not path.is_symlink() for path in (output / "stages").glob(f"{stage}-*/executed-*.txt"))


def comparable(output: Path) -> pd.DataFrame:
    """The sweep's table without what differs from sitting to sitting."""
    return pd.read_csv(output / "scores.csv", keep_default_na=False).drop(columns="seconds")

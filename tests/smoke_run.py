"""One finished run of the smoke profile, through the command line, with real notebooks and kernels; shared by all tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
from filelock import FileLock

from unpadded.cli.main import main
from unpadded.common.processes import KERNEL_ENVIRONMENT

KEYS = ["corpus", "task", "method", "pooling", "postprocess", "metric"]
# Small enough that a run is bounded by starting kernels.
SMALL = ["-p", "01_train_language_model.epochs=1", "-p", "02_extract_embeddings.map_documents=40"]
SMALL += ["-p", "04_speed_and_memory.memory_sizes=", "-p", "04_speed_and_memory.limit_mib=0"]
SMALL += ["-p", "04_speed_and_memory.sizes=1,16", "-p", "04_speed_and_memory.n_tokens=1500"]
SMALL += ["-p", "03_padding.n_documents_measured=12", "-p", "03_padding.pads=1", "-p", "03_padding.small_tokens=4000"]
SMALL += ["-p", "05_what_the_last_state_keeps.second_minutes=0.01"]


def write_topics(root: Path, texts: list[str], labels: list[str]) -> Path:
    """A folder of folders."""
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        path = root / label / f"{i:03d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text} number{i}")
    return root


def command(corpus: Path, output: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "unpadded.cli.main", "run", "--profile", "smoke"),
        *("--corpus", str(corpus), "--output", str(output), *SMALL),
    ]


def run(corpus: Path, output: Path) -> subprocess.CompletedProcess:
    """The same command in a process whose forks execute the notebooks, see forked_run.py."""
    # That process imports what the notebooks do, so it has from the start the environment that theirs have; and one
    # thread, because a fork has no threads but its own.
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | KERNEL_ENVIRONMENT
    forks = [sys.executable, str(Path(__file__).with_name("forked_run.py")), *command(corpus, output)[3:]]
    return subprocess.run(forks, env=environment, capture_output=True, text=True, check=False)


def run_here(corpus: Path, output: Path, *more: str) -> int:
    """The exit status of the same command in this process, which has imported everything; `more` are further arguments."""
    return main([*command(corpus, output)[3:], *more])


def finished_once(shared: Path, corpus: Path) -> Path:
    """The run in the folder `shared`, which every process of the test runner sees; the first that asks makes it."""
    output = shared / "smoke"
    with FileLock(shared / "smoke.lock"):
        if not (output / "index.html").is_file():
            done = run(corpus, output)
            assert done.returncode == 0, done.stderr
    return output


def comparable(folder: Path) -> pd.DataFrame:
    """A run's scores without what differs from sitting to sitting."""
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    return scores.drop(columns="seconds").sort_values(KEYS, ignore_index=True)


def copied(finished: Path, target: Path) -> Path:
    """A copy of a finished run that a test may change."""
    return shutil.copytree(finished, target, ignore=shutil.ignore_patterns(".lock"))

"""One finished run of the smoke profile, through the command line, with real notebooks and kernels; shared by all tests."""

import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

# Small enough that a run is bounded by starting kernels.
SMALL = ["-p", "01_train_language_model.epochs=1", "-p", "02_extract_embeddings.map_documents=40"]
SMALL += ["-p", "04_speed_and_memory.memory_sizes=", "-p", "04_speed_and_memory.limit_mib=0"]


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


# The same run without the studies of padding, speed and the last state, which score nothing.
WITHOUT_STUDIES = """import sys
from pathlib import Path
from unpadded.common import ENVIRONMENT, set_defaults
from unpadded.runs import NOTEBOOKS, CorpusChoice, Run, read_overrides
from unpadded.runs.profiles import STAGES

corpus, output, *given = sys.argv[1:]
set_defaults(ENVIRONMENT)
stages = [stage for stage in STAGES if stage.name[:2] not in ("03", "04", "05")]
Run(Path(output), CorpusChoice(corpus), "smoke", read_overrides(given, NOTEBOOKS), stages=stages).execute()
"""


def without_studies(corpus: Path, output: Path) -> list[str]:
    return [sys.executable, "-c", WITHOUT_STUDIES, str(corpus), str(output), SMALL[1], SMALL[3]]


def run(corpus: Path, output: Path) -> subprocess.CompletedProcess:
    return subprocess.run(command(corpus, output), capture_output=True, text=True, check=False)


def finished_once(shared: Path, corpus: Path) -> Path:
    """The run in the folder `shared`, which every process of the test runner sees; the first that asks makes it."""
    output = shared / "smoke"
    with FileLock(shared / "smoke.lock"):
        if not (output / "index.html").is_file():
            done = run(corpus, output)
            assert done.returncode == 0, done.stderr
    return output


def copied(finished: Path, target: Path) -> Path:
    """A copy of a finished run that a test may change."""
    return shutil.copytree(finished, target, ignore=shutil.ignore_patterns(".lock"))

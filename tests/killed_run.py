"""A run without the studies of padding, speed and the last state, which score nothing, to be killed as often as one likes.

`python killed_run.py CORPUS OUTPUT PARAMETER...` executes it as the command line does, in kernels. With `--forks` first, every
line of standard input starts it in a fork of a process that has imported everything, without kernels, so that a kill costs no
imports: what is answered is the fork's process, and its exit status once it has ended.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from notebook_cells import import_everything, leave_kernels_out
from process_tools import gone, until
from smoke_run import SMALL
from unpadded.common import ENVIRONMENT, set_defaults
from unpadded.runs import NOTEBOOKS, CorpusChoice, Run, read_overrides
from unpadded.runs.profiles import STAGES
from unpadded.training import checkpoint

HERE = Path(__file__)


class Forks:
    """The process that forks, from the test's side."""

    def __init__(self, corpus: Path, output: Path):
        self.output = output
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([*start(corpus, output, "--forks")], **streams)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def kill_when(self, left: str) -> int:
        """Start the run and kill it when it has left a file of that pattern; the exit status of that kill."""
        pid = self._start()
        until(lambda: any(self.output.glob(left)) or not psutil.pid_exists(pid), pause=0.001)
        os.kill(pid, signal.SIGKILL)
        return self._status()

    def to_the_end(self) -> int:
        """Start the run and wait; the exit status."""
        self._start()
        return self._status()

    def _start(self) -> int:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def _status(self) -> int:
        return int(self.process.stdout.readline())


def start(corpus: Path, output: Path, *forks: str) -> list[str]:
    """The command that starts this module."""
    return [sys.executable, str(HERE), *forks, str(corpus), str(output), SMALL[1], SMALL[3]]


def kill_in_a_kernel(corpus: Path, output: Path) -> None:
    """Kill the run, and nothing else, when its first notebook is at work in a kernel; nothing of it lives on."""
    process = subprocess.Popen(start(corpus, output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    below = psutil.Process(process.pid).children
    until(lambda: process.poll() is not None or len(below(recursive=True)) >= 2)  # papermill's process and the kernel
    family = below(recursive=True)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    until(lambda: gone(family))


def whole_run(corpus: str, output: str, *given: str) -> Run:
    """The run."""
    stages = [stage for stage in STAGES if stage.name[:2] not in ("03", "04", "05")]
    overrides = read_overrides(given, NOTEBOOKS)
    return Run(Path(output), CorpusChoice(corpus), "smoke", overrides, stages=stages, say=lambda line: None)


def _fork_for_every_line(run: Run) -> None:
    with pytest.MonkeyPatch.context() as patched:
        leave_kernels_out(patched)
        patched.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)  # there is something to go on from after every batch
        for _ in sys.stdin:
            child = os.fork()
            if child == 0:
                _execute_and_exit(run)
            print(child, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _execute_and_exit(run: Run) -> None:
    status = 70
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        run.execute()
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    set_defaults(ENVIRONMENT)
    forks, given = sys.argv[1] == "--forks", [word for word in sys.argv[1:] if word != "--forks"]
    if forks:
        import_everything(whole_run(*given).stages)
        _fork_for_every_line(whole_run(*given))
    else:
        whole_run(*given).execute()

"""Execute one notebook in a process of its own, which papermill needs: it changes its process's working directory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from .errors import InputError
from .processes import KERNEL_ENVIRONMENT, die_with_parent, set_defaults

FAILED_CELL = 3  # exit status of the child when a cell raised


class NotebookError(RuntimeError):
    """A cell of a notebook failed; the message says which, and why."""


def check_parameters(notebook: Path, parameters: Mapping[str, object]) -> None:
    """Refuse parameters that the notebook's parameters cell does not declare, naming the nearest that it does.

    papermill itself only warns, and the run would go on with the default.
    """
    from papermill import inspect_notebook

    declared = list(inspect_notebook(str(notebook)))
    for name in parameters:
        if name not in declared:
            near = get_close_matches(name, declared, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(declared)}."
            raise InputError(f"{notebook.name} has no parameter {name!r}: {hint}")


def execute(notebook: Path, target: Path, parameters: Mapping[str, object], *, log: Path) -> None:
    """Run `notebook` with `parameters` in a new process and a new kernel; leave the executed copy at `target`.

    The kernel's working directory is the notebook's own folder. What the process prints goes to `log`. Raises
    `NotebookError` naming notebook and cell when a cell fails; the executed copy then holds the error.
    """
    check_parameters(notebook, parameters)
    for folder in (target.parent, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # Relative names, because papermill writes them into the executed copy, which others will read.
    job = {
        "notebook": notebook.name,
        "target": os.path.relpath(target, notebook.parent),
        "parameters": dict(parameters),
    }
    with open(log, "ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "unpadded.execution"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=notebook.parent,
            preexec_fn=die_with_parent,
        )
        try:
            child.communicate(json.dumps(job).encode())
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if child.returncode == FAILED_CELL:
        raise NotebookError(f"{notebook.name} failed in {_last_line(log)}; the executed copy {target} shows it.")
    if child.returncode:
        raise NotebookError(f"{notebook.name} ended with status {child.returncode}: see {log}.")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "an unknown cell"


def _child() -> int:
    from nbclient.exceptions import DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    job = json.loads(sys.stdin.read())
    set_defaults(KERNEL_ENVIRONMENT)
    for attempt in (1, 2):
        try:
            execute_notebook(
                job["notebook"],
                job["target"],
                job["parameters"],
                kernel_name="python3",
                progress_bar=False,
                coalesce_streams=True,
                start_timeout=120,
            )
            return 0
        except PapermillExecutionError as error:
            print(f"{error.traceback}\ncell {error.exec_count} ({error.ename}: {_one_line(error.evalue)})", flush=True)
            return FAILED_CELL
        except (DeadKernelError, RuntimeError) as error:
            # Kernels that start together can race for a port; a start that failed is tried once more.
            if attempt == 2 or "replying to kernel_info" not in str(error):
                raise
    return 1


def _one_line(text: str) -> str:
    return " ".join(str(text).split())[:500]


if __name__ == "__main__":
    sys.exit(_child())

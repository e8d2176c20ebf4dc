"""Execute one notebook in a process of its own, which papermill needs: it changes its process's working directory."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

from unpadded.common import (
    DISK_IS_FULL,
    KERNEL_ENVIRONMENT,
    InputError,
    atomic_write,
    closest,
    die_with_parent,
    notebook_slot,
    set_defaults,
    thread_settings,
)

FAILED_CELL, NO_ROOM = 3, 4  # exit status of the child when a cell raised, and when the copy or its log found no room
MENDS = {
    "str": "put it in quotes",
    "int": "give a whole number",
    "float": "give a number",
    "bool": "give true or false",
}
FULL_DISK = "The disk under {} is full: make room and run the same command again, nothing that is finished is lost."


class NotebookError(RuntimeError):
    """A notebook failed; the message says which cell of it, and why. `reason` is that without the notebook's name."""

    reason = "an unknown cell"

    @classmethod
    def of(cls, reason: str, message: str) -> "NotebookError":
        """An error with both; a class method, because errors that travel between processes keep no further arguments."""
        error = cls(message)
        error.reason = reason
        return error


class NoRoomError(NotebookError):
    """The disk is full."""


def declared_parameters(notebook: Path) -> dict[str, dict]:
    """What the notebook's parameters cell declares: name -> papermill's description (`inferred_type_name`, `default`)."""
    return _inspected(str(notebook), notebook.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _inspected(notebook: str, _written: int) -> dict[str, dict]:
    from papermill import inspect_notebook

    return inspect_notebook(notebook)


def check_parameters(notebook: Path, parameters: Mapping[str, object]) -> None:
    """Refuse parameters that the notebook's parameters cell does not declare, or declares with another type.

    Raises `InputError` naming the nearest name that it does declare. papermill itself only warns of a name, and the run
    would go on with the default.
    """
    declared = declared_parameters(notebook)
    for name, value in parameters.items():
        if name not in declared:
            raise InputError(f"{notebook.name} has no parameter {name!r}: {nearest_or_all(name, declared)}")
        wanted = declared[name]["inferred_type_name"]
        if not fits(value, wanted):
            given = f"{value!r} is {type(value).__name__}"
            raise InputError(
                f"{notebook.name}: {name} takes {wanted}, and {given}: {MENDS.get(wanted, 'give another')}."
            )


def fits(value: object, wanted: str) -> bool:
    """Whether a value may stand where a notebook declares the type named `wanted`; a whole number may for a float."""
    if wanted in ("str", "int", "float", "bool"):
        return type(value).__name__ == wanted or (wanted == "float" and type(value) is int)
    return True  # declared without a type of ours: papermill takes it as it is


def nearest_or_all(name: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown name: the known one that is most like it, or all of them."""
    near = closest(name, known)
    return f"did you mean {near}?" if near else f"it has {', '.join(known)}."


def execute(notebook: Path, target: Path, parameters: Mapping[str, object], *, log: Path, at_once: int = 1) -> None:
    """Run `notebook` with `parameters` in a new process and a new kernel; leave the executed copy at `target`.

    The kernel's working directory is the notebook's own folder; its threads are a fair share of the cores among the notebooks
    that run now, see `processes.thread_settings`, or that its run may execute `at_once`. Its output goes to `log`.
    Raises `NotebookError` naming notebook and cell when a cell fails; the executed copy then holds the error. On a full disk
    that copy may be torn.
    """
    check_parameters(notebook, parameters)
    for folder in (target.parent, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # Relative names, because papermill writes them into the executed copy, which others will read.
    job = {
        "notebook": notebook.name,
        "target": os.path.relpath(target, notebook.parent),
        "parameters": dict(parameters),
        "parent": os.getpid(),
    }
    with open(log, "ab") as output, notebook_slot() as sharing:
        child = subprocess.Popen(
            [sys.executable, "-m", "unpadded.runs.notebook"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=notebook.parent,
            env=os.environ | thread_settings(max(sharing, at_once)),
        )
        try:
            child.communicate(json.dumps(job).encode())
        except BaseException:
            child.terminate()
            child.wait()
            raise
    _raise_for(child.returncode, notebook, target, log)


def _raise_for(status: int, notebook: Path, target: Path, log: Path) -> None:
    """Say in one sentence what the child's exit status means."""
    if status == FAILED_CELL:
        reason = _last_line(log)
        raise NotebookError.of(reason, f"{notebook.name} failed in {reason}; the executed copy {target} shows it.")
    if status == NO_ROOM:
        raise NoRoomError(FULL_DISK.format(target.parent))
    if status:
        ended = f"its process ended with status {status}, {_last_line(log)}"
        raise NotebookError.of(
            f"{_unfinished_cell(target)} ({ended})", f"{notebook.name} ended with status {status}: see {log}."
        )


def _unfinished_cell(target: Path) -> str:
    """The cell that was at work when a process died: the last one that papermill marks as begun in the executed copy."""
    try:
        cells = json.loads(target.read_bytes())["cells"]
    except (OSError, ValueError, KeyError):
        return "an unknown cell"
    code = [cell.get("metadata", {}) for cell in cells if cell.get("cell_type") == "code"]
    begun = [number for number, about in enumerate(code, 1) if about.get("papermill", {}).get("start_time")]
    return f"cell {begun[-1]}" if begun else "an unknown cell"


def skip_uri_grammar() -> None:
    """Before nbformat is imported: keep jsonschema from compiling a grammar of URIs, which takes a second and is not used."""
    sys.modules.setdefault("rfc3987_syntax", None)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "an unknown cell"


def _child() -> int:
    # Asked for here and not between fork and exec, where a parent with threads, such as a Dask worker, may run no Python.
    die_with_parent()
    skip_uri_grammar()
    job = json.loads(sys.stdin.read())
    if os.getppid() != job["parent"]:  # it died before that took hold
        return 1
    set_defaults(KERNEL_ENVIRONMENT)
    try:
        return _executed(job)
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        return NO_ROOM


def _executed(job: Mapping) -> int:
    """Execute as the parent asked; the exit status."""
    from nbclient.exceptions import DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    from unpadded.runs.kernels import BoundKernelManager

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
                kernel_manager_class=BoundKernelManager,
            )
            _fold_settings(Path(job["target"]))
            return 0
        except PapermillExecutionError as error:
            print(f"{error.traceback}\ncell {error.exec_count} ({error.ename}: {_one_line(error.evalue)})", flush=True)
            return FAILED_CELL
        except (DeadKernelError, RuntimeError) as error:
            # Kernels that start together can race for a port; a start that failed is tried once more.
            if attempt == 2 or "replying to kernel_info" not in str(error):
                raise
    return 1


def _fold_settings(executed: Path) -> None:
    """Let JupyterLab fold the cell that papermill put in, as the notebook's own parameters are."""
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}
    with atomic_write(executed) as file:
        file.write(nbformat.writes(notebook).encode())


def _one_line(text: str) -> str:
    return " ".join(str(text).split())[:500]


if __name__ == "__main__":
    status = _child()
    if status == NO_ROOM:
        os._exit(status)  # flushing the log would fail again at exit, on the full disk, and change the status
    sys.exit(status)

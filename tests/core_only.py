"""Hides, in the process that calls `hide`, every distribution but what `pip install unpadded` brings.

`python core_only.py` does so, imports torch and fastai once, and then executes scripts, each in a fork of its own: what is
answered to every line of standard input is how that one ended.
"""

import importlib.metadata as metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess

CORE = ("torch", "fastai", "numpy", "pandas", "safetensors")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(names: Iterable[str]) -> set[str]:
    """The named distributions and what they need, directly or by way of another, without any extra."""
    found: set[str] = set()
    waiting = [_canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        waiting += [_canonical(re.match(r"[\w.-]+", line)[0]) for line in needed if "extra ==" not in line]
    return found


class Hidden:
    """Finds nothing of the modules in `names`, as if they were not installed."""

    def __init__(self, names: Iterable[str]):
        self.names = set(names)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def hide() -> set[str]:
    """Hide all modules of other distributions; returns the names of what is hidden."""
    core = with_dependencies(CORE) | {"unpadded", "setuptools"}
    hidden = {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not {_canonical(name) for name in distributions} & core
    }
    hidden -= {name.partition(".")[0] for name in sys.modules}
    sys.meta_path.insert(0, Hidden(hidden))
    return hidden


class Scripts:
    """The process that forks, from the test's side."""

    def __enter__(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a fork has no threads but its own
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, __file__], env=environment, **streams)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def execute(self, script: str, folder: Path) -> CompletedProcess:
        """Execute `script` in `folder` with the core alone, as `python -c` does."""
        self.process.stdin.write(json.dumps({"script": script, "folder": str(folder)}) + "\n")
        self.process.stdin.flush()
        return CompletedProcess(script, **json.loads(self.process.stdout.readline()))


def _serve() -> None:
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            child = os.fork()
            if child == 0:
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                _execute_and_exit(**json.loads(line))
            ended = {"returncode": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}
            for name, stream in (("stdout", stdout), ("stderr", stderr)):
                stream.seek(0)
                ended[name] = stream.read()
        print(json.dumps(ended), flush=True)


def _execute_and_exit(script: str, folder: str) -> None:
    status = 1
    try:
        os.chdir(folder)
        exec(script, {"__name__": "__main__"})  # the tests' own scripts
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    hide()
    import fastai.text.all  # noqa: F401 - torch and fastai, once for all scripts

    _serve()

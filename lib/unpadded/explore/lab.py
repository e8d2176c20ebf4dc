"""`make lab`: JupyterLab on this machine alone, with the project's kernel, something to explore, and the notebook open."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unpadded.explore.data import explorable_runs
from unpadded.runs import NOTEBOOKS

SETTINGS = Path(__file__).with_name("lab_settings")  # do not look for news or a newer version elsewhere
KERNEL, DISPLAY_NAME = "unpadded", "Unpadded"
PATIENCE = 600  # seconds; a server that starts on a busy machine


def main(outputs: Path = Path("outputs"), arguments: list[str] | None = None) -> int:
    """Register the kernel, make a smoke run below `outputs` where there is none to explore, and become JupyterLab.

    `arguments` go to `jupyter lab`. Returns the exit status of a run that failed; otherwise does not return.
    """
    register_kernel()
    if not explorable_runs(outputs):
        print("No run to explore yet: making a small one (two minutes).", flush=True)
        command = [sys.executable, *"-m unpadded.cli.main run --profile smoke --output".split(), str(outputs / "smoke")]
        if status := subprocess.run(command, check=False).returncode:
            return status
    # Jupyter refuses to run as root, the usual user of a container; it serves this machine alone, behind its token.
    rights = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    os.execv(sys.executable, lab_command([*rights, *(arguments or [])]))


def register_kernel(prefix: str = sys.prefix) -> None:
    """Make this environment's Python a kernel of the project's own name, below `prefix`: the environment itself."""
    command = [sys.executable, "-m", "ipykernel", "install", "--prefix", prefix, "--name", KERNEL]
    subprocess.run([*command, "--display-name", DISPLAY_NAME], check=True, stdout=subprocess.DEVNULL)


def lab_command(arguments: list[str], *, notebook: Path = NOTEBOOKS / "explore.ipynb") -> list[str]:
    """JupyterLab on the loopback address with `notebook` open; its token is left as it is, no news is fetched.

    The address that it prints, for those whose browser it cannot open, leads to the notebook too.
    """
    settings = [f"--LabApp.app_settings_dir={SETTINGS}", f"--LabApp.default_url=/lab/tree/{notebook.name}"]
    return [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", *settings, *arguments, str(notebook)]


@contextmanager
def lab_apart(notebook: Path, **environment: str) -> Iterator[str]:
    """The address of a JupyterLab with `notebook` open, for what drives it: its kernel, settings and log lie in that folder.

    Raises `RuntimeError` with its log where it ends, or has not answered within PATIENCE.
    """
    home, token = notebook.parent, "apart"
    register_kernel(str(home))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name) for name in ("SETTINGS", "WORKSPACES")}
    own |= {"JUPYTER_PATH": str(home / "share" / "jupyter"), "JUPYTER_TOKEN": token}
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    command = lab_command(options, notebook=notebook)
    with open(home / "log", "wb") as log:
        server = subprocess.Popen(command, env=os.environ | own | environment, stdout=log, stderr=log, cwd=home)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/api", server, home / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}"
    finally:
        server.terminate()
        server.wait(60)


def _wait_until_up(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(log.read_text())


if __name__ == "__main__":
    sys.exit(main(arguments=sys.argv[1:]))

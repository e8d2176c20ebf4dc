"""`make lab`: JupyterLab on this machine alone, with the project's kernel, something to explore, and the notebook open."""

import os
import subprocess
import sys
from pathlib import Path

from unpadded.explore.data import explorable_runs
from unpadded.runs import NOTEBOOKS

SETTINGS = Path(__file__).with_name("lab_settings")  # do not look for news or a newer version elsewhere
KERNEL, DISPLAY_NAME = "unpadded", "Unpadded"


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


if __name__ == "__main__":
    sys.exit(main(arguments=sys.argv[1:]))

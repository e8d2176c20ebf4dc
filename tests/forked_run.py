"""A run whose notebooks are executed in forks of one process that has imported everything.

What it leaves is what `unpadded run` leaves: papermill, Jupyter's protocol and the kernels are the real ones; only the
imports, which take half of a small run's time, are not repeated in two processes for each notebook. Runs that start those
processes as users' do: in tests/runs/test_runs.py, a notebook that fails, and in test_killed_runs.py, a kill.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import matplotlib as mpl
from ipykernel.kernelapp import launch_new_instance
from jupyter_client.provisioning import local_provisioner

from notebook_cells import import_everything
from unpadded.cli.main import main
from unpadded.common.processes import die_with_parent
from unpadded.runs import notebook as execution
from unpadded.runs.profiles import STAGES

LONGEST = 1 << 20  # bytes of a message


class NotebookProcess:
    """What the run starts in place of a `Popen` of `unpadded.runs.notebook`: a fork of the process behind `address`."""

    def __init__(self, address: str, command: Sequence[str], *, stdout, cwd: Path, env: dict[str, str], **_):
        assert command[-1] == "unpadded.runs.notebook"
        self.returncode, self.link = None, socket.socket(socket.AF_UNIX)
        self.link.connect(address)
        socket.send_fds(self.link, [json.dumps({"cwd": str(cwd), "env": env}).encode()], [stdout.fileno()])
        self.link.recv(1)  # it has been read, so that the next message is one of its own

    def communicate(self, job: bytes) -> None:
        """Hand over what `Popen` would write to standard input, and wait."""
        with self.link:
            self.link.sendall(job)
            self.returncode = int(self.link.recv(9) or -signal.SIGKILL)

    def terminate(self) -> None:
        self.link.close()

    def wait(self) -> None:
        """It ends by itself, at the latest with the process that forks."""


def _serve(listening: socket.socket) -> None:
    """Fork for every notebook that is asked for; ends with the parent."""
    die_with_parent()
    listening.settimeout(1.0)
    while True:
        try:
            link, _ = listening.accept()
        except TimeoutError:
            _reap()
            continue
        if os.fork() == 0:
            _notebook(link)
        link.close()


def _reap() -> None:
    """Wait for the forks that have ended, without waiting."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _notebook(link: socket.socket) -> None:
    """The process that executes one notebook by papermill."""
    status = 70
    try:
        about, (log, *_), _, _ = socket.recv_fds(link, LONGEST, 1)
        about = json.loads(about)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.environ.clear()
        os.environ.update(about["env"])
        os.chdir(about["cwd"])
        local_provisioner.launch_kernel = Kernel().launch  # forked here, before there is any thread
        link.sendall(b".")
        sys.stdin = io.StringIO(json.dumps(json.loads(link.recv(LONGEST)) | {"parent": os.getppid()}))
        status = execution._child()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        link.sendall(str(status).encode())
        os._exit(status)


class Kernel:
    """A process that waits for the command of a kernel and then is it; to jupyter_client the `Popen` of one."""

    stdin = stdout = stderr = None

    def __init__(self):
        self.returncode = None
        self.link, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.link.close()
            _become_kernel(theirs)
        theirs.close()
        self.link.recv(1)  # it is in a session of its own

    def launch(self, command: Sequence[str], *, env: dict[str, str], cwd: str | None = None, **_) -> "Kernel":
        about = {"words": command[3:], "env": env | {"JPY_PARENT_PID": str(os.getpid())}, "cwd": cwd or os.getcwd()}
        self.link.sendall(json.dumps(about).encode())
        self.link.close()
        return self

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _become_kernel(link: socket.socket) -> None:
    status = 70
    try:
        die_with_parent()
        os.setsid()
        link.sendall(b".")
        about = json.loads(link.recv(LONGEST) or "{}")
        link.close()
        if about:
            os.environ.clear()
            os.environ.update(about["env"])
            os.chdir(about["cwd"])
            mpl.use("module://matplotlib_inline.backend_inline")
            launch_new_instance(argv=about["words"])
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run(arguments: Sequence[str]) -> int:
    """Import, fork the process that forks, and run as the command line does."""
    import_everything(STAGES)
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        address = str(Path(folder) / "forks")
        listening.bind(address)
        listening.listen()
        forks = os.fork()
        if forks == 0:
            _serve(listening)

        def popen(command: Sequence[str], **options) -> NotebookProcess:
            return NotebookProcess(address, command, **options)

        execution.subprocess = SimpleNamespace(Popen=popen, PIPE=subprocess.PIPE)
        try:
            return main(list(arguments))
        finally:
            os.kill(forks, signal.SIGTERM)
            os.waitpid(forks, 0)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))

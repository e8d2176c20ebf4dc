"""How processes share a machine and end together."""

import os
import signal
import subprocess
import sys
import time

import pytest

from unpadded.common import processes

HOLD = "from unpadded.common.processes import notebook_slot\nwith notebook_slot() as n:\n    print(n, flush=True)\n    input()"


@pytest.fixture
def own_folder(monkeypatch, tmp_path):
    """Slots of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def hold() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_slots_count_the_living(own_folder):
    first, second = hold(), hold()
    assert sorted([int(first.stdout.readline()), int(second.stdout.readline())]) == [1, 2]
    with processes.notebook_slot() as sharing:
        assert sharing == 3
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with processes.notebook_slot() as sharing, processes.notebook_slot() as inner:
        assert (sharing, inner) == (2, 3)
    second.communicate("\n")
    with processes.notebook_slot() as sharing:
        assert sharing == 1


def test_cores_are_shared_and_a_users_choice_is_kept(monkeypatch):
    monkeypatch.setattr(processes, "n_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert processes.thread_settings(1) == {}
    assert processes.thread_settings(3)["OMP_NUM_THREADS"] == "2"
    assert processes.thread_settings(100)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert processes.thread_settings(3) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_ends_with_its_parent():
    inner = (
        "import time, unpadded.common.processes as p; p.die_with_parent(); print('ready', flush=True); time.sleep(60)"
    )
    outer = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {inner!r}])"
    outer += "; print(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":  # dead, and waiting for init
                break
        time.sleep(0.05)
    else:
        assert not os.path.exists(f"/proc/{pid}")

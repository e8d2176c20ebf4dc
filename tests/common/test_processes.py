"""How processes share a machine and end together."""

import os
import subprocess
import sys
import time

import pytest

from unpadded.common import processes


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

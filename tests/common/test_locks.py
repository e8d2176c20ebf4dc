"""Locks: one process at a time in a folder, slots that count the living, both freed by a kill -9."""

import os
import signal
import subprocess
import sys

import pytest

from unpadded.common import locks
from unpadded.common.errors import InputError

HOLD = (
    "from unpadded.common.locks import notebook_slot\nwith notebook_slot() as n:\n    print(n, flush=True)\n    input()"
)


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
    with locks.notebook_slot() as sharing:
        assert sharing == 3
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with locks.notebook_slot() as sharing, locks.notebook_slot() as inner:
        assert (sharing, inner) == (2, 3)
    second.communicate("\n")
    with locks.notebook_slot() as sharing:
        assert sharing == 1


KEEP = """import sys
from pathlib import Path
from unpadded.common.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def test_a_folder_is_refused_in_a_sentence_until_a_killed_holder_is_gone(tmp_path):
    folder = tmp_path / "new"
    holder = subprocess.Popen(
        [sys.executable, "-c", KEEP, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=r"^Busy\.$"), locks.locked(folder, timeout=0.1, refusal="Busy."):
        raise AssertionError
    os.kill(holder.pid, signal.SIGKILL)
    with locks.locked(folder):  # waits as long as it takes
        assert holder.wait() == -signal.SIGKILL


def test_what_the_block_raises_is_not_taken_for_a_held_folder(tmp_path):
    with pytest.raises(TimeoutError, match="of the block"), locks.locked(tmp_path, refusal="Busy."):
        raise locks.Timeout("of the block")
    with locks.locked(tmp_path, timeout=0):  # and it is free again
        pass

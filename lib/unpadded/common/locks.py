"""A folder for one process at a time: an advisory lock that the system frees when its holder dies, however it dies."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unpadded.common.errors import InputError

PAUSE = 0.2  # seconds between two tries


@contextmanager
def locked(folder: Path, *, patience: float = float("inf"), refusal: str = "") -> Iterator[None]:
    """Hold `folder` (made where it is missing) through its `.lock` file while the block runs.

    Waits up to `patience` seconds for another holder, then raises `InputError` with the sentence `refusal`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "ab") as file:
        deadline = time.monotonic() + patience
        while not taken(file):
            if time.monotonic() > deadline:
                raise InputError(refusal)
            time.sleep(PAUSE)
        yield


def taken(file) -> bool:
    """Try to lock an open file for this process, without waiting; whether that went well."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

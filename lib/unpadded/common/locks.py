"""Advisory locks on files, which the system frees when their holder dies, however it dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock, Timeout

from unpadded.common.errors import InputError

LOCK = ".lock"  # the file that stands for a folder


@contextmanager
def locked(folder: Path, *, timeout: float = -1, refusal: str = "") -> Iterator[None]:
    """Hold `folder` (made where it is missing) through its `.lock` file while the block runs.

    Waits up to `timeout` seconds for another holder (-1: as long as it takes), then raises `InputError` with the sentence
    `refusal`; `OSError` where the folder or the file cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(folder / LOCK).acquire(timeout=timeout)
    except Timeout:
        raise InputError(refusal) from None
    with held:
        yield


@contextmanager
def notebook_slot() -> Iterator[int]:
    """Hold one of this machine's slots while a notebook runs; yield how many of the user's are held, this one included.

    A slot is a locked file in the system's temporary folder. Notebooks that each used all cores would make one another's
    OpenMP threads wait at every barrier.
    """
    mine, held = None, 1
    with suppress(OSError):  # without such a folder no other notebook is seen
        folder = Path(gettempdir()) / f"unpadded-{os.getuid() if hasattr(os, 'getuid') else 'slots'}"
        folder.mkdir(mode=0o700, exist_ok=True)
        with locked(folder):  # one process at a time looks, because looking at a slot takes it for a moment
            mine = next(filter(None, (_taken(folder / f"notebook-{n}.lock") for n in count())))
            held = sum(_is_held(path) for path in folder.glob("notebook-*.lock"))
    try:
        yield held
    finally:
        if mine:
            mine.release()


def _taken(path: Path) -> FileLock | None:
    """The lock of the file, held by this process, or `None` where another holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _is_held(path: Path) -> bool:
    lock = _taken(path)
    if lock:
        lock.release()
    return lock is None

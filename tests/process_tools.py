"""Waiting for other processes."""

import time
from collections.abc import Callable, Iterable

import psutil

PATIENCE = 600  # seconds, on a machine that others use too


def until(condition: Callable[[], object], pause: float = 0.05) -> None:
    """Wait for a condition, a while."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause)


def gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether all of them have ended, whoever is to collect them."""
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)

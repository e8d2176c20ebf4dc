"""Where Dask's tasks run: in new processes on this machine, or on a cluster that somebody has started."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from unpadded.common.errors import InputError
from unpadded.common.wording import first_line


@contextmanager
def local_client(
    n_workers: int,
    *,
    environment: Mapping[str, str],
    dashboard: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> Iterator[Client]:
    """A client of `n_workers` new processes on this machine, one task at a time in each; they end with the block.

    `environment`: variables of the workers; `dashboard`: host and port of Dask's, None for no dashboard; `settings`: of
    Dask's configuration, while the block lasts.
    """
    # Dask would set the workers' threads, and have them give freed memory back at once, which slows torch down; it would
    # write results to disk or kill a worker where memory runs low; what runs in them bounds its own.
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {}, **(settings or {})}):
        with _children_ignore_interrupts(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\s*Port \d+ is already in use")  # Dask then takes another
            options = {"threads_per_worker": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
            started = LocalCluster(n_workers=n_workers, env=dict(environment), dashboard_address=dashboard, **options)
        with started as cluster, Client(cluster) as client:
            yield client


@contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Processes started in the block ignore Ctrl-C: a terminal sends it to them too, but this process ends them itself."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set a handler
        yield
        return
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, ours)


def scheduler_client(address: str, *, timeout: float, refusal: str) -> Client:
    """A client of the Dask scheduler at an address, to be used in a `with` block.

    Raises `InputError` where none answers within `timeout` seconds: `refusal` with its `{address}` and `{reason}` filled in.
    """
    try:
        return Client(address, timeout=timeout)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(refusal.format(address=address, reason=first_line(error))) from error

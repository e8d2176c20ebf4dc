"""The stages of a sweep as a graph of Dask futures, on a local cluster or a running one."""

import hashlib
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import psutil
from distributed import Client, Future, LocalCluster

from .errors import InputError
from .processes import n_cores, thread_settings
from .sweep_plan import SweepPlan
from .sweep_task import perform_stage

MEMORY = 2 << 30  # bytes that a notebook may need
PATIENCE = 10  # seconds in which a scheduler has to answer
DASHBOARD = "127.0.0.1:8787"


def default_jobs() -> int:
    """How many notebooks this machine runs at once: one a core, as far as its memory goes."""
    return max(1, min(n_cores(), psutil.virtual_memory().total // MEMORY))


@contextmanager
def connected(*, jobs: int, scheduler: str = "") -> Iterator[Client]:
    """A client of the cluster at `scheduler` or, without one, of a local cluster of `jobs` worker processes.

    A worker runs one notebook at a time, each in a process of its own; the local workers share the cores among them. On a
    running cluster a notebook has the threads that Dask gives its worker (OMP_NUM_THREADS, 1 unless set otherwise).
    Raises `InputError` where no scheduler answers.
    """
    if scheduler:
        try:
            client = Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"No Dask scheduler answers at {scheduler} ({error}): start one with `dask scheduler` and give the "
                "address that it prints."
            ) from None
        with client:
            yield client
        return
    # Dask would give every kernel one thread, and a memory trim that slows torch down; ours are the workers' own.
    settings = {"distributed.nanny.pre-spawn-environ": {}, "distributed.scheduler.worker-saturation": 1.0}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=jobs, threads_per_worker=1, processes=True, env=thread_settings(jobs), memory_limit=0,
            dashboard_address=_dashboard(), silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client


def _dashboard() -> str:
    """Dask's usual port where it is free, on this machine only; any other else, without a warning."""
    with socket.socket() as probe:
        host, port = DASHBOARD.split(":")
        return DASHBOARD if probe.connect_ex((host, int(port))) else f"{host}:0"


def submit_stages(client: Client, plan: SweepPlan) -> dict[str, Future]:
    """Submit every job of the plan that is not done, each behind those it needs; job key -> future of `perform_stage`.

    Earlier runs go first, so that whole runs get done one after the other.
    """
    futures: dict[str, Future] = {}
    for number, run in enumerate(plan.runs):
        for job in run.jobs:
            if job.key in futures or job.is_done():
                continue
            before = plan.before(job)
            awaited = [futures[earlier.key] for earlier in before if earlier.key in futures]
            name = hashlib.sha256(f"{job.folder} {job.key}".encode()).hexdigest()
            futures[job.key] = client.submit(
                perform_stage, job, [earlier.folder for earlier in before], awaited,
                key=f"{job.stage.name}-{name[:32]}", priority=-number, retries=0,
            )  # fmt: skip
    return futures

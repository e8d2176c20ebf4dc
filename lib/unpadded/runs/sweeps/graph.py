"""The stages of a sweep as a graph of Dask futures, on a local cluster or a running one."""

import hashlib
import os
import socket
from contextlib import AbstractContextManager

import psutil
from distributed import Client, Future

from unpadded.common import local_client, n_cores, scheduler_client, thread_settings
from unpadded.runs.sweeps.plan import SweepPlan
from unpadded.runs.sweeps.worker import perform_stage

MEMORY = 2 << 30  # bytes that a notebook may need
TIMEOUT = 10  # seconds in which a scheduler has to answer
NO_SCHEDULER = (
    "No Dask scheduler answers at {address} ({reason}): start one with `dask scheduler` and give the "
    "address that it prints."
)
DASHBOARD = "127.0.0.1:8787"


def default_jobs() -> int:
    """How many notebooks this machine runs at once: one a core, as far as its memory goes."""
    return max(1, min(n_cores(), psutil.virtual_memory().total // MEMORY))


def connected(*, jobs: int, scheduler: str = "") -> AbstractContextManager[Client]:
    """A client of the cluster at `scheduler` or, without one, of a local cluster of `jobs` worker processes.

    A worker runs one notebook at a time, each in a process of its own; the local workers share the cores among them. On a
    running cluster a notebook has the threads that Dask gives its worker (OMP_NUM_THREADS, 1 unless set otherwise).
    Raises `InputError` where no scheduler answers.
    """
    if scheduler:
        return scheduler_client(scheduler, timeout=TIMEOUT, refusal=NO_SCHEDULER)
    # By default a second notebook would wait at a worker that is busy, even where another worker is free before it.
    settings = {"distributed.scheduler.worker-saturation": 1.0}
    # Set for one job at a time too: bits of vectors depend on the threads, which must be the same when a job is resumed.
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(n_cores()))} | thread_settings(jobs)
    return local_client(jobs, environment=threads, dashboard=_dashboard(), settings=settings)


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
            folders = [earlier.folder for earlier in before]
            key = f"{job.stage.name}-{name[:32]}"
            futures[job.key] = client.submit(perform_stage, job, folders, awaited, key=key, priority=-number, retries=0)
    return futures

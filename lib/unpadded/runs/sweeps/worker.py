"""What a Dask worker does for a sweep. It imports little, because every worker process imports it."""

from pathlib import Path

from distributed import get_worker

from unpadded.runs.notebook import FULL_DISK, NotebookError, skip_uri_grammar

skip_uri_grammar()

from unpadded.common import DISK_IS_FULL, locked  # noqa: E402
from unpadded.runs.links import link_results  # noqa: E402
from unpadded.runs.stage import StageJob  # noqa: E402

STARTED = "unpadded-stage-started"  # topic of the messages that workers send


def perform_stage(job: StageJob, before: list[Path], _awaited: list) -> float:
    """What a Dask worker does for one job: link what it reads into its folder and execute it; the seconds it took.

    A job that an earlier, orphaned attempt is still busy with is waited for. Raises `NotebookError` when a cell fails, for a
    full disk, or where the worker does not see the sweep's files.
    """
    worker = get_worker()
    if not job.notebook.is_file():
        raise NotebookError(f"{job.notebook} is not there on worker {worker.address}: a cluster needs the same files.")
    try:
        with locked(job.folder):
            if job.is_done():
                return 0.0
            for folder in before:
                link_results(folder, job.folder)
            worker.log_event(STARTED, {"key": job.key, "worker": worker.address})
            return job.perform()
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        raise NotebookError(FULL_DISK.format(job.folder)) from error

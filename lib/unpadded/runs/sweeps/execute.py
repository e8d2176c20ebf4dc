"""Sweeps: many runs from one file, every stage that they share executed once, on a Dask cluster."""

import queue
from collections.abc import Callable
from dataclasses import dataclass

from distributed import Future

from unpadded import __version__
from unpadded.common import SWEEP_SUMMARY, locked, sha256_of, write_json
from unpadded.runs.links import drop_links, link_results
from unpadded.runs.notebook import NotebookError
from unpadded.runs.profiles import STAGES
from unpadded.runs.stage import StageJob, content_key
from unpadded.runs.sweeps.graph import connected, default_jobs, submit_stages
from unpadded.runs.sweeps.plan import COMPARE, PlannedRun, SweepPlan
from unpadded.runs.sweeps.progress import SweepView
from unpadded.runs.sweeps.scores import collect_scores
from unpadded.runs.sweeps.worker import STARTED

LOCK_TIMEOUT = 3.0  # seconds
REDRAW = 1.0  # seconds


@dataclass(frozen=True)
class Failure:
    """A job that failed by itself, not through one that it needs: why, in one sentence, and the runs that it stops."""

    stage: str
    message: str
    runs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.runs)}: {self.message}"


def execute_sweep(
    plan: SweepPlan, *, jobs: int = 0, scheduler: str = "", say: Callable[[str], None] = print
) -> list[Failure]:
    """Do what is missing of a sweep, collect its scores and compare its runs; return what failed.

    `jobs` notebooks run at once (0: as many as the machine has cores and memory for), or as many as the cluster at
    `scheduler` has workers. Stopped at any moment, it goes on from there. Raises `InputError` where another sweep is at
    work in the folder or no scheduler answers.
    """
    refusal = f"Another sweep is at work in {plan.folder}: wait for it or give another --output."
    with locked(plan.folder, timeout=LOCK_TIMEOUT, refusal=refusal):
        for run in plan.runs:
            drop_links(run.folder, but=[job.folder for job in run.jobs])
            _link(run)
        _summarise(plan, [])
        failures = []
        if not all(job.is_done() for job in plan.jobs.values()):
            failures = _perform(plan, jobs=jobs or default_jobs(), scheduler=scheduler, say=say)
        for job in plan.jobs.values():
            if job.is_done():
                job.renew_page()
        if len(collect_scores(plan)):
            failures += _compare(plan, say=say)
        _summarise(plan, failures)
    return failures


def _perform(plan: SweepPlan, *, jobs: int, scheduler: str, say: Callable[[str], None]) -> list[Failure]:
    """Have the cluster execute the missing jobs; what starts and ends arrives, in order, in one queue."""
    events: queue.Queue[tuple[str, Future | None]] = queue.Queue()
    with connected(jobs=jobs, scheduler=scheduler) as client:
        workers = sum(client.nthreads().values())
        client.subscribe_topic(STARTED, lambda event: events.put((event[1]["key"], None)))
        futures = submit_stages(client, plan)
        say(f"{workers} at once; Dask's dashboard: {client.dashboard_link or 'none'}")
        if not workers:
            say(f"no worker has joined yet: start some with `dask worker {scheduler}`")
        for key, future in futures.items():
            future.add_done_callback(lambda future, key=key: events.put((key, future)))
        errors: dict[str, str] = {}
        with SweepView(plan, futures, workers=workers) as view:
            while view.waiting:
                try:
                    key, future = events.get(timeout=REDRAW)
                except queue.Empty:
                    view.draw()
                    continue
                if key not in view.waiting:  # another sweep's, on the same cluster
                    continue
                if future is None:
                    view.started(key)
                else:
                    errors |= _settle(plan, key, future, view)
    return _own_failures(plan, errors)


def _settle(plan: SweepPlan, key: str, future: Future, view: SweepView) -> dict[str, str]:
    """Link a job's result, or what it left when it failed, into the folders of its runs."""
    error = "" if future.status == "finished" else _sentence(plan, future)
    broken = next((job.stage.name for job in plan.before(plan.jobs[key]) if job.key in view.failed), "")
    if error and broken:  # Dask hands the error on to all that need the result
        error = f"not executed, because {broken} failed"
    for run in plan.runs_of[key]:
        _link(run)
    view.ended(key, error=error)
    return {key: error} if error else {}


def _sentence(plan: SweepPlan, future: Future) -> str:
    """Why a future failed, in one line, with paths below the sweep's folder."""
    if future.status == "cancelled":
        return "the connection to the scheduler was lost; the same command goes on from here"
    error = future.exception()
    name = "" if isinstance(error, NotebookError) else f"{type(error).__name__}: "
    return name + " ".join(str(error).replace(f"{plan.folder}/", "").split())


def _own_failures(plan: SweepPlan, errors: dict[str, str]) -> list[Failure]:
    return [
        Failure(plan.jobs[key].stage.name, message, tuple(run.name for run in plan.runs_of[key]))
        for key, message in errors.items()
        if not any(earlier.key in errors for earlier in plan.before(plan.jobs[key]))
    ]


def _link(run: PlannedRun) -> None:
    for job in run.jobs:
        if job.folder.is_dir():
            link_results(job.folder, run.folder)
    if all(job.is_done() for job in run.jobs):
        write_json(run.folder / "run.json", run.run.summary(run.corpus, run.jobs))
    else:
        (run.folder / "run.json").unlink(missing_ok=True)


def _compare(plan: SweepPlan, *, say: Callable[[str], None]) -> list[Failure]:
    """Execute the comparison notebook on the whole sweep, unless the scores are those it has already seen."""
    stage = next(stage for stage in STAGES if stage.name == COMPARE)
    notebook = plan.notebooks / f"{COMPARE}.ipynb"
    key = content_key(notebook, {}, [sha256_of(plan.folder / "scores.csv")], [])
    job = StageJob(stage, notebook, plan.folder, {}, key)
    if job.is_done():
        job.renew_page()
        return []
    say(f"{COMPARE} ...")
    try:
        job.perform()
    except NotebookError as error:
        return [Failure(COMPARE, str(error).replace(f"{plan.folder}/", ""), (plan.spec.name,))]
    return []


def _summarise(plan: SweepPlan, failures: list[Failure]) -> None:
    """Write `sweep.json`: the runs with their parameters, where the results of their stages lie, and what failed."""
    stopped = {name: failure for failure in failures for name in failure.runs}
    runs = [
        {
            "name": run.name,
            "parameters": dict(run.values),
            "stages": {job.stage.name: job.folder.relative_to(plan.folder).as_posix() for job in run.jobs},
            "finished": all(job.is_done() for job in run.jobs),
            "failure": stopped[run.name].message if run.name in stopped else "",
        }
        for run in plan.runs
    ]
    summary = {"version": __version__, "name": plan.spec.name, "question": plan.spec.question, "runs": runs}
    write_json(plan.folder / SWEEP_SUMMARY, summary | {"varied": plan.spec.varied})

"""How a sweep goes: a table that stays in place on a terminal, plain lines elsewhere, and one log a run."""

import sys
import time
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from unpadded.runs.stage import StageJob
from unpadded.runs.sweeps.plan import PlannedRun, SweepPlan


class SweepView:
    """Is told what starts and ends, and shows runs done, running, failed, and the time left while its `with` block lasts.

    `waiting` holds the keys of the jobs that this sitting has to do, on `workers` workers.
    """

    def __init__(self, plan: SweepPlan, waiting: Iterable[str], *, workers: int = 1, out: TextIO | None = None) -> None:
        self.plan, self.workers = plan, workers
        out = out or sys.stdout
        self._console = Console(file=out, force_terminal=out.isatty(), highlight=False, markup=False, emoji=False)
        watched = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if watched else None
        self.waiting = set(waiting)
        self.running: dict[str, float] = {}  # key -> when it started
        self.failed: set[str] = set()
        done = [job for job in plan.jobs.values() if job.key not in self.waiting]
        self._spent = {job.key: job.seconds for job in done}

    def __enter__(self) -> "SweepView":
        if self._live:
            self._live.start()
        self.draw()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live:
            self._live.stop()

    def started(self, key: str) -> None:
        """A worker has begun with a job (again, where the one before it died)."""
        self.running[key] = time.monotonic()
        self._log(key, "started")
        self.draw()

    def ended(self, key: str, *, error: str = "") -> None:
        """A job is over; `error` says in one sentence why it failed."""
        began = self.running.pop(key, None)
        self.waiting.discard(key)
        job = self.plan.jobs[key]
        seconds = time.monotonic() - began if began else 0.0
        if error:
            self.failed.add(key)
        else:
            self._spent[key] = job.seconds
        self._log(key, f"failed: {error}" if error else f"done in {seconds:.0f} s")
        rest = "" if self._live else self._rest()  # the table says it
        what = f"{job.stage.name} of {_named(self.plan.runs_of[key])}"
        self._console.print(f"{self.counts()}{rest}: {what} {error or f'{seconds:.0f} s'}", soft_wrap=True)
        self.draw()

    def counts(self) -> str:
        """Runs done of all, and failed."""
        states = [{job.key for job in run.jobs} for run in self.plan.runs]
        failed = sum(bool(keys & self.failed) for keys in states)
        done = sum(not keys & (self.failed | self.waiting) for keys in states)
        return f"[{done}/{len(states)} runs done{f', {failed} failed' if failed else ''}]"

    def seconds_left(self) -> float | None:
        """An estimate from what each kind of stage has taken so far; None before any has ended."""
        taken: dict[str, list[float]] = {}
        for key, seconds in self._spent.items():
            taken.setdefault(self.plan.jobs[key].stage.name, []).append(seconds)
        if not taken:
            return None
        means = {name: sum(values) / len(values) for name, values in taken.items()}
        usual = sum(means.values()) / len(means)
        now, rest = time.monotonic(), 0.0
        for key in self.waiting:  # one that takes longer than usual takes nothing off the others
            spent = now - self.running.get(key, now)
            rest += max(means.get(self.plan.jobs[key].stage.name, usual) - spent, 0.0)
        return rest / max(1, min(self.workers, len(self.waiting)))

    def draw(self) -> None:
        """Show the table anew, in the place of the last one; does nothing where it is no terminal."""
        if not self._live:
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", min_width=7)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        for key, began in self.running.items():
            elapsed = _duration(time.monotonic() - began)
            table.add_row(elapsed, self.plan.jobs[key].stage.name, _named(self.plan.runs_of[key]))
        waiting = len(self.waiting) - len(self.running)
        heading = f"{self.counts()} {len(self.running)} running, {waiting} waiting{self._rest()}"
        self._live.update(Group(Text(heading, no_wrap=True, overflow="ellipsis"), table), refresh=True)

    def _rest(self) -> str:
        left = self.seconds_left()
        return f", about {_duration(left)} left" if left is not None and self.waiting else ""

    def _log(self, key: str, text: str) -> None:
        job = self.plan.jobs[key]
        for run in self.plan.runs_of[key]:
            log(self.plan, run, job, text)


def log(plan: SweepPlan, run: PlannedRun, job: StageJob, text: str) -> None:
    """Add a line about a job to the run's log, `logs/<run>.log` of the sweep."""
    path = plan.folder / "logs" / f"{run.name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {job.stage.name} ({job.key[:12]}) {text}\n")


def _named(runs: Collection[PlannedRun]) -> str:
    first = next(iter(runs)).name
    return first if len(runs) == 1 else f"{len(runs)} runs ({first}, ...)"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

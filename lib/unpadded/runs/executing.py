"""The stages of a run, as many side by side as are asked for: one that fails ends those that need it and no others."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

from unpadded.common import DISK_IS_FULL, with_type
from unpadded.runs.notebook import NoRoomError, NotebookError
from unpadded.runs.stage import StageJob

GRACE = 0.5  # seconds; Ctrl-C reaches the notebooks' processes too, and theirs can end before this one has noticed


@dataclass(frozen=True)
class Failure:
    """Why a stage has no result: `stage` is the one that failed by itself, `reason` what there is to say of this one."""

    stage: str
    reason: str


def execute_jobs(
    jobs: Sequence[StageJob], *, at_once: int, say: Callable[[str], None], before: Callable[[StageJob], None]
) -> dict[str, Failure]:
    """Do what is not done yet of the jobs, given in order; stage -> why it has no result, for those that have none.

    `before(job)` is called when everything that a job needs has ended. Raises for a full disk, which leaves no room for the
    others either, and where it is stopped; then no other begins.
    """
    stopped, begun = Event(), {}
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for number, job in enumerate(jobs, 1):  # in order, so that what a job waits for is never behind it
                needs = [begun[name] for name in job.stage.needs if name in begun]
                title = f"[{number}/{len(jobs)}] {job.stage.name}"
                begun[job.stage.name] = pool.submit(_Advance(job, title, at_once, say, before, stopped), needs)
            ended = {name: done.result() for name, done in begun.items()}
        except BaseException:
            stopped.set()
            raise
    return {name: failure for name, failure in ended.items() if failure}


@dataclass(frozen=True)
class _Advance:
    """One job in a thread of its own."""

    job: StageJob
    title: str
    at_once: int
    say: Callable[[str], None]
    before: Callable[[StageJob], None]
    stopped: Event

    def __call__(self, needs: Sequence[Future]) -> Failure | None:
        broken = next((failure for failure in (need.result() for need in needs) if failure), None)
        if self.stopped.is_set():
            return None
        if self.job.is_done():
            self.say(f"{self.title}: unchanged, reused ({self.job.seconds:.0f} s when it ran)")
            return self._tried(self.job.renew_page)
        if broken:
            self.say(f"{self.title}: not executed, because {broken.stage} failed")
            return Failure(broken.stage, f"not executed, because {broken.stage} failed")
        return self._tried(self._perform)

    def _perform(self) -> None:
        self.say(f"{self.title} ...")
        self.before(self.job)
        self.say(f"{self.title}: {self.job.perform(at_once=self.at_once):.0f} s")

    def _tried(self, work: Callable[[], None]) -> Failure | None:
        """Do it; why it failed, if it did."""
        try:
            work()
        except Exception as error:
            if isinstance(error, NoRoomError) or (isinstance(error, OSError) and error.errno in DISK_IS_FULL):
                self.stopped.set()
                raise
            reason = f"in {error.reason}" if isinstance(error, NotebookError) else f"({with_type(error)})"
            if not self.stopped.wait(GRACE):
                self.say(f"{self.title}: failed {reason}")
            return Failure(self.job.stage.name, f"failed {reason}")
        except BaseException:
            self.stopped.set()
            raise
        return None

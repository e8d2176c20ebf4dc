"""Runs: notebooks executed in order into one folder, each reused when nothing that it depends on has changed."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from unpadded import __version__
from unpadded.common import InputError, check_folder, locked, n_cores, write_json
from unpadded.corpus import Corpus, check_outside, fingerprints, load_corpus, relocated
from unpadded.evaluation import concatenate, read_scores, write_scores
from unpadded.runs.belonging import foreign_stages, move_aside
from unpadded.runs.check import described, planned
from unpadded.runs.contents import scores_content, start_content
from unpadded.runs.executing import Failure, execute_jobs
from unpadded.runs.needs import left_out
from unpadded.runs.notebook import NotebookError, check_parameters, declared_parameters
from unpadded.runs.overrides import check_overrides
from unpadded.runs.profiles import (
    AT_ONCE,
    BESIDE,
    DEFAULT_CORPUS,
    EXTRACT,
    N_DOCUMENTS,
    SCORED,
    STAGES,
    Stage,
    stage_parameters,
)
from unpadded.runs.stage import StageJob, content_key, recorded

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
LOCK_TIMEOUT = 20.0  # seconds; a killed run's last process may need a moment to end


@dataclass(frozen=True)
class CorpusChoice:
    """Which documents a run is about: a dataset's name or a path, its columns, and how many of them (0: all).

    `reading` says how a table is read where that has to be said: encoding, delimiter, heading.
    """

    source: str = DEFAULT_CORPUS
    text: str = "text"
    label: str = ""
    id: str = ""
    n_documents: int = 0
    seed: int = 0
    reading: dict = field(default_factory=dict, hash=False)

    def load(self) -> Corpus:
        """The corpus, sampled when it is larger than asked for."""
        return load_corpus(**self.parameters(Path.cwd()))

    def load_whole(self) -> Corpus:
        """The corpus with all its documents."""
        return replace(self, n_documents=0).load()

    def parameters(self, folder: Path) -> dict:
        """The same as notebook parameters, a path given relative to `folder`, where the notebook runs."""
        path = Path(self.source)
        there = bool(self.source) and path.exists()  # the path of nothing would be the present folder
        source = os.path.relpath(path, folder) if there else self.source
        given = {k: getattr(self, k) for k in ("text", "label", "id", "n_documents", "seed")}
        return {"corpus": source} | given | ({"reading": self.reading} if self.reading else {})


@dataclass
class Run:
    """A folder of executed notebooks and what they left.

    `overrides` maps a stage's name to parameters that replace the profile's; `stages` may leave some out; `studies` also
    executes those that the profile leaves to be asked for; `also` names further corpora for every notebook that takes them.
    Raises `InputError` for a corpus that cannot be read, a parameter that no notebook of this run has, and a folder in which
    another run is at work.
    """

    folder: Path
    choice: CorpusChoice = field(default_factory=CorpusChoice)
    profile: str = "quick"
    overrides: Mapping[str, dict] = field(default_factory=dict)
    notebooks: Path = NOTEBOOKS
    stages: Sequence[Stage] = STAGES
    studies: bool = False
    also: str = ""
    say: Callable[[str], None] = print

    def __post_init__(self):
        self.folder = Path(self.folder).resolve()
        if not self.choice.n_documents and N_DOCUMENTS.get(self.profile):
            self.choice = CorpusChoice(**{**vars(self.choice), "n_documents": N_DOCUMENTS[self.profile]})
        self.stages = [stage for stage in self.stages if self.studies or self.profile not in stage.on_request]

    def execute(self) -> Path:
        """Execute what is not there yet; return the path of `index.html`.

        What another corpus or profile left in the folder is moved aside first. Raises `NotebookError` when notebooks have
        failed, once the others have ended and the page says which.
        """
        from unpadded.report import write_index  # draws pictures, which takes seconds to import

        corpus, jobs = self._plan()
        refusal = f"Another run is at work in {self.folder}: wait for it or give another --output."
        with locked(self.folder, timeout=LOCK_TIMEOUT, refusal=refusal):
            for name, reason in self.left_out(corpus).items():
                self.say(f"{name}: left out, {reason}")
            kept = self._tidy(corpus, jobs)
            failures = execute_jobs(jobs, at_once=self.at_once, say=self.say, before=partial(self._join_scores, jobs))
            join_scores(self.folder, jobs)
            write_json(self.folder / "run.json", self.summary(corpus, jobs, failures=failures, kept=kept))
            index = write_index(self.folder)
        if failures:
            raise NotebookError(f"{_listed(failures)}; {os.path.relpath(index)} shows what there is.")
        return index

    def check(self) -> list[str]:
        """What `execute` would do, in lines for people; nothing is executed or written. Raises as `execute` does before."""
        corpus, jobs = self._plan()
        whole = self.choice.load_whole()
        names = dict.fromkeys(name for job in jobs for name in self._also(corpus, job))
        beside = [f"further corpus: {name}" for name in names]
        unasked = {
            stage.name: "only with --studies"
            for stage in STAGES
            if stage.on_request and self._why_not_asked(stage.name)
        }
        plan = planned(jobs, unasked | self.left_out(corpus), corpus, self.profile)
        return [*described(whole, len(corpus)), *beside, *plan, "nothing was executed or written"]

    def _plan(self) -> tuple[Corpus, list[StageJob]]:
        """The corpus and what is to be done with it; raises `InputError` for all that can be known to be wrong."""
        check_folder(self.folder)
        check_outside(self.choice.source, self.folder)
        check_overrides(self.overrides, self.notebooks, self._why_not_asked)
        corpus = self.choice.load()
        check_overrides(self.overrides, self.notebooks, partial(self._why_left_out, corpus))
        return corpus, self.jobs(corpus)

    def _tidy(self, corpus: Corpus, jobs: Sequence[StageJob]) -> list[str]:
        """Move aside what is not of this run; the names of further notebooks whose results are, from an earlier sitting."""
        keys, about = {job.stage.name: job.key for job in jobs}, self.about(corpus)
        others = [stage for stage in STAGES if stage.name not in keys and recorded(self.folder, stage).get("key")]
        if others:  # it may be what this run would have made of them
            wider = replace(self, stages=STAGES, studies=True).jobs(corpus)
            keys = {job.stage.name: job.key for job in wider} | keys
        foreign = foreign_stages(self.folder, about, keys, [job.stage.name for job in jobs])
        aside = move_aside(self.folder, foreign, about)
        if aside:
            self.say(f"what was there of another corpus, profile or version is now in {os.path.relpath(aside)}")
        return [stage.name for stage in others if stage not in foreign and stage.name in keys]

    def left_out(self, corpus: Corpus) -> dict[str, str]:
        """The notebooks that this corpus has nothing for, and why: name -> reason. Raises as `needs.left_out` does."""
        return left_out(self.stages, corpus)

    def about(self, corpus: Corpus) -> dict[str, str]:
        """What sets this run's results apart from those of another corpus or profile."""
        return {"fingerprint": corpus.fingerprint, "profile": self.profile}

    def jobs(self, corpus: Corpus) -> list[StageJob]:
        """The stages that suit the corpus, each with its parameters and key, in order. Nothing is executed or written.

        Raises `InputError` for a notebook that does not exist and for a parameter that it does not have.
        """
        jobs: dict[str, StageJob] = {}
        impossible = self.left_out(corpus)
        for stage in self.stages:
            if stage.name not in impossible:
                notebook, parameters = self._source(stage), self.parameters(stage)
                check_parameters(notebook, parameters)
                needs = [jobs[name].key if name in jobs else None for name in stage.needs]
                key = content_key(notebook, parameters, self._contents(corpus, parameters), needs)
                needed, about = tuple(filter(None, needs)), self.about(corpus)
                jobs[stage.name] = StageJob(stage, notebook, self.folder, parameters, key, needed, about)
        self._check_also(corpus, jobs)
        return list(jobs.values())

    def _also(self, corpus: Corpus, job: StageJob) -> list[str]:
        """The names of the further corpora of a stage."""
        found = fingerprints(job.parameters.get("also", ""), beside=corpus.name, root=self.notebooks)
        return [name.rpartition(":")[0] for name in found]

    def _check_also(self, corpus: Corpus, jobs: Mapping[str, StageJob]) -> None:
        """Refuse a further corpus that is to be scored and has not been encoded."""
        encoded = self._also(corpus, jobs[EXTRACT]) if EXTRACT in jobs else []
        for job in (jobs[name] for name in SCORED if name in jobs and EXTRACT in jobs):
            for name in self._also(corpus, job):
                if name not in encoded:
                    raise InputError(
                        f"{job.stage.name}.also names {name}, which {EXTRACT} does not encode: use --also for all of them."
                    )

    def _contents(self, corpus: Corpus, parameters: Mapping[str, object]) -> list[str]:
        """What stands for everything that a notebook with these parameters reads, beside the stages before it."""
        beside = fingerprints(parameters.get("also", ""), beside=corpus.name, root=self.notebooks)
        start = start_content(parameters.get("start", ""), root=self.notebooks, run=self.folder)
        return [
            corpus.name,
            corpus.fingerprint,
            *beside,
            start,
            *scores_content(parameters.get("others", ""), root=self.notebooks),
        ]

    def _why_not_asked(self, stage: str) -> str:
        """Why this run does not execute a notebook, whatever the corpus, as the end of a sentence; empty where it does."""
        if any(stage == asked.name for asked in self.stages):
            return ""
        return f"is not executed with the profile {self.profile}: add --studies, or leave the parameter out."

    def _why_left_out(self, corpus: Corpus, stage: str) -> str:
        """The same for what the corpus lacks."""
        reason = self.left_out(corpus).get(stage)
        return f"is left out, {reason}: leave the parameter out too." if reason else ""

    @property
    def at_once(self) -> int:
        """Notebooks executed side by side. One alone has its share of cores too: a resumed run gives the same bits."""
        return min(AT_ONCE[self.profile], n_cores())

    def _join_scores(self, jobs: Sequence[StageJob], job: StageJob) -> None:
        """Before a notebook that reads the scores of others, which have ended."""
        if set(SCORED) & set(job.stage.needs):
            join_scores(self.folder, jobs)

    def _source(self, stage: Stage) -> Path:
        path = self.notebooks / f"{stage.name}.ipynb"
        if not path.is_file():
            raise InputError(f"{path} does not exist: run from a clone of the project, or give its notebooks folder.")
        return path

    def parameters(self, stage: Stage) -> dict:
        """The stage's parameters: the profile's, what `overrides` says instead, and the corpus's if the notebook takes them.

        The first one does, and records them for those behind it.
        """
        declared = declared_parameters(self._source(stage))
        of_corpus = {k: v for k, v in self.choice.parameters(self.notebooks).items() if k in declared}
        own = stage_parameters(stage, self.profile, default_corpus=self.choice.source == DEFAULT_CORPUS)
        also = {"also": self.also} if self.also and stage.name in BESIDE else {}
        parameters = of_corpus | own | also | self.overrides.get(stage.name, {})
        for name in {"also", "start", "others"} & set(parameters):  # paths as the caller sees them
            parameters[name] = relocated(parameters[name], self.notebooks)
        return parameters

    def summary(
        self,
        corpus: Corpus,
        jobs: Sequence[StageJob],
        *,
        failures: Mapping[str, Failure] = MappingProxyType({}),
        kept: Sequence[str] = (),
    ) -> dict:
        """What `run.json` says of a run; `shown` are the notebooks that its page is about."""
        skipped = {name for name, failure in failures.items() if failure.stage != name}
        return {
            "version": __version__,
            "profile": self.profile,
            "corpus": corpus.name,
            "fingerprint": corpus.fingerprint,
            "documents": len(corpus),
            "facts": corpus.describe(),
            "notes": list(corpus.notes),
            "stages": {job.stage.name: {"seconds": job.seconds, "parameters": job.all_parameters()} for job in jobs},
            "failures": {name: failure.reason for name, failure in failures.items()},
            "left_out": self.left_out(corpus),
            "shown": sorted({job.stage.name for job in jobs} - skipped | set(kept)),
        }


def join_scores(folder: Path, jobs: Sequence[StageJob]) -> None:
    """Write a run's `scores.csv` from what its finished stages left in `scores/`; no file where they left none."""
    leaves = [leaf for job in jobs if job.is_done() for leaf in job.stage.leaves if leaf.startswith("scores/")]
    if leaves:
        write_scores(concatenate([read_scores(folder / leaf) for leaf in leaves]), folder / "scores.csv")
    else:
        (folder / "scores.csv").unlink(missing_ok=True)


def _listed(failures: Mapping[str, Failure]) -> str:
    """Which notebooks failed by themselves, and in which cell."""
    return "; ".join(f"{name} {failure.reason}" for name, failure in failures.items() if failure.stage == name)

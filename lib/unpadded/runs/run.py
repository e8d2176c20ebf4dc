"""Runs: notebooks executed in order into one folder, each reused when nothing that it depends on has changed."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event

from unpadded import __version__
from unpadded.common import InputError, locked, n_cores, write_json
from unpadded.corpus import Corpus, fingerprints, load_corpus, relocated
from unpadded.evaluation import concatenate, read_scores, write_scores
from unpadded.runs.contents import scores_content, start_content
from unpadded.runs.notebook import check_parameters
from unpadded.runs.overrides import check_overrides
from unpadded.runs.profiles import AT_ONCE, BESIDE, DEFAULT_CORPUS, N_DOCUMENTS, SCORED, STAGES, Stage, stage_parameters
from unpadded.runs.stage import StageJob, content_key

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
LOCK_TIMEOUT = 20.0  # seconds; a killed run's last process may need a moment to end


@dataclass(frozen=True)
class CorpusChoice:
    """Which documents a run is about: a dataset's name or a path, its columns, and how many of them (0: all)."""

    source: str = DEFAULT_CORPUS
    text: str = "text"
    label: str = ""
    id: str = ""
    n_documents: int = 0
    seed: int = 0

    def load(self) -> Corpus:
        """The corpus, sampled when it is larger than asked for."""
        return load_corpus(**self.parameters(Path.cwd()))

    def parameters(self, folder: Path) -> dict:
        """The same as notebook parameters, a path given relative to `folder`, where the notebook runs."""
        path = Path(self.source)
        source = os.path.relpath(path, folder) if path.exists() else self.source
        return {"corpus": source} | {k: getattr(self, k) for k in ("text", "label", "id", "n_documents", "seed")}


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
        """Execute what is not there yet; return the path of `index.html`. Raises `NotebookError` when a cell fails."""
        from unpadded.report import write_index  # draws pictures, which takes seconds to import

        check_overrides(self.overrides, self.notebooks, self._why_not_asked)
        corpus = self.choice.load()
        check_overrides(self.overrides, self.notebooks, partial(self._why_left_out, corpus))
        jobs = self.jobs(corpus)
        refusal = f"Another run is at work in {self.folder}: wait for it or give another --output."
        with locked(self.folder, timeout=LOCK_TIMEOUT, refusal=refusal):
            for stage in self.stages:
                if not stage.suits(corpus):
                    self.say(f"{stage.name}: left out, {stage.lacks}")
            self._advance_all(jobs)
            write_json(self.folder / "run.json", self.summary(corpus, jobs))
            return write_index(self.folder)

    def jobs(self, corpus: Corpus) -> list[StageJob]:
        """The stages that suit the corpus, each with its parameters and key, in order. Nothing is executed or written.

        Raises `InputError` for a notebook that does not exist and for a parameter that it does not have.
        """
        jobs: dict[str, StageJob] = {}
        for stage in self.stages:
            if stage.suits(corpus):
                notebook, parameters = self._source(stage), self.parameters(stage)
                check_parameters(notebook, parameters)
                needs = [jobs[name].key if name in jobs else None for name in stage.needs]
                key = content_key(notebook, parameters, self._contents(corpus, parameters), needs)
                jobs[stage.name] = StageJob(stage, notebook, self.folder, parameters, key, tuple(filter(None, needs)))
        return list(jobs.values())

    def _contents(self, corpus: Corpus, parameters: Mapping[str, object]) -> list[str]:
        """What stands for everything that a notebook with these parameters reads, beside the stages before it."""
        beside = fingerprints(parameters.get("also", ""), beside=corpus.name, root=self.notebooks)
        start = start_content(parameters.get("start", ""), root=self.notebooks, run=self.folder)
        return [corpus.fingerprint, *beside, start, *scores_content(parameters.get("others", ""), root=self.notebooks)]

    def _why_not_asked(self, stage: str) -> str:
        """Why this run does not execute a notebook, whatever the corpus, as the end of a sentence; empty where it does."""
        if any(stage == asked.name for asked in self.stages):
            return ""
        return f"is not executed with the profile {self.profile}: add --studies, or leave the parameter out."

    def _why_left_out(self, corpus: Corpus, stage: str) -> str:
        """The same for what the corpus lacks."""
        asked = next(asked for asked in self.stages if asked.name == stage)
        return "" if asked.suits(corpus) else f"is left out, {asked.lacks}: leave the parameter out too."

    @property
    def at_once(self) -> int:
        """Notebooks executed side by side. One alone has its share of cores too: a resumed run gives the same bits."""
        return min(AT_ONCE[self.profile], n_cores())

    def _advance_all(self, jobs: Sequence[StageJob]) -> None:
        """Execute the jobs, as many side by side as the profile allows; after a failure no other begins."""
        with ThreadPoolExecutor(self.at_once) as pool:
            begun, stopped = {}, Event()
            for number, job in enumerate(jobs, 1):  # in order, so that what a job waits for is never behind it
                needs = [begun[name] for name in job.stage.needs if name in begun]
                title = f"[{number}/{len(jobs)}] {job.stage.name}"
                begun[job.stage.name] = pool.submit(self._advance, job, title, needs, stopped)
        join_scores(self.folder)
        for done in begun.values():  # in order, so that a failure comes before what it kept from beginning
            done.result()

    def _advance(self, job: StageJob, title: str, needs: Sequence[Future], stopped: Event) -> None:
        for need in needs:
            need.result()
        if stopped.is_set():
            return
        if set(SCORED) & set(job.stage.needs):  # it reads their scores, and they have ended
            join_scores(self.folder)
        if job.is_done():
            self.say(f"{title}: unchanged, reused ({job.seconds:.0f} s when it ran)")
        else:
            self.say(f"{title} ...")
            try:
                seconds = job.perform(at_once=self.at_once)
            except BaseException:
                stopped.set()
                raise
            self.say(f"{title}: {seconds:.0f} s")

    def _source(self, stage: Stage) -> Path:
        path = self.notebooks / f"{stage.name}.ipynb"
        if not path.is_file():
            raise InputError(f"{path} does not exist: run from a clone of the project, or give its notebooks folder.")
        return path

    def parameters(self, stage: Stage) -> dict:
        """The stage's parameters: the corpus's, the profile's, and what `overrides` says instead."""
        own = stage_parameters(stage, self.profile, default_corpus=self.choice.source == DEFAULT_CORPUS)
        also = {"also": self.also} if self.also and stage.name in BESIDE else {}
        parameters = self.choice.parameters(self.notebooks) | own | also | self.overrides.get(stage.name, {})
        for name in {"also", "start", "others"} & set(parameters):  # paths as the caller sees them
            parameters[name] = relocated(parameters[name], self.notebooks)
        return parameters

    def summary(self, corpus: Corpus, jobs: Sequence[StageJob]) -> dict:
        """What `run.json` says of a finished run."""
        return {
            "version": __version__,
            "profile": self.profile,
            "corpus": corpus.name,
            "fingerprint": corpus.fingerprint,
            "documents": len(corpus),
            "notes": list(corpus.notes),
            "stages": {job.stage.name: {"seconds": job.seconds, "parameters": job.all_parameters()} for job in jobs},
        }


def join_scores(folder: Path) -> None:
    """Write a run's `scores.csv` from what its stages left in `scores/`, if they did."""
    parts = sorted((folder / "scores").glob("*.csv"))
    if parts:
        write_scores(concatenate([read_scores(part) for part in parts]), folder / "scores.csv")

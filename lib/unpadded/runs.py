"""Runs: notebooks executed in order into one folder, each reused when nothing that it depends on has changed."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from . import __version__
from .corpus import Corpus
from .errors import InputError
from .execution import check_parameters, execute
from .files import read_json, write_json
from .pages import code_of, write_index, write_page
from .profiles import DEFAULT_CORPUS, N_DOCUMENTS, STAGES, Stage, stage_parameters
from .scores import concatenate, read_scores, write_scores

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LOCK_PATIENCE = 20.0  # seconds; a killed run's last process may need a moment to end


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


def load_corpus(
    corpus: str, *, text: str = "text", label: str = "", id: str = "", n_documents: int = 0, seed: int = 0
) -> Corpus:
    """Load a corpus as a run's notebooks do: empty column names mean the standard ones, `n_documents` 0 means all."""
    loaded = Corpus.load(corpus, text=text, label=label or None, id=id or None)
    return loaded.sample(n_documents, seed) if 0 < n_documents < len(loaded) else loaded


@dataclass
class Run:
    """A folder of executed notebooks and what they left.

    `overrides` maps a stage's name to parameters that replace the profile's. Raises `InputError` for a corpus that cannot
    be read, a parameter that a notebook does not have, and a folder in which another run is at work.
    """

    folder: Path
    choice: CorpusChoice = field(default_factory=CorpusChoice)
    profile: str = "quick"
    overrides: Mapping[str, dict] = field(default_factory=dict)
    notebooks: Path = NOTEBOOKS
    say: Callable[[str], None] = print

    def __post_init__(self):
        self.folder = Path(self.folder).resolve()
        if not self.choice.n_documents and N_DOCUMENTS.get(self.profile):
            self.choice = CorpusChoice(**{**vars(self.choice), "n_documents": N_DOCUMENTS[self.profile]})

    def execute(self) -> Path:
        """Execute what is not there yet; return the path of `index.html`. Raises `NotebookError` when a cell fails."""
        corpus = self.choice.load()
        stages = [stage for stage in STAGES if stage.suits(corpus)]
        for stage in stages:
            check_parameters(self._source(stage), self._parameters(stage))
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            for stage in STAGES:
                if stage not in stages:
                    self.say(f"{stage.name}: left out, the corpus has no {stage.asks.replace('|', ', ')}")
            keys: dict[str, str] = {}
            for number, stage in enumerate(stages, 1):
                keys[stage.name] = self._key(stage, corpus, keys)
                self._advance(stage, keys[stage.name], f"[{number}/{len(stages)}]")
            write_json(self.folder / "run.json", self._summary(corpus, stages))
            return write_index(self.folder)

    def _advance(self, stage: Stage, key: str, number: str) -> None:
        status = self._status(stage)
        if status.get("key") == key and status.get("finished") and self._is_whole(stage):
            self.say(f"{number} {stage.name}: unchanged, reused ({status['seconds']:.0f} s when it ran)")
            return
        if status.get("key") != key:
            self._clear(stage)
        started = time.monotonic()
        spent = status.get("seconds", 0.0) if status.get("key") == key else 0.0
        write_json(self._status_path(stage), {"key": key, "finished": False, "seconds": spent})
        self.say(f"{number} {stage.name} ...")
        target = self.folder / f"{stage.name}.ipynb"
        log = self.folder / "logs" / f"{stage.name}.log"
        try:
            execute(self._source(stage), target, self._parameters(stage), log=log)
        finally:
            if target.exists():
                write_page(target)
        seconds = spent + time.monotonic() - started
        self._join_scores()
        write_json(self._status_path(stage), {"key": key, "finished": True, "seconds": round(seconds, 1)})
        self.say(f"{number} {stage.name}: {seconds:.0f} s")

    def _source(self, stage: Stage) -> Path:
        path = self.notebooks / f"{stage.name}.ipynb"
        if not path.is_file():
            raise InputError(f"{path} does not exist: run from a clone of the project, or give its notebooks folder.")
        return path

    def _parameters(self, stage: Stage) -> dict:
        own = stage_parameters(stage, self.profile, default_corpus=self.choice.source == DEFAULT_CORPUS)
        own |= self.overrides.get(stage.name, {})
        return {"run": os.path.relpath(self.folder, self.notebooks)} | self.choice.parameters(self.notebooks) | own

    def _key(self, stage: Stage, corpus: Corpus, keys: Mapping[str, str]) -> str:
        """What the stage's result depends on: its code, parameters, corpus, the stages before it, our version."""
        cells = code_of(nbformat.read(self._source(stage), as_version=4))
        parameters = {k: v for k, v in self._parameters(stage).items() if k not in ("run", "corpus")}
        upstream = [keys.get(name) for name in stage.needs]
        content = json.dumps([cells, parameters, corpus.fingerprint, upstream, __version__], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def _status_path(self, stage: Stage) -> Path:
        return self.folder / "stages" / f"{stage.name}.json"

    def _status(self, stage: Stage) -> dict:
        try:
            return read_json(self._status_path(stage))
        except (OSError, ValueError):
            return {}

    def _is_whole(self, stage: Stage) -> bool:
        left = [f"{stage.name}.ipynb", f"{stage.name}.html", *stage.leaves]
        return all((self.folder / name).exists() for name in left)

    def _clear(self, stage: Stage) -> None:
        """Remove what another corpus or other parameters left, so that nothing is mixed."""
        for name in (f"{stage.name}.ipynb", f"{stage.name}.html", *stage.leaves):
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _join_scores(self) -> None:
        parts = sorted((self.folder / "scores").glob("*.csv"))
        if parts:
            write_scores(concatenate([read_scores(part) for part in parts]), self.folder / "scores.csv")

    def _summary(self, corpus: Corpus, stages: list[Stage]) -> dict:
        return {
            "version": __version__,
            "profile": self.profile,
            "corpus": corpus.name,
            "fingerprint": corpus.fingerprint,
            "documents": len(corpus),
            "notes": list(corpus.notes),
            "stages": {
                stage.name: {"seconds": self._status(stage)["seconds"], "parameters": self._parameters(stage)}
                for stage in stages
            },
        }


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one run at a time."""
    with open(folder / ".lock", "ab") as file:
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise InputError(
                        f"Another run is at work in {folder}: wait for it or give another --output."
                    ) from error
                time.sleep(0.2)
        yield

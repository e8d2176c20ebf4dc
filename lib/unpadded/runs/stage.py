"""A stage with its parameters, in a folder: executed once, and reused while nothing that it depends on has changed."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from unpadded import __version__
from unpadded.common import read_json, write_json
from unpadded.report import code_of, prose_of, refresh_text, write_page
from unpadded.runs.code import code_key, page_key
from unpadded.runs.notebook import execute
from unpadded.runs.profiles import Stage

PLACES = ("run", "corpus", "also", "start", "others")  # parameters that say where something lies


@dataclass(frozen=True)
class StageJob:
    """One stage to be executed in `folder`, where the results of the stages before it already lie or are linked.

    `parameters` are the notebook's, but for `run`, which follows from the folder. `key` stands for everything that the
    result depends on, so two jobs with one key need one execution; `needs` holds the keys of the stages before, `about` the
    corpus's fingerprint and the profile.
    """

    stage: Stage
    notebook: Path
    folder: Path
    parameters: Mapping[str, object]
    key: str
    needs: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def executed(self) -> Path:
        """The executed copy of the notebook."""
        return self.folder / f"{self.stage.name}.ipynb"

    @property
    def seconds(self) -> float:
        """Seconds that were spent on it so far, over all sittings."""
        return self._status().get("seconds", 0.0)

    def is_done(self) -> bool:
        """Whether the folder holds this job's whole result, and not another key's."""
        status = self._status()
        whole = all((self.folder / name).exists() for name in self._leaves())
        return whole and status.get("key") == self.key and bool(status.get("finished"))

    def perform(self, *, at_once: int = 1) -> float:
        """Execute the notebook, whatever is there, with its share of `at_once`; return the seconds it took this time.

        Results of another key are removed first, those of this key are continued. Raises `NotebookError` when a cell
        fails.
        """
        spent = self.seconds if self._status().get("key") == self.key else 0.0
        if self._status().get("key") != self.key:
            self._clear()
        started = time.monotonic()
        self._record(finished=False, seconds=spent)
        try:
            log = self.folder / "logs" / f"{self.stage.name}.log"
            execute(self.notebook, self.executed, self.all_parameters(), log=log, at_once=at_once)
        except BaseException:
            with suppress(Exception):  # the first error says why: a copy torn by a full disk has no page either
                write_page(self.executed)
            raise
        write_page(self.executed)
        seconds = time.monotonic() - started
        self._record(finished=True, seconds=round(spent + seconds, 1), page=self._page_key())
        return seconds

    def renew_page(self) -> None:
        """Write the page of a finished stage again where its templates, our code or the notebook's prose have changed."""
        key = self._page_key()
        if self._status().get("page") != key:
            refresh_text(self.executed, self.notebook)
            write_page(self.executed)
            self._record(finished=True, seconds=self.seconds, page=key)

    def _page_key(self) -> str:
        return page_key(prose_of(nbformat.read(self.notebook, as_version=4)))

    def all_parameters(self) -> dict:
        """The notebook's parameters, with the folder as it is named from the notebook's own."""
        return {"run": os.path.relpath(self.folder, self.notebook.parent)} | dict(self.parameters)

    def _leaves(self) -> list[str]:
        return [f"{self.stage.name}.ipynb", f"{self.stage.name}.html", *self.stage.leaves]

    def _clear(self) -> None:
        """Remove what other parameters or other code left, so that nothing is mixed."""
        for path in [
            *map(self.folder.joinpath, [*self._leaves(), *self.stage.keeps]),
            *figures_of(self.folder, self.stage),
        ]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _status(self) -> dict:
        return recorded(self.folder, self.stage)

    def _record(self, *, finished: bool, seconds: float, page: str = "") -> None:
        record = {"key": self.key, "finished": finished, "seconds": seconds, "about": dict(self.about), "page": page}
        write_json(_record_of(self.folder, self.stage), record)


def recorded(folder: Path, stage: Stage) -> dict:
    """What a folder records of a stage: `key`, `finished`, `seconds`, `about`, `page`; empty where it records nothing."""
    try:
        return read_json(_record_of(folder, stage))
    except (OSError, ValueError):
        return {}


def figures_of(folder: Path, stage: Stage) -> list[Path]:
    """The kept pictures of a stage: their names begin with its number."""
    return sorted((folder / "figures").glob(f"{stage.name[:2]} *"))


def _record_of(folder: Path, stage: Stage) -> Path:
    return folder / "stages" / f"{stage.name}.json"


def content_key(
    notebook: Path, parameters: Mapping[str, object], contents: Sequence[str], needs: Sequence[str | None]
) -> str:
    """What a stage's result depends on, as SHA-256: its code, parameters, what it reads, the stages before it, our version.

    `contents` stands for the corpora and models that it reads. Where the run lies, and by which path something was reached,
    is left out.
    """
    parameters = {k: v for k, v in parameters.items() if k not in PLACES}
    code = code_key(code_of(nbformat.read(notebook, as_version=4)), notebook.parent)
    content = json.dumps([code, parameters, list(contents), list(needs), __version__], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()

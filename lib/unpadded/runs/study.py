"""What a notebook is about: a run's folder, its documents, further corpora and its language model, opened in one line.

Apart from `run`, which executes notebooks: a change there is none of a notebook's results.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from unpadded.common import InputError, read_json, write_json
from unpadded.corpus import NAMES, Corpus, load_also, load_corpus
from unpadded.evaluation import tokenized
from unpadded.model import LanguageModel
from unpadded.tokens import TokenizedCorpus

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
RECORD = "corpus.json"  # what the first notebook leaves in a run's folder for those behind it
DEFAULTS: dict[str, Any] = {"text": "text", "label": "", "id": "", "reading": {}, "n_documents": 0, "seed": 0}


@dataclass(frozen=True)
class Study:
    """The documents of the run in the folder `run`, and those of `others` beside them; `seed` is of every random draw.

    `settings` are `load_corpus`' arguments, `corpus` among them, as they were used.
    """

    run: Path
    documents: Corpus
    others: list[Corpus]
    settings: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, run: str | os.PathLike, *, corpus: str = "", also: str = "", **settings: object) -> Study:
        """Open a run's folder, as notebooks do, whether their run is finished or just beginning.

        `settings` are text, label, id, reading, n_documents and seed, as `load_corpus` takes them. Where `corpus` is empty,
        it is the one that the run was made from, and what is left at its default is what the run recorded. `also` names
        further corpora (`load_also`). Raises `InputError` for a setting that is none, for a run that has recorded nothing,
        and as `load_corpus` and `load_also` do.
        """
        if unknown := sorted(settings.keys() - DEFAULTS.keys()):
            raise InputError(f"Study.open: {unknown[0]!r} is no setting: give some of {', '.join(DEFAULTS)}.")
        run = Path(run)
        given = {name: value for name, value in settings.items() if value != DEFAULTS[name]}
        recorded = {"corpus": corpus} if corpus else recorded_settings(run)
        used = DEFAULTS | recorded | given
        documents = load_corpus(**used)
        return cls(run, documents, load_also(also, beside=documents.name), used)

    @property
    def seed(self) -> int:
        """Of the sample, the splits, the training and every random draw."""
        return self.settings["seed"]

    @property
    def corpora(self) -> dict[str, Corpus]:
        """All corpora by name, the run's own first."""
        return {corpus.name: corpus for corpus in (self.documents, *self.others)}

    @cached_property
    def lm(self) -> LanguageModel:
        """The run's language model, which the first notebook trained."""
        return LanguageModel.load(self.run / "language_model")

    @cached_property
    def tokens(self) -> dict[str, TokenizedCorpus]:
        """The tokens of all corpora by name, as the run's model has them."""
        return {name: tokenized(corpus, self.lm.tokenizer) for name, corpus in self.corpora.items()}

    def record(self) -> None:
        """Leave in the run's folder what `open` needs of the corpus when nothing but the folder is given."""
        source, folder = self.settings["corpus"], self.run.resolve()
        there = Path(source).exists()
        where = {"path": os.path.relpath(source, folder)} if there else {"name": source}
        write_json(self.run / RECORD, where | {name: self.settings[name] for name in DEFAULTS})


def recorded_settings(run: Path) -> dict[str, Any]:
    """What a run's folder says of its corpus, as arguments of `load_corpus`, a path as the present directory reaches it.

    By `Study.record`, else, as of a folder that was copied elsewhere, by `run.json`. Raises `InputError` where neither does.
    """
    recorded = _by_the_record(run) or {}
    if recorded and _is_there(recorded["corpus"]):
        return recorded
    found = _by_the_summary(run) or recorded
    if not found:
        raise InputError(
            f"{run} does not say which documents it is about: give `corpus`, or run 01_train_language_model into it first."
        )
    return found


def _by_the_record(run: Path) -> dict[str, Any] | None:
    record = run / RECORD
    if not record.exists():
        return None
    found = read_json(record)
    if "path" not in found:
        return {"corpus": found.pop("name")} | found
    path = os.path.relpath(record.resolve().parent / found.pop("path"))  # the record may be a link
    return {"corpus": path} | found


def _by_the_summary(run: Path) -> dict[str, Any] | None:
    """Paths in `run.json` are relative to the folder of the notebooks, where kernels run."""
    if not (run / "run.json").exists():
        return None
    stages = read_json(run / "run.json").get("stages", {}).values()
    asked = next((stage["parameters"] for stage in stages if stage["parameters"].get("corpus")), None)
    if asked is None:
        return None
    found = {name: asked[name] for name in ("corpus", *DEFAULTS) if name in asked}
    beside = NOTEBOOKS / found["corpus"]
    there = not Path(found["corpus"]).exists() and beside.exists()
    return found | ({"corpus": os.path.relpath(beside)} if there else {})


def _is_there(corpus: str) -> bool:
    return corpus in NAMES or Path(corpus).exists()

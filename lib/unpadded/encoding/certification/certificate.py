"""What `certify` found: the verdict, its evidence, a table, a picture."""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from unpadded.common import InputError
from unpadded.encoding.certification.example import Example
from unpadded.encoding.certification.items import Item
from unpadded.encoding.certification.precision import VERDICTS

OWN = "unpadded"  # the method of rows that compare batches of Unpadded's own encoder
SHOWN = 60  # characters of a text in a summary


@dataclass(frozen=True)
class Certificate:
    """What `certify` found.

    `verdict`: "bit-identical", "rounding", "depends on the batch", "not repeatable" or "wrong order".
    `follows`: what vectors follow that they should not ("longer texts", "contents", "positions", ...); `reason`: a sentence.
    `max_abs_diff`: the largest difference between a vector from any call and the same document's alone (inf where the
    number of rows or columns is wrong); `min_cosine`: the smallest cosine of the two; `neighbours_changed`: how many of a
    document's 10 nearest change, mean over the documents, in the worst batch of all of them.
    `example`: the smallest one, or None; `culprit`: the trial that it was found in; `notes`: what else was noticed;
    `n_calls`: calls made.
    `rows`: one dict a trial (`to_frame`). `excess`: [documents, trials], differences relative to a vector's largest number,
    NaN where not tried; `documents` and `trials` name its axes.
    For Unpadded's own encoder a row is a configuration, with `method` ("unpadded", or "fastai" for fastai's own encoder on
    each document alone), `order`, the engine's options (`slots` and `chunk_length`, of a narrow model `piece_tokens` and
    `threads`), `n_documents`, `max_abs_diff`, `n_different`, `bit_identical`.
    """

    verdict: str
    follows: str
    reason: str
    rows: tuple[dict, ...]
    max_abs_diff: float
    min_cosine: float
    neighbours_changed: float
    precision: str
    n_threads: int
    n_calls: int
    example: Example | None = None
    culprit: str = ""
    notes: tuple[str, ...] = ()
    documents: tuple[Item, ...] = field(default=(), repr=False)
    trials: tuple[str, ...] = field(default=(), repr=False)
    excess: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    @property
    def smallest(self) -> list:
        """The fewest and shortest documents that still show it, as they stand in one call; empty if nothing differs."""
        return [] if self.example is None else [i if isinstance(i, str) else list(i) for i in self.example.texts]

    @property
    def bit_identical(self) -> bool:
        """Whether no batch changed a single bit."""
        return self.verdict == VERDICTS[0]

    @property
    def max_abs_diff_fastai(self) -> float:
        """Unpadded's own encoder: largest difference between a vector alone and the same from fastai's encoder; else 0."""
        return max((row["max_abs_diff"] for row in self.rows if row.get("method") == "fastai"), default=0.0)

    def worse_than(self, verdict: str) -> bool:
        """Whether the verdict is worse than `verdict`, in the order of the five. Raises `InputError` for another name."""
        if verdict not in VERDICTS:
            raise InputError(f"The verdict {verdict!r} is not known: give {', '.join(VERDICTS)}.")
        return VERDICTS.index(self.verdict) > VERDICTS.index(verdict)

    def to_frame(self) -> pd.DataFrame:
        """One row a trial, or a configuration of Unpadded's own encoder."""
        return pd.DataFrame(list(self.rows))

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-ready values; None for what is not finite."""
        return {
            "verdict": self.verdict,
            "follows": self.follows,
            "reason": self.reason,
            "max_abs_diff": _finite(self.max_abs_diff),
            "min_cosine": self.min_cosine,
            "neighbours_changed": self.neighbours_changed,
            "bit_identical": self.bit_identical,
            "max_abs_diff_fastai": _finite(self.max_abs_diff_fastai),
            "precision": self.precision,
            "n_threads": self.n_threads,
            "n_calls": self.n_calls,
            "notes": list(self.notes),
            "smallest": self.smallest,
            "rows": [{name: _finite(value) for name, value in row.items()} for row in self.rows],
        }

    def save_smallest(self, path: str | os.PathLike) -> None:
        """Write the smallest example as JSON (`Example.load` reads it). Raises `InputError` where there is none."""
        if self.example is None:
            raise InputError("No batch changed a bit, so there is no example to save.")
        self.example.save(path)

    def plot(self):
        """Documents by trials, coloured by difference, the culprit named: a matplotlib Figure, which has to be installed."""
        from unpadded.encoding.certification.picture import (
            picture,  # only here, so that the core does without matplotlib
        )

        return picture(self)

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}"]
        lines.append(
            f"largest difference {self.max_abs_diff:.2g}, smallest cosine {self.min_cosine:.6f}, "
            f"{self.neighbours_changed:.1f} of 10 neighbours change; {self.n_calls} calls"
        )
        if self.smallest:
            lines.append(
                f"smallest example, {len(self.smallest)} in one call: {', '.join(map(shortened, self.smallest))}"
            )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def shortened(document) -> str:
    """A document on one line of a message."""
    text = repr(document)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 4]}...{text[-1]}"


def _finite(value):
    return None if isinstance(value, float) and not np.isfinite(value) else value

"""What a notebook reads beside the corpora, by content: the model that training starts from, the scores of other runs."""

import hashlib
from pathlib import Path

from unpadded.common import SWEEP_SUMMARY, InputError, comma_list, sha256_of

PRETRAINED = "wt103"  # fastai's own, which does not change
MODEL = "config.json"


def start_content(start: str, *, root: Path, run: Path) -> str:
    """SHA-256 of all files of the model in the folder `start`, a path from `root`; a name that is no path stands for itself.

    Raises `InputError` where no language model lies there, and for the one that the run in the folder `run` would replace.
    """
    if start in ("", PRETRAINED):
        return start
    folder = (root / start).resolve()
    if not (folder / MODEL).is_file():
        raise InputError(
            f"start: {start} holds no language model: give the folder `language_model` of a finished run, or {PRETRAINED}."
        )
    if run in folder.parents:
        raise InputError(f"start: {start} is what this run would replace: give another --output.")
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def scores_content(others: str, *, root: Path) -> list[str]:
    """SHA-256 of the scores of each run or sweep of a comma separated list of folders, paths from `root`.

    Raises `InputError` for a folder without scores.
    """
    return [_scores(root / other, other) for other in comma_list(others)]


def _scores(folder: Path, name: str) -> str:
    path = folder / ("scores.parquet" if (folder / SWEEP_SUMMARY).is_file() else "scores.csv")
    if not path.is_file():
        raise InputError(f"others: {name} holds no {path.name}: give the folder of a run that got as far as a score.")
    return sha256_of(path)

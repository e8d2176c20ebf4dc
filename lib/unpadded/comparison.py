"""Runs side by side: their scores, their leaders and what they cost."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .errors import InputError
from .files import read_json
from .pages import HEADLINE
from .plots import method_names
from .scores import read_scores


def read_runs(folders: Sequence[str | os.PathLike]) -> pd.DataFrame:
    """The scores of several runs as one long table with a first column `run`, the folder's name.

    Raises `InputError` for a folder without `scores.csv`.
    """
    parts = []
    for folder in map(Path, folders):
        path = folder / "scores.csv"
        if not path.is_file():
            raise InputError(f"{folder} holds no scores.csv: give the folder of a run that got as far as a score.")
        parts.append(read_scores(path).assign(run=folder.resolve().name))
    table = pd.concat(parts, ignore_index=True)
    return table[["run", *(c for c in table.columns if c != "run")]]


def leaderboard(scores: pd.DataFrame, *, k: int = 5) -> pd.DataFrame:
    """The `k` best rows of each corpus and headline metric, best first, with their intervals."""
    chosen = [metric for metrics in HEADLINE.values() for metric in metrics]
    rows = scores[scores.metric.isin(chosen)].assign(name=method_names)
    rows = rows.sort_values("value", ascending=False, kind="stable")
    best = rows.groupby(["corpus", "task", "metric"], sort=True).head(k)
    best = best.sort_values(["corpus", "task", "metric", "value"], ascending=[True, True, True, False], kind="stable")
    columns = ["corpus", "task", "metric", "name", "value", "ci_low", "ci_high", "run"]
    return best[columns].round(3).set_index(["corpus", "task", "metric"])


def stage_minutes(folders: Sequence[str | os.PathLike]) -> pd.DataFrame:
    """Minutes of each finished stage (rows) of each run (columns), with their sum."""
    columns = {}
    for folder in map(Path, folders):
        stages = sorted((folder / "stages").glob("*.json"))
        columns[folder.resolve().name] = {path.stem: read_json(path)["seconds"] / 60 for path in stages}
    table = pd.DataFrame(columns)
    table.loc["sum"] = table.sum()
    return table.round(2)

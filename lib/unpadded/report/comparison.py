"""Runs side by side, one's own choice or a sweep's: their scores, their leaders and what they cost."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from unpadded.common import SWEEP_SUMMARY, InputError, read_json
from unpadded.evaluation import read_scores
from unpadded.report.headline import HEADLINE
from unpadded.report.plots.scores import method_names
from unpadded.report.rendering import table_html

HEADLINE_METRICS = [metric for metrics in HEADLINE.values() for metric in metrics]
NOTEBOOK_OF = {"clustering": "06_clustering", "ranking": "07_ranking", "classification": "08_classification"}


def is_sweep(folder: str | os.PathLike) -> bool:
    """Whether the folder is that of a sweep."""
    return (Path(folder) / SWEEP_SUMMARY).is_file()


def read_runs(folders: Sequence[str | os.PathLike]) -> pd.DataFrame:
    """The scores of several runs as one long table with a first column `run`, the folder's name.

    A sweep's folder gives all its runs, with a column `params.NAME` for each parameter. Raises `InputError` for a folder
    without scores.
    """
    parts = []
    for folder in map(Path, folders):
        path = folder / ("scores.parquet" if is_sweep(folder) else "scores.csv")
        if not path.is_file():
            raise InputError(f"{folder} holds no {path.name}: give the folder of a run that got as far as a score.")
        run = folder.resolve().name
        parts.append(pd.read_parquet(path) if is_sweep(folder) else read_scores(path).assign(run=run))
    table = pd.concat(parts, ignore_index=True)
    return table[["run", *(c for c in table.columns if c != "run")]]


def leaderboard(scores: pd.DataFrame, *, k: int = 5) -> pd.DataFrame:
    """The `k` best rows of each corpus and headline metric, best first, with their intervals.

    What several runs measured alike, as a sweep's do with a baseline, stands there once.
    """
    rows = scores[scores.metric.isin(HEADLINE_METRICS)].assign(name=method_names)
    keys = ["corpus", "task", "metric"]
    rows = rows.drop_duplicates([*keys, "name", "value"])
    best = rows.sort_values([*keys, "value"], ascending=[True, True, True, False], kind="stable").groupby(keys).head(k)
    return best[[*keys, "name", "value", "ci_low", "ci_high", "run"]].round(3).set_index(keys)


def best_of_each(scores: pd.DataFrame) -> pd.DataFrame:
    """Each method, pooling and post-processing once for every corpus and metric: as the run had it that did best."""
    what = ["corpus", "task", "method", "pooling", "postprocess", "metric"]
    order = scores.sort_values("value", ascending=False, kind="stable").drop_duplicates(what).index
    return scores.loc[scores.index.isin(order)]


def best_runs(scores: pd.DataFrame, folder: str | os.PathLike) -> pd.DataFrame:
    """The run that did best in each corpus and task (its first headline metric), and the page that shows how.

    Columns: corpus, task, metric, run, name, value, ci_low, ci_high, notebook (a path from `folder`, a run's or a sweep's).
    """
    first = [metrics[0] for metrics in HEADLINE.values()]
    best = leaderboard(scores[(scores.method == "lm") & scores.metric.isin(first)], k=1).reset_index()
    base = [f"runs/{run}/" if is_sweep(folder) else "" for run in best.run]
    best["notebook"] = [f"{b}{NOTEBOOK_OF[task]}.html" for b, task in zip(base, best.task, strict=True)]
    return best[["corpus", "task", "metric", "run", "name", "value", "ci_low", "ci_high", "notebook"]]


def with_links(table: pd.DataFrame) -> str:
    """The table as HTML in which the paths of its column `notebook` are links."""
    link = Markup('<a href="{}">{}</a>')
    links = [link.format(path, Path(path).stem) for path in table["notebook"]]
    return str(table_html(table.assign(notebook=pd.Series(links, table.index, dtype=object))))


def stage_minutes(folders: Sequence[str | os.PathLike]) -> pd.DataFrame:
    """Minutes of each finished stage (columns) of each run (rows), with their sum; a sweep's folder gives all its runs.

    Where runs share stages, a last row counts each once: what was really spent.
    """
    rows, once = {}, {}
    for run in (run for folder in folders for run in _runs(Path(folder))):
        stages = {path.stem: path for path in sorted((run / "stages").glob("*.json"))}
        rows[run.resolve().name] = {name: read_json(path)["seconds"] / 60 for name, path in stages.items()}
        once |= {path.resolve(): (name, rows[run.resolve().name][name]) for name, path in stages.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").sort_index(axis="columns")
    table["sum"] = table.sum(axis="columns")
    if len(once) < sum(map(len, rows.values())):
        spent = pd.DataFrame(once.values(), columns=["stage", "minutes"]).groupby("stage")["minutes"].sum()
        table.loc["shared stages once"] = pd.concat([spent, pd.Series({"sum": spent.sum()})])
    return table.round(2)


def _runs(folder: Path) -> list[Path]:
    if not is_sweep(folder):
        return [folder]
    return [folder / "runs" / run["name"] for run in read_json(folder / SWEEP_SUMMARY)["runs"]]

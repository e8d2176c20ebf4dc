"""The scores of a sweep: every run's, joined with its parameters."""

import pandas as pd

from unpadded.common import PARAMETER, atomic_write, write_table
from unpadded.evaluation import concatenate, read_scores, write_scores
from unpadded.runs.sweeps.plan import PlannedRun, SweepPlan


def write_run_scores(run: PlannedRun) -> pd.DataFrame:
    """Write a run's `scores.csv` from its finished stages and return the table; no file and an empty table without one."""
    done = [job for job in run.jobs if job.is_done()]
    parts = [job.folder / leaf for job in done for leaf in job.stage.leaves if leaf.startswith("scores/")]
    table = concatenate([read_scores(part) for part in parts])
    if parts:
        write_scores(table, run.folder / "scores.csv")
    else:
        (run.folder / "scores.csv").unlink(missing_ok=True)  # of other parameters, whose stages are gone
    return table


def collect_scores(plan: SweepPlan) -> pd.DataFrame:
    """Write `scores.csv` and `scores.parquet` of the whole sweep and return the table.

    Columns: `run`, `params.NAME` for every parameter that the sweep's file names, then those of every score table.
    """
    tables = []
    for run in plan.runs:
        table = write_run_scores(run)
        values = {"run": run.name} | {f"{PARAMETER}{name}": value for name, value in run.values.items()}
        for place, (name, value) in enumerate(values.items()):
            table.insert(place, name, value)
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True)
    for name in joined.columns:
        if name.startswith(PARAMETER) and len({type(value) for value in joined[name]}) > 1:
            joined[name] = joined[name].astype(str)  # a column of a Parquet file has one type
    write_table(plan.folder / "scores.csv", joined)
    with atomic_write(plan.folder / "scores.parquet") as file:
        joined.to_parquet(file, index=False)
    return joined

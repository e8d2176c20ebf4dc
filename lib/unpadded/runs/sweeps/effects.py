"""What each parameter of a sweep does to the scores, the other parameters averaged."""

import numpy as np
import pandas as pd
from scipy.stats import t

from unpadded.common import PARAMETER, InputError

# No factors of their own: the first three choose rows, which have such columns themselves; seeds repeat a measurement.
NO_FACTORS = ("poolings", "postprocesses", "corpus", "seed")
WHAT = ["corpus", "task", "metric"]
COLUMNS = [*WHAT, "parameter", "level", "mean", "ci_low", "ci_high", "n"]


def effects(scores: pd.DataFrame, *, metrics: list[str]) -> pd.DataFrame:
    """The mean of each metric under each level of each parameter, over all values of the others; COLUMNS.

    `scores` is a long table, with columns `params.NAME` if it is a sweep's; rows of the language model count, and pooling
    and post-processing are parameters like the others. Levels are compared within the combinations of the others (n of
    them): the 95 % interval is of Cousineau (2005) with the correction of Morey (2008), nan where n is 1. Raises
    `InputError` when nothing was measured with these metrics.
    """
    rows = scores[(scores.method == "lm") & scores.metric.isin(metrics)]
    if rows.empty:
        raise InputError(f"metrics: the language model has no score in {', '.join(metrics)}; name others.")
    names = [c for c in rows if c.startswith(PARAMETER) and c.rpartition(".")[2] not in NO_FACTORS]
    factors = [name for name in [*names, "pooling", "postprocess"] if rows[name].nunique() > 1]
    blocks = factors + [c for c in rows if c.startswith(PARAMETER) and c.endswith(".seed")]
    values = rows.groupby([*WHAT, *blocks], sort=False, dropna=False)["value"].mean().reset_index()
    found = [
        dict(zip(WHAT, what, strict=True)) | {"parameter": factor.removeprefix(PARAMETER)} | level
        for what, group in values.groupby(WHAT, sort=False)
        for factor in factors
        for level in _levels(group, factor, [name for name in blocks if name != factor])
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def _levels(group: pd.DataFrame, factor: str, others: list[str]) -> list[dict]:
    """One row a level, from the combinations of the others in which at least two levels were measured."""
    table = group.pivot_table(index=others or [lambda _: 0], columns=factor, values="value", sort=False)
    table = table[table.notna().sum(axis=1) >= 2]
    if table.empty:
        return []
    own = table.mean(axis=1)  # of each combination; Cousineau's correction puts the grand mean in its place
    centred = table.sub(own, axis=0) + own.mean()
    levels = list(table.columns)
    if pd.api.types.is_numeric_dtype(table.columns):
        levels.sort()
    measured = {level: centred[level].dropna().to_numpy() for level in levels}
    return [_level(level, values, len(levels)) for level, values in measured.items() if len(values)]


def _level(level: object, values: np.ndarray, n_levels: int) -> dict:
    mean, n = float(values.mean()), len(values)
    half = np.nan
    if n > 1:
        spread = values.std(ddof=1) * np.sqrt(n_levels / (n_levels - 1))
        half = float(t.ppf(0.975, n - 1) * spread / np.sqrt(n))
    return {"level": level, "mean": mean, "ci_low": mean - half, "ci_high": mean + half, "n": n}

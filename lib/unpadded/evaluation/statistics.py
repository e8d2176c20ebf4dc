"""Intervals and tests: percentile bootstrap, paired randomization tests, Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from unpadded.common import InputError

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05  # of the corrected p-value
COMPARED = ["first", "second", "mean_first", "mean_second", "difference", "p_value", "p_holm", "significant", "n"]


class Interval(NamedTuple):
    """A value and the ends of its confidence interval, low <= value <= high."""

    value: float
    low: float
    high: float


def percentile_interval(value: float, resampled: np.ndarray) -> Interval:
    """The interval between two percentiles of `resampled` [n_resamples], widened to hold `value` if it must be."""
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(value), float(min(low, value)), float(max(high, value)))


def bootstrap_mean(values: np.ndarray, *, n_resamples: int = 1000, seed: int = 0) -> Interval:
    """The mean of `values` [n] with a percentile bootstrap interval over items (Efron, 1979); n = 1 has no width.

    Raises InputError for no values or values that are not finite.
    """
    values = _finite(values, "values")
    if len(values) == 1:
        return Interval(values[0], values[0], values[0])
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=n_resamples,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, 4_000_000 // len(values)),
        rng=np.random.default_rng(seed),
    )
    return percentile_interval(values.mean(), result.bootstrap_distribution)


def _swap_tests(differences: np.ndarray, *, n_resamples: int, seed: int) -> np.ndarray:
    """Two-sided p-values [m] of paired randomization tests of the means of `differences` [n, m] under random swaps.

    Fisher's randomization as Smucker et al. (CIKM 2007) recommend it for retrieval; exact where all swaps can be tried. The
    swaps are the same for all columns, so that one matrix product tests them together: scipy.stats.permutation_test does
    one column at a time, and took a hundred times as long on 1,000 queries.
    """
    n, m = differences.shape
    observed = np.abs(differences.sum(axis=0)) * (1 - 1e-12)  # a swap that only reorders the sum counts as equal
    exact = 2**n <= n_resamples + 1
    total = 2**n if exact else n_resamples
    rng, extreme = np.random.default_rng(seed), np.zeros(m, dtype=int)
    for start in range(0, total, 1000):
        size = min(1000, total - start)
        if exact:
            swapped = (np.arange(start, start + size)[:, None] >> np.arange(n)) & 1
        else:
            swapped = rng.integers(2, size=(size, n), dtype=np.int8)
        extreme += (np.abs((1.0 - 2.0 * swapped) @ differences) >= observed).sum(axis=0)
    return extreme / total if exact else (extreme + 1) / (total + 1)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down adjusted p-values [m], in the order given; they control the familywise error."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)  # m for the smallest, then m - 1, ...
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return adjusted


def compare(
    per_item: Mapping[str, np.ndarray] | pd.DataFrame,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    n_resamples: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Pairs of methods (all, or `pairs`) tested on the same items (name -> values [n]); a row for each pair.

    Columns: first, second, mean_first, mean_second, difference, p_value, p_holm, significant, n. Holm's correction is over
    the pairs that are tested. Raises InputError when the numbers of items differ or a value is not finite.
    """
    per_item = {str(name): _finite(values, str(name)) for name, values in per_item.items()}
    names, sizes = list(per_item), {name: len(values) for name, values in per_item.items()}
    if len(names) < 2:
        raise InputError(f"per_item: got {len(names)} methods; a comparison needs at least two.")
    if len(set(sizes.values())) > 1:
        raise InputError(f"per_item: methods have different numbers of items, {sizes}; compare them on the same items.")
    values = np.column_stack(list(per_item.values()))
    pairs = list(combinations(names, 2)) if pairs is None else list(pairs)
    frame = pd.DataFrame(pairs, columns=["first", "second"])
    places = [(names.index(first), names.index(second)) for first, second in pairs]
    differences = np.stack([values[:, i] - values[:, j] for i, j in places], axis=1)
    frame["mean_first"] = [values[:, i].mean() for i, _ in places]
    frame["mean_second"] = [values[:, j].mean() for _, j in places]
    frame["difference"] = differences.mean(axis=0)
    frame["p_value"] = _swap_tests(differences, n_resamples=n_resamples, seed=seed)
    frame["p_holm"] = holm(frame["p_value"].to_numpy())
    frame["significant"] = frame["p_holm"] < SIGNIFICANCE
    frame["n"] = len(values)
    return frame


def verdict(comparison: pd.DataFrame, first: str, second: str, *, metric: str = "") -> str:
    """One sentence about two methods of compare()'s table; it says "beats" only where the corrected test does."""
    names = comparison[["first", "second"]].to_numpy().tolist()
    if [first, second] not in names and [second, first] not in names:
        raise InputError(f"verdict: the comparison holds no pair {first!r} and {second!r}; compare them first.")
    forward = [first, second] in names
    row = comparison.iloc[names.index([first, second] if forward else [second, first])]
    difference = row["difference"] if forward else -row["difference"]
    evidence = f"p = {row['p_holm']:.2g} after Holm's correction, n = {row['n']}"
    unit = f" {metric}" if metric else ""
    if not row["significant"]:
        return f"No difference between {first} and {second} was shown ({difference:+.3f}{unit}; {evidence})."
    winner, loser = (first, second) if difference > 0 else (second, first)
    return f"{winner} beats {loser} by {abs(difference):.3f}{unit} ({evidence})."


def verdicts(
    per_item: Mapping[str, np.ndarray] | pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    metric: str = "",
    seed: int = 0,
) -> list[str]:
    """One sentence for each of `pairs` whose methods were both measured, tested together; see compare and verdict."""
    measured = [(first, second) for first, second in pairs if first != second and {first, second} <= set(per_item)]
    if not measured:
        return []
    table = compare(per_item, pairs=measured, seed=seed)
    return [verdict(table, first, second, metric=metric) for first, second in measured]


def against(
    chosen: str, per_item: Mapping[str, np.ndarray] | pd.DataFrame, *, corpus: str, metric: str, seed: int = 0
) -> pd.DataFrame:
    """One method, chosen beforehand, tested against each other one: compare()'s columns with corpus, metric and seed before
    them. No rows where the chosen one was not measured, or alone."""
    pairs = [(chosen, other) for other in per_item if other != chosen] if chosen in per_item else []
    found = compare(per_item, pairs=pairs, seed=seed) if pairs else pd.DataFrame(columns=COMPARED)
    for place, (name, value) in enumerate({"corpus": corpus, "metric": metric, "seed": seed}.items()):
        found.insert(place, name, value)
    return found


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError(
            f"{name}: expected one finite number per item, got shape {values.shape}; leave out what is undefined."
        )
    return values

"""A probe over several corpora and models, and its averages over documents with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from unpadded.encoding import DocumentEncoder
from unpadded.evaluation import bootstrap_mean
from unpadded.studies.last_state.samples import Sample

COLUMNS = ["corpus", "model", "document", "length", "length_group", "layer", "pooling"]  # of an empty table
COLUMNS += ["part", "is_nearest", "final_tokens", "place", "trained_on", "part_tokens", "value"]


def everywhere(
    measure: Callable[..., pd.DataFrame],
    encoders: Mapping[str, DocumentEncoder],
    samples: Mapping[str, Sample],
    *,
    train: Mapping[str, Sample] | None = None,
    **options,
) -> pd.DataFrame:
    """`measure(encoder, sample, **options)` for every encoder and sample that is not empty, columns corpus and model added.

    `train`: for a measurement that learns, the sample of each corpus that it learns from.
    """
    tables = []
    for corpus, sample in samples.items():
        own = options | ({"train": train[corpus]} if train else {})
        found = ((model, measure(encoder, sample, **own)) for model, encoder in encoders.items() if len(sample))
        tables += [table.assign(corpus=corpus, model=model) for model, table in found if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def last_layer(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each model's last layer."""
    return table[table["layer"] == table.groupby("model")["layer"].transform("max")] if len(table) else table


def with_intervals(values: pd.DataFrame, by: Sequence[str], *, column: str = "value") -> pd.DataFrame:
    """The mean over documents for each combination of the columns `by`, with its bootstrap interval.

    Columns: `by`, value, ci_low, ci_high, n. Empty where `values` is.
    """
    columns = [*by, "value", "ci_low", "ci_high", "n"]
    if values.empty:
        return pd.DataFrame(columns=columns)
    rows = [
        [*key, *bootstrap_mean(group.to_numpy()), len(group)]
        for key, group in values.groupby(list(by), sort=False)[column]
    ]
    return pd.DataFrame(rows, columns=columns)

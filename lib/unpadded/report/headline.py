"""The metrics that stand for a run: on its front page, in the README, side by side with other runs."""

import pandas as pd

HEADLINE = {  # task -> the metrics whose best rows the front page shows
    "clustering": ["v_measure"],
    "ranking": ["nDCG@10", "P@10", "spearman"],
    "classification": ["accuracy"],
}


def headline(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a method and pooling, one column a task's headline metric, values with their intervals as text.

    Columns: corpus, method, pooling, postprocess, then `task: metric` for each that was measured.
    """
    wanted = [(task, metric) for task, metrics in HEADLINE.items() for metric in metrics]
    measured = list(zip(scores.task, scores.metric, strict=True))
    rows = scores[[pair in wanted for pair in measured]].copy()
    rows["column"] = rows.task + ": " + rows.metric
    rows["text"] = with_interval(rows)
    keys = ["corpus", "method", "pooling", "postprocess"]
    rows[keys] = rows[keys].fillna("")
    table = rows.pivot_table(index=keys, columns="column", values="text", aggfunc="first", sort=False)
    order = [f"{task}: {metric}" for task, metric in wanted if f"{task}: {metric}" in table.columns]
    return table[order].fillna("").reset_index()


def with_interval(rows: pd.DataFrame) -> list[str]:
    """ "0.612 [0.598, 0.630]" for each row: its value and the ends of its interval."""
    values = zip(rows.value, rows.ci_low, rows.ci_high, strict=True)
    return [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in values]


def leaders(rows: pd.DataFrame, measured: list[str]) -> set[tuple[object, str]]:
    """The cells (index, column) of `headline`'s table that hold the best value of their column in their corpus."""
    found = set()
    for _, part in rows.groupby("corpus"):
        for column in measured:
            values = pd.to_numeric(part[column].str.split(" ").str[0], errors="coerce")
            found |= {(index, column) for index in values.index[values == values.max()]}
    return found

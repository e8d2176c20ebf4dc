"""What a run's front page says first: its documents in numbers, and whether its vectors are worth it beside plain words."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from unpadded.common import read_json
from unpadded.evaluation import read_scores, recommended_name, unprocessed_rows
from unpadded.report.answers import METRIC, TASKS
from unpadded.report.own_models import METRICS, WORDS
from unpadded.report.plots.scores import method_names
from unpadded.report.study_answers import listed

# What `Corpus.describe` counts, in words.
COUNTED = (
    ("topics", "topic", "topics"),
    ("queries", "query", "queries"),
    ("ratings", "rated pair", "rated pairs"),
    ("duplicates", "copy of another text", "copies of other texts"),
)
TESTED = {
    "clustering": "AMI",
    "ranking": "nDCG@10",
    "classification": "accuracy",
}  # the metric of a task's paired tests
SHOWN = {
    True: "a paired test shows it",
    False: "a paired test does not show that they differ",
    None: "no paired test was made",
}


def in_numbers(summary: Mapping) -> str:
    """The documents of a run in one line, from what `run.json` says of them (`Corpus.describe`)."""
    facts = summary.get("facts") or {}
    said = [
        f"{summary['documents']:,} documents" + (f" of {facts['median_words']:,.0f} words (median)" if facts else "")
    ]
    said += [f"{facts[name]:,} {one if facts[name] == 1 else many}" for name, one, many in COUNTED if facts.get(name)]
    said += [f"{n:,} in the part {part!r}" for part, n in (facts.get("splits") or {}).items() if part != "null"]
    return "; ".join(said)


def worth_it(folder: Path) -> dict | None:
    """Whether what a run recommends is better than the best of the words: `verdict`, a sentence, and `details`, one a task.

    A difference counts where the run's paired test shows it. None where nothing is recommended, or no score has both.
    """
    try:
        scores, name = read_scores(folder / "scores.csv"), recommended_name(folder)
        own = scores[scores.corpus == read_json(folder / "run.json")["corpus"]].assign(name=method_names)
    except (OSError, ValueError, KeyError):
        return None
    found = [_beside_words(folder, own, task, name) for task in METRIC]
    outcomes = {task: outcome for task, outcome in zip(METRIC, found, strict=True) if outcome}
    if not outcomes or not name:
        return None
    kinds = {kind: [task for task, (k, _) in outcomes.items() if k == kind] for kind in ("better", "alike", "worse")}
    said = []
    if kinds["better"]:
        said.append(f"Yes for {listed(kinds['better'])}.")
    if kinds["alike"]:
        said.append(f"For {listed(kinds['alike'])} no difference was shown.")
    if kinds["worse"]:
        said.append(f"No for {listed(kinds['worse'])}: words are better.")
    return {"verdict": " ".join(said), "details": [sentence for _, sentence in outcomes.values()]}


def _beside_words(folder: Path, own: pd.DataFrame, task: str, name: str) -> tuple[str, str] | None:
    """("better", "alike" or "worse", a sentence with both scores) for a task, or None where one of both has no score."""
    rows = unprocessed_rows(own[(own.task == task) & (own.metric == METRIC[task])])
    taken, words = rows[rows.name == name], rows[rows.method.isin(WORDS)]
    if taken.empty or words.empty:
        return None
    ours, best = taken.iloc[0], words.loc[words.value.idxmax()]
    shown = _shown(folder, task, name, best["name"], corpus=str(ours.corpus))
    kind = "alike" if not shown or ours.value == best.value else "better" if ours.value > best.value else "worse"
    scores = f"{METRICS[METRIC[task]]} {ours.value:.3f}, and {best.value:.3f} of {best['name']}, the best of the words"
    return kind, f"{task.capitalize()}: {scores}; {SHOWN[shown]}."


def _shown(folder: Path, task: str, first: str, second: str, *, corpus: str) -> bool | None:
    """Whether the run's paired tests show that two kinds of vectors differ; None where they were not compared.

    A ranking's table has the tests of further corpora too, and names its kinds: "newsgroups, same topic".
    """
    stem = next(number for number, name in TASKS.items() if name == task)
    tables = [pd.read_csv(path) for path in sorted((folder / "tests").glob(f"{stem}_*.csv"))]
    found = [
        bool(row.significant)
        for table in tables
        for row in table.itertuples()
        if (row.first, row.second, row.metric) == (first, second, TESTED[task])
        and (row.corpus == corpus or row.corpus.startswith(f"{corpus}, "))
    ]
    return all(found) if found else None

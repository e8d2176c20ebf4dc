"""What a run's front page says first: its documents in numbers, and whether its vectors are worth it beside plain words."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from unpadded.corpus import learned_first
from unpadded.evaluation import unprocessed_rows
from unpadded.report.answers import METRIC
from unpadded.report.own_models import METRICS, WORDS, paired_tests_of, scores_of, shown
from unpadded.report.study_answers import listed

# What `Corpus.describe` counts, in words.
COUNTED = (
    ("topics", "topic", "topics"),
    ("queries", "query", "queries"),
    ("ratings", "rated pair", "rated pairs"),
    ("duplicates", "copy of another text", "copies of other texts"),
)
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
    said += [
        f"{n:,} in the part {part!r}" for part, n in learned_first(facts.get("splits") or {}).items() if part != "null"
    ]
    return "; ".join(said)


def worth_it(folder: Path) -> dict | None:
    """Whether what a run recommends is better than the best of the words: `verdict`, a sentence, and `details`, one a task.

    A difference counts where the run's paired test shows it. None where nothing is recommended, or no score has both.
    """
    try:
        own = scores_of(folder)
    except (OSError, ValueError, KeyError):
        return None
    tests = paired_tests_of(folder, str(own.corpus.iloc[0])) if len(own) else pd.DataFrame()
    found = [_beside_words(own, tests, task) for task in METRIC]
    outcomes = {task: outcome for task, outcome in zip(METRIC, found, strict=True) if outcome}
    if not outcomes:
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


def _beside_words(own: pd.DataFrame, tests: pd.DataFrame, task: str) -> tuple[str, str] | None:
    """("better", "alike" or "worse", a sentence with both scores) for a task, or None where one of both has no score."""
    rows = unprocessed_rows(own[(own.task == task) & (own.metric == METRIC[task])])
    taken, words = rows[rows.recommended], rows[rows.method.isin(WORDS)]
    if taken.empty or words.empty:
        return None
    ours, best = taken.iloc[0], words.loc[words.value.idxmax()]
    differ = shown(tests, METRIC[task], ours["name"], best["name"])
    kind = "alike" if not differ or ours.value == best.value else "better" if ours.value > best.value else "worse"
    scores = f"{METRICS[METRIC[task]]} {ours.value:.3f}, and {best.value:.3f} of {best['name']}, the best of the words"
    return kind, f"{task.capitalize()}: {scores}; {SHOWN[differ]}."

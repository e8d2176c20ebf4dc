"""What a run found, in one to three sentences for each notebook, made from that run's own tables and tests."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from unpadded.common import OF_MODEL, read_json
from unpadded.evaluation import read_scores, recommended_name, unprocessed_rows
from unpadded.report.own_models import METRICS, NO_TESTS, shown, tests_on
from unpadded.report.plots.scores import method_names
from unpadded.report.study_answers import kept, looked_like, padded, sped

METRIC = {"clustering": "v_measure", "ranking": "nDCG@10", "classification": "accuracy"}
TASKS = {"06": "clustering", "07": "ranking", "08": "classification"}
DOES = {"clustering": "finds the topics", "ranking": "ranks", "classification": "classifies"}


def answer(folder: Path, stem: str) -> str:
    """The answer of the run in `folder` to the question of the notebook `stem`; empty where there is none to give.

    Every number in it stands in the run's own tables, model card or `recommended.json`.
    """
    maker = ANSWERS.get(stem[:2])
    try:
        return maker(folder, stem) if maker else ""
    except (OSError, ValueError, KeyError, IndexError, AttributeError):
        return ""  # a run that was stopped has not all of its tables


def compared_on(scores: pd.DataFrame, task: str, tests: pd.DataFrame, recommended: str = "") -> str:
    """Which of the model's vectors is best at a task, beside the best baseline, and whether the difference was shown.

    `scores`: the long table of one corpus; `tests`: the paired tests on it.
    """
    rows = scores[(scores.task == task) & (scores.metric == METRIC[task])].assign(name=method_names)
    rows = unprocessed_rows(rows)
    if rows.empty:
        return ""
    metric = METRICS[METRIC[task]]
    model, others = (rows[rows.method.isin(OF_MODEL)], rows[~rows.method.isin(OF_MODEL)])
    if model.empty or others.empty:
        best = rows.loc[rows.value.idxmax()]
        return f"Of what was measured, {best['name']} comes first ({metric} {best.value:.3f})."
    own, rival = model.loc[model.value.idxmax()], others.loc[others.value.idxmax()]
    first, second = (own, rival) if own.value >= rival.value else (rival, own)
    kind = "the model's" if second.method in OF_MODEL else "the baselines"
    said = [
        f"{first['name']} {DOES[task]} best ({metric} {first.value:.3f}); the best of {kind} is {second['name']} "
        f"({second.value:.3f}).",
        _real(first, second, shown(tests, METRIC[task], first["name"], second["name"])),
    ]
    taken = rows[rows.name == recommended]
    if len(taken) and recommended not in (first["name"], second["name"]):
        said.append(_recommended(taken.iloc[0], rival, shown(tests, METRIC[task], recommended, rival["name"])))
    return " ".join(said)


def _real(first: pd.Series, second: pd.Series, differ: bool | None) -> str:
    """Whether one is really ahead: by a paired test of the two where there was one, else by their intervals."""
    if differ is not None:
        return "A paired test shows the difference." if differ else "A paired test does not show that they differ."
    apart = first.ci_low > second.ci_high
    return "Their 95 % intervals do not overlap." if apart else "Their 95 % intervals overlap, so that may be chance."


def _recommended(taken: pd.Series, rival: pd.Series, differ: bool | None) -> str:
    """What the recommended vectors have, and what a paired test with the best baseline says, if there was one.

    The front page says whether they are worth it by that very test.
    """
    beside = {
        None: "",
        True: f"; a paired test shows the difference from {rival['name']}",
        False: f"; a paired test does not show a difference from {rival['name']}",
    }[differ]
    return f"What this run recommends, {taken['name']}, has {taken.value:.3f}{beside}."


def _tested(folder: Path, stem: str, corpus: str) -> pd.DataFrame:
    """A run's paired tests of what it recommends on a corpus; none where they are of several tasks."""
    path = folder / "tests" / f"{stem}.csv"
    tests = tests_on(corpus, pd.read_csv(path, keep_default_na=False)) if path.exists() else NO_TESTS
    return tests if tests.corpus.nunique() == 1 else NO_TESTS


def _scored(folder: Path, stem: str) -> str:
    scores, summary = read_scores(folder / "scores.csv"), read_json(folder / "run.json")
    tests = _tested(folder, stem, summary["corpus"])
    found = []
    for corpus, part in scores[scores.task == TASKS[stem[:2]]].groupby("corpus", sort=False):
        own = corpus == summary["corpus"]
        said = compared_on(part, TASKS[stem[:2]], tests if own else NO_TESTS, recommended_name(folder) if own else "")
        if said:
            found.append(said if own else f"On {corpus}: {said}")
    return found[0] if found else ""  # the run's own corpus comes first


def _trained(folder: Path, stem: str) -> str:
    card = read_json(folder / "language_model" / "config.json")["card"]
    return (
        f"Here the model read {card['tokens_seen']:,} tokens in {_spent(card['minutes'])} and reached a validation "
        f"perplexity of {card['valid_perplexity']:,.0f}, with a vocabulary of {card['vocabulary']:,}."
    )


def _spent(minutes: float) -> str:
    return f"{minutes:.1f} minutes" if minutes >= 1 else f"{60 * minutes:.0f} seconds"


def _taught(folder: Path, stem: str) -> str:
    card = read_json(folder / "tuned_model" / "config.json")["card"]["tuning"]
    curve = ""
    if card["halves_found"] is not None:
        curve = (
            f"Before, {card['halves_found_before']:.0%} of {card['held_out_documents']} documents that were not learned from "
            f"found their second half by the first; after {_spent(card['minutes'])}, {card['halves_found']:.0%} do. "
        )
    cost = f"As a language model it went from a perplexity of {card['perplexity_before']:,.0f} to {card['perplexity']:,.0f}. "
    return curve + cost + read_json(folder / "recommended.json")["why"]


def _leader(folder: Path, stem: str) -> str:
    summary = read_json(folder / "run.json")
    scores = read_scores(folder / "scores.csv")
    own = scores[scores.corpus == summary["corpus"]].assign(name=method_names)
    said = []
    for task, metric in METRIC.items():
        rows = own[(own.task == task) & (own.metric == metric)]
        if len(rows):
            best = rows.loc[rows.value.idxmax()]
            said.append(f"{best['name']} for {task} ({METRICS[metric]} {best.value:.3f})")
    return f"First on {summary['corpus']}: {', '.join(said)}." if said else ""


ANSWERS: dict[str, Callable[[Path, str], str]] = {
    "01": _trained,
    "02": lambda folder, _: looked_like(folder),
    "03": lambda folder, _: padded(folder),
    "04": lambda folder, _: sped(folder),
    "05": lambda folder, _: kept(folder),
    "06": _scored,
    "07": _scored,
    "08": _scored,
    "09": _leader,
    "10": _taught,
}

"""What was hoped for of corpora that have models of their own, beside what was reached; and whether a choice without labels
is worth following."""

from dataclasses import dataclass

import pandas as pd
from scipy.stats import spearmanr

from unpadded.common import OF_MODEL
from unpadded.report.own_models import KINDS, METRICS, best_of_kinds, wins
from unpadded.report.rendering import table_markdown

ALONE, RECOMMENDED, WITH_WORDS = "model alone", "recommended", "with words"


@dataclass(frozen=True)
class Goal:
    """A score to be reached on a corpus: by the tuned model's own vectors that the choice without labels puts first
    (ALONE), by what it recommends (RECOMMENDED), or by the best joined with words (WITH_WORDS)."""

    corpus: str
    metric: str
    of: str
    value: float


GOALS = (
    Goal("newsgroups", "v_measure", RECOMMENDED, 0.70),
    Goal("newsgroups", "P@10", RECOMMENDED, 0.82),
    Goal("newsgroups", "accuracy", WITH_WORDS, 0.86),
    Goal("newsgroups (reference)", "v_measure", RECOMMENDED, 0.74),
    Goal("newsgroups (reference)", "P@10", RECOMMENDED, 0.84),
    Goal("cranfield", "nDCG@10", ALONE, 0.38),
    Goal("cranfield", "nDCG@10", RECOMMENDED, 0.42),
    Goal("medline", "nDCG@10", ALONE, 0.78),
    Goal("medline", "nDCG@10", RECOMMENDED, 0.81),
    Goal("vaswani", "nDCG@10", WITH_WORDS, 0.40),
    Goal("reuters-r8", "v_measure", RECOMMENDED, 0.60),
    Goal("reuters-r8", "P@10", RECOMMENDED, 0.94),
    Goal("bbc", "v_measure", RECOMMENDED, 0.90),
    Goal("bbc", "P@10", RECOMMENDED, 0.96),
)
SHARES = {"words alone": 0.9, "pretrained": 0.5}  # of all rows, ahead of a rival or within the interval


def goals_markdown(scores: pd.DataFrame) -> str:
    """The goals as a table: reached, within the interval of what was measured, missed or not measured."""
    rows = [_row(goal, scores) for goal in GOALS]
    table = best_of_kinds(scores)
    for rival, share in SHARES.items():
        ahead, within, n = wins(table, rival)
        reached = f"{ahead + within} of {n} rows"
        what = f"recommended, ahead of {rival} or within the interval"
        rows.append(
            ["all of the table", "all", what, f"{share:.0%} of rows", reached, _yes(ahead + within >= share * n)]
        )
    return table_markdown(["corpus", "score", "vectors", "goal", "measured", "reached"], rows)


def worth_of_choice(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a corpus and score, means over its runs: does the choice without labels order the model's vectors rightly?

    Columns corpus, score, n (kinds of vectors), correlation (Spearman's, of what pieces find with what labels, judgments or
    ratings say), best (in hindsight), recommended, lost.
    """
    rows = []
    model = scores[scores.method.isin(OF_MODEL) & scores.pieces.notna()]
    for (corpus, _, metric, seed), part in model.groupby(["corpus", "task", "metric", "seed"], sort=False):
        taken = part[part.recommended].value
        if len(part) < 3 or part.value.nunique() < 2 or taken.empty:
            continue
        found = {"corpus": corpus, "score": METRICS[metric], "seed": seed, "n": len(part)}
        found |= {"correlation": spearmanr(part.pieces, part.value).statistic, "best": part.value.max()}
        rows.append(found | {"recommended": taken.iloc[0], "lost": part.value.max() - taken.iloc[0]})
    table = pd.DataFrame(rows, columns=["corpus", "score", "seed", "n", "correlation", "best", "recommended", "lost"])
    return table.drop(columns="seed").groupby(["corpus", "score"], sort=False, as_index=False).mean()


def worth_markdown(scores: pd.DataFrame) -> str:
    """`worth_of_choice` as a table, and below it the medians in a sentence."""
    table = worth_of_choice(scores)
    numbers = ["correlation", "best", "recommended", "lost"]
    lines = [
        [f"`{row.corpus}`", row.score, f"{row.n:.0f}", *(f"{row[name]:.3f}" for name in numbers)]
        for _, row in table.iterrows()
    ]
    middle = table[["correlation", "lost"]].median()
    said = f"Median: a rank correlation of {middle.correlation:.2f}, and {middle.lost:.3f} lost."
    return f"{table_markdown(['corpus', 'score', 'vectors', *numbers], lines)}\n\n{said}"


def _row(goal: Goal, scores: pd.DataFrame) -> list[str]:
    name = METRICS[goal.metric]
    of_metric = scores[(scores.corpus == goal.corpus) & (scores.metric == goal.metric)]
    found = [one for _, part in of_metric.groupby("seed") for one in [_measured(goal, part)] if one is not None]
    about = [f"`{goal.corpus}`", name, goal.of, f"{goal.value:.2f}"]
    if not found:
        return [*about, "not measured", ""]
    value, low, high = pd.DataFrame(found)[["value", "ci_low", "ci_high"]].mean()
    reached = _yes(value >= goal.value) if value >= goal.value or high < goal.value else "within the interval"
    return [*about, f"{value:.3f} [{low:.3f}, {high:.3f}]", reached]


def _measured(goal: Goal, part: pd.DataFrame) -> pd.Series | None:
    """The row of one run that a goal speaks of."""
    if goal.of == ALONE:
        some = part[part.method == "lm_tuned"].sort_values("pieces", ascending=False)
    elif goal.of == WITH_WORDS:
        some = part[part.method.isin(KINDS["with words"])].sort_values("value", ascending=False)
    else:
        some = part[part.recommended]
    return some.iloc[0] if len(some) else None


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"

"""Tables over corpora that each have a model of their own: the model's vectors beside the best of each kind of rival.

"Best" is picked on the very scores that are shown, which flatters every column but the recommended one, chosen without labels.
Of several runs of a corpus, one a seed, the means are shown.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from unpadded.common import InputError, read_json
from unpadded.evaluation import read_choice, read_scores, recommended_name
from unpadded.report.plots.scores import method_names
from unpadded.report.rendering import table_markdown

METRICS = {
    "v_measure": "V-measure",
    "nDCG@10": "nDCG@10",
    "P@10": "P@10",
    "spearman": "Spearman",
    "accuracy": "accuracy",
}
WORDS = (
    *("tfidf", "lsa", "lsa_ngrams", "nmf", "bm25"),
    *("input_embeddings", "input_embeddings_idf", "word_vectors", "lsa_word_vectors", "sif", "fasttext", "doc2vec"),
)
KINDS: dict[str, Sequence[str]] = {
    "as trained": ("lm",),
    "tuned": ("lm_tuned",),
    "with words": ("lm_words", "lm_bm25"),
    "recommended": (),
    "words alone": WORDS,
    "pretrained": ("wordllama", "minilm"),
}
ENDS = {"value": "", "ci_low": ": low", "ci_high": ": high"}  # a column of the scores -> how that of a kind ends
TESTED = {
    "AMI": "V-measure",
    "nDCG@10": "nDCG@10",
    "accuracy": "accuracy",
}  # metric of a paired test -> the score it is about
NO_TESTS = pd.DataFrame(columns=["corpus", "metric", "first", "second", "difference", "significant"])


def scores_of(run: Path) -> pd.DataFrame:
    """The headline scores of a run's own corpus, with columns `name`, `recommended` (whether a row is what the run recommends)
    and `pieces` (what its choice without labels gives that kind of vectors, 0 to 1; NaN where it was not asked).

    Raises `InputError` for a folder without a finished run.
    """
    if not (run / "scores.csv").is_file() or not (run / "run.json").is_file():
        raise InputError(f"{run} holds no finished run with scores: give the folder of one.")
    scores = read_scores(run / "scores.csv")
    rows = scores[(scores.corpus == read_json(run / "run.json")["corpus"]) & scores.metric.isin(METRICS)]
    rows = rows.assign(name=method_names)
    asked = read_choice(run).set_index("name").score
    return rows.assign(recommended=rows.name == recommended_name(run), pieces=rows.name.map(asked))


def best_of_kinds(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a corpus and score: the best value of each kind of vectors, NaN where there are none.

    Columns corpus, score, seeds (how many runs), spread (the standard deviation over them of what they recommend; NaN of one
    run), and for each of KINDS its value, `KIND: low`, `KIND: high` and `KIND: name`.
    A kind of vectors counts with its means over the runs that have it, so that rivals need not be measured with every seed;
    what each run recommends, with the mean over the runs.
    """
    rows = []
    for (corpus, _, metric), part in scores.groupby(["corpus", "task", "metric"], sort=False):
        row = {"corpus": corpus, "score": METRICS[metric], "seeds": part.seed.nunique()}
        row["spread"] = part[part.recommended].value.std()
        means = part.groupby(["name", "method"], sort=False, as_index=False)[[*ENDS]].mean()
        for kind, methods in KINDS.items():
            some = means[means.method.isin(methods)]
            best = some.loc[some.value.idxmax()] if len(some) else pd.Series(dtype=float)
            if kind == "recommended" and part.recommended.any():
                taken = part[part.recommended]
                best = pd.concat([taken[[*ENDS]].mean(), taken.iloc[0][["name"]]])
            row |= {kind + end: best.get(name) for name, end in (ENDS | {"name": ": name"}).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def wins(table: pd.DataFrame, rival: str) -> tuple[int, int, int]:
    """Rows in which the recommended vectors are ahead of a kind, others in which their interval holds its value, all rows."""
    both = table[table["recommended"].notna() & table[rival].notna()]
    ahead = both["recommended"] >= both[rival]
    within = ~ahead & (both["recommended: high"] >= both[rival])
    return int(ahead.sum()), int(within.sum()), len(both)


def paired_tests_of(run: Path, corpus: str) -> pd.DataFrame:
    """The paired tests of what a run recommends against everything else, on its own corpus; columns as `evaluation.against`
    has them. No rows for a run that made none."""
    found = [pd.read_csv(path, keep_default_na=False) for path in sorted((run / "tests").glob("*.csv"))]
    own = tests_on(corpus, pd.concat(found) if found else NO_TESTS)
    return own[own.metric.isin(TESTED)].assign(corpus=corpus)


def tests_on(corpus: str, tests: pd.DataFrame) -> pd.DataFrame:
    """The rows of paired `tests` that are of `corpus`, or of one of its tasks of ranking ("name, task")."""
    return tests[(tests.corpus == corpus) | tests.corpus.str.startswith(f"{corpus}, ")]


def shown(tests: pd.DataFrame, metric: str, one: str, other: str) -> bool | None:
    """Whether paired `tests` show that two vectors differ in a score ("v_measure"), in each of a corpus's tasks; None where
    there is no test of the two."""
    of_metric = tests[tests.metric.map(TESTED) == METRICS[metric]]
    pairs = [{*pair} == {one, other} for pair in zip(of_metric["first"], of_metric["second"], strict=True)]
    return bool(of_metric.significant[pairs].astype(bool).all()) if any(pairs) else None


def paired_wins(table: pd.DataFrame, tests: pd.DataFrame, rival: str) -> tuple[int, int, int]:
    """Paired tests of the recommended vectors against the best of a kind that ended ahead, and behind, and all of them."""
    best = {(row.corpus, row.score): row[f"{rival}: name"] for _, row in table.iterrows()}
    named = [best.get((corpus, TESTED[metric])) for corpus, metric in zip(tests.corpus, tests.metric, strict=True)]
    against_best = tests[tests.second == pd.Series(named, index=tests.index, dtype=object)]
    shown = against_best[against_best.significant.astype(bool)]
    return int((shown.difference > 0).sum()), int((shown.difference < 0).sum()), len(against_best)


def own_models_markdown(table: pd.DataFrame, tests: pd.DataFrame | None = None) -> str:
    """The table for a README: three decimals, the best value of a row bold, and below it the wins in sentences, those of the
    paired `tests` too."""
    kinds = [kind for kind in KINDS if table[kind].notna().any()]
    lines = []
    for _, row in table.iterrows():
        values = {kind: row[kind] for kind in kinds if pd.notna(row[kind])}
        best = max(values.values())
        cells = [
            f"**{values[k]:.3f}**" if values.get(k) == best else f"{values[k]:.3f}" if k in values else ""
            for k in kinds
        ]
        lines.append([f"`{row.corpus}`", row.score, f"{row.seeds}", *cells])
    rivals = [rival for rival in ("words alone", "pretrained") if rival in kinds]
    said = [_spread(table)] if table.spread.notna().any() else []
    said += [_wins(table, rival) for rival in rivals]
    if tests is not None and len(tests):
        said += [_paired(table, tests, rival) for rival in rivals]
    return "\n".join([table_markdown(["corpus", "score", "seeds", *kinds], lines), "", *said])


def _spread(table: pd.DataFrame) -> str:
    widest = table.loc[table.spread.idxmax()]
    return (
        f"Over the seeds of a row, what was recommended has a standard deviation of {table.spread.median():.3f} (the median "
        f"of the rows), and of {widest.spread:.3f} at most (`{widest.corpus}`, {widest.score})."
    )


def _wins(table: pd.DataFrame, rival: str) -> str:
    ahead, within, n = wins(table, rival)
    more = f"ahead in {ahead} of {n} rows and within its interval in {within} more"
    return f"Against the best of {rival}, what was recommended is {more}."


def _paired(table: pd.DataFrame, tests: pd.DataFrame, rival: str) -> str:
    ahead, behind, n = paired_wins(table, tests, rival)
    return (
        f"Of {n} paired tests against the best of {rival}, {ahead} show it ahead and {behind} behind; {n - ahead - behind} "
        "show no difference."
    )

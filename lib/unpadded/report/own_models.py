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
    *("input_embeddings", "input_embeddings_idf", "word_vectors", "sif", "fasttext", "doc2vec"),
)
KINDS: dict[str, Sequence[str]] = {
    "as trained": ("lm",),
    "tuned": ("lm_tuned",),
    "with words": ("lm_words",),
    "recommended": (),
    "words alone": WORDS,
    "pretrained": ("wordllama", "minilm"),
}


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

    Columns corpus, score, seeds (how many runs), and for each of KINDS its value, and `KIND: low`, `KIND: high`, means over
    the runs; `KIND: name` is that of the first run.
    """
    rows = []
    for (corpus, _, metric, seed), part in scores.groupby(["corpus", "task", "metric", "seed"], sort=False):
        row = {"corpus": corpus, "score": METRICS[metric], "seeds": seed}
        for kind, methods in KINDS.items():
            some = part[part.recommended] if kind == "recommended" else part[part.method.isin(methods)]
            best = some.loc[some.value.idxmax()] if len(some) else {}
            names = {"": "value", ": name": "name", ": low": "ci_low", ": high": "ci_high"}
            row |= {kind + end: best.get(name) for end, name in names.items()}
        rows.append(row)
    table = pd.DataFrame(rows).groupby(["corpus", "score"], sort=False, as_index=False)
    return table.agg(
        {"seeds": "nunique"} | {name: "first" if name.endswith(": name") else "mean" for name in [*rows[0]][3:]}
    )


def wins(table: pd.DataFrame, rival: str) -> tuple[int, int, int]:
    """Rows in which the recommended vectors are ahead of a kind, others in which their interval holds its value, all rows."""
    both = table[table["recommended"].notna() & table[rival].notna()]
    ahead = both["recommended"] >= both[rival]
    within = ~ahead & (both["recommended: high"] >= both[rival])
    return int(ahead.sum()), int(within.sum()), len(both)


def own_models_markdown(table: pd.DataFrame) -> str:
    """The table for a README: three decimals, the best value of a row bold, and below it the wins in two sentences."""
    kinds = [kind for kind in KINDS if table[kind].notna().any()]
    lines = []
    for _, row in table.iterrows():
        values = {kind: row[kind] for kind in kinds if pd.notna(row[kind])}
        best = max(values.values())
        cells = [
            f"**{values[k]:.3f}**" if values.get(k) == best else f"{values[k]:.3f}" if k in values else ""
            for k in kinds
        ]
        lines.append([f"`{row.corpus}`", row.score, *cells])
    said = []
    for rival in ("words alone", "pretrained"):
        if rival in kinds:
            ahead, within, n = wins(table, rival)
            said.append(
                f"Against the best of {rival}, what was recommended is ahead in {ahead} of {n} rows and within its "
                f"interval in {within} more."
            )
    return "\n".join([table_markdown(["corpus", "score", *kinds], lines), "", *said])

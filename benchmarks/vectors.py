"""Which vectors are worth using, each corpus with its own model: one table over the finished runs of several corpora.

    unpadded run --corpus CORPUS --profile quick --output outputs/vectors/CORPUS      # for each corpus
    python benchmarks/vectors.py outputs/vectors/*

A row is a corpus and a score; columns are the language model's best vectors as trained, the best as tuned, the best joined
with words, what the run recommends (chosen without labels), the best of the vectors that the corpus's own words give, and the
best of pretrained ones. "Best" picks on the very scores that are shown, which flatters every column but the recommended one.
The scores go to a table of their own.
"""

import argparse
from pathlib import Path

import pandas as pd

from unpadded.common import read_json, write_table
from unpadded.evaluation import read_scores, recommended_name
from unpadded.report import method_names

HEADLINE = {
    "v_measure": "V-measure",
    "nDCG@10": "nDCG@10",
    "P@10": "P@10",
    "spearman": "Spearman",
    "accuracy": "accuracy",
}
WORDS = ("tfidf", "lsa", "bm25", "input_embeddings", "input_embeddings_idf", "word_vectors", "fasttext")
KINDS = {
    "as trained": ("lm",),
    "tuned": ("lm_tuned",),
    "with words": ("lm_words",),
    "recommended": (),
    "words alone": WORDS,
    "pretrained": ("wordllama", "minilm"),
}


def scores_of(run: Path) -> pd.DataFrame:
    """The headline scores of a run's own corpus, with a column `name` and whether a row is what the run recommends."""
    scores = read_scores(run / "scores.csv")
    corpus = read_json(run / "run.json")["corpus"]
    rows = scores[(scores.corpus == corpus) & scores.metric.isin(HEADLINE)].assign(name=method_names)
    return rows.assign(recommended=rows.name == recommended_name(run))


def best_of_kinds(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a corpus and score: the best value of each kind of vectors, with the name of the vectors that have it."""
    rows = []
    for (corpus, _, metric), part in scores.groupby(["corpus", "task", "metric"], sort=False):
        row = {"corpus": corpus, "score": HEADLINE[metric]}
        for kind, methods in KINDS.items():
            some = part[part.recommended] if kind == "recommended" else part[part.method.isin(methods)]
            if len(some):
                best = some.loc[some.value.idxmax()]
                row |= {kind: round(best.value, 3), f"{kind}: what": best["name"]}
                row |= {f"{kind}: low": round(best.ci_low, 3), f"{kind}: high": round(best.ci_high, 3)}
        rows.append(row)
    return pd.DataFrame(rows)


def wins(table: pd.DataFrame, rival: str) -> str:
    """In how many rows the recommended vectors are ahead of the best of a kind, and in how many their interval holds it."""
    both = table.dropna(subset=["recommended", rival])
    ahead = both["recommended"] >= both[rival]
    within = ~ahead & (both["recommended: high"] >= both[rival])
    return f"recommended against {rival}: ahead in {ahead.sum()}, within its interval in {within.sum()}, of {len(both)}"


def main() -> None:
    """Collect the runs' scores, write them, print the table and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/vectors.csv"))
    args = parser.parse_args()
    scores = pd.concat([scores_of(run) for run in args.runs], ignore_index=True)
    table = best_of_kinds(scores)
    write_table(scores, args.table)
    shown = table[["corpus", "score", *(kind for kind in KINDS if kind in table)]]
    lines = [
        "| " + " | ".join(map(str, cells)) + " |"
        for cells in [shown.columns, *shown.fillna("").itertuples(index=False)]
    ]
    print(lines[0], "|" + "---|" * len(shown.columns), *lines[1:], sep="\n")
    print(*(wins(table, rival) for rival in ("words alone", "pretrained") if rival in table), sep="\n")


if __name__ == "__main__":
    main()

"""Which vectors are worth using, each corpus with its own model: one table over the finished runs of several corpora.

    unpadded run --corpus CORPUS --profile quick --output outputs/vectors/CORPUS      # for each corpus, and each seed
    python benchmarks/vectors.py outputs/vectors/* --pages README.md docs/training.md

Prints the tables (`unpadded.report.own_models`, `goals`) and writes the scores that they are made from; `--pages` puts them
where their markers stand. With `--add` the rows of the tables that are there stay, but for the seeds of corpora that the runs
are of; benchmarks/seeds.py makes runs of further seeds. A run of another profile than the quick one has rows of its own:
"newsgroups (reference)".
"""

import argparse
from pathlib import Path

import pandas as pd

from unpadded.common import atomic_write, read_json, write_table
from unpadded.report import (
    best_of_kinds,
    goals_markdown,
    own_models_markdown,
    paired_tests_of,
    scores_of,
    worth_markdown,
)
from unpadded.report.readme import with_own_models

ABOUT = ["corpus", "seed"]  # what a run is of


def found_in(run: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run's scores and paired tests; where its profile is not the quick one, behind the corpus's name stands which."""
    scores = scores_of(run)
    corpus, profile = str(scores.corpus.iloc[0]), read_json(run / "run.json").get("profile", "quick")
    name = corpus if profile == "quick" else f"{corpus} ({profile})"
    return scores.assign(corpus=name), paired_tests_of(run, corpus).assign(corpus=name)


def beside(earlier: Path, found: pd.DataFrame) -> pd.DataFrame:
    """An earlier table's rows of other corpora and seeds than those found, and those found; by corpus and seed."""
    there = pd.read_csv(earlier, keep_default_na=False, na_values={"pieces": ""})
    again = pd.MultiIndex.from_frame(there[ABOUT]).isin(pd.MultiIndex.from_frame(found[ABOUT]))
    return pd.concat([there[~again], found], ignore_index=True).sort_values(ABOUT, kind="stable", ignore_index=True)


def main() -> None:
    """Collect the runs' scores, write them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/vectors.csv"))
    parser.add_argument("--tests", type=Path, default=Path("outputs/reference/vector_tests.csv"))
    parser.add_argument("--pages", nargs="*", type=Path, default=[])
    parser.add_argument("--add", action="store_true", help="keep the tables' rows of other corpora and seeds")
    args = parser.parse_args()
    scores, tests = zip(*map(found_in, args.runs), strict=True)
    for path, parts in {args.table: scores, args.tests: tests}.items():
        table = pd.concat(parts, ignore_index=True)
        write_table(path, beside(path, table) if args.add else table)
    scores = pd.read_csv(args.table, keep_default_na=False, na_values={"pieces": ""})
    tests = pd.read_csv(args.tests, keep_default_na=False)
    for table in (own_models_markdown(best_of_kinds(scores), tests), goals_markdown(scores), worth_markdown(scores)):
        print(table, end="\n\n")
    for page in args.pages:
        text = with_own_models(page.read_text(encoding="utf-8"), scores, tests)
        with atomic_write(page) as file:
            file.write(text.encode())


if __name__ == "__main__":
    main()

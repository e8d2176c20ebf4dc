"""Which vectors are worth using, each corpus with its own model: one table over the finished runs of several corpora.

    unpadded run --corpus CORPUS --profile quick --output outputs/vectors/CORPUS      # for each corpus, and each seed
    python benchmarks/vectors.py outputs/vectors/* --pages README.md docs/training.md

Prints the tables (`unpadded.report.own_models`, `goals`) and writes the scores that they are made from; `--pages` puts them
where their markers stand.
"""

import argparse
from pathlib import Path

import pandas as pd

from unpadded.common import atomic_write, write_table
from unpadded.report import (
    best_of_kinds,
    goals_markdown,
    own_models_markdown,
    paired_tests_of,
    scores_of,
    worth_markdown,
)
from unpadded.report.readme import with_own_models


def main() -> None:
    """Collect the runs' scores, write them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/vectors.csv"))
    parser.add_argument("--tests", type=Path, default=Path("outputs/reference/vector_tests.csv"))
    parser.add_argument("--pages", nargs="*", type=Path, default=[])
    args = parser.parse_args()
    found = {run: scores_of(run) for run in args.runs}
    write_table(args.table, pd.concat(found.values(), ignore_index=True))
    tests = pd.concat([paired_tests_of(run, of.corpus.iloc[0]) for run, of in found.items()], ignore_index=True)
    write_table(args.tests, tests)
    scores = pd.read_csv(args.table, keep_default_na=False, na_values={"pieces": ""})
    for table in (own_models_markdown(best_of_kinds(scores), tests), goals_markdown(scores), worth_markdown(scores)):
        print(table, end="\n\n")
    for page in args.pages:
        text = with_own_models(page.read_text(encoding="utf-8"), scores, tests)
        with atomic_write(page) as file:
            file.write(text.encode())


if __name__ == "__main__":
    main()

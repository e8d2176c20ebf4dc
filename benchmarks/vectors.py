"""Which vectors are worth using, each corpus with its own model: one table over the finished runs of several corpora.

    unpadded run --corpus CORPUS --profile quick --output outputs/vectors/CORPUS      # for each corpus
    python benchmarks/vectors.py outputs/vectors/*

Prints the table (`unpadded.report.own_models`) and writes the scores that it is made from; `--readme` puts it there too.
"""

import argparse
from pathlib import Path

import pandas as pd

from unpadded.common import atomic_write, write_table
from unpadded.report import best_of_kinds, own_models_markdown, scores_of
from unpadded.report.readme import with_own_models


def main() -> None:
    """Collect the runs' scores, write them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--table", type=Path, default=Path("outputs/reference/vectors.csv"))
    parser.add_argument("--readme", type=Path)
    args = parser.parse_args()
    scores = pd.concat([scores_of(run) for run in args.runs], ignore_index=True)
    write_table(args.table, scores)
    print(own_models_markdown(best_of_kinds(scores)))
    if args.readme:
        text = with_own_models(args.readme.read_text(encoding="utf-8"), scores)
        with atomic_write(args.readme) as file:
            file.write(text.encode())


if __name__ == "__main__":
    main()

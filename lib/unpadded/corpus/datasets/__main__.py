"""Counts of the named datasets, as data/README.md has them: `python -m unpadded.corpus.datasets [NAME ...]`."""

import sys

import pandas as pd

from unpadded.common import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.corpus.datasets.registry import EXTRACTS


def card_row(corpus: Corpus) -> str:
    """One row of the table of counts, as markdown."""
    counts = corpus.describe()
    splits = ", ".join(f"{count:,} {split}" for split, count in counts["splits"].items())
    topics = pd.Series(corpus.labels or [], dtype=object).value_counts()
    spread = f"{topics.min():,} to {topics.max():,}" if len(topics) else ""
    pairs = f"{counts['ratings']:,}" if counts["ratings"] else ""
    words = f"{counts['mean_words']:,} | {counts['median_words']:,.0f} | {counts['longest_words']:,}"
    cells = [f"`{corpus.name}`", splits, str(counts["topics"]), spread, str(counts["duplicates"]), words, pairs]
    return f"| {' | '.join(cells)} |"


CARD_HEADING = """\
| dataset | documents | topics | documents a topic | repeated texts | mean words | median | longest | rated pairs |
|---|---|---|---|---|---|---|---|---|"""


def main(names: list[str]) -> int:
    """Print the table of counts of the named datasets (all that the package index has, if none is named)."""
    print(CARD_HEADING)
    try:
        for name in names or EXTRACTS:
            corpus = Corpus.load(name)
            print(card_row(corpus), flush=True)
            print(*(f"{name}: {note}" for note in corpus.notes), sep="\n", file=sys.stderr)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

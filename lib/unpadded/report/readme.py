"""Put the tables of the reference run into the README: `python -m unpadded.report.readme README.md outputs/reference`."""

import sys
from pathlib import Path

import pandas as pd

from unpadded.common import InputError, atomic_write
from unpadded.evaluation import read_scores, unprocessed_rows
from unpadded.report.goals import goals_markdown, worth_markdown
from unpadded.report.headline import headline, leaders
from unpadded.report.own_models import best_of_kinds, own_models_markdown
from unpadded.report.rendering import table_markdown

BEGIN, END = "<!-- headline:begin -->", "<!-- headline:end -->"


def headline_markdown(scores: pd.DataFrame) -> str:
    """The headline table of the first corpus as Markdown: one row a kind of vectors, each column's best value bold.

    Plain vectors and the IDF-weighted mean; every other post-processing and corpus is in the notebooks.
    """
    table = headline(scores)
    table = unprocessed_rows(table[table.corpus == table.corpus.iloc[0]]).reset_index(drop=True)
    measured = [column for column in table.columns if ": " in column and table[column].any()]
    for cell in leaders(table, measured):
        table.loc[cell] = f"**{table.loc[cell]}**"
    names = (
        table.method + (" " + table.pooling).str.rstrip() + table.postprocess.map({"none": "", "idf": ", IDF-weighted"})
    )
    table = table[measured].set_axis([column.replace("_", " ") for column in measured], axis=1)
    table.insert(0, f"vectors of {scores.corpus.iloc[0]}", names)
    return table_markdown(table.columns, table.itertuples(index=False))


def with_headline(text: str, scores: pd.DataFrame) -> str:
    """`text` with the table between its two markers replaced. Raises `InputError` where a marker is missing."""
    return _between(text, BEGIN, END, headline_markdown(scores))


def with_own_models(text: str, scores: pd.DataFrame, tests: pd.DataFrame | None = None) -> str:
    """`text` with the tables of corpora that have models of their own replaced: "own models", "goals" and "worth
    of the choice" where their markers stand. Raises as `with_headline` where none does."""
    made = {
        "own models": lambda: own_models_markdown(best_of_kinds(scores), tests),
        "goals": lambda: goals_markdown(scores),
        "worth of the choice": lambda: worth_markdown(scores),
    }
    there = [name for name in made if _markers(name)[0] in text] or ["own models"]
    for name in there:
        text = _between(text, *_markers(name), made[name]())
    return text


def _markers(name: str) -> tuple[str, str]:
    return BEGIN.replace("headline", name), END.replace("headline", name)


def _between(text: str, begin: str, end: str, table: str) -> str:
    if begin not in text or end not in text:
        raise InputError(f"The README has no {begin} and {end}: put both where the table belongs.")
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"


def main(readme: str, run: str) -> None:
    """Rewrite the README's table from a run's scores."""
    text = with_headline(Path(readme).read_text(encoding="utf-8"), read_scores(Path(run) / "scores.csv"))
    with atomic_write(readme) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""The pages of a run: a front page with what came out, the map of its documents, and its notebooks."""

import base64
from pathlib import Path
from urllib.parse import quote

import nbformat
import pandas as pd

from unpadded.common import read_json
from unpadded.evaluation import read_scores
from unpadded.report.figures import description_of, size_of
from unpadded.report.html import escape, picture, table, write_document
from unpadded.report.maps.page import write_map_page
from unpadded.report.notebooks import answer_of, refresh_text, title_of, write_page
from unpadded.report.plots.scores import method_names

HEADLINE = {  # task -> the metrics whose best rows the front page shows
    "clustering": ["v_measure"],
    "ranking": ["nDCG@10", "P@10", "spearman"],
    "classification": ["accuracy"],
}
MAP = "02 maps of the documents.png"
EXECUTED = "[0-9][0-9]_*.ipynb"


def headline(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a method and pooling, one column a task's headline metric, values with their intervals as text.

    Columns: corpus, method, pooling, postprocess, then `task: metric` for each that was measured.
    """
    wanted = [(task, metric) for task, metrics in HEADLINE.items() for metric in metrics]
    measured = list(zip(scores.task, scores.metric, strict=True))
    rows = scores[[pair in wanted for pair in measured]].copy()
    rows["column"] = rows.task + ": " + rows.metric
    rows["text"] = [
        f"{v:.3f} [{lo:.3f}, {hi:.3f}]" for v, lo, hi in zip(rows.value, rows.ci_low, rows.ci_high, strict=True)
    ]
    keys = ["corpus", "method", "pooling", "postprocess"]
    rows[keys] = rows[keys].fillna("")
    table = rows.pivot_table(index=keys, columns="column", values="text", aggfunc="first", sort=False)
    order = [f"{task}: {metric}" for task, metric in wanted if f"{task}: {metric}" in table.columns]
    return table[order].fillna("").reset_index()


def write_report(folder: Path, *, sources: Path) -> Path:
    """Write every page of a run again, with the prose of the notebooks in `sources`; return the front page's path."""
    for notebook in sorted(Path(folder).glob(EXECUTED)):
        if (sources / notebook.name).is_file():
            refresh_text(notebook, sources / notebook.name)
        write_page(notebook)
    return write_index(folder)


def write_index(folder: Path) -> Path:
    """Write `index.html` and the map's page for a run's folder; return the former's path.

    The front page holds the headline table, the map, each notebook's answer with a picture, and links to all of it.
    """
    folder = Path(folder)
    summary = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    hover = write_map_page(folder)
    parts = [
        *_head(folder, summary),
        *_scores(folder),
        *_map(folder, hover),
        *_answers(folder, is_reference=summary.get("profile") == "reference"),
    ]
    return write_document(folder / "index.html", f"Unpadded: {summary.get('corpus', folder.name)}", "\n".join(parts))


def _head(folder: Path, summary: dict) -> list[str]:
    name, profile = summary.get("corpus", folder.name), summary.get("profile", "")
    parts = [f"<h1>{escape(name)}{f', profile {escape(profile)}' if profile else ''}</h1>"]
    if summary:
        minutes = sum(stage["seconds"] for stage in summary["stages"].values()) / 60
        facts = (
            f"{summary['documents']:,} documents; {minutes:.1f} minutes of notebooks; unpadded {summary['version']}."
        )
        parts.append(f"<p>{facts}</p>")
        notes = "".join(f"<li>{escape(note)}</li>" for note in summary["notes"])
        if notes:
            parts.append(f"<details><summary>Notes on the documents</summary><ul class=note>{notes}</ul></details>")
    return parts


def _scores(folder: Path) -> list[str]:
    if not (folder / "scores.csv").exists():
        return []
    rows = plain(headline(read_scores(folder / "scores.csv")))
    measured = [column for column in rows.columns if ": " in column]
    best, rows = leaders(rows, measured), rows.assign(name=method_names)
    words = (
        "last, mean, max and concat are the language model's poolings, the others baselines. With 95&nbsp;% intervals; "
        "the best of each column is bold. Post-processed vectors are in the notebooks, every value in "
        '<a href="scores.csv">scores.csv</a>.'
    )
    parts = [f"<h2>What came out</h2><p>{words}</p>"]
    for corpus, part in rows.groupby("corpus", sort=False):
        shown = [column for column in measured if (part[column] != "").any()]
        shown = table(part[["name", *shown]], best=best)
        first = corpus == rows.corpus.iloc[0]
        title = f"<h3>{escape(corpus)}</h3>" if first else f"<summary>{escape(corpus)}</summary>"
        parts.append(f"{title}{shown}" if first else f"<details>{title}{shown}</details>")
    return parts


def plain(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `headline`'s table that are not post-processed but, perhaps, IDF-weighted."""
    return rows[rows.postprocess.isin(["none", "idf"])]


def leaders(rows: pd.DataFrame, measured: list[str]) -> set[tuple[object, str]]:
    """The cells (index, column) of `headline`'s table that hold the best value of their column in their corpus."""
    found = set()
    for _, part in rows.groupby("corpus"):
        for column in measured:
            values = pd.to_numeric(part[column].str.split(" ").str[0], errors="coerce")
            found |= {(index, column) for index in values.index[values == values.max()]}
    return found


def _map(folder: Path, hover: Path | None) -> list[str]:
    drawn = folder / "figures" / MAP
    if not drawn.exists():
        return []
    parts = ["<h2>The documents under each pooling</h2>"]
    if hover is not None:
        parts.append(
            f'<p><a href="{hover.name}">The same map to point at</a>: titles, and one document on every map.</p>'
        )
    return [*parts, figure_of(drawn, link=hover.name if hover else "")]


def figure_of(path: Path, *, link: str = "") -> str:
    """A kept figure, for a page beside the folder `figures`: with its words, its size, and where a click leads."""
    return picture(f"figures/{quote(path.name)}", description_of(path), size=size_of(path), link=link)


def first_picture(folder: Path, notebook: nbformat.NotebookNode) -> Path | None:
    """The kept picture, other than the map, that an executed notebook shows first: its bytes are the output's."""
    kept = {path.read_bytes(): path for path in (folder / "figures").glob("*.png") if path.name != MAP}
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return next((kept[png] for png in map(base64.b64decode, shown) if png in kept), None)


def _answers(folder: Path, *, is_reference: bool) -> list[str]:
    """One section a notebook: its question, its answer and the first of its pictures."""
    parts = ["<h2>Questions and answers</h2>"]
    if not is_reference:
        parts.append("<p class=note>The answers report the reference run; the pictures and tables are this run's.</p>")
    for path in sorted(folder.glob(EXECUTED)):
        try:
            notebook = nbformat.read(path, as_version=4)
        except ValueError:  # torn by a full disk; the next start executes it again
            continue
        title = escape(title_of(notebook) or path.stem)
        parts.append(f'<section><h3><a href="{path.stem}.html">{title}</a></h3>{answer_of(notebook)}')
        drawn = first_picture(folder, notebook)
        parts += [figure_of(drawn, link=f"{path.stem}.html")] if drawn else []
        parts.append(
            f'<nav><a href="{path.stem}.html">Read it</a><a href="{path.name}">As a notebook</a></nav></section>'
        )
    return parts

"""The pages of a run: a front page with what came out, the map of its documents, and its notebooks."""

import base64
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import nbformat
import pandas as pd

from unpadded.common import read_json
from unpadded.evaluation import read_scores, unprocessed_rows
from unpadded.report.answers import answer
from unpadded.report.figures import alt_of, size_of
from unpadded.report.front_page import in_numbers, worth_it
from unpadded.report.headline import headline, leaders
from unpadded.report.maps.page import write_map_page
from unpadded.report.notebooks import answer_of, link_pages, put_answer, title_of, write_report_page
from unpadded.report.plots.scores import method_names
from unpadded.report.rendering import write_html

MAP = "02 maps of the documents.png"
EXECUTED = "[0-9][0-9]_*.ipynb"


def write_report(folder: Path, *, sources: Path) -> Path:
    """Write every page of a run again, with the prose of the notebooks in `sources`; return the front page's path."""
    for notebook in sorted(Path(folder).glob(EXECUTED)):
        write_report_page(notebook, sources)
    return write_index(folder)


def write_index(folder: Path) -> Path:
    """Write `index.html` and the map's page for a run's folder; return the former's path.

    The front page holds the headline table, the map, each notebook's answer with a picture, links to all of it, which
    notebooks failed, and which were left out. It is about those that `run.json` names, or about all that are there.
    """
    folder = Path(folder)
    summary = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    executed = [path for path in sorted(folder.glob(EXECUTED)) if path.stem in summary.get("shown", [path.stem])]
    mapped = any(path.name[:2] == MAP[:2] for path in executed)
    name, drawn = summary.get("corpus", folder.name), folder / "figures" / MAP
    hover = write_map_page(folder) if mapped else None
    return write_html(
        folder / "index.html",
        "run.html",
        title=f"Unpadded: {name}",
        name=name,
        summary=summary,
        minutes=sum(stage["seconds"] for stage in summary.get("stages", {}).values()) / 60,
        scores=_scores(folder),
        recommended=_recommended(folder),
        numbers=in_numbers(summary) if summary else "",
        worth=worth_it(folder),
        commands=_commands(folder, name),
        map=figure_of(drawn) if mapped and drawn.exists() else None,
        map_page=hover.name if hover else "",
        pages={path.stem for path in executed if path.with_suffix(".html").exists()},
        questions=[*_questions(folder, executed, reference=summary.get("profile") == "reference")],
    )


def _scores(folder: Path) -> dict:
    """The headline table of each corpus, under "tables", and the cells that are best, under "best"."""
    if not (folder / "scores.csv").exists():
        return {"tables": [], "best": set()}
    rows = unprocessed_rows(headline(read_scores(folder / "scores.csv")))
    measured = [column for column in rows.columns if ": " in column]
    best, rows, tables = leaders(rows, measured), rows.assign(name=method_names), []
    for corpus, part in rows.groupby("corpus", sort=False):
        tables.append((corpus, part[["name", *(column for column in measured if (part[column] != "").any())]]))
    return {"tables": tables, "best": best}


def _recommended(folder: Path) -> dict | None:
    """What `recommended.json` says, with the vectors' name as tables have it; None where it is not there or not whole."""
    try:
        found = read_json(folder / "recommended.json")
        return found | {"name": method_names(pd.DataFrame([found])).iloc[0], "why": found["why"]}
    except (OSError, ValueError, KeyError):
        return None


def _commands(folder: Path, name: str) -> list[str]:
    """What one can do with a finished run's model and vectors, as commands for the folder in which the page is written."""
    tuned = (folder / "tuned_model").is_dir()
    model, vectors = (
        folder / ("tuned_model" if tuned else "language_model"),
        "embeddings_tuned" if tuned else "embeddings",
    )
    if not model.is_dir() or not (folder / vectors / name).is_dir():
        return []
    model, vectors = (shlex.quote(os.path.relpath(path)) for path in (model, folder / vectors / name))
    return [
        f'unpadded search --embeddings {vectors} "what to look for"',
        f"unpadded embed --model {model} --input YOUR_DOCUMENTS --output YOUR_VECTORS --pooling mean",
        "make lab",
    ]


def figure_of(path: Path) -> dict:
    """A kept figure for the template `picture` of a page beside the folder `figures`: where it is, its words, its size."""
    width, height = size_of(path)
    return {"source": f"figures/{quote(path.name)}", "alt": alt_of(path), "width": width, "height": height}


def first_picture(folder: Path, notebook: nbformat.NotebookNode) -> Path | None:
    """The kept picture, other than the map, that an executed notebook shows first: its bytes are the output's."""
    kept = {path.read_bytes(): path for path in (folder / "figures").glob("*.png") if path.name != MAP}
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return next((kept[png] for png in map(base64.b64decode, shown) if png in kept), None)


def _questions(folder: Path, executed: Sequence[Path], *, reference: bool) -> Iterator[dict]:
    """For each executed notebook its question, its answers (the run's own, the reference run's) and its first picture."""
    for path in executed:
        try:
            notebook = nbformat.read(path, as_version=4)
        except ValueError:  # torn by a full disk; the next start executes it again
            continue
        drawn = first_picture(folder, notebook)
        own = "" if reference else answer(folder, path.stem)
        if not reference:
            put_answer(path, own)
        if path.with_suffix(".html").exists():
            link_pages(path.with_suffix(".html"))
        yield {
            "stem": path.stem,
            "title": title_of(notebook) or path.stem,
            "own": own,
            "answer": answer_of(notebook),
            "figure": figure_of(drawn) if drawn else None,
        }

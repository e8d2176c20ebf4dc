"""Executed notebooks as HTML that opens without a network, and the page that ties a run together."""

import html
import os
from pathlib import Path

import nbformat
import pandas as pd
from nbconvert import HTMLExporter

from .files import atomic_write, read_json
from .scores import read_scores

HEADLINE = {  # task -> the metrics whose best rows the front page shows
    "clustering": ["v_measure"],
    "ranking": ["nDCG@10", "P@10", "spearman"],
    "classification": ["accuracy"],
}

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .8rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.best { font-weight: 700; }
figure { margin: 1.5rem 0; } img { max-width: 100%; background: white; border-radius: 4px; }
.note { opacity: .75; }
"""


def write_page(notebook: Path) -> Path:
    """Write `<notebook>.html` beside an executed notebook, atomically; return its path.

    The page asks the network for nothing: pictures are inlined, and the scripts that nbconvert would fetch for formulas
    and widgets are left out (our notebooks have neither).
    """
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="", embed_images=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(
        nbformat.read(notebook, as_version=4), {"metadata": {"name": _title(notebook)}}
    )
    page = notebook.with_suffix(".html")
    with atomic_write(page) as file:
        file.write(body.replace('<script src=""></script>', "").encode())
    return page


def code_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The sources of a notebook's own code cells, without the one that papermill injects."""
    cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    return [cell.source for cell in cells if cell.cell_type == "code"]


def refresh_text(executed: Path, source: Path) -> None:
    """Give an executed notebook the prose of its source, where their code is still the same.

    An answer is written after the run that it reports; this takes it over without running anything again.
    """
    old, new = (nbformat.read(path, as_version=4) for path in (executed, source))
    prose = [cell for cell in new.cells if cell.cell_type == "markdown"]
    places = [i for i, cell in enumerate(old.cells) if cell.cell_type == "markdown"]
    if code_of(old) != code_of(new) or len(prose) != len(places):
        return
    for i, cell in zip(places, prose, strict=True):
        old.cells[i].source = cell.source
    with atomic_write(executed) as file:
        file.write(nbformat.writes(old).encode())


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


def write_index(folder: Path) -> Path:
    """Write `index.html` for a run's folder: headline table, pictures, links to the notebooks; return its path."""
    folder = Path(folder)
    summary = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    parts = [f"<h1>{_escape(summary.get('corpus', folder.name))}, profile {_escape(summary.get('profile', '?'))}</h1>"]
    if summary:
        minutes = sum(stage["seconds"] for stage in summary["stages"].values()) / 60
        parts.append(
            f"<p>{summary['documents']:,} documents; {minutes:.1f} minutes of notebooks; unpadded {summary['version']}.</p>"
        )
        parts += [f"<p class=note>{_escape(note)}</p>" for note in summary["notes"]]
    if (folder / "scores.csv").exists():
        table = headline(read_scores(folder / "scores.csv"))
        parts.append("<h2>Scores</h2><p>With 95&nbsp;% intervals; the best of each column and corpus is bold. ")
        parts.append('All values: <a href="scores.csv">scores.csv</a>.</p>')
        parts.append(_table(table))
    parts.append("<h2>Notebooks</h2><ul>")
    for notebook in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        parts.append(
            f'<li><a href="{notebook.stem}.html">{_escape(_title(notebook))}</a> '
            f'(<a href="{notebook.name}">{notebook.name}</a>)</li>'
        )
    parts.append("</ul>")
    pictures = sorted((folder / "figures").glob("*.png"))
    parts += ["<h2>Pictures</h2>"] * bool(pictures)
    for picture in pictures:
        caption = _escape(picture.stem.replace("_", " "))
        source = os.path.relpath(picture, folder)
        parts.append(f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>')
    page = folder / "index.html"
    with atomic_write(page) as file:
        file.write(_document(summary.get("corpus", folder.name), "\n".join(parts)).encode())
    return page


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>Unpadded: {_escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _table(table: pd.DataFrame) -> str:
    measured = [column for column in table.columns if ": " in column]
    numbers = table[measured].apply(lambda c: pd.to_numeric(c.str.split(" ").str[0], errors="coerce"))
    best = {(corpus, c): numbers.loc[rows.index, c].max() for corpus, rows in table.groupby("corpus") for c in measured}
    lines = ["<table><thead><tr>", *(f"<th>{_escape(c)}</th>" for c in table.columns), "</tr></thead><tbody>"]
    for i, row in table.iterrows():
        lines.append("<tr>")
        for column in table.columns:
            is_best = column in measured and numbers.loc[i, column] == best[row["corpus"], column]
            lines.append(f"<td{' class=best' if is_best else ''}>{_escape(row[column])}</td>")
        lines.append("</tr>")
    return "".join([*lines, "</tbody></table>"])


def _title(notebook: Path) -> str:
    """The first heading of a notebook, or its file name."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0][2:].strip()
    return notebook.stem


def _escape(value: object) -> str:
    return html.escape(str(value))

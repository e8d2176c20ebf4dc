"""The front page of a sweep: its question, what came out, its runs, and what failed."""

from pathlib import Path
from urllib.parse import quote

from unpadded.common import SWEEP_SUMMARY, read_json
from unpadded.report.comparison import leaderboard, read_runs
from unpadded.report.html import escape, table, write_document
from unpadded.report.notebooks import refresh_text, write_page
from unpadded.report.run_page import EXECUTED, figure_of, write_index

COMPARISON = "09_compare_runs"


def write_sweep_report(folder: Path, *, sources: Path) -> Path:
    """Write every page of a sweep and of its runs again, with the prose of the notebooks in `sources`; the front page."""
    folder = Path(folder)
    for stage in sorted((folder / "stages").glob("*/")):
        for notebook in stage.glob(EXECUTED):
            if not notebook.is_symlink():
                _refresh(notebook, sources)
    for notebook in folder.glob(EXECUTED):
        _refresh(notebook, sources)
    return write_sweep_index(folder, anew=True)


def write_sweep_index(folder: Path, *, anew: bool = False) -> Path:
    """Write `index.html` for a sweep's folder and for each of its runs that has changed (`anew`: all); the former's path."""
    folder = Path(folder)
    summary = read_json(folder / SWEEP_SUMMARY)
    for run in summary["runs"]:
        _write_run(folder / "runs" / run["name"], anew=anew)
    done = sum(run["finished"] for run in summary["runs"])
    parts = [
        f"<h1>{escape(summary['question'] or summary['name'])}</h1>",
        f"<p>Sweep <b>{escape(summary['name'])}</b>: {done} of {len(summary['runs'])} runs done; unpadded "
        f"{escape(summary['version'])}.</p>",
        *_failures(summary["runs"]),
        *_scores(folder),
        *_pictures(folder),
        "<h2>The runs</h2>",
        _runs(folder, summary),
    ]
    return write_document(folder / "index.html", f"Unpadded: {summary['name']}", "\n".join(parts))


def _refresh(notebook: Path, sources: Path) -> None:
    if (sources / notebook.name).is_file():
        refresh_text(notebook, sources / notebook.name)
    write_page(notebook)


def _write_run(folder: Path, *, anew: bool) -> None:
    index = folder / "index.html"
    changed = [path.stat().st_mtime for path in folder.glob("stages/*.json")]
    if folder.is_dir() and (anew or not index.exists() or any(time > index.stat().st_mtime for time in changed)):
        write_index(folder)


def _failures(runs: list[dict]) -> list[str]:
    failed = [run for run in runs if run["failure"]]
    if not failed:
        return []
    lines = "".join(f"<li>{_link(run['name'])}: {escape(run['failure'])}</li>" for run in failed)
    return [f"<h2>What failed</h2><ul>{lines}</ul><p class=note>The same command tries these again.</p>"]


def _scores(folder: Path) -> list[str]:
    if not (folder / "scores.parquet").exists():
        return []
    best = leaderboard(read_runs([folder]), k=3).reset_index()
    best["value"] = [
        f"{v:.3f} [{a:.3f}, {b:.3f}]" for v, a, b in zip(best.value, best.ci_low, best.ci_high, strict=True)
    ]
    columns = ["corpus", "task", "metric", "name", "value", "run"]
    links = ", ".join(f'<a href="{name}">{name}</a>' for name in ("scores.csv", "scores.parquet"))
    compared = (
        f'<nav><a href="{COMPARISON}.html">The comparison</a><a href="{COMPARISON}.ipynb">As a notebook</a></nav>'
    )
    return [
        f"<h2>What came out</h2><p>The three best of each task, with 95&nbsp;% intervals. All values: {links}.</p>",
        table(best[columns]),
        compared if (folder / f"{COMPARISON}.html").exists() else "",
    ]


def _pictures(folder: Path) -> list[str]:
    drawn = sorted((folder / "figures").glob("*.png"))
    return [figure_of(path, link=f"{COMPARISON}.html") for path in drawn]


def _runs(folder: Path, summary: dict) -> str:
    """One row a run: what sets it apart, whether it is done, its minutes, its notebooks."""
    rows = []
    for run in summary["runs"]:
        state = "done" if run["finished"] else "failed" if run["failure"] else "not yet"
        cells = [_link(run["name"]), *(escape(run["parameters"][name]) for name in summary["varied"]), state]
        cells.append(f"{_minutes(folder / 'runs' / run['name']):.1f}")
        base = f"runs/{quote(run['name'])}"
        cells.append(
            " ".join(
                f'<a href="{base}/{stage}.html">{stage[:2]}</a>'
                for stage in run["stages"]
                if (folder / "runs" / run["name"] / f"{stage}.html").exists()
            )
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    titles = ["run", *map(escape, summary["varied"]), "state", "minutes", "notebooks"]
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{body}</table></div>'


def _minutes(folder: Path) -> float:
    return sum(read_json(path)["seconds"] for path in folder.glob("stages/*.json")) / 60


def _link(name: str) -> str:
    return f'<a href="runs/{quote(name)}/index.html">{escape(name)}</a>'

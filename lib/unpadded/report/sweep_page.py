"""The front page of a sweep: its question, what came out, its runs, and what failed."""

from pathlib import Path

import pandas as pd

from unpadded.common import SWEEP_SUMMARY, read_json
from unpadded.report.comparison import leaderboard, read_runs
from unpadded.report.headline import with_interval
from unpadded.report.notebooks import write_report_page
from unpadded.report.rendering import write_html
from unpadded.report.run_page import EXECUTED, figure_of, write_index

COMPARISON = "09_compare_runs"


def write_sweep_report(folder: Path, *, sources: Path) -> Path:
    """Write every page of a sweep and of its runs again, with the prose of the notebooks in `sources`; the front page."""
    folder = Path(folder)
    executed = [path for path in folder.glob(f"stages/*/{EXECUTED}") if not path.is_symlink()]
    for notebook in sorted([*executed, *folder.glob(EXECUTED)]):
        write_report_page(notebook, sources)
    return write_sweep_index(folder, anew=True)


def write_sweep_index(folder: Path, *, anew: bool = False) -> Path:
    """Write `index.html` for a sweep's folder and for each of its runs that has changed (`anew`: all); the former's path."""
    folder = Path(folder)
    summary = read_json(folder / SWEEP_SUMMARY)
    for run in summary["runs"]:
        _write_run(folder / "runs" / run["name"], anew=anew)
    return write_html(
        folder / "index.html",
        "sweep.html",
        title=f"Unpadded: {summary['name']}",
        summary=summary,
        runs=[run | _facts(folder / "runs" / run["name"], run["stages"]) for run in summary["runs"]],
        best=_best(folder),
        comparison=COMPARISON,
        is_compared=(folder / f"{COMPARISON}.html").exists(),
        figures=[figure_of(path) for path in sorted((folder / "figures").glob("*.png"))],
    )


def _write_run(folder: Path, *, anew: bool) -> None:
    index = folder / "index.html"
    changed = [path.stat().st_mtime for path in folder.glob("stages/*.json")]
    if folder.is_dir() and (anew or not index.exists() or any(time > index.stat().st_mtime for time in changed)):
        write_index(folder)


def _facts(folder: Path, stages: list[str]) -> dict:
    """A run's minutes, and those of its stages that have a page."""
    seconds = sum(read_json(path)["seconds"] for path in folder.glob("stages/*.json"))
    return {"minutes": seconds / 60, "pages": [stage for stage in stages if (folder / f"{stage}.html").exists()]}


def _best(folder: Path) -> pd.DataFrame | None:
    """The three best of each task, with their intervals as text; None before there are scores."""
    if not (folder / "scores.parquet").exists():
        return None
    best = leaderboard(read_runs([folder]), k=3).reset_index()
    best["value"] = with_interval(best)
    return best[["corpus", "task", "metric", "name", "value", "run"]]

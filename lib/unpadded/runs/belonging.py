"""What lies in a run's folder and is not of this run, being of another corpus or of another profile: moved aside."""

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from unpadded.common import read_json
from unpadded.runs.links import SHARED
from unpadded.runs.profiles import STAGES, Stage
from unpadded.runs.stage import figures_of, recorded

EARLIER = "earlier"  # folder of what was moved aside, in a folder named by date and time
OF_THE_WHOLE = ("run.json", "index.html", "map.html", "scores.csv")


def results_of(folder: Path, stage: Stage) -> list[Path]:
    """What a stage has left in a run's folder: its notebook and page, its own files and folders, pictures, log, record."""
    names = [f"{stage.name}.ipynb", f"{stage.name}.html", f"logs/{stage.name}.log", f"stages/{stage.name}.json"]
    for leaf in (*stage.leaves, *stage.keeps):
        top = leaf.partition("/")[0]
        names.append(leaf if top in SHARED else top)
    return [path for path in [*map(folder.joinpath, names), *figures_of(folder, stage)] if os.path.lexists(path)]


def foreign_stages(
    folder: Path, about: Mapping[str, str], keys: Mapping[str, str], replaced: Collection[str]
) -> list[Stage]:
    """The stages whose results in `folder` are not of the run that `about` describes, with `keys` for each stage's name.

    Those `replaced` are about to be executed: what they left under another key stays until then if it is of the same corpus
    and profile.
    """
    found = []
    page = _page_of(folder)  # records of earlier versions do not say what they are about themselves
    for stage in STAGES:
        record = recorded(folder, stage)
        own = record.get("key") is not None and record["key"] == keys.get(stage.name)
        superseded = stage.name in replaced and record.get("about", page) == dict(about)
        if not own and not superseded and results_of(folder, stage):
            found.append(stage)
    return found


def move_aside(folder: Path, stages: Iterable[Stage], about: Mapping[str, str]) -> Path | None:
    """Move the results of stages, and the page of another run, below `<folder>/earlier`; the new folder, or `None`."""
    paths = [path for stage in stages for path in results_of(folder, stage)]
    if _page_of(folder) not in (None, dict(about)):
        paths += [folder / name for name in OF_THE_WHOLE if os.path.lexists(folder / name)]
    if not paths:
        return None
    target = _free(folder / EARLIER / f"{datetime.now():%Y-%m-%d %H.%M.%S}")
    for path in paths:
        moved = target / path.relative_to(folder)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    return target


def _page_of(folder: Path) -> dict | None:
    """What the page in a folder is about; `None` where there is none."""
    try:
        summary = read_json(folder / "run.json")
    except (OSError, ValueError):
        return None
    return {"fingerprint": summary.get("fingerprint", ""), "profile": summary.get("profile", "")}


def _free(folder: Path) -> Path:
    """The folder, or the next one of that name with a number where it is taken."""
    names = (folder.with_name(f"{folder.name} {number}") for number in range(2, 1_000))
    return folder if not folder.exists() else next(name for name in names if not name.exists())

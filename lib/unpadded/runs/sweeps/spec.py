"""A sweep as its file says it: which values of which parameters make the runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml

from unpadded.common import InputError
from unpadded.runs.notebook import nearest_or_all

SHORTHANDS = ("corpus", "seed", "profile")  # parameters that may stand at the top of the file
KEYS = ("question", "stages", "parameters", "grid", "points", *SHORTHANDS)


@dataclass(frozen=True)
class SweepSpec:
    """What a sweep file asks for: `points` holds every run's values (parameter as written -> value), none twice.

    `stages` names the notebooks that are wanted, with those that they need; empty: all.
    """

    path: Path
    question: str
    stages: tuple[str, ...]
    points: tuple[dict, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def varied(self) -> list[str]:
        """The parameters in which the runs differ, in the file's order."""
        names = dict.fromkeys(name for point in self.points for name in point)
        return [name for name in names if len({repr(point.get(name)) for point in self.points}) > 1]


def read_spec(path: Path) -> SweepSpec:
    """Read a sweep file: fixed `parameters`, a `grid` (name -> list of values; all combinations) and explicit `points`.

    A list of grids is one after the other. Raises `InputError` for a file that is missing, no YAML, or says something else.
    """
    content = _read(path)
    for key in content:
        if key not in KEYS:
            raise InputError(
                f"{path.name}: {key!r} is nothing that a sweep file says: {nearest_or_all(str(key), KEYS)}"
            )
    fixed = {name: content[name] for name in SHORTHANDS if name in content}
    fixed |= _mapping(path, "parameters", content.get("parameters") or {})
    grids = content.get("grid") or []
    points = [p for grid in (grids if isinstance(grids, list) else [grids]) for p in _combinations(path, grid)]
    points += [_mapping(path, "points", point) for point in _list(path, "points", content.get("points") or [])]
    runs = [fixed | point for point in points or [{}]]
    return SweepSpec(
        path,
        " ".join(str(content.get("question", "")).split()),
        tuple(map(str, _list(path, "stages", content.get("stages") or []))),
        tuple({repr(sorted(run.items())): run for run in runs}.values()),
    )


def _read(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a sweep file, such as those in notebooks/sweeps.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a sweep file.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise InputError(f"{path} is no YAML ({place}{problem}): mend it there.") from None
    return _mapping(path, "the file", content)


def _combinations(path: Path, grid: object) -> Iterator[dict]:
    grid = _mapping(path, "grid", grid)
    for name, values in grid.items():
        if not _list(path, f"grid, {name}", values):
            raise InputError(f"{path.name}: grid, {name} has no value: give a list of values.")
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _mapping(path: Path, place: str, content: object) -> dict:
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise InputError(f"{path.name}: {place} holds {_kind(content)}: write `name: value` lines there.")
    return dict(content)


def _list(path: Path, place: str, content: object) -> list:
    if not isinstance(content, list):
        raise InputError(f"{path.name}: {place} holds {_kind(content)}: write a list there, as in [1, 2].")
    return content


def _kind(content: object) -> str:
    return "nothing" if content is None else f"{content!r:.60}"

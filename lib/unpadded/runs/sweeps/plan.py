"""What a sweep will do: its runs, each of their stages with a content key, and which of them share one execution."""

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from unpadded.common import InputError, check_folder
from unpadded.corpus import Corpus
from unpadded.runs.notebook import check_parameters, declared_parameters, fits, nearest_or_all
from unpadded.runs.profiles import PROFILES, STAGES, Stage
from unpadded.runs.run import NOTEBOOKS, CorpusChoice, Run
from unpadded.runs.stage import StageJob
from unpadded.runs.sweeps.spec import SweepSpec

COMPARE = "09_compare_runs"  # executed once, on the whole sweep
CORPUS_TYPES = {field.name: field.type.__name__ for field in fields(CorpusChoice)}
CORPUS_TYPES["corpus"] = CORPUS_TYPES.pop("source")
LONGEST_NAME = 100


@dataclass(frozen=True)
class PlannedRun:
    """One run: the values of all parameters that the sweep's file names, and its stages in their shared folders."""

    name: str
    run: Run
    values: Mapping[str, object]
    corpus: Corpus
    jobs: tuple[StageJob, ...]

    @property
    def folder(self) -> Path:
        """The run's own folder, with links to what its stages left."""
        return self.run.folder


@dataclass(frozen=True)
class SweepPlan:
    """All runs of a sweep below `folder`. Jobs with one key are one job, in the folder `stages/<stage>-<key>`."""

    spec: SweepSpec
    folder: Path
    notebooks: Path
    runs: tuple[PlannedRun, ...]

    @cached_property
    def jobs(self) -> dict[str, StageJob]:
        """Key -> job, each once, in the order of the runs."""
        return {job.key: job for run in self.runs for job in run.jobs}

    @cached_property
    def runs_of(self) -> dict[str, list[PlannedRun]]:
        """Key -> the runs that share the job."""
        found: dict[str, list[PlannedRun]] = {key: [] for key in self.jobs}
        for run in self.runs:
            for job in run.jobs:
                found[job.key].append(run)
        return found

    def before(self, job: StageJob) -> list[StageJob]:
        """The jobs whose results a job reads, and those that they read, earliest first."""
        found: dict[str, StageJob] = {}
        for key in job.needs:
            found |= {earlier.key: earlier for earlier in self.before(self.jobs[key])} | {key: self.jobs[key]}
        return list(found.values())


def plan_sweep(spec: SweepSpec, folder: Path, *, notebooks: Path = NOTEBOOKS) -> SweepPlan:
    """Plan a sweep into `folder`; executes and writes nothing.

    Raises `InputError` as `checked_runs` does, for a corpus that cannot be read, and for a folder that can be none.
    """
    folder, corpora, planned = folder.resolve(), {}, []
    check_folder(folder)
    for run in checked_runs(spec, folder, notebooks=notebooks):
        corpus = corpora.get(run.choice) or corpora.setdefault(run.choice, run.choice.load())
        jobs = [replace(job, folder=folder / "stages" / f"{job.stage.name}-{job.key[:12]}") for job in run.jobs(corpus)]
        planned.append(PlannedRun(run.folder.name, run, _values(spec, run), corpus, tuple(jobs)))
    return SweepPlan(spec, folder, notebooks.resolve(), tuple(planned))


def checked_runs(spec: SweepSpec, folder: Path, *, notebooks: Path = NOTEBOOKS) -> list[Run]:
    """The runs of a sweep in folders of their own, their parameters checked against the notebooks; no corpus is read.

    Raises `InputError` for an unknown notebook, a misspelt parameter (naming the nearest right one) and a value of another
    type than the notebook declares.
    """
    stages, notebooks = _stages(spec), notebooks.resolve()
    declared = {stage.name: declared_parameters(_source(notebooks, stage.name)) for stage in stages}
    return [
        _run(spec, point, folder.resolve() / "runs" / name, notebooks, stages, declared)
        for name, point in zip(_names(spec), spec.points, strict=True)
    ]


def _stages(spec: SweepSpec) -> list[Stage]:
    """The wanted stages and all that they need, in order; never the comparison, which is the sweep's own."""
    known = {stage.name: stage for stage in STAGES if stage.name != COMPARE}
    wanted = list(spec.stages or known)
    for name in wanted:  # grows while it is read
        if name not in known:
            raise InputError(f"{spec.path.name}: stages, there is no notebook {name!r}: {nearest_or_all(name, known)}")
        wanted += known[name].needs
    return [stage for name, stage in known.items() if name in wanted]


def _source(notebooks: Path, stage: str) -> Path:
    path = notebooks / f"{stage}.ipynb"
    if not path.is_file():
        raise InputError(f"{path} does not exist: run from a clone of the project, or give its --notebooks folder.")
    return path


def _run(spec: SweepSpec, point: dict, folder: Path, notebooks: Path, stages, declared) -> Run:
    profile = point.get("profile", "quick")
    if profile not in PROFILES:
        raise InputError(f"{spec.path.name}: there is no profile {profile!r}: {nearest_or_all(str(profile), PROFILES)}")
    try:
        choice, overrides = _choice(spec, point), _overrides(point, declared)
        for stage, parameters in overrides.items():
            check_parameters(notebooks / f"{stage}.ipynb", parameters)
    except InputError as error:
        raise InputError(f"{spec.path.name}: {error}{_hint(point)}") from None
    return Run(folder, choice, profile, overrides, notebooks, stages, studies=True)


def _choice(spec: SweepSpec, point: dict) -> CorpusChoice:
    """The corpus; a path in the sweep's file may be relative to where one is, or else to the file."""
    chosen = {name: value for name, value in point.items() if name in CORPUS_TYPES}
    for name, value in chosen.items():
        if not fits(value, CORPUS_TYPES[name]):
            raise InputError(f"{name} takes {CORPUS_TYPES[name]}, and {value!r} is {type(value).__name__}.")
    if "corpus" in chosen:
        source = chosen.pop("corpus")
        beside = spec.path.parent / source
        chosen["source"] = str(beside) if beside.exists() and not Path(source).exists() else source
    return CorpusChoice(**chosen)


def _overrides(point: dict, declared: Mapping[str, Mapping]) -> dict[str, dict]:
    """Stage -> parameters: `STAGE.NAME` sets one notebook's, `NAME` that of every notebook which declares it."""
    overrides: dict[str, dict] = {}
    for written, value in point.items():
        stage, _, name = written.rpartition(".")
        if written in CORPUS_TYPES or written == "profile":
            continue
        if stage and stage not in declared:
            raise InputError(f"there is no notebook {stage!r} among the sweep's: {nearest_or_all(stage, declared)}")
        targets = [stage] if stage else [s for s, parameters in declared.items() if name in parameters]
        if not targets or name == "run":
            known = dict.fromkeys(n for parameters in declared.values() for n in parameters if n != "run")
            raise InputError(f"no notebook has a parameter {written!r} to set: {nearest_or_all(name, known)}")
        for target in targets:
            overrides.setdefault(target, {})[name] = value
    return overrides


def _hint(point: dict) -> str:
    """YAML 1.1 reads 1e-3, without a point, as text."""
    texts = (value for value in point.values() if isinstance(value, str))
    number = next((text for text in texts if re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", text)), "")
    return f" (YAML wants a point in it: {re.sub('[eE]', '.0e', number)}.)" if number else ""


def _names(spec: SweepSpec) -> list[str]:
    """A folder name for each point, from what sets it apart; long ones, and those that occur twice, end in a digest."""
    names = []
    for point in spec.points:
        parts = {name.rpartition(".")[2]: str(point[name]) for name in spec.varied if name in point}
        text = ",".join(f"{name}={Path(value).name.replace(',', '+')}" for name, value in parts.items())
        names.append(re.sub(r"[^\w.=+,-]+", "-", text) or "run")
    digests = [hashlib.sha256(repr(sorted(point.items())).encode()).hexdigest()[:6] for point in spec.points]
    return [
        name if len(name) <= LONGEST_NAME and names.count(name) == 1 else f"{name[:LONGEST_NAME]}-{digest}"
        for name, digest in zip(names, digests, strict=True)
    ]


def _values(spec: SweepSpec, run: Run) -> dict[str, object]:
    """Every parameter that any point names, with the run's value: its own, the profile's, or the notebook's default."""
    values = {}
    for written in dict.fromkeys(name for point in spec.points for name in point):
        stage, _, name = written.rpartition(".")
        if written in CORPUS_TYPES:
            values[written] = getattr(run.choice, "source" if written == "corpus" else written)
        elif written == "profile":
            values[written] = run.profile
        else:
            homes = (s for s in run.stages if stage in ("", s.name))
            declarations = ((s, declared_parameters(_source(run.notebooks, s.name))) for s in homes)
            home, declared = next((s, parameters) for s, parameters in declarations if name in parameters)
            values[written] = run.parameters(home).get(name, ast.literal_eval(declared[name]["default"]))
    return values

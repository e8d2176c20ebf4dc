"""Parameters of notebooks from a command line: read as the type that is declared, refused where they reach nothing."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from unpadded.common import InputError, closest
from unpadded.runs.notebook import check_parameters, declared_parameters, nearest_or_all
from unpadded.runs.profiles import STAGES, TRAIN

# What all notebooks of a run have to agree on, and what says it for all of them.
OF_THE_RUN = {"run": "--output", "corpus": "--corpus", "text": "--text", "label": "--label", "id": "--id"}
OF_THE_RUN["reading"] = "--encoding, --delimiter or --no-heading"
OF_THE_FIRST = ("seed", "n_documents")  # of the run too: the first notebook records them for those behind it
TRUTHS = {"true": True, "false": False}


def read_overrides(assignments: Sequence[str], notebooks: Path) -> dict[str, dict]:
    """`NOTEBOOK.NAME=VALUE` strings as notebook -> parameters, each value of the type that the notebook declares.

    What is declared as text stays the text that was written. Raises `InputError` for a string of another form, a notebook or
    a parameter that does not exist (naming the nearest that does), and a value that is not of the declared type.
    """
    overrides: dict[str, dict] = {}
    for assignment in assignments:
        target, equals, value = assignment.partition("=")
        stage, dot, name = target.strip().partition(".")
        if not (equals and dot and name):
            raise InputError(
                f"Parameter {assignment!r} is not STAGE.NAME=VALUE: write for instance 01_train_language_model.epochs=5."
            )
        notebook = notebooks / f"{check_stage(stage)}.ipynb"
        _check_it_is_its_own(stage, name)
        declared = declared_parameters(notebook)
        check_parameters(notebook, {name: None} if name not in declared else {})
        overrides.setdefault(stage, {})[name] = _read(value, declared[name], f"{stage}.{name}")
    return overrides


def check_stage(name: str) -> str:
    """The name of a notebook, as it is given; `InputError` with the nearest where there is no such notebook."""
    names = [stage.name for stage in STAGES]
    if name not in names:
        near = next((known for known in names if name and known.startswith(name)), None) or closest(name, names)
        raise InputError(
            f"There is no notebook {name!r}: {f'did you mean {near}?' if near else nearest_or_all(name, names)}"
        )
    return name


def check_overrides(overrides: Mapping[str, dict], notebooks: Path, why_idle: Callable[[str], str]) -> None:
    """Refuse what would be dropped: for a notebook that does not exist or does not run, or a name that it does not declare.

    `why_idle(stage)` says why a notebook does not run and what mends it, or is empty. Raises `InputError`.
    """
    for stage, parameters in overrides.items():
        check_stage(stage)
        for name in parameters:
            _check_it_is_its_own(stage, name)
        check_parameters(notebooks / f"{stage}.ipynb", parameters)
        if parameters and (reason := why_idle(stage)):
            raise InputError(f"{stage}.{next(iter(parameters))} would have no effect, because {stage} {reason}")


def _check_it_is_its_own(stage: str, name: str) -> None:
    """Refuse a parameter that belongs to the whole run for one notebook of it."""
    elsewhere = OF_THE_RUN.get(name) or (f"{TRAIN}.{name}" if name in OF_THE_FIRST and stage != TRAIN else "")
    if elsewhere:
        raise InputError(f"{stage}.{name} would set {name} for one notebook alone: use {elsewhere} instead.")


def _read(text: str, declared: Mapping, where: str) -> object:
    """A value as the notebook's parameters cell declares it."""
    wanted = declared["inferred_type_name"]
    try:
        if wanted == "str":
            return text
        if wanted in ("int", "float"):
            return {"int": int, "float": float}[wanted](text)
        if wanted == "bool":
            return TRUTHS[text.strip().lower()]
    except (ValueError, KeyError):
        words = {"int": "a whole number", "float": "a number", "bool": "true or false"}[wanted]
        raise InputError(
            f"{where} takes {words}, not {text!r}: the notebook itself has {declared['default']}."
        ) from None
    try:
        return json.loads(text)
    except ValueError:
        return text

"""What the README and the notebooks say is what the reference run found."""

import re
from pathlib import Path

import nbformat
import pytest

from unpadded.profiles import STAGES
from unpadded.readme import with_headline
from unpadded.scores import read_scores

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "outputs" / "reference"


def recorded_numbers() -> set[str]:
    scores = read_scores(REFERENCE / "scores.csv")
    return {f"{value:.3f}" for column in ("value", "ci_low", "ci_high") for value in scores[column]}


def test_the_readmes_table_is_the_reference_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_headline(text, read_scores(REFERENCE / "scores.csv")) == text


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_figures_in_an_answer_are_in_the_reference_run(stage):
    """A score is quoted with three decimals; every one of them must be a recorded value or the end of an interval."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{stage.name}.ipynb", as_version=4)
    quoted = re.findall(r"(?<![\d.])0\.\d{3}(?!\d)", notebook.cells[1].source)
    executed = nbformat.read(REFERENCE / f"{stage.name}.ipynb", as_version=4)
    shown = {number for cell in executed.cells[2:] for number in re.findall(r"\d\.\d{3}", str(cell.get("outputs", "")))}
    assert set(quoted) <= recorded_numbers() | shown


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_executed_copy_is_the_source_notebook(stage):
    source = nbformat.read(ROOT / "notebooks" / f"{stage.name}.ipynb", as_version=4)
    executed = nbformat.read(REFERENCE / f"{stage.name}.ipynb", as_version=4)
    kept = [c.source for c in executed.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    assert kept == [c.source for c in source.cells]


def test_the_reference_run_shows_no_path_of_a_machine_and_stays_small():
    """Of what is committed; vectors and logs stay on the machine that made them."""
    for path in REFERENCE.rglob("*"):
        if {"embeddings", "representations", "logs"} & set(path.parts):
            continue
        if path.suffix in (".ipynb", ".html", ".json", ".csv"):
            assert not re.search(r"/(?:home|root|work|Users)/", path.read_text(errors="replace")), path.name
        if path.suffix == ".ipynb":
            assert path.stat().st_size < 2_000_000

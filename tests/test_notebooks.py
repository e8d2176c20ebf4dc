"""What holds for every source notebook, without running it."""

import ast
import re
import shlex
from pathlib import Path

import nbformat
import pytest
from papermill import inspect_notebook

from unpadded.cli.main import _parser
from unpadded.runs.overrides import read_overrides
from unpadded.runs.profiles import PROFILES, STAGES, stage_parameters

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param, nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert {stage.name for stage in STAGES} <= {path.stem for path in NOTEBOOKS}


def test_stored_without_outputs(notebook):
    for cell in code_cells(notebook[1]):
        assert not cell.outputs
        assert cell.execution_count is None


def test_defines_nothing_and_stays_short(notebook):
    cells = code_cells(notebook[1])
    assert len(cells) <= 25
    for cell in cells:
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef), cell.source


def test_title_is_a_question_and_the_answer_follows(notebook):
    title, answer = notebook[1].cells[:2]
    assert title.source.startswith("# ")
    assert title.source.splitlines()[0].endswith("?")
    assert answer.cell_type == "markdown"
    assert answer.source.startswith("**Answer.**")


def test_settings_imports_and_the_answers_picture_are_folded(notebook):
    """In JupyterLab; on a page too, see test_pages."""
    for cell in code_cells(notebook[1]):
        tags, tree = cell.metadata.get("tags", []), ast.parse(cell.source)
        only_imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
        if only_imports or {"parameters", "lead"} & set(tags):
            assert cell.metadata["jupyter"]["source_hidden"], cell.source


def test_papermill_sees_every_parameter(notebook):
    """papermill infers parameters from text; a line that it cannot read would silently keep its default."""
    path, content = notebook
    tagged = [cell for cell in content.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    tree = ast.parse(tagged[0].source)
    assert all(isinstance(node, ast.AnnAssign) for node in tree.body)
    assigned = {node.target.id: (ast.unparse(node.annotation), ast.literal_eval(node.value)) for node in tree.body}
    inferred = inspect_notebook(str(path))
    assert set(inferred) == set(assigned)
    for name, (annotation, default) in assigned.items():
        assert inferred[name]["inferred_type_name"] == annotation
        assert type(default).__name__ == annotation
        assert inferred[name]["help"], f"{name} has no comment that says what it means"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_notebook_ends_with_a_command_and_the_next_question(stage):
    folder = NOTEBOOKS[0].parent
    last = nbformat.read(folder / f"{stage.name}.ipynb", as_version=4).cells[-1].source
    command, title, to = re.fullmatch(
        r"\*\*On your documents:\*\* `([^`]+)`\n\n\*\*Next question:\*\* \[([^]]+)\]\((\w+\.ipynb)\)", last
    ).groups()
    program, *arguments = shlex.split(command)
    assert program == "unpadded"
    args = _parser().parse_args(arguments)
    read_overrides(getattr(args, "parameter", None) or [], folder)
    assert nbformat.read(folder / to, as_version=4).cells[0].source == f"# {title}"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_profiles_only_set_what_the_notebook_declares(stage, profile):
    path = next(path for path in NOTEBOOKS if path.stem == stage.name)
    declared = inspect_notebook(str(path))
    for name, value in stage_parameters(stage, profile, default_corpus=True).items():
        assert name in declared
        assert type(value).__name__ == declared[name]["inferred_type_name"]

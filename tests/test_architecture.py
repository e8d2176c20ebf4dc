"""The rooms: their order is kept by import-linter (pyproject.toml), what they hand on is there."""

import ast
import pkgutil
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import unpadded

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lib" / "unpadded"
ROOMS = sorted(module.name for module in pkgutil.iter_modules([str(PACKAGE)]) if module.ispkg)


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--no-cache",
        "--config",
        str(folder / "pyproject.toml"),
    ]
    environment = {"PYTHONPATH": str(folder / "lib"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_import_upwards_is_found(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "lib" / "unpadded", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert lint_imports(tmp_path).returncode == 0
    with (tmp_path / "lib" / "unpadded" / "tokens" / "counts.py").open("a") as file:
        file.write("\n\ndef later():\n    from unpadded.training import train\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "unpadded.tokens.counts -> unpadded.training" in done.stdout


def test_only_rooms_lie_in_the_package():
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("name", ["unpadded", *(f"unpadded.{room}" for room in ROOMS)])
def test_what_a_room_hands_on_is_there(name):
    room = import_module(name)
    assert room.__doc__
    for public in getattr(room, "__all__", ()):
        assert getattr(room, public) is not None
    modules = {module.name for module in pkgutil.iter_modules(room.__path__)}
    assert not modules & set(getattr(room, "__all__", ())), "importing the module would hide what is handed on"


def test_what_is_not_handed_on_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = unpadded.nothing
    assert {"Corpus", "certify", "train"} <= set(dir(unpadded))


POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def imported_at_once(module: ast.Module) -> set[str]:
    """The packages that a module imports when it is imported itself, not within a function."""
    found: set[str] = set()
    for statement in module.body:
        for node in ast.walk(statement) if not isinstance(statement, ast.FunctionDef | ast.ClassDef) else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {name.partition(".")[0] for name in names}
    return found


def test_no_module_needs_a_posix_system_to_be_imported():
    source = "import os\ntry:\n    import fcntl\nfinally: pass\ndef late():\n    import resource\n"
    assert imported_at_once(ast.parse(source)) & POSIX_ONLY == {"fcntl"}
    found = {path: imported_at_once(ast.parse(path.read_text())) & POSIX_ONLY for path in PACKAGE.rglob("*.py")}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}

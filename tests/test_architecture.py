"""README's table of modules: it names each one once, and a module imports from its own row and the rows above only."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lib" / "unpadded"
MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")
)


def rows() -> list[tuple[str, list[str]]]:
    """(what stands in the first column, patterns of module names) of each row; a package's pattern ends with a slash."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Architecture")[1]
    cells = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("|")]
    return [(left.strip(), re.findall(r"`([^`]+)`", right)) for left, right in cells[2:]]


def place(module: str) -> list[int]:
    """The numbers of the rows that name `module`, such as "tokens" or "readers/tables"."""
    names = (module, f"{module.split('/')[0]}/") if "/" in module else (module,)
    return [i for i, (_, patterns) in enumerate(rows()) if any(fnmatch(name, p) for name in names for p in patterns)]


def imported(path: Path) -> set[str]:
    """Modules of the package that the file imports, as names that `place` takes."""
    found = set()
    package = ("unpadded", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            parts = ".".join(filter(None, (base, node.module))).split(".")
            if parts[0] == "unpadded":
                found |= {"/".join([*parts[1:], *name]) for name in [()] + [(alias.name,) for alias in node.names]}
    return {name for name in found if (PACKAGE / f"{name}.py").is_file()}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_has_one_place_and_imports_from_its_row_or_above(path):
    module = path.with_suffix("").as_posix()
    own = place(module)
    assert len(own) == 1, f"{module} stands in {len(own)} rows"
    below = {name for name in imported(PACKAGE / path) if place(name)[0] > own[0]}
    assert not below


def test_every_name_in_the_table_is_a_module():
    names = [path.with_suffix("").as_posix() for path in MODULES]
    for _, patterns in rows():
        for pattern in patterns:
            assert any(fnmatch(name, f"{pattern}*" if pattern.endswith("/") else pattern) for name in names), pattern

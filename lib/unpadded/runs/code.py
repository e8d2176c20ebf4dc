"""The code that a notebook runs: its cells, the modules that they import, and theirs, found without importing anything.

A room hands its names on from an `if TYPE_CHECKING:` block (`common/lazy.py`), so a name imported from a room leads to the
module behind it and to no other: a change in the plots of one notebook leaves the others' results as they are.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2]  # the folder that holds the package
PACKAGE = "unpadded"
READS = {"unpadded.report.rendering": "templates"}  # module -> the folder beside it whose files it reads
WRITES_PAGES = "from unpadded.report import write_index, write_page"  # what runs when the pages of a run are written
# Packages that do the work behind one that is imported: their versions count too.
BEHIND = {"fastai": ("fastcore", "spacy"), "sklearn": ("scipy",), "umap": ("numba", "pynndescent")}

Import = tuple[str, str]  # a module, and the name taken from it ("": the module itself)


def code_key(cells: Sequence[str], folder: Path, library: Path = LIBRARY) -> str:
    """SHA-256 of all code that notebook cells run: theirs, our modules' with the templates that these read, and the versions
    of the packages that these import.

    `folder`: where the notebook lies, whose modules it can import too. Nothing is imported or executed.
    """
    sources, packages = _closure(cells, [folder, library])
    content = [*cells, *(f"{name}\n{source}" for name, source in sorted(sources.items()))]
    content += [part for name in sorted(READS.keys() & sources.keys()) for part in _read_by(name, [folder, library])]
    content += [f"{name} {version_of(name)}" for name in sorted(packages)]
    digest = hashlib.sha256()
    for part in content:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\xff")
    return digest.hexdigest()


def page_key(prose: Sequence[str] = (), library: Path = LIBRARY) -> str:
    """SHA-256 of what makes a notebook's page beside what its execution left: `prose`, our code and the templates."""
    content = [code_key([WRITES_PAGES], library, library), *prose]
    return hashlib.sha256("\xff".join(content).encode("utf-8", "surrogatepass")).hexdigest()


def modules_of(cells: Sequence[str], folder: Path, library: Path = LIBRARY) -> list[str]:
    """The names of our modules that `code_key` covers, sorted."""
    return sorted(_closure(cells, [folder, library])[0])


@cache
def version_of(package: str) -> str:
    """The versions of what is installed under a top-level name that can be imported; empty where nothing is."""
    try:
        names = sorted(set(_distributions().get(package, [package])))
        return " ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError:
        return ""


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def _closure(cells: Sequence[str], roots: Sequence[Path]) -> tuple[dict[str, str], set[str]]:
    """Our modules that cells import, name -> source, and the top-level names of all other packages that are imported."""
    sources: dict[str, str] = {}
    packages: set[str] = set()
    find = cache(lambda module: _find(module, roots))  # a module is asked for once for each name taken from it
    waiting, seen = [found for cell in cells for found in _imports_of_cell(cell, roots)], set()
    while waiting:
        module, name = asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        path = find(module)
        if path is None:
            packages.add(module.partition(".")[0])
            continue
        read = _read(path, path.stat().st_mtime_ns, module)
        if name in read.handed_on:
            waiting.append((read.handed_on[name], name))
        elif name and path.name == "__init__.py" and find(f"{module}.{name}"):
            waiting.append((f"{module}.{name}", ""))
        waiting += [(parent, "") for parent in _parents(module)]
        if module not in sources:
            sources[module] = read.source
            waiting += read.imports
    packages |= {behind for name in packages for behind in BEHIND.get(name, ())}
    return sources, packages - set(sys.stdlib_module_names)


@dataclass(frozen=True)
class _Module:
    """A module's source without what it only hands on, what that imports, and what is handed on: name -> module."""

    source: str
    imports: tuple[Import, ...]
    handed_on: dict[str, str]


@lru_cache(maxsize=1024)
def _read(path: Path, _written: int, module: str) -> _Module:
    source = path.read_text(encoding="utf-8", errors="surrogateescape")
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    try:
        tree = ast.parse(source)
    except SyntaxError:  # it cannot be imported either
        return _Module(source, (), {})
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _is_type_checking(node.test)]
    inside = {child for block in blocks for node in block.body for child in ast.walk(node)}
    imports = tuple(found for node in ast.walk(tree) if node not in inside for found in _imports_of(node, package))
    handed_on = {}
    if path.name == "__init__.py":
        handed_on = {name: home for node in inside for home, name in _imports_of(node, package) if name}
        lines = source.splitlines()
        for block in sorted(blocks, key=lambda block: -block.lineno):  # from the end, so that the numbers stay right
            del lines[block.lineno - 1 : block.body[-1].end_lineno]
        source = "\n".join(lines)
    return _Module(source, imports, handed_on)


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def _imports_of(node: ast.AST, package: str = "") -> Iterator[Import]:
    """What an import statement imports; nothing for any other node."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        yield from ((module, alias.name) for alias in node.names)


def _imports_of_cell(cell: str, roots: Sequence[Path]) -> list[Import]:
    """What a cell imports; one with IPython's own syntax counts without those lines, an unreadable one as importing all."""
    lines = [line for line in cell.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return [found for node in ast.walk(ast.parse("\n".join(lines))) for found in _imports_of(node)]
    except SyntaxError:
        return [(module, "") for root in roots for module in _all_modules(root)]


def _all_modules(root: Path) -> Iterable[str]:
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _find(module: str, roots: Sequence[Path]) -> Path | None:
    """The file of a module below one of the folders; `None` for a module of another package."""
    for root in roots:
        stem = root.joinpath(*module.split("."))
        for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if path.is_file():
                return path
    return None


def _read_by(module: str, roots: Sequence[Path]) -> Iterator[str]:
    """The files that a module reads, each with its name."""
    path = _find(module, roots)
    for file in sorted((path.parent / READS[module]).iterdir()) if path else ():
        yield f"{file.name}\n{file.read_text(encoding='utf-8', errors='surrogateescape')}"


def _parents(module: str) -> list[str]:
    """The packages around a module, which are imported before it."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]

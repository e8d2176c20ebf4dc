"""Hides, in the process that calls `hide`, every distribution but what `pip install unpadded` brings."""

import importlib.metadata as metadata
import re
import sys
from collections.abc import Iterable

CORE = ("torch", "fastai", "numpy", "pandas", "safetensors")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(names: Iterable[str]) -> set[str]:
    """The named distributions and what they need, directly or by way of another, without any extra."""
    found: set[str] = set()
    waiting = [_canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        waiting += [_canonical(re.match(r"[\w.-]+", line)[0]) for line in needed if "extra ==" not in line]
    return found


class Hidden:
    """Finds nothing of the modules in `names`, as if they were not installed."""

    def __init__(self, names: Iterable[str]):
        self.names = set(names)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def hide() -> set[str]:
    """Hide all modules of other distributions; returns the names of what is hidden."""
    core = with_dependencies(CORE) | {"unpadded", "setuptools"}
    hidden = {
        module
        for module, distributions in metadata.packages_distributions().items()
        if not {_canonical(name) for name in distributions} & core
    }
    hidden -= {name.partition(".")[0] for name in sys.modules}
    sys.meta_path.insert(0, Hidden(hidden))
    return hidden

"""Rooms hand on their names without importing what stands behind them: torch and fastai take seconds."""

import ast
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from unpadded.common.extras import extras_needed


def hand_on(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """A package's `__getattr__`, `__dir__` and `__all__` (PEP 562), from what its `__init__.py` imports for type checkers.

    A name is imported when it is first asked for. So it stands in one place, which editors and linters read too. What an
    extra would have brought is said in one sentence.
    """
    module = sys.modules[package]
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.ImportFrom)]
    home = {
        alias.name: node.module
        for node in imports
        for alias in node.names
        if node.module and node.module.startswith("unpadded.") and alias.name != "hand_on"
    }

    def __getattr__(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with extras_needed():
            value = getattr(import_module(home[name]), name)
        setattr(module, name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(module), *home})

    return __getattr__, __dir__, list(home)

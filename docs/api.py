"""The API reference of the public contract, from its docstrings: `python docs/api.py FOLDER`, or `make docs`."""

import sys
import tomllib
from pathlib import Path

import pdoc

import unpadded

ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    """The package and the modules whose types are checked: what pyproject.toml calls the public contract."""
    files = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["files"]
    names = (Path(name).relative_to("lib").with_suffix("").parts for name in files)
    return sorted(".".join(parts).removesuffix(".__init__") for parts in names)


def main(folder: str) -> None:
    """Write a page a module to `folder`; no page asks the network for anything."""
    for name in unpadded.__all__:
        setattr(unpadded, name, getattr(unpadded, name))  # pdoc sees only what has been imported
    pdoc.render.configure(docformat="markdown", footer_text=f"unpadded {unpadded.__version__}")
    pdoc.pdoc(*modules(), output_directory=Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:2])

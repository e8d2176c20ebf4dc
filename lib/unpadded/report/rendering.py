"""HTML from the templates of this room, which escape whatever is written into them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from unpadded.common import atomic_write


@cache
def templates() -> Environment:
    """The templates in the folder of that name; a value that a page asks for and is not given is an error."""
    loader = PackageLoader("unpadded.report")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)


def write_html(path: Path, template: str, **values: object) -> Path:
    """Write the page that `template` makes of `values` (its `title` among them) to `path`, atomically; return the path."""
    page = templates().get_template(template).render(values)
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "replace"))
    return path


def table_html(frame) -> str:
    """A data frame without its index as a table; cells of type `markupsafe.Markup` are HTML already."""
    return templates().get_template("parts.html").module.table(frame)


def table_markdown(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table as Markdown has it, cells as they are."""
    columns = list(columns)
    heading, *lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (columns, *rows)]
    return "\n".join([heading, "|" + "---|" * len(columns), *lines])

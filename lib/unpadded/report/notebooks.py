"""Executed notebooks as HTML that opens without a network, and what other pages quote of them."""

import copy
import re
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbconvert.filters import markdown2html
from nbformat import NotebookNode

from unpadded.common import atomic_write
from unpadded.report.notebook_body import body_of
from unpadded.report.rendering import write_html

ANSWER = "**Answer.**"  # how the source notebooks begin theirs, which is about the reference run
OF_REFERENCE = "**What the reference run found, on 20 Newsgroups.**"  # what stands there instead in any other run
OWN = "**In this run.**"
PICTURE = re.compile(
    r'<div [^>]*class="[^"]*\bcelltag_lead\b[^"]*"[^>]*>'
)  # the place of the answer's picture, which is the run's
OF_THIS_RUN = '\n<p class="note">The picture is of this run.</p>'
# A link of the prose to another notebook, as nbconvert leaves it and as `link_pages` does.
LINK = re.compile(r'<a (?:href="(?P<to>[a-z0-9_]+)\.(?:ipynb|html)"|data-page="(?P<idle>[a-z0-9_]+)")>')
NO_WORDS = ("<Figure size", "<IPython.core.display.Image")  # what a picture's text says when it says nothing


def write_page(notebook: Path) -> Path:
    """Write `<notebook>.html` beside an executed notebook, atomically; return its path.

    Only the notebook's body comes from nbconvert, so no script and no style of another host gets in: pictures are inlined,
    each with words in its place, and light and dark are the reader's choice as on every other page.
    """
    content = with_alternatives(nbformat.read(notebook, as_version=4))
    title, page = title_of(content) or notebook.stem, notebook.with_suffix(".html")
    return write_html(page, "notebook.html", title=title, file=notebook.name, notebook=body_of(content))


def put_answer(notebook: Path, own: str) -> None:
    """Put a run's `own` answer before the reference run's in an executed notebook and on its page, where it has one.

    Both then say whose the other answer is, and the page whose the picture is. Empty where there is nothing to say.
    """
    content, page = nbformat.read(notebook, as_version=4), notebook.with_suffix(".html")
    cell = next((cell for cell in content.cells if cell.cell_type == "markdown" and _answered(cell.source)), None)
    if cell is None:
        return
    said = f"{OWN} {_escaped(own)}\n\n" if own else ""
    answered = f"{said}{OF_REFERENCE} {_answered(cell.source)}"
    if answered != cell.source:
        cell.source = answered
        with atomic_write(notebook) as file:
            file.write(nbformat.writes(content).encode())
        if page.exists():
            write_page(notebook)
    if page.exists():
        _say_whose_picture(page)


def _answered(text: str) -> str:
    """What a cell says of the reference run behind the word that begins its answer; empty where it is none."""
    found = text.partition(OF_REFERENCE)[2] or (text.removeprefix(ANSWER) if text.startswith(ANSWER) else "")
    return found.strip()


def _escaped(text: str) -> str:
    """Text as Markdown that shows it as it stands: a corpus may be named with any characters."""
    return re.sub(r"([\\`*_\[\]<>$#|~])", r"\\\1", text)


def _say_whose_picture(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    if OF_THIS_RUN not in html:
        with atomic_write(page) as file:
            file.write(PICTURE.sub(lambda found: found[0] + OF_THIS_RUN, html, count=1).encode("utf-8", "replace"))


def link_pages(page: Path) -> None:
    """Let a page's prose lead to the pages of the other notebooks in its folder, and to none that is not there (yet)."""
    html = page.read_text(encoding="utf-8")
    head, main, body = html.partition("<main>")

    def link(found: re.Match) -> str:
        name = found["to"] or found["idle"]
        return f'<a href="{name}.html">' if page.with_name(f"{name}.html").exists() else f'<a data-page="{name}">'

    changed = head + main + LINK.sub(link, body)
    if changed != html:
        with atomic_write(page) as file:
            file.write(changed.encode("utf-8", "replace"))


def write_report_page(notebook: Path, sources: Path) -> Path:
    """`write_page`, with the prose of the notebook of that name in `sources`, where there is one."""
    if (sources / notebook.name).is_file():
        refresh_text(notebook, sources / notebook.name)
    return write_page(notebook)


def code_of(notebook: NotebookNode) -> list[str]:
    """The sources of a notebook's own code cells, without the one that papermill injects."""
    cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    return [cell.source for cell in cells if cell.cell_type == "code"]


def prose_of(notebook: NotebookNode) -> list[str]:
    """The sources of a notebook's text cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def refresh_text(executed: Path, source: Path) -> None:
    """Give an executed notebook the prose of its source, where their code is still the same.

    An answer is written after the run that it reports; this takes it over without running anything again.
    """
    old, new = (nbformat.read(path, as_version=4) for path in (executed, source))
    prose = prose_of(new)
    places = [i for i, cell in enumerate(old.cells) if cell.cell_type == "markdown"]
    if code_of(old) != code_of(new) or len(prose) != len(places):
        return
    for i, text in zip(places, prose, strict=True):
        old.cells[i].source = text
    with atomic_write(executed) as file:
        file.write(nbformat.writes(old).encode())


def title_of(notebook: NotebookNode) -> str:
    """The notebook's first heading, which is its question; empty where it has none."""
    headings = (cell.source for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.startswith("# "))
    return next((heading.splitlines()[0][2:].strip() for heading in headings), "")


def answer_of(notebook: NotebookNode) -> Markup:
    """The notebook's answer about the reference run as HTML, without the words before it; empty where it has none."""
    answers = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = next(filter(None, map(_answered, answers)), "")
    return Markup(markdown2html(found) if found else "")


def with_alternatives(notebook: NotebookNode) -> NotebookNode:
    """A copy in which every picture has an alternative text: its own, its words, or the heading above it."""
    notebook, heading = copy.deepcopy(notebook), ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^#+ (.+)$", cell.source, flags=re.MULTILINE)[::-1]), heading)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                metadata = output.setdefault("metadata", {}).setdefault("image/png", {})
                words = output.data.get("text/plain", "")
                own = "" if words.startswith(NO_WORDS) else words
                metadata["alt"] = metadata.get("alt") or own or f"Figure: {heading or 'of this notebook'}"
    return notebook

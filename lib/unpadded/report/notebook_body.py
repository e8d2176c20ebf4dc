"""The body of a notebook's page: nbconvert's HTML, with the code that a notebook hides folded away, and no script."""

import copy
import re

from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode

LEAD = "lead"  # the tag of the cell that shows the answer's picture: its code says nothing to a reader
SETTINGS = {"parameters", "injected-parameters"}  # tags of the cells that papermill reads and writes
# `details` opens and closes without a script.
TEMPLATE = """
{%- extends "basic/index.html.j2" -%}
{%- block input_group -%}
{%- if "lead" in cell.metadata.get("tags", []) -%}
{%- elif cell.metadata.get("fold") -%}
<details class="fold"><summary>{{ cell.metadata.fold }}</summary>
{{ super() }}
</details>
{%- else -%}
{{ super() }}
{%- endif -%}
{%- endblock input_group -%}
"""


def body_of(notebook: NotebookNode) -> Markup:
    """The HTML of an executed notebook's cells: pictures inlined, no script, no style and nothing of another host."""
    exporter = HTMLExporter(raw_template=TEMPLATE, template_name="basic", embed_images=True, exclude_anchor_links=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(folded(notebook))
    return _without_scripts(body)


def folded(notebook: NotebookNode) -> NotebookNode:
    """A copy in which neighbouring cells of hidden code are one, `metadata.fold` saying what a reader finds in it."""
    notebook = copy.deepcopy(notebook)
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        if not is_hidden(cell):
            cells.append(cell)
            continue
        settings = bool(SETTINGS & set(cell.metadata.get("tags", [])))
        before = cells[-1] if cells else None
        if before is not None and before.metadata.get("fold") and not before.outputs:
            before.source = f"{before.source.rstrip()}\n\n{cell.source}"
            before.outputs = cell.outputs
        else:
            cell.metadata["fold"] = "Code"
            cells.append(cell)
        if settings:
            cells[-1].metadata["fold"] = "Settings and imports"
    notebook.cells = cells
    return notebook


def is_hidden(cell: NotebookNode) -> bool:
    """Whether JupyterLab, or this page, hides a cell's code; never that of the answer's picture, which has a tag."""
    tags = set(cell.metadata.get("tags", []))
    hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False) or bool(SETTINGS & tags)
    return cell.cell_type == "code" and LEAD not in tags and hidden


def _without_scripts(body: str) -> Markup:
    """The HTML without its scripts: those of widgets would fetch a library that draws them."""
    return Markup(re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL | re.IGNORECASE))

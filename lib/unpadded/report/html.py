"""What all HTML pages share: one document around them, one style for light and dark, tables and pictures."""

import html
from collections.abc import Collection, Hashable
from pathlib import Path

import pandas as pd

from unpadded.common import atomic_write

STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #5a626d; --line: #d8dce2; --page: #fff; --panel: #f5f6f8;
  --link: #0a58a8; --keyword: #8a1f6b; --string: #17663a; --number: #8f4700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6ea; --soft: #a3abb6; --line: #3b4149; --page: #15181b;
  --panel: #1f2327; --link: #82bcff; --keyword: #f092cf; --string: #86d6a3; --number: #f0b070; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); overflow-wrap: break-word;
  max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1rem 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 .5rem; } h3 { font-size: 1.05rem; margin: 2rem 0 .3rem; }
a { color: var(--link); } nav { font-size: .95rem; } nav a { margin-right: 1rem; white-space: nowrap; }
.note, figcaption, summary { color: var(--soft); font-size: .92rem; }
.scroll { overflow-x: auto; max-width: 100%; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
:not(.scroll) > table { display: block; overflow-x: auto; max-width: 100%; }
th, td { text-align: left; padding: .3rem .55rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { vertical-align: bottom; white-space: normal; } td.best { font-weight: 700; }
figure { margin: 1rem 0 1.5rem; }
img { max-width: 100%; height: auto; } figure img, .output_png img { background: #fff; border-radius: 4px; padding: 4px; }
pre { overflow-x: auto; margin: 0; font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9em; }
.input_area { background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .6rem .8rem; }
.cell { margin: .8rem 0; } .prompt { display: none; } .output_subarea { overflow-x: auto; padding: .3rem 0; }
.output_subarea table, .output_subarea th, .output_subarea td { border: 0; text-align: right; }
.output_subarea th, .output_subarea td { border-bottom: 1px solid var(--line); }
.output_error { color: var(--number); }
.highlight .k, .highlight .kn, .highlight .kc, .highlight .kd, .highlight .ow, .highlight .o { color: var(--keyword); }
.highlight [class^="s"] { color: var(--string); } .highlight [class^="m"] { color: var(--number); }
.highlight [class^="c"] { color: var(--soft); }
"""
# Pictures in the text are drawn for a white page, so in the dark they keep one.


def escape(value: object) -> str:
    """The value as HTML text, safe in attributes too."""
    return html.escape(str(value))


def document(title: str, body: str, *, style: str = "") -> str:
    """A whole page around ``body`` that asks the network for nothing; ``style`` is CSS of this page alone."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def write_document(path: Path, title: str, body: str, *, style: str = "") -> Path:
    """Write `document`'s page to ``path``, atomically; return the path."""
    with atomic_write(path) as file:
        file.write(document(title, body, style=style).encode("utf-8", "replace"))
    return path


def picture(
    source: str, alternative: str, *, size: tuple[int, int] | None = None, caption: str = "", link: str = ""
) -> str:
    """A figure whose ``alternative`` says in words what it shows; ``link`` is where a click on it leads.

    ``size`` is its width and height in a page's pixels, so that nothing moves when it arrives.
    """
    extent = f' width="{size[0]}" height="{size[1]}"' if size else ""
    image = f'<img src="{escape(source)}" alt="{escape(alternative)}"{extent}>'
    if link:
        image = f'<a href="{escape(link)}">{image}</a>'
    return f"<figure>{image}{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"


def table(frame: pd.DataFrame, *, best: Collection[tuple[Hashable, Hashable]] = ()) -> str:
    """The frame without its index as a table that scrolls in itself; cells (index, column) in ``best`` are bold."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in frame.columns)
    rows = []
    for index, row in frame.iterrows():
        cells = (
            f"<td{' class=best' if (index, column) in best else ''}>{escape(value)}</td>"
            for column, value in row.items()
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
    )

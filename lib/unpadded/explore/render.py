"""What the explorer shows, as HTML for either of JupyterLab's themes."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from unpadded.explore.pairs import ALONE
from unpadded.report import POOLING_COLOURS, cut, title_and_beginning

MOST_SHADED = 300  # tokens of a document that are shown
SOFT = "color:var(--jp-content-font-color2,#666);font-size:.9em"
CELL = "text-align:right;padding:.2em .8em"
LIFTS, LOWERS = "0,114,178", "213,94,0"  # Okabe and Ito's blue and vermillion


class Found(NamedTuple):
    """One document that was found under one pooling, and why."""

    pooling: str
    row: int
    similarity: float
    topic: str
    text: str
    tokens: Sequence[str]
    terms: np.ndarray  # what each token adds to the similarity, float64 [n_tokens]
    words: Sequence[str]  # those that lift it most
    shared: Sequence[str]  # rare words that the query has too


def escape(value: object) -> str:
    """The value as HTML text, safe in attributes too."""
    return html.escape(str(value))


def results(found: Sequence[Found]) -> str:
    """A column a pooling, side by side where there is room: its documents, best first, each with its words."""
    columns = []
    for pooling in dict.fromkeys(item.pooling for item in found):
        items = "".join(_result(item) for item in found if item.pooling == pooling)
        head = f"border-top:4px solid {POOLING_COLOURS.get(pooling, '#888')};padding-top:.3em"
        items = f'<ol style="margin:.3em 0;padding-left:1.4em">{items}</ol>'
        columns.append(f'<div style="{head}"><b>{escape(pooling)}</b>{items}</div>')
    grid = "display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:1em;line-height:1.4"
    return f'<div class="unpadded-results" style="{grid}">{"".join(columns)}</div>'


def _result(item: Found) -> str:
    title, beginning = title_and_beginning(item.text)
    topic = f" · {escape(item.topic)}" if item.topic else ""
    words = f"lifted by <b>{escape(', '.join(item.words))}</b>" if item.words else ""
    shared = f"shares {escape(', '.join(item.shared))}" if item.shared else ""
    nothing = "no single word stands out" if np.any(item.terms) else "its words were not weighed"
    why = "; ".join(part for part in (words, shared) if part) or nothing
    return (
        f'<li data-row="{item.row}" style="margin-bottom:.6em">{escape(title)} '
        f'<span style="{SOFT}">{item.similarity:.3f}{topic}</span>'
        f'<div style="{SOFT}">{why}</div>'
        f'<details><summary style="{SOFT}">{escape(cut(beginning, 60)) or "text"}</summary>'
        f"{shaded(item.tokens, item.terms)}</details></li>"
    )


def shaded(tokens: Sequence[str], terms: np.ndarray) -> str:
    """A document's tokens, darker blue the more one adds to the similarity than the average token, red the less."""
    shown = np.asarray(terms[:MOST_SHADED]) - float(np.mean(terms))
    largest = float(np.abs(shown).max()) or 1.0
    pieces = []
    for token, value in zip(tokens, shown / largest, strict=False):
        colour = f"rgba({LIFTS if value > 0 else LOWERS},{0.75 * abs(value):.2f})"
        style = f' style="background:{colour}"' if abs(value) > 0.05 else ""
        pieces.append(f"<span{style}>{escape(token)}</span>")
    more = f" … and {len(tokens) - MOST_SHADED} more tokens" if len(tokens) > MOST_SHADED else ""
    return f'<div style="line-height:1.6">{" ".join(pieces)}{more}</div>'


def selection(points: pd.DataFrame, *, n_documents: int) -> str:
    """How many documents are selected, and their topics by size; `points` are rows of a map table."""
    if not len(points):
        words = "Draw around documents in one map to see them in all. "
        return f'<span style="{SOFT}">{words}{n_documents:,} documents on the maps.</span>'
    topics = points["topic"].astype(str).value_counts().head(6)
    named = ", ".join(f"{escape(topic)} {count}" for topic, count in topics.items() if topic)
    return f'<b class="unpadded-selected">{len(points):,} selected</b>{f": {named}" if named else ""}'


def legend(colours: Mapping[str, str], counts: Mapping[str, int]) -> str:
    """A chip a colour, with how many documents have it."""
    chips = (
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:.8em;height:.8em;border-radius:50%;'
        f'background:{colour}"></span> {escape(name)} <span style="{SOFT}">{counts.get(name, 0):,}</span></span>'
        for name, colour in colours.items()
    )
    style = "display:flex;flex-wrap:wrap;gap:.1em 1.1em;line-height:1.5"
    return f'<div class="unpadded-legend" style="{style}">{"".join(chips)}</div>'


def pair(table: pd.DataFrame, pads: Sequence[int]) -> str:
    """`pairs.compare_pair`'s table with what padding changed, and how much of it there was."""
    head = "".join(f'<th style="{CELL}">{escape(c)}</th>' for c in ("pooling", *table.columns))
    rows = []
    for pooling, row in table.iterrows():
        mark = f"border-bottom:3px solid {POOLING_COLOURS[pooling]}"
        cells = [f'<td style="{CELL}"><b style="{mark}">{pooling}</b></td>']
        for name, value in row.items():
            change = "" if name == ALONE else f' <span style="{SOFT}">({value - row[ALONE]:+.3f})</span>'
            cells.append(f'<td style="{CELL}">{value:.3f}{change}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    note = (
        f"Cosines. Padded as a batch of the two would be: {pads[0]} pads for the first text, {pads[1]} for the second."
    )
    return f'<table class="unpadded-pair"><tr>{head}</tr>{"".join(rows)}</table><div style="{SOFT}">{note}</div>'


def changes(
    name: str, table: pd.DataFrame, reasons: Mapping[str, float], quarters: Mapping[str, pd.DataFrame], *, k: int
) -> str:
    """What a choice changes: how much on average, which columns go with it (rank correlations), and the mean by quarter."""
    known = table["changed"].dropna()
    none, half = (known == 0).mean(), (known >= 0.5).mean()
    said = (
        f"<b>{escape(name)}</b>: of the {k} nearest others, {known.mean():.0%} differ on average over {len(known):,} "
        f"documents; none for {none:.0%} of them, half or more for {half:.0%}."
    )
    parts = [f'<div class="unpadded-changes">{said}</div>']
    for column, correlation in reasons.items():
        cells = "".join(
            f'<td style="{CELL}">{row["from"]:,.0f} to {row["to"]:,.0f}<br><b>{row.changed:.0%}</b></td>'
            for _, row in quarters[column].iterrows()
        )
        said = f'<span style="{SOFT}">rank correlation {correlation:+.2f}</span>'
        parts.append(f'<tr><th style="text-align:left">{escape(column)}<br>{said}</th>{cells}</tr>')
    rows = "".join(parts[1:])
    note = f'<div style="{SOFT}">Mean share changed in each quarter of the documents, by what may explain it.</div>'
    return parts[0] + (f"<table>{rows}</table>{note}" if rows else "")


def problem(error: Exception) -> str:
    """A sentence that says what is wrong."""
    return f'<span class="unpadded-problem" style="color:var(--jp-error-color1,#b00020)">{escape(error)}</span>'

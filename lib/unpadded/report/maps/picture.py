"""The maps as a picture: a panel a pooling, topics named at their places, and of many topics each against the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from unpadded.common.glyphs import make_legible
from unpadded.report.maps.tables import limits_without_outliers
from unpadded.report.maps.topics import TOGETHER, neighbourhood_purity, topic_marks
from unpadded.report.plots.palette import FAINT, TOPIC_COLOURS
from unpadded.report.plots.speed import nothing_measured
from unpadded.report.plots.style import NAME_LENGTH, as_drawn, as_named, in_words, say, styled

WIDTH, HEIGHT, COLUMNS = 4.6, 4.0, 2  # inches of a panel, panels side by side
SMALL, SMALL_COLUMNS, MOST_ALONE = 1.5, 6, 24  # the same for a topic against the rest, and topics that are shown so
SHORTEST = 8  # letters of a topic's name that is cut
N_PIECES = 8  # in which the documents of a panel are drawn
NAMED_APART, NAMED_MIXED = 5, 2  # topics of a panel in the alternative text
# Widths and heights that a name may move.
STEPS = [(x, y) for y, x in product((0, 1, -1, 2, -2, 3, -3), (0, 0.5, -0.5))]


@styled
def umap_maps(maps: Mapping[str, np.ndarray], labels: Sequence[str], *, alone: bool = True) -> Figure:
    """One panel per name -> coordinates [n, 2]; a topic has a hue and a shape, and its name where it lies together.

    Of more topics than there are hues whose names everybody knows, each of the MOST_ALONE largest is shown once more, against
    the rest in grey, on the map on which most topics lie together; not so where `alone` is False.
    """
    if not maps:
        return nothing_measured("a map needs four documents that differ")
    labels = np.asarray(labels)
    tables = {name: neighbourhood_purity(xy, labels) for name, xy in maps.items()}
    together = {name: int((table["purity"] >= TOGETHER).sum()) for name, table in tables.items()}
    marks = topic_marks(np.unique(labels).tolist())
    clearest = max(together, key=lambda name: together[name])
    n_alone = MOST_ALONE if alone and len(marks) > len(TOPIC_COLOURS) else 0
    shown_alone = pd.Series(labels).value_counts().index[:n_alone].sort_values()
    figure, panels, small = _layout(len(maps), len(shown_alone))
    named = {}
    for axis, (name, xy) in zip(panels, maps.items(), strict=True):
        _draw_points(axis, xy, labels, marks)
        axis.set_title(name)
        words = f"{together[name]} of {len(marks)} topics lie together"
        axis.text(1, 1.02, words, transform=axis.transAxes, ha="right", fontsize=8)
        named[axis] = _write_names(axis, tables[name], marks)
    for axis, topic in zip(small, shown_alone, strict=True):
        _draw_alone(axis, maps[clearest], labels == topic, marks[topic])
        axis.set_title(" ", fontsize=7)  # keeps its place
    _title(figure, clearest, bool(n_alone))
    make_legible(figure)
    figure.draw_without_rendering()  # panels are where they stay
    for axis, topic in zip(small, shown_alone, strict=True):
        _give_title(axis, tables[clearest].loc[topic, "purity"], topic)
    for axis, texts in named.items():
        _move_apart(axis, texts)
    counts = f"Topics that lie together, of {len(marks)}: {in_words(together)}"
    return say(figure, f"UMAP maps of {len(labels):,} documents, by topic", counts, *_in_words(tables))


def _layout(n_panels: int, n_small: int) -> tuple[Figure, list[Axes], list[Axes]]:
    """A figure, its panels, and below them the small ones."""
    columns = min(n_panels, COLUMNS)
    shapes = [(-(-n_panels // columns), columns, HEIGHT)]
    shapes += [(-(-n_small // SMALL_COLUMNS), SMALL_COLUMNS, SMALL)] if n_small else []
    heights = [rows * height for rows, _, height in shapes]
    width = max(WIDTH * columns, SMALL * SMALL_COLUMNS if n_small else 0)
    figure = plt.figure(figsize=(width, sum(heights)))
    parts = figure.subfigures(len(shapes), 1, height_ratios=heights, squeeze=False)[:, 0]
    axes = [part.subplots(*shape[:2], squeeze=False).ravel() for part, shape in zip(parts, shapes, strict=True)]
    for axis in (*axes[0][n_panels:], *axes[-1][n_small or n_panels :]):
        axis.remove()
    return figure, list(axes[0][:n_panels]), list(axes[-1][:n_small])


def _title(figure: Figure, clearest: str, has_small: bool) -> None:
    lines = ["UMAP of the document vectors, by topic (distances between far groups mean little)"]
    lines.append("A topic lies together, and is named, where most neighbours of its documents are its own")
    figure.suptitle("\n".join(lines), fontsize=10)
    if has_small:
        said = f"Each topic alone on the map of {as_drawn(clearest)}, and how many of its documents' neighbours are its own"
        figure.subfigs[1].suptitle(said, fontsize=9, x=0.01, ha="left")


def _frame(axis: Axes, xy: np.ndarray) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    low, high = limits_without_outliers(xy)
    axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _draw_points(axis: Axes, xy: np.ndarray, labels: np.ndarray, marks: Mapping[str, tuple[str, str]]) -> None:
    """Every document with its topic's mark, in pieces of the documents so that no topic lies on top of all others."""
    _frame(axis, xy)
    size = float(np.clip(16_000 / len(xy), 1.5, 18))
    colours, markers = (np.array([marks[label][part] for label in labels]) for part in (0, 1))
    for piece in np.array_split(np.random.default_rng(0).permutation(len(xy)), N_PIECES):
        for marker in np.unique(markers[piece]):
            own = piece[markers[piece] == marker]
            style = {"s": size, "c": colours[own], "marker": marker, "alpha": 0.7, "linewidths": 0}
            axis.scatter(*xy[own].T, **style, rasterized=True)


def _draw_alone(axis: Axes, xy: np.ndarray, own: np.ndarray, mark: tuple[str, str]) -> None:
    _frame(axis, xy)
    axis.scatter(*xy[~own].T, s=1.5, c=FAINT, linewidths=0, rasterized=True)
    axis.scatter(*xy[own].T, s=4, c=mark[0], linewidths=0, rasterized=True)


def _write_names(axis: Axes, table: pd.DataFrame, marks: Mapping[str, tuple[str, str]]) -> list[Text]:
    """The names of the topics that lie together, each where it is densest, the purest first."""
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
    style = {"fontsize": 7.5, "color": "black", "ha": "center", "va": "center", "bbox": box, "in_layout": False}
    rows = table[table["purity"] >= TOGETHER]
    return [
        axis.text(row.x, row.y, as_drawn(topic), **style)
        for topic, row in zip(rows.index, rows.itertuples(), strict=True)
    ]


def _give_title(axis: Axes, share: float, topic: str) -> None:
    """A small panel's title, cut where the next one's begins."""
    axis.set_title(f"{share:.0%}  {as_drawn(topic)}", fontsize=7)
    title = next(text for text in axis.findobj(Text) if text.get_text() == axis.get_title(loc="left"))
    room, length = axis.get_window_extent().width, NAME_LENGTH
    while title.get_window_extent().width > room and length > SHORTEST:
        length -= 1
        title.set_text(f"{share:.0%}  {as_drawn(topic, length)}")


def _move_apart(axis: Axes, texts: Sequence[Text]) -> None:
    """Of names that would overlap, the later one moves by as little as helps, or goes; all stay within the panel."""
    panel, to_data, placed = axis.get_window_extent(), axis.transData.inverted(), list[Bbox]()
    for text in texts:
        free = next((box for box in _places(text.get_window_extent(), panel) if not box.count_overlaps(placed)), None)
        if free is None:
            text.remove()
            continue
        placed.append(free)
        text.set_position(to_data.transform(((free.x0 + free.x1) / 2, (free.y0 + free.y1) / 2)))


def _places(box: Bbox, panel: Bbox) -> Iterator[Bbox]:
    """Where a name may stand: at its place, or near it, within the panel."""
    for across, down in STEPS:
        moved = box.translated(across * box.width, down * box.height)
        aside = max(panel.x0 - moved.x0, 0) + min(panel.x1 - moved.x1, 0)
        upright = max(panel.y0 - moved.y0, 0) + min(panel.y1 - moved.y1, 0)
        yield moved.translated(aside, upright)


def _in_words(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """For each map the topics that stand apart most, and those of the others that mix most, with what."""
    for name, table in tables.items():
        apart, others = table[table["purity"] >= TOGETHER], table[(table["purity"] < TOGETHER) & (table["share"] > 0)]
        listed = ", ".join(as_named(topic) for topic in apart.index[:NAMED_APART])
        mixed = others.sort_values("share", ascending=False, kind="stable")[:NAMED_MIXED]
        pairs = " and ".join(f"{as_named(topic)} with {as_named(row.mixed_with)}" for topic, row in mixed.iterrows())
        said = [f"most apart are {listed}" if listed else "", f"most mixed are {pairs}" if pairs else ""]
        if any(said):
            yield f"On {as_named(name)} {', '.join(part for part in said if part)}"

"""Topics on maps: how each is marked, and whether it lies together there or mixes with another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from sklearn.neighbors import NearestNeighbors

from unpadded.report.maps.colours import far_apart, shades
from unpadded.report.maps.density import densest
from unpadded.report.plots.palette import INK, MARKERS, TOPIC_COLOURS

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
FAINT_ON_WHITE = TOPIC_COLOURS[-1]
TOGETHER = 0.5  # purity of a topic from which on it lies together


def topic_colours(topics: Sequence[str]) -> dict[str, tuple]:
    """A colour (red, green, blue, alpha; 0 to 1) per topic, all far apart; beside it, names and `topic_shapes` tell them.

    The first seven are Okabe and Ito's. Where names have a part before a dot, and these are no more than the hues, topics
    that share it share a hue, dark to light.
    """
    families = list(dict.fromkeys(_family(topic) for topic in topics))
    if len(families) in (1, len(topics)) or len(families) > len(TOPIC_COLOURS):
        found = dict(zip(topics, far_apart(len(topics)), strict=True))
    else:
        members = [[topic for topic in topics if _family(topic) == family] for family in families]
        of_hue = shades(tuple(map(len, members)))
        pairs = [pair for own, rgb in zip(members, of_hue, strict=True) for pair in zip(own, rgb, strict=True)]
        found = {topic: dict(pairs)[topic] for topic in topics}
    return {topic: (*rgb, 1.0) for topic, rgb in found.items()}


def topic_shapes(topics: Sequence[str]) -> dict[str, str]:
    """A shape (Vega's name) per topic: topics of one hue have different shapes, as far as SHAPES go."""
    return {topic: SHAPES[place % len(SHAPES)] for topic, _, place in _placed(topics)}


def topic_marks(topics: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A colour, as `topic_colours` has it, and a marker (Matplotlib's) per topic, for a white page: yellow would be faint."""
    colours = {topic: to_hex(colour).upper() for topic, colour in topic_colours(topics).items()}
    return {
        topic: (INK if colours[topic] == FAINT_ON_WHITE else colours[topic], MARKERS[place % len(MARKERS)])
        for topic, _, place in _placed(topics)
    }


def _placed(topics: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Each topic in its order, its hue's position in TOPIC_COLOURS, and its own among the topics of that hue."""
    found = {topic: (hue, place) for hue, own in _by_hue(topics).items() for place, topic in enumerate(own)}
    yield from ((topic, *found[topic]) for topic in topics)


def _by_hue(topics: Sequence[str]) -> dict[int, list[str]]:
    """The topics of each hue, by its position in TOPIC_COLOURS."""
    families = list(dict.fromkeys(map(_family, topics)))
    hues: dict[int, list[str]] = {}
    for number, topic in enumerate(topics):
        place = families.index(_family(topic)) if len(families) > 1 else number
        hues.setdefault(place % len(TOPIC_COLOURS), []).append(topic)
    return hues


def _family(topic: str) -> str:
    return str(topic).split(".")[0]


def neighbourhood_purity(xy: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """How each topic lies on a map [n, 2]; index topic, columns purity, x, y, mixed_with, share, the purest first.

    purity: the mean share of a document's ten nearest on the map that have its topic. x, y: the document around which the
    topic is densest; where a topic lies in several pieces, that is inside one of them and not between them. mixed_with: the
    other topic that most of its documents' nearest have ("" where none has another), share: of how many of them.
    """
    topics, codes = np.unique(np.asarray(labels), return_inverse=True)
    n_neighbors = min(10, len(xy) - 1)
    _, nearest = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(xy).kneighbors(xy)
    pairs = np.zeros((len(topics), len(topics)))
    np.add.at(pairs, (codes[:, None], codes[nearest[:, 1:]]), 1)
    shares = pairs / pairs.sum(axis=1, keepdims=True)
    others = shares - np.diag(np.diag(shares))
    most = others.argmax(axis=1)
    places = np.array([densest(xy[codes == code]) for code in range(len(topics))])
    columns = {
        "purity": np.diag(shares),
        "x": places[:, 0],
        "y": places[:, 1],
        "mixed_with": np.where(others.max(axis=1) > 0, topics[most], ""),
        "share": others.max(axis=1),
    }
    return pd.DataFrame(columns, index=topics).sort_values("purity", ascending=False, kind="stable")

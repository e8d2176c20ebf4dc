"""How long the explorer takes to open four maps of many documents, and after that for each thing that one does to them.

    python benchmarks/explorer.py                      # what Python does, and what it sends to the page
    python benchmarks/explorer.py --browser            # the same in JupyterLab, headless: with the time until it is drawn

The documents are made up: words of one of so many topics each, a map of groups within groups, a number, a date and a category.
A row is the fastest of the turns. *MB sent* is what goes from Python to the page, over all four maps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from comm import base_comm

from unpadded import Corpus, LanguageModel, tokenize
from unpadded.common import CONCAT, STUDIED
from unpadded.encoding import DocumentEncoder
from unpadded.explore.data import Explorable
from unpadded.explore.panels.maps import MapPanel
from unpadded.report import map_table
from unpadded.report.rendering import table_markdown

TOPICS, PARTS, WORDS = 20, 3, 30  # topics, groups of each on a map, words of a text


def documents(n: int, seed: int = 0) -> tuple[Corpus, pd.DataFrame, dict[str, np.ndarray]]:
    """A corpus of `n` texts, its columns, and coordinates [n, 2] under each pooling."""
    rng = np.random.default_rng(seed)
    topics, parts = rng.integers(0, TOPICS, n), rng.integers(0, PARTS, n)
    drawn = rng.integers(0, 40, (n, WORDS))
    common = rng.random((n, WORDS)) < 0.4
    words = np.where(common, drawn, 40 * (1 + topics * PARTS + parts)[:, None] + drawn)
    names = np.array(["".join(chr(97 + (i // 26**k) % 26) for k in range(4)) for i in range(40 * (TOPICS * PARTS + 1))])
    texts = [" ".join(row) for row in names[words]]
    labels = [f"topic {topic:02d}" for topic in topics]
    corpus = Corpus(name="many", ids=[f"d{i}" for i in range(n)], texts=texts, labels=labels)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2000, n), unit="D")
    columns = pd.DataFrame({"stars": rng.random(n), "day": days, "shop": rng.choice(["east", "west", "north"], n)})
    maps = {}
    for pooling in STUDIED:
        centres = rng.uniform(0, 60, (TOPICS, 2))[topics] + rng.normal(0, 3, (TOPICS, PARTS, 2))[topics, parts]
        maps[pooling] = centres + rng.normal(0, 0.8, (n, 2))
    return corpus, columns, maps


def opened(n: int) -> Explorable:
    """The documents as a run's, opened; the vectors say the topics."""
    corpus, columns, maps = documents(n)
    tokens = tokenize(corpus.texts)
    lm = LanguageModel.new(tokens.build_vocab(min_count=1), {"emb_sz": 12, "n_hid": 20, "n_layers": 1})
    rng, codes = np.random.default_rng(0), np.unique(corpus.labels, return_inverse=True)[1]
    width = 400
    vectors = {
        part: (rng.normal(size=(TOPICS, width))[codes] + rng.normal(size=(n, width))).astype(np.float32)
        for part in CONCAT
    }
    table = map_table(corpus, np.arange(n), maps, lengths=tokens.lengths)
    encoder = DocumentEncoder(lm, pooling="concat")
    return Explorable(Path("none"), corpus, tokens.with_vocab(lm.vocab), lm, encoder, vectors, table, columns)


@contextmanager
def counted() -> Iterator[list[int]]:
    """The bytes of every message to the page within the block."""
    sizes: list[int] = []
    before = base_comm.BaseComm.send

    def send(self, data=None, metadata=None, buffers=None):
        sizes.append(len(str(data)) + sum(memoryview(buffer).nbytes for buffer in buffers or ()))
        return before(self, data=data, metadata=metadata, buffers=buffers)

    base_comm.BaseComm.send = send
    try:
        yield sizes
    finally:
        base_comm.BaseComm.send = before


def interactions(panel: MapPanel, rng: np.random.Generator) -> dict[str, Callable[[], object]]:
    """What one does to the maps, name -> a function that does it; each can be done again."""
    n, menu, filters = len(panel.points), panel.colours.colour, panel.filters

    def colour(name: str) -> Callable[[], object]:
        def choose() -> None:
            menu.value = "topic" if name != "topic" else "stars"
            timed.begin()
            menu.value = name

        return choose

    def select() -> None:
        panel.select(np.sort(rng.choice(n, n // 5, replace=False)))

    def select_by_lasso() -> None:
        next(iter(panel.scatters.values())).widget.selection = rng.choice(n, n // 5, replace=False).astype(np.uint32)

    def filter_by(name: str, value) -> Callable[[], object]:
        def choose() -> None:
            filters.reset()
            timed.begin()
            control = filters.control(name)
            control.value = value(control)

        return choose

    def names(kind: str) -> Callable[[], object]:
        def choose() -> None:
            panel.names.kind.value = "none"
            timed.begin()
            panel.names.kind.value = kind

        return choose

    def alone() -> None:
        panel.colours.alone.value = "all together"
        timed.begin()
        panel.colours.alone.value = panel.colours.alone.options[1]

    def point() -> None:
        next(iter(panel.scatters.values())).widget.hovering = int(rng.integers(n))

    menus = {f"colour by {name}": colour(name) for name in [*menu.options]}
    return {
        **menus,
        "one topic against the rest": alone,
        "names: topics": names("topics"),
        "names: words of regions": names("words of regions"),
        "select a fifth": select,
        "draw around a fifth": select_by_lasso,
        "filter by a number": filter_by("stars", lambda control: (control.options[20][1], control.options[120][1])),
        "filter by a category": filter_by("shop", lambda control: ("east",)),
        "point at a document": point,
    }


class Timed:
    """A clock and a count of bytes that an interaction may set back, once what only prepares it is done."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begin()

    def begin(self) -> None:
        """Nothing has happened yet."""
        self.sizes.clear()
        self.start = time.perf_counter()

    def taken(self) -> tuple[float, float]:
        """Seconds and megabytes since `begin`."""
        return time.perf_counter() - self.start, sum(self.sizes) / 1e6


timed = Timed()


def measured(n: int, turns: int) -> pd.DataFrame:
    """A row an action: seconds of Python the first time and the fastest time after that, and megabytes sent."""
    data, rows = opened(n), []
    with counted() as sizes:
        timed.sizes = sizes
        timed.begin()
        panel = MapPanel(data, on_document=lambda row: None)
        spent, _ = timed.taken()
        state = sum(s.widget.points.nbytes for s in panel.scatters.values()) / 1e6
        rows.append(("open four maps", spent, np.nan, state))
        for name, act in interactions(panel, np.random.default_rng(0)).items():
            found = []
            for _ in range(1 + turns):
                timed.begin()
                act()
                found.append(timed.taken())
            rows.append((name, found[0][0], min(seconds for seconds, _ in found[1:]), found[-1][1]))
    return pd.DataFrame(rows, columns=["action", "first, s", "again, s", "MB sent"])


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    table = measured(args.documents, args.turns)
    shown = table.map(lambda value: value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.2f}")
    print(table_markdown(shown.columns, shown.itertuples(index=False)))


if __name__ == "__main__":
    main()

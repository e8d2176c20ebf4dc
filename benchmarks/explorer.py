"""How long the explorer takes to open four maps of many documents, and after that for each thing that one does to them.

    python benchmarks/explorer.py                      # what Python does, and what it sends to the page
    python benchmarks/explorer.py --browser            # a few of them in JupyterLab, headless, until they are drawn
    python benchmarks/explorer.py --browser --all-while-moving     # as it would be if a map that moves drew all documents

The documents are made up: words of one of so many topics each, a map of groups within groups, a number, a date and a category.
*again* is the fastest of the turns after the first. *MB sent* is what goes from Python to the page, over all four maps. In the
browser WebGL is drawn by the processor, which shares its cores with Python: a machine with a GPU draws far faster. What it
cannot speed up is in the last column there: the time that the page's scripts take for each frame of the first map; a screen
shows 60 frames a second as long as that is under 16 ms.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import numpy as np
import pandas as pd
from comm import base_comm

from unpadded import Corpus, LanguageModel, tokenize
from unpadded.common import CONCAT, STUDIED
from unpadded.encoding import DocumentEncoder
from unpadded.explore.data import Explorable
from unpadded.explore.lab import DISPLAY_NAME, KERNEL, lab_apart
from unpadded.explore.panels import maps as panels
from unpadded.report import map_table
from unpadded.report.rendering import table_markdown

STEPS = 50  # of a zoom, as a wheel that is turned or fingers that move send them
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


def interactions(panel: panels.MapPanel, rng: np.random.Generator) -> dict[str, Callable[[], object]]:
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
        panel = panels.MapPanel(data, on_document=lambda row: None)
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


# Milliseconds from a change until the first map was drawn for the last time, and how often it was: of what jupyter-scatter
# keeps on an element of the map's box.
WATCH = """() => {
  window.drawn = [];
  const map = document.querySelector(".unpadded-map");
  const holder = [...map.querySelectorAll("*")].find((element) => element.api);
  holder.api.subscribe("draw", () => window.drawn.push(performance.now()));
}"""

# A canvas as large as a map that is nothing but another colour in every frame of a second: as smooth as this browser can be.
EMPTY = """([x, y, width, height]) => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.style.cssText = `position: fixed; left: ${x}px; top: ${y}px; z-index: 1000`;
  document.body.append(canvas);
  const context = canvas.getContext("2d");
  const end = performance.now() + 1000;
  const draw = () => {
    const now = performance.now();
    context.fillStyle = `hsl(${now % 360} 50% 50%)`;
    context.fillRect(0, 0, width, height);
    window.drawn.push(now);
    if (now < end) requestAnimationFrame(draw);
    else canvas.remove();
  };
  requestAnimationFrame(draw);
}"""


def in_browser(n: int, all_while_moving: bool = False) -> pd.DataFrame:
    """A row an action in JupyterLab, headless: seconds until the first map is drawn as it stays, and its frames."""
    from playwright.sync_api import sync_playwright

    rows = []
    with (
        TemporaryDirectory() as folder,
        _lab(Path(folder), n, all_while_moving) as address,
        sync_playwright() as playwright,
    ):
        chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        options = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.set_default_timeout(600_000)
        page.goto(address)
        page.get_by_text("Unpadded | Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.get_by_text("opened in").wait_for()
        began = time.perf_counter()
        page.wait_for_function("document.querySelectorAll('.unpadded-map canvas').length >= 4")
        page.wait_for_function(
            "[...document.querySelectorAll('.unpadded-map')].every(m => [...m.querySelectorAll('*')].some(e => e.api))"
        )
        rows.append(("show the four maps", time.perf_counter() - began, *[np.nan] * 3))
        page.wait_for_timeout(15_000)
        page.evaluate(WATCH)
        page.locator(".unpadded-map").first.scroll_into_view_if_needed()
        scripts = _script_clock(page)
        for name, act in _in_page(page).items():
            start = page.evaluate("() => { window.drawn = []; return performance.now(); }")
            spent = scripts()
            act()
            drawn = _settled(page)
            spent = scripts() - spent
            until = (drawn[-1] - start) / 1000 if drawn else np.nan
            between = np.median(np.diff(drawn)) if len(drawn) > 2 else np.nan
            rows.append((name, until, len(drawn), between, 1000 * spent / max(len(drawn), 1)))
        browser.close()
    columns = ["action", "until drawn, s", "frames", "ms between frames (median)", "scripts, ms a frame"]
    return pd.DataFrame(rows, columns=columns)


def _script_clock(page) -> Callable[[], float]:
    """What tells the seconds that the page's scripts have run so far: what no GPU would take off them."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def spent() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in found if metric["name"] == "ScriptDuration")

    return spent


def _in_page(page) -> dict[str, Callable[[], object]]:
    """What one does with the mouse, name -> a function that does it."""
    box = page.locator(".unpadded-map canvas").first.bounding_box()

    def zoom() -> None:
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.keyboard.down("Control")
        for _ in range(STEPS):
            page.mouse.wheel(0, -600 / STEPS)
            page.wait_for_timeout(1000 / STEPS)
        page.keyboard.up("Control")

    def draw_around() -> None:
        corners = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.3)]
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=5)
        page.mouse.up()

    return {
        "colour by stars": lambda: page.get_by_label("Colour").select_option("stars"),
        "colour by cluster of mean": lambda: page.get_by_label("Colour").select_option("cluster of mean"),
        f"zoom in {STEPS} steps, one second": zoom,
        "draw around": draw_around,
        "an empty canvas, one second": lambda: page.evaluate(
            EMPTY, [box[side] for side in ("x", "y", "width", "height")]
        ),
    }


def _settled(page, quiet: float = 3.0) -> list[float]:
    """When the first map was drawn, milliseconds of the page's clock, once it has been quiet for so many seconds."""
    drawn, since = [], time.perf_counter()
    while time.perf_counter() - since < quiet or not drawn:
        page.wait_for_timeout(200)
        now = page.evaluate("window.drawn")
        if len(now) != len(drawn):
            drawn, since = now, time.perf_counter()
        if time.perf_counter() - since > 60:
            break
    return drawn


def _lab(home: Path, n: int, all_while_moving: bool) -> AbstractContextManager[str]:
    """JupyterLab on a notebook that opens the maps; the address of it."""
    most = (
        f"explorer.panels.FewWhileMoving = partial(explorer.panels.FewWhileMoving, most={n})"
        if all_while_moving
        else ""
    )
    code = f"""import sys, time
from functools import partial
sys.path.insert(0, {str(Path(__file__).parent)!r})
import explorer
{most}
data = explorer.opened({n})
start = time.perf_counter()
panel = explorer.panels.MapPanel(data, on_document=lambda row: None)
print(f"opened in {{time.perf_counter() - start:.2f}} s")"""
    cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("panel.widget")]
    kernel = {"kernelspec": {"name": KERNEL, "display_name": DISPLAY_NAME, "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), home / "maps.ipynb")
    return lab_apart(home / "maps.ipynb")


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--all-while-moving", action="store_true", help="draw all documents while a map moves, too")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--browser", action="store_true", help="in JupyterLab, with the time until it is drawn")
    args = parser.parse_args()
    table = in_browser(args.documents, args.all_while_moving) if args.browser else measured(args.documents, args.turns)
    shown = table.map(lambda value: value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.2f}")
    print(table_markdown(shown.columns, shown.itertuples(index=False)))


if __name__ == "__main__":
    main()

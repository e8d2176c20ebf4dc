"""Pages and the exploring notebook in a real browser without a network: headless Chromium, driven by Playwright.

Screenshots go to outputs/screenshots, which git ignores and .ci/run keeps.
"""

import base64
import io
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sweep_tools import perform_here, write_corpus, write_notebooks, write_sweep
from tiny_run import make_run
from unpadded.corpus.corpus import Corpus
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.explore import render
from unpadded.explore.data import Explorable
from unpadded.explore.lab import lab_apart
from unpadded.explore.pairs import compare_pair
from unpadded.explore.panels.maps import MapPanel
from unpadded.explore.panels.moving import FewWhileMoving
from unpadded.explore.panels.theme import Theme
from unpadded.report.run_page import write_report
from unpadded.report.sweep_page import COMPARISON, write_sweep_report
from unpadded.runs.run import NOTEBOOKS
from unpadded.runs.sweeps.execute import _summarise
from unpadded.runs.sweeps.plan import plan_sweep
from unpadded.runs.sweeps.scores import collect_scores
from unpadded.runs.sweeps.spec import read_spec

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"),
]

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "outputs" / "screenshots"
FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),  # the maps want WebGL, without a GPU
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
# jupyter-scatter does not wait for its own drawing, and says so where the next comes too soon: on a busy machine. What is
# drawn in the end is held by the tests that look at the maps' pixels.
DRAWN_TOO_SOON = "error: Ignoring draw call as the previous draw call has not yet finished."
PATIENCE = 600_000  # milliseconds; a kernel that imports torch on a busy machine


# What can be read: texts whose contrast to what lies behind them is below 4.5, which WCAG 2.2 asks for, with their contrast.
CONTRAST = """() => {
  const parts = (colour) => [...colour.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, under) => under.map((value, i) => top[i] * top[3] + value * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parts(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.trim();
    if (!words || ["SCRIPT", "STYLE"].includes(element.tagName) || !element.checkVisibility()) continue;
    const under = behind(element);
    const [one, other] = [light(under), light(over(parts(getComputedStyle(element).color), under))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${words.slice(0, 40)}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make env")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, tiny_corpus, tiny_model) -> Path:
    return make_run(tmp_path_factory.mktemp("browser") / "tiny", tiny_corpus, tiny_model)


@pytest.fixture(scope="module")
def reports(tiny, tmp_path_factory) -> dict[str, Path]:
    """The tiny run's pages, and those of the reference run's notebooks, which hold everything that a notebook shows."""
    reference = tmp_path_factory.mktemp("reports") / "reference"
    kept = shutil.ignore_patterns("embeddings", "representations", "language_model", "checkpoints", "logs", "*.html")
    shutil.copytree(ROOT / "outputs" / "reference", reference, ignore=kept)
    folders = {"tiny": tiny, "reference": reference}
    for folder in folders.values():
        write_report(folder, sources=NOTEBOOKS)
    return folders | {"sweep": _sweep(tmp_path_factory.mktemp("sweeps"))}


def _sweep(place: Path) -> Path:
    """A sweep of two runs whose fast notebooks were executed in this process, with the reference run's comparison."""
    write_corpus(place)
    notebooks, folder = write_notebooks(place / "notebooks"), place / "swept"
    choice = {"stages": ["06_clustering"], "question": "Which pooling?", "grid": {"pooling": ["mean", "last"]}}
    plan = plan_sweep(
        read_spec(write_sweep(place / "two.yaml", corpus="tiny.csv", **choice)), folder, notebooks=notebooks
    )
    with pytest.MonkeyPatch.context() as patched:
        perform_here(plan, patched)
    collect_scores(plan)
    _summarise(plan, [])
    (folder / "figures").mkdir()
    for name in (f"{COMPARISON}.ipynb", "figures/09 v_measure.png"):
        shutil.copy(ROOT / "outputs" / "reference" / name, folder / name)
    write_sweep_report(folder, sources=NOTEBOOKS)
    return folder


def watched(context) -> tuple[object, list[str]]:
    """A new page, and the list of what went wrong in it: errors and requests beyond this machine."""
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url[:200]}"))
    allowed = ("file:", "data:", "blob:", "http://127.0.0.1:", "ws://127.0.0.1:")
    page.on("request", lambda r: None if r.url.startswith(allowed) else problems.append(f"request: {r.url[:200]}"))
    return page, problems


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("run", ["tiny", "reference", "sweep"])
def test_every_page_of_a_report_opens_from_disk(browser, reports, run, scheme, size):
    """No request, no error, nothing wider than the window, every picture there and described, light or dark as asked."""
    width, height = SIZES[size]
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, offline=True)
    paths = sorted(reports[run].rglob("*.html"))
    assert {"index.html", "06_clustering.html"} <= {path.name for path in paths}
    assert len([path for path in paths if path.name == "index.html"]) == (3 if run == "sweep" else 1)
    for path in paths:
        page, problems = watched(context)
        page.goto(path.as_uri())
        page.wait_for_function("[...document.images].every(image => image.complete)")
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        seen = page.evaluate(
            """() => ({
              overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
              missing: [...document.images].filter(image => !image.naturalWidth).length,
              wordless: [...document.images].filter(image => !image.alt.trim()).length,
              faint: (CONTRAST)(),
              page: getComputedStyle(document.body).backgroundColor,
              headings: document.querySelectorAll("h1").length })""".replace("CONTRAST", CONTRAST)
        )
        background = max(int(part) for part in re.findall(r"\d+", seen.pop("page"))[:3])
        assert (background < 60) == (scheme == "dark"), path.name
        assert seen == {"overflow": 0, "missing": 0, "wordless": 0, "headings": 1, "faint": []}, path.name
        assert not problems, path.name
        if path.parent == reports[run] and path.name in ("index.html", "06_clustering.html"):
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"{run}-{path.stem}-{size}-{scheme}.png", full_page=True)
        page.close()
    context.close()


# Places on a canvas [[x, y], ...] where it is coloured, and beside them too: points, of which none is grey.
COLOURED = """canvas => {
  const { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const coloured = (x, y) => {
    const [red, green, blue] = pixels.slice(4 * (y * width + x), 4 * (y * width + x) + 3);
    return Math.max(red, green, blue) - Math.min(red, green, blue) > 60;
  };
  const found = [];
  for (let y = 2; y < height - 2; y += 3)
    for (let x = 2; x < width - 2; x += 3)
      if (coloured(x, y) && coloured(x - 1, y) && coloured(x + 1, y) && coloured(x, y + 1)) found.push([x, y]);
  const scale = canvas.getBoundingClientRect().width / width;
  return found.map(place => place.map(pixel => pixel * scale));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_hover_map_draws_and_names_the_document_pointed_at(browser, reports, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}, offline=True)
    page, problems = watched(context)
    page.goto((reports["tiny"] / "map.html").as_uri())
    canvas = page.locator("#map canvas")
    canvas.wait_for()
    box = canvas.bounding_box()
    assert box["width"] > 600
    assert "of 3 topics lie together" in page.locator("#map").get_attribute("aria-label")
    assert page.get_by_label("Names").input_value() in ("topics", "words of regions")
    tip = page.locator("#vg-tooltip-element.visible")
    for x, y in canvas.evaluate(COLOURED):  # until a document is under the pointer
        page.mouse.move(box["x"] + x, box["y"] + y)
        page.mouse.move(box["x"] + x + 1, box["y"] + y)
        if tip.count():
            break
    assert "tokens" in tip.inner_text()
    page.screenshot(path=SCREENSHOTS / f"tiny-map-{scheme}.png")
    assert not problems
    context.close()


@pytest.fixture(scope="module")
def lab(tiny, tmp_path_factory) -> str:
    """JupyterLab as `make lab` starts it, on a copy of the notebook that looks for runs where the tiny one is."""
    home = tmp_path_factory.mktemp("lab")
    notebook = json.loads((NOTEBOOKS / "explore.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = [line.replace('"../outputs"', json.dumps(str(tiny.parent))) for line in cell["source"]]
    (home / "explore.ipynb").write_text(json.dumps(notebook))
    with lab_apart(home / "explore.ipynb", OMP_NUM_THREADS="1") as address:
        yield address


@pytest.fixture(scope="module")
def notebook(browser, lab):
    """The exploring notebook in JupyterLab, all its cells run, for tests that look at it one after the other."""
    context = browser.new_context(viewport={"width": 1500, "height": 1100})
    page, problems = watched(context)
    page.set_default_timeout(PATIENCE)
    page.goto(lab)
    page.get_by_text("Unpadded | Idle").wait_for()  # what is run while it connects is lost
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "lab-started.png")
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea canvas').length >= 4")
    yield page
    assert not [problem for problem in problems if not problem.startswith(("console: ", DRAWN_TOO_SOON))]
    context.close()


def test_the_exploring_notebook_in_jupyterlab(notebook, tiny_model):
    """A lasso and a click in one map seen in the next, a document of the list, a query, two texts compared."""
    page = notebook
    _draw_lasso(page)
    page.locator(".unpadded-selected").wait_for(state="attached")
    assert re.match(r"\d+ selected", page.locator(".unpadded-selected").text_content())

    options = page.locator("select option", has_text="·")
    assert options.count() > 1
    options.first.locator("..").select_option(index=1)
    results = page.locator(".unpadded-results li")
    results.first.wait_for(state="attached")
    _click_a_point(page)
    about_document = page.locator(".unpadded-results").text_content()

    query = page.get_by_placeholder("a question")
    query.evaluate("input => input.scrollIntoView({block: 'start'})")
    query.fill("rocket launch to the moon")
    query.press("Enter")
    page.get_by_text("Near the text").wait_for()
    assert results.count() == 20
    assert page.locator(".unpadded-results").text_content() != about_document
    page.screenshot(path=SCREENSHOTS / "lab-query.png")

    _compare_texts(page, tiny_model)
    page.screenshot(path=SCREENSHOTS / "lab-pair.png")


def test_the_wheel_scrolls_the_page_over_a_map_and_zooms_one_that_was_clicked(notebook):
    """And any map while Ctrl is held; a map that the pointer has left is one that was not clicked."""
    page = notebook
    first, second = _maps(page)
    first.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1500)

    assert _turned(page, first) == (True, False)
    assert page.locator(".unpadded-scrolls").count() == 1  # says how to zoom, for a second and a half
    page.screenshot(path=SCREENSHOTS / "lab-wheel.png")
    assert _turned(page, first, -200) == (True, False)
    page.mouse.click(*_middle(first))
    assert _turned(page, first) == (False, True)
    page.mouse.move(*_middle(second))
    assert _turned(page, first) == (True, False)
    page.keyboard.down("Control")
    assert _turned(page, second) == (False, True)
    page.keyboard.up("Control")
    page.get_by_role("button", name="Clear selection").click()


# A page with a widget that tells whether it is dark; what it has told at the end, after each of the given changes.
TOLD = """async ({code, page, changes}) => {
  const { default: { render } } = await import("data:text/javascript;base64," + code);
  document.body.innerHTML = '<div id="over"><p></p></div>';
  const change = (to) => to && Object.entries(to).forEach(([name, value]) => document.body.setAttribute(name, value));
  change(page);
  const told = [];
  const model = { dark: false, get: () => model.dark };
  model.set = (_, dark) => { model.dark = dark; };
  model.save_changes = () => told.push(model.dark);
  const frame = () => new Promise((then) => setTimeout(then, 100));
  const end = render({ model, el: document.querySelector("p") });
  await frame();
  for (const next of changes) { change(next); await frame(); }
  end();
  change({ style: "background: black", "data-jp-theme-light": "false" });
  await frame();
  return told;
}"""


@pytest.mark.parametrize(
    ("page", "changes", "told"),
    [
        ({}, [], []),
        ({"style": "background: #202020"}, [], [True]),
        ({"style": "background: rgba(0, 0, 0, 0.1)"}, [], []),
        ({}, [{"style": "background: #202020"}, {"style": "background: #fafafa"}], [True, False]),
        ({"data-jp-theme-light": "false"}, [{"data-jp-theme-light": "true"}], [True, False]),
        ({"data-jp-theme-light": "true", "style": "background: black"}, [], []),
    ],
)
def test_a_page_says_whether_it_is_dark_and_when_that_changes(browser, page, changes, told):
    code = base64.b64encode(Theme._esm.encode()).decode()
    opened = browser.new_page()
    assert opened.evaluate(TOLD, {"code": code, "page": page, "changes": changes}) == told
    opened.close()


def test_regions_are_named_on_a_map(notebook):
    page = notebook
    _see_whole(page)
    cell = page.locator(".unpadded-map").first
    cell.evaluate("map => map.scrollIntoView({block: 'center'})")
    bare = _black(page, cell, "none")
    named = _drawn(page, lambda: (_black(page, cell, "words of regions") & ~bare).sum(), lambda pixels: pixels > 100)
    page.screenshot(path=SCREENSHOTS / "lab-names.png")
    assert named > 100
    page.get_by_label("Names").select_option("topics")


# A map in a page of its own, whose drawing only remembers what it is told: its points are numbers, in view are those below 40.
MOVED = """async ({code, steps}) => {
  const { default: { render } } = await import("data:text/javascript;base64," + code);
  document.body.innerHTML = '<div class="unpadded-map"><canvas></canvas><p></p></div>';
  const state = { filteredPoints: null, selectedPoints: [3, 50, 77], n: 100, heard: null, told: [] };
  const shown = () => state.filteredPoints ?? Array.from({ length: state.n }, (_, i) => i);
  document.querySelector("canvas").api = {
    subscribe: (name, then) => { state.heard = then; return name; },
    unsubscribe: () => { state.heard = null; },
    get: (name) => ({
      renderer: { canvas: {}, render: () => {} },
      isPointsFiltered: state.filteredPoints !== null,
      filteredPoints: shown(),
      pointsInView: shown().filter((i) => i < 40),
      selectedPoints: state.selectedPoints,
    })[name],
    filter: (points) => {
      state.told.push(points.length);
      state.filteredPoints = points;
      state.selectedPoints = state.selectedPoints.filter((i) => points.includes(i));
    },
    unfilter: () => { state.told.push("all"); state.filteredPoints = null; },
    select: (points) => { state.selectedPoints = points; },
  };
  const wait = (milliseconds) => new Promise((then) => setTimeout(then, milliseconds));
  const end = render({ model: { get: () => 20 }, el: document.querySelector("p") });
  await wait(300);
  for (const step of steps) {
    if (step === "move") state.heard();
    else if (typeof step === "number") await wait(step);
    else Object.assign(state, step);
  }
  end();
  return { ...state, drawn: shown().length };
}"""


def moved(browser, *steps) -> dict:
    """What a drawing of a hundred points, of which twenty are drawn while it moves, is told in these steps."""
    page = browser.new_page()
    code = base64.b64encode(FewWhileMoving._esm.encode()).decode()
    found = page.evaluate(MOVED, {"code": code, "steps": list(steps)})
    page.close()
    return found


def test_a_map_that_moves_draws_some_of_its_documents_and_all_when_it_rests(browser):
    found = moved(browser, "move", 100, "move", 100, "move")
    assert len(found["told"]) == 1, "once for the whole move"
    assert 10 < found["told"][0] <= 20
    assert (
        sum(point < 40 for point in found["filteredPoints"]) > len(found["filteredPoints"]) / 2
    )  # most from what is in view
    found = moved(browser, "move", 100, "move", 600)
    assert found["told"][1:] == ["all"]
    assert found["drawn"] == 100
    assert found["selectedPoints"] == [3, 50, 77]
    assert found["heard"] is None, "a page that is closed listens no longer"


def test_a_map_that_moves_keeps_its_filter_and_takes_a_new_one(browser):
    chosen = list(range(0, 100, 3))
    found = moved(browser, {"filteredPoints": chosen, "selectedPoints": [3]}, "move", 600)
    assert found["filteredPoints"] == chosen
    assert found["selectedPoints"] == [3]
    few = list(range(15))
    assert moved(browser, {"filteredPoints": few}, "move", 600)["told"] == [], "few are drawn as they are"
    found = moved(browser, "move", 50, {"filteredPoints": few}, 600)
    assert found["filteredPoints"] == few, "what was filtered while it moved stays"
    found = moved(browser, "move", 50, {"selectedPoints": [1, 2]}, 600)
    assert found["drawn"] == 100
    assert found["selectedPoints"] == [1, 2], "what was selected while it moved stays"


# A page whose maps are drawn on a canvas as large as the window; the maps are drawn one after the other, by their sizes.
DRAWN_TOGETHER = """async ({code, maps}) => {
  const { default: { render } } = await import("data:text/javascript;base64," + code);
  document.body.innerHTML = '<div class="unpadded-map"><canvas></canvas><p></p></div>';
  const sizes = [];
  const canvas = document.createElement("canvas");
  const resize = (width, height) => {
    [canvas.width, canvas.height] = [width * devicePixelRatio, height * devicePixelRatio];
  };
  const renderer = { canvas, resize, render: (draw) => draw() };
  const api = { subscribe: () => 1, unsubscribe: () => {}, get: () => renderer };
  document.querySelector("canvas").api = api;
  resize(innerWidth, innerHeight);
  render({ model: { get: () => 20 }, el: document.querySelector("p") });
  await new Promise((then) => setTimeout(then, 300));
  for (const map of maps) {
    if (map === "resize") window.dispatchEvent(new Event("resize"));
    else renderer.render(() => sizes.push([canvas.width, canvas.height]), { width: map[0], height: map[1] });
  }
  return sizes;
}"""


@pytest.mark.parametrize("pixels", [1, 1.3, 2])
def test_maps_are_drawn_on_a_canvas_no_larger_than_the_largest_of_them(browser, pixels):
    page = browser.new_page(device_scale_factor=pixels)
    code = base64.b64encode(FewWhileMoving._esm.encode()).decode()
    maps = [[431, 320], [500, 211], [431, 320], "resize", [300, 200]]
    found = page.evaluate(DRAWN_TOGETHER, {"code": code, "maps": maps})
    page.close()
    assert found == [[431, 320], [500, 320], [500, 320], [300, 200]]


HOLDER = "map => [...map.querySelectorAll('*')].find(element => element.api)"


@pytest.mark.parametrize("kind", ["topics", "words of regions"])
def test_the_region_one_is_in_has_its_name_in_view_at_every_zoom(notebook, tiny, kind):
    """Far beyond the last zoom at which finer regions have names of their own, and beside every name drawn on the map."""
    page, cell = notebook, notebook.locator(".unpadded-map").first
    _see_whole(page)
    maps = MapPanel(Explorable.open(tiny), on_document=lambda row: None)
    maps.names.kind.value = kind
    said = maps.names._said("last")
    page.get_by_label("Names").select_option(kind)
    cell.evaluate("map => map.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1500)
    document = _most_alone(maps.points[["last_x", "last_y"]].to_numpy(), [_names_of(said, row) for row in range(45)])
    x, y = cell.evaluate(f"(map, row) => ({HOLDER})(map).api.getScreenPosition(row)", document)
    box = cell.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.keyboard.down("Control")
    for _ in range(8):
        page.mouse.wheel(0, -150)
        page.wait_for_timeout(300)
        assert cell.locator(".unpadded-in-view").is_visible()
    page.wait_for_timeout(800)
    page.screenshot(path=SCREENSHOTS / f"lab-in-view-{kind.split()[0]}.png")
    assert cell.locator(".unpadded-in-view").text_content() == " › ".join(_names_of(said, document))
    for _ in range(20):
        page.mouse.wheel(0, 150)
    page.keyboard.up("Control")
    page.wait_for_timeout(500)
    _see_whole(page)
    page.get_by_label("Names").select_option("none")
    cell.locator(".unpadded-in-view").wait_for(state="hidden")
    page.get_by_label("Names").select_option("topics")


def _see_whole(page) -> None:
    """Bring all maps back from wherever an earlier test has zoomed them to."""
    page.locator(".unpadded-map").evaluate_all(f"maps => maps.forEach(map => ({HOLDER})(map).api.reset())")


def _most_alone(xy: np.ndarray, names: list[list[str]]) -> int:
    """The document farthest from its nearest other of those with names: zoomed in on, it is alone in view."""
    gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2) + np.diag(np.full(len(xy), np.inf))
    return max((row for row in range(len(xy)) if names[row]), key=lambda row: gaps[row].min())


def _names_of(said: list[pd.Series], row: int) -> list[str]:
    return list(dict.fromkeys(column[row] for column in said if isinstance(column[row], str)))


def test_lines_of_density_are_drawn_and_taken_away(notebook):
    _see_whole(notebook)
    first = _maps(notebook)[0]
    first.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    box = notebook.get_by_label("Density")
    assert not box.is_checked()  # of so few documents
    notebook.mouse.move(0, 0)  # a document that is pointed at has lines through it, of as many pixels as the density's
    notebook.wait_for_timeout(1500)
    before = _points_of(first)

    def changed() -> int:
        return (_points_of(first) != before).any(axis=2).sum()

    box.check()
    drawn = _drawn(notebook, changed, lambda pixels: pixels > 200)
    notebook.screenshot(path=SCREENSHOTS / "lab-density.png")
    assert drawn > 200
    box.uncheck()
    few = drawn / 4  # a document may be pointed at no more
    assert _drawn(notebook, changed, lambda pixels: pixels < few) < few


def _drawn(page, count: Callable[[], int], holds: Callable[[int], bool], patience: float = 60) -> int:
    """What `count` says once it `holds` and is the same again a second later, or after so many seconds: a busy machine draws
    slowly."""
    deadline, before = time.monotonic() + patience, None
    while time.monotonic() < deadline:
        page.wait_for_timeout(1000)
        found = count()
        if found == before and holds(found):
            break
        before = found
    return found


def _black(page, cell, names: str) -> np.ndarray:
    """Which pixels of a map are black, as letters are and no point is, with those names and nothing pointed at."""
    page.get_by_label("Names").select_option(names)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    return np.asarray(Image.open(io.BytesIO(cell.screenshot())).convert("L")) < 30


def test_a_column_colours_and_filters_the_maps_and_what_passes_is_saved_as_a_corpus(notebook, tiny, tmp_path):
    page = notebook
    _maps(page)[0].evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    before = _points_of(_maps(page)[1])
    page.get_by_label("Colour").select_option("stars")
    page.locator(".unpadded-legend", has_text="missing").wait_for()
    page.wait_for_timeout(1500)
    assert (_points_of(_maps(page)[1]) != before).any()
    page.get_by_label("Filter by").select_option("shop")
    page.locator("select[multiple]").first.select_option("east (45)")
    page.get_by_text("45 of 90 documents pass: shop").wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=SCREENSHOTS / "lab-filter.png")
    path = tmp_path / "east.jsonl"
    page.get_by_label("Take along").fill(str(path))
    page.get_by_label("Take along").press("Enter")
    page.get_by_role("button", name="Save selection").click()
    page.locator(".unpadded-saved").wait_for()
    table = pd.read_csv(tiny.parent / "tiny.csv")
    assert Corpus.load(path).ids == table.id[table.shop == "east"].tolist()
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Colour").select_option("topic")


def test_what_a_choice_changes_is_coloured_said_and_listed(notebook):
    page = notebook
    button = page.get_by_role("button", name="Show the changes")
    button.evaluate("button => button.scrollIntoView({block: 'start'})")
    page.get_by_label("Choice").select_option("mean: exact or pads before the text, read over all positions")
    button.click()
    page.locator(".unpadded-changes", has_text="differ on average").wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / "lab-changes.png")
    listed = page.locator("select option", has_text="tokens ·")
    shares = [int(option.partition("%")[0]) for option in listed.all_text_contents()]
    assert len(shares) == 45
    assert shares == sorted(shares, reverse=True)
    listed.nth(0).locator("..").select_option(index=1)
    page.locator(".unpadded-results").wait_for(state="attached")
    _maps(page)[0].evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1500)
    assert page.get_by_label("Colour").input_value().startswith("changed: mean: exact or pads")
    page.screenshot(path=SCREENSHOTS / "lab-changes-map.png")
    page.get_by_label("Colour").select_option("topic")


def _turned(page, canvas, by: int = 200) -> tuple[bool, bool]:
    """Turn the wheel over a map: whether the page scrolled, and whether the map's picture changed."""
    page.wait_for_timeout(300)
    page.mouse.move(*_middle(canvas))
    page.wait_for_timeout(300)
    before, top = _points_of(canvas), canvas.bounding_box()["y"]
    page.mouse.wheel(0, by)
    page.wait_for_timeout(1000)
    moved = abs(canvas.bounding_box()["y"] - top) > 10
    return moved, bool((before != _points_of(canvas)).any())


def _points_of(canvas) -> np.ndarray:
    """The pixels of a map itself, wherever it stands on the page and whatever is drawn over it, uint8 [height, width, 4]."""
    png = canvas.evaluate("canvas => canvas.toDataURL().split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"))


def _middle(canvas) -> tuple[float, float]:
    box = canvas.bounding_box()
    return box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]


def _maps(page) -> list:
    """The canvases of the first two maps."""
    maps = page.locator(".widget-gridbox canvas")
    return [maps.nth(0), maps.nth(maps.count() // 4)]  # each has one for the points, and others drawn over it


def _saturation(canvas) -> np.ndarray:
    """How colourful each pixel of a canvas is, int16 [height, width], 0 to 255; its margins, where tools lie, as grey."""
    pixels = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")).astype(np.int16)
    found = pixels.max(axis=2) - pixels.min(axis=2)
    return np.pad(found[20:-20, 60:-20], ((20, 20), (60, 20)))


def _n_bright(canvas) -> int:
    """How many pixels have a point's full colour; points that are not selected, while others are, have a tenth of it."""
    return int((_saturation(canvas) > 100).sum())


def _draw_lasso(page) -> None:
    """Select most of the first map with the mouse, and see the same in the second one."""
    first, second = _maps(page)
    first.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(2000)  # what is drawn at first moves into place
    before, box = second.screenshot(), first.bounding_box()
    left, top, right, bottom = (
        box["x"] + 0.2 * box["width"], box["y"] + 0.1 * box["height"],
        box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"],
    )  # fmt: skip
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1500)
    page.screenshot(path=SCREENSHOTS / "lab-lasso.png")
    assert second.screenshot() != before


def _click_a_point(page) -> None:
    """Clear the selection, click one document in the first map: it alone is selected in both, and asked about."""
    first, second = _maps(page)
    page.get_by_role("button", name="Clear selection").click()
    page.locator(".unpadded-selected").wait_for(state="detached")
    first.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1500)
    all_points = _n_bright(second)
    y, x = np.unravel_index(_saturation(first).argmax(), _saturation(first).shape)
    box = first.bounding_box()
    page.mouse.move(box["x"] + int(x), box["y"] + int(y))
    page.mouse.click(box["x"] + int(x), box["y"] + int(y))
    page.get_by_text("1 selected").wait_for()
    page.get_by_text("Near the document").wait_for()
    page.mouse.move(0, 0)  # nothing is pointed at
    page.wait_for_timeout(1500)
    page.screenshot(path=SCREENSHOTS / "lab-point.png")
    assert 0 < _n_bright(second) < all_points / 4


def _compare_texts(page, lm) -> None:
    """Paste two texts and compare them: what is shown are the similarities computed here."""
    texts = ["rocket launch to the moon and an orbit", "salt"]
    for box, text in zip(page.locator(".jp-OutputArea textarea").all(), texts, strict=True):
        box.fill(text)
    table = page.locator(".unpadded-pair")
    page.get_by_role("button", name="Compare").click()
    expected = re.sub(r"<[^>]+>", "", render.pair(*compare_pair(DocumentEncoder(lm), texts)).split("<div")[0])
    page.wait_for_function("words => document.querySelector('.unpadded-pair').textContent === words", arg=expected)
    table.evaluate("table => table.scrollIntoView({block: 'center'})")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_maps_are_as_dark_as_jupyterlab_is(notebook, theme):
    """Last of all: JupyterLab lays the page out anew meanwhile."""
    page, cell = notebook, notebook.locator(".unpadded-map").first
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text(theme, exact=True).click()
    cell.evaluate("map => map.scrollIntoView({block: 'center'})")
    page.mouse.move(0, 0)
    dark = theme.endswith("Dark")

    def brightness() -> int:  # of most of the map
        return int(np.median(np.asarray(Image.open(io.BytesIO(cell.screenshot())).convert("L"))))

    found = _drawn(page, brightness, lambda grey: (grey < 60) == dark)
    page.screenshot(path=SCREENSHOTS / f"lab-{theme.split()[1].lower()}.png")
    assert (found < 60) == dark
    assert dark or found > 240
    assert not cell.locator(".tick").count(), "axes"
    assert not cell.get_by_text("Color", exact=True).count(), "a second legend"

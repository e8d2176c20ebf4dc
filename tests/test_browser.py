"""Pages and the exploring notebook in a real browser without a network: headless Chromium, driven by Playwright.

Screenshots go to outputs/screenshots, which git ignores.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tiny_run import make_run
from unpadded.lab import lab_command, register_kernel
from unpadded.pages import write_report
from unpadded.runs import NOTEBOOKS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "outputs" / "screenshots"
FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),  # the maps want WebGL, without a GPU
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
PATIENCE = 600_000  # milliseconds; a kernel that imports torch on a busy machine


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
    return folders


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
@pytest.mark.parametrize("run", ["tiny", "reference"])
def test_every_page_of_a_report_opens_from_disk(browser, reports, run, scheme, size):
    """No request, no error, nothing wider than the window, every picture there and described, light or dark as asked."""
    width, height = SIZES[size]
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, offline=True)
    paths = sorted(reports[run].glob("*.html"))
    assert {"index.html", "06_clustering.html"} <= {path.name for path in paths}
    for path in paths:
        page, problems = watched(context)
        page.goto(path.as_uri())
        page.wait_for_function("[...document.images].every(image => image.complete)")
        seen = page.evaluate(
            """() => ({
              overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
              missing: [...document.images].filter(image => !image.naturalWidth).length,
              wordless: [...document.images].filter(image => !image.alt.trim()).length,
              page: getComputedStyle(document.body).backgroundColor,
              headings: document.querySelectorAll("h1").length })"""
        )
        background = max(int(part) for part in re.findall(r"\d+", seen.pop("page"))[:3])
        assert (background < 60) == (scheme == "dark"), path.name
        assert seen == {"overflow": 0, "missing": 0, "wordless": 0, "headings": 1}, path.name
        assert not problems, path.name
        if path.name in ("index.html", "06_clustering.html"):
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"{run}-{path.stem}-{size}-{scheme}.png", full_page=True)
        page.close()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_hover_map_draws_and_names_the_document_pointed_at(browser, reports, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}, offline=True)
    page, problems = watched(context)
    page.goto((reports["tiny"] / "map.html").as_uri())
    canvas = page.locator("#map canvas")
    canvas.wait_for()
    box = canvas.bounding_box()
    assert box["width"] > 600
    tip = page.locator("#vg-tooltip-element.visible")
    for step in range(2500):  # sweep over the first panel until a document is under the pointer
        page.mouse.move(box["x"] + 20 + 9 * (step % 50), box["y"] + 30 + 9 * (step // 50))
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
    register_kernel(str(home))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name) for name in ("SETTINGS", "WORKSPACES")}
    own |= {"JUPYTER_PATH": str(home / "share" / "jupyter"), "JUPYTER_TOKEN": "secret", "OMP_NUM_THREADS": "1"}
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    command = lab_command(options, notebook=home / "explore.ipynb")
    with open(home / "log", "wb") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log, cwd=home)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/api", server, home / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?token=secret"
    finally:
        server.terminate()
        server.wait(60)


def _wait_until_up(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_the_exploring_notebook_in_jupyterlab(browser, lab):
    """All cells, a lasso in one map seen in the next, a document of the selection, a query, and two texts."""
    context = browser.new_context(viewport={"width": 1500, "height": 1100})
    page, problems = watched(context)
    page.set_default_timeout(PATIENCE)
    page.goto(lab)
    page.locator(".jp-Toolbar-kernelName", has_text="Unpadded").wait_for()  # before it is there, running asks for one
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "lab-started.png")
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea canvas').length >= 4")
    _draw_lasso(page)
    page.locator(".unpadded-selected").wait_for(state="attached")
    assert re.match(r"\d+ selected", page.locator(".unpadded-selected").text_content())

    options = page.locator("select option", has_text="·")
    assert options.count() > 1
    options.first.locator("..").select_option(index=1)
    results = page.locator(".unpadded-results li")
    results.first.wait_for(state="attached")
    about_document = page.locator(".unpadded-results").text_content()

    query = page.get_by_placeholder("a question")
    query.evaluate("input => input.scrollIntoView({block: 'start'})")
    query.fill("rocket launch to the moon")
    query.press("Enter")
    page.get_by_text("Near the text").wait_for()
    assert results.count() == 20
    assert page.locator(".unpadded-results").text_content() != about_document
    page.screenshot(path=SCREENSHOTS / "lab-query.png")

    page.get_by_role("button", name="Compare").evaluate("button => button.scrollIntoView({block: 'center'})")
    assert "pads before" in page.locator(".unpadded-pair").text_content()
    page.screenshot(path=SCREENSHOTS / "lab-pair.png")
    assert not [problem for problem in problems if not problem.startswith("console: ")]
    context.close()


def _draw_lasso(page) -> None:
    """Select most of the first map with the mouse, and see the second one change."""
    maps = page.locator(".widget-gridbox canvas")
    per_map = maps.count() // 4  # points, and what is drawn over them
    first, second = maps.nth(0), maps.nth(per_map)
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

"""Pages and pictures as files: what they hold, without a browser."""

import re
import runpy
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tiny_run import make_run
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.common.files import write_json
from unpadded.report.comparison import with_links
from unpadded.report.figures import alt_of, keep, lead_picture, size_of
from unpadded.report.maps.page import hover_chart, write_map_page
from unpadded.report.maps.tables import cut, load_map, map_path, map_table, save_map, title_and_beginning
from unpadded.report.notebooks import answer_of, link_pages, title_of, with_alternatives, write_page
from unpadded.report.plots.style import LONGEST_TEXT, in_words, say
from unpadded.report.rendering import templates, write_html
from unpadded.report.run_page import EXECUTED, first_picture, write_index

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory, tiny_corpus, tiny_model):
    run = make_run(tmp_path_factory.mktemp("pages") / "tiny", tiny_corpus, tiny_model)
    assert main(["report", str(run)]) == 0
    return run


def test_the_front_page_holds_the_answers_the_table_and_only_links_that_exist(report):
    page = (report / "index.html").read_text()
    assert "The <em>mean</em>, by far." in page
    assert "<td class=best>0.600 [0.550, 0.620]</td>" in page
    assert "<h3>tiny</h3>" in page
    assert "a note &amp; more" in page
    links = [link.replace("%20", " ") for link in re.findall(r'(?:href|src)="(?!data:)([^"]+)"', page)]
    assert {"map.html", "06_clustering.html", "scores.csv", "figures/06 clustering tiny.png"} <= set(links)
    assert all((report / link).exists() for link in links)


def test_the_front_page_says_which_vectors_to_take_and_what_to_do_with_them(report, tmp_path, monkeypatch):
    run = tmp_path / "a run"
    shutil.copytree(report, run)
    why = "Pieces of 9 documents find <more>."
    write_json(run / "recommended.json", {"method": "lm_words", "pooling": "mean", "postprocess": "idf", "why": why})
    monkeypatch.chdir(tmp_path)
    page = write_index(run).read_text()
    assert "<b>lm_words mean + idf</b>. Pieces of 9 documents find &lt;more&gt;." in page
    assert "--embeddings &#39;a run/embeddings/tiny&#39; " in page
    assert "--model &#39;a run/language_model&#39; " in page
    (run / "recommended.json").write_text("{torn")
    assert "Which vectors to take" not in write_index(run).read_text()


def test_pages_carry_no_script_but_the_maps_own_and_no_address(report):
    for path in report.glob("*.html"):
        page = path.read_text()
        assert not re.search(r'<(?:script|img|iframe|link)[^>]+(?:src|href)="(?:https?:)?//', page), path.name
        assert ("<script" in page) == (path.name == "map.html")


def test_every_picture_has_words_and_its_size(report):
    for path in set(report.glob("*.html")) - {report / "map.html"}:  # which has scripts that speak of pictures
        for image in re.findall(r"<img[^>]+>", path.read_text()):
            assert len(re.search(r'alt="([^"]*)"', image)[1]) > 20, path.name
    assert 'width="' in (report / "index.html").read_text()


def test_settings_are_folded_on_a_page_and_the_answers_picture_has_no_code(tmp_path):
    def cell(source: str, *tags: str, hidden: bool = False, printed: str = "") -> nbformat.NotebookNode:
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)] if printed else []
        metadata = {"tags": list(tags)} | ({"jupyter": {"source_hidden": True}} if hidden else {})
        return nbformat.v4.new_code_cell(source, metadata=metadata, outputs=outputs, execution_count=1)

    cells = [
        nbformat.v4.new_markdown_cell("# Why?"),
        cell("first_picture()", "lead", hidden=True, printed="a picture"),
        cell("default = 1", "parameters"),
        cell("given = 2", "injected-parameters"),
        cell("import_them", hidden=True, printed="opened"),
        cell("computed", printed="a table"),
        cell("written", hidden=True),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "x.ipynb")
    page = write_page(tmp_path / "x.ipynb").read_text()
    folds = re.findall(r"<details.*?</details>", page, re.DOTALL)
    assert [re.search("<summary>(.*?)</summary>", fold)[1] for fold in folds] == ["Settings and imports", "Code"]
    for name in ("default", "given", "import_them"):
        assert name in folds[0]
        assert name not in page.replace(folds[0], "")
    assert "written" in folds[1]
    assert "first_picture" not in page
    seen = "".join(page.split(fold)[0] for fold in folds[:1]) + page.split(folds[0])[1]
    assert [word for word in ("a picture", "opened", "computed", "a table") if word not in seen] == []
    assert nbformat.read(tmp_path / "x.ipynb", as_version=4).cells[2].source == "default = 1"


def test_a_page_leads_to_the_notebooks_that_have_one(tmp_path):
    page = tmp_path / "02_a.html"
    page.write_text(
        '<a href="02_a.ipynb">As a notebook</a><main><a href="03_b.ipynb">Next</a> <a href="x.csv">x</a></main>'
    )
    link_pages(page)
    idle = page.read_text()
    assert idle == (
        '<a href="02_a.ipynb">As a notebook</a><main><a data-page="03_b">Next</a> <a href="x.csv">x</a></main>'
    )
    (tmp_path / "03_b.html").write_text("")
    for _ in range(2):
        link_pages(page)
        assert page.read_text() == idle.replace('data-page="03_b"', 'href="03_b.html"')
    (tmp_path / "03_b.html").unlink()
    link_pages(page)
    assert page.read_text() == idle


def test_pictures_without_words_get_the_heading_above_them():
    output = nbformat.v4.new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure size 1x1>"})
    cells = [nbformat.v4.new_markdown_cell("# Why?\n\n## 2. How"), nbformat.v4.new_code_cell("", outputs=[output])]
    notebook = nbformat.v4.new_notebook(cells=cells)
    filled = with_alternatives(notebook)
    assert filled.cells[1].outputs[0].metadata["image/png"]["alt"] == "Figure: 2. How"
    assert not notebook.cells[1].outputs[0].metadata
    assert (title_of(notebook), answer_of(notebook)) == ("Why?", "")


def test_a_kept_picture_is_twice_as_fine_and_says_what_it_shows(tmp_path):
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.barh(["mean", "last"], [0.6, 0.12])
    axes.set(title="V-measure on tiny", xlabel="V-measure")
    plt.close(figure)
    kept = keep(figure, tmp_path, "a name", alt="Bars of V-measure: mean 0.6, last 0.12.")
    data, metadata = kept._repr_mimebundle_()
    assert data["text/plain"] == kept.alt == alt_of(tmp_path / "figures" / "a name.png")
    assert metadata["image/png"]["alt"] == "Bars of V-measure: mean 0.6, last 0.12."
    with Image.open(kept.path) as image:
        assert image.width == pytest.approx(2 * metadata["image/png"]["width"], abs=1)
    assert size_of(kept.path)[0] == metadata["image/png"]["width"]


def test_a_figure_without_words_is_not_kept(tmp_path):
    figure = plt.figure()
    plt.close(figure)
    with pytest.raises(InputError, match='figure "a name" has no alternative text: pass alt='):
        keep(figure, tmp_path, "a name")
    assert not list(tmp_path.iterdir())
    assert keep(figure, tmp_path, "a name", alt="Nothing.").alt == "Nothing."


@pytest.mark.slow
def test_the_answers_picture_is_shown_where_the_notebook_begins_too(tmp_path):
    """By a real kernel, whose messages decide which output changes."""
    from nbclient import NotebookClient

    begin = "from unpadded.report import keep, lead_picture; lead_picture()"
    draw = "import matplotlib.pyplot as plt; figure = plt.figure(figsize=(1, 1)); plt.close(figure)\n"
    draw += f"for n in range(3): display(keep(figure, {str(tmp_path)!r}, f'{{n}}', alt=f'Picture {{n}}.', lead=n == 1))"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (begin, draw, "1 + 1")])
    NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
    (above,), below = notebook.cells[0].outputs, notebook.cells[1].outputs
    assert [output.data["text/plain"] for output in below] == ["Picture 0.", "Picture 1.", "Picture 2."]
    assert above.data == below[1].data
    assert above.metadata["image/png"]["alt"] == "Picture 1."


def test_without_a_notebook_nothing_is_shown(tmp_path, capsys):
    figure = plt.figure()
    plt.close(figure)
    lead_picture()
    assert keep(figure, tmp_path, "a name", alt="Nothing.", lead=True).path.is_file()
    assert capsys.readouterr().out == ""


def test_alternative_texts_are_short_and_put_the_largest_value_first():
    figure = say(plt.figure(), "Bars", in_words({"small": 0.123456, "large": 12_345.6, "unmeasured": np.nan}))
    plt.close(figure)
    assert figure.get_label() == "Bars. large 12,346, small 0.123."
    words = say(figure, *(f"panel {i} of a figure" for i in range(300))).get_label()
    assert len(words) <= LONGEST_TEXT
    assert words.endswith("…")


def test_every_picture_of_the_reference_run_has_words_in_its_notebook_and_in_its_file():
    reference = ROOT / "outputs" / "reference"
    notebooks = [nbformat.read(path, as_version=4) for path in sorted(reference.glob(EXECUTED))]
    outputs = [output for notebook in notebooks for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(shown) > 20
    assert all(len(output.metadata["image/png"]["alt"]) > 20 for output in shown)
    kept = sorted((reference / "figures").glob("*.png"))
    assert all(alt_of(path) != path.stem.replace("_", " ") for path in kept)


def test_the_front_page_shows_what_a_notebook_shows_first():
    """Of the reference run: the figure of its question, not the one whose name comes first."""
    reference = ROOT / "outputs" / "reference"
    names = {}
    for path in sorted(reference.glob(EXECUTED)):
        found = first_picture(reference, nbformat.read(path, as_version=4))
        names[path.name[:2]] = found and found.stem[3:]
    wanted = {
        "01": "loss curve",
        "02": "states of a document",
        "03": "cosine",
        "04": "speed newsgroups",
        "05": "perturb",
    }
    wanted |= {"06": "clustering newsgroups", "07": "ranking newsgroups, same topic", "08": "classification newsgroups"}
    assert names == wanted | {"09": "v_measure", "10": "tuning curve"}


def test_the_readmes_picture_is_drawn_from_a_run(report, tmp_path):
    said = runpy.run_path(str(ROOT / "docs" / "maps.py"))["write_picture"](report, tmp_path / "maps.png")
    assert alt_of(tmp_path / "maps.png") == said
    assert said.startswith("UMAP maps of 45 documents, by topic. Topics that lie together, of 3:")


def test_map_tables_come_back_and_others_are_refused(tmp_path, tiny_corpus):
    rows, xy = np.array([1, 4, 80]), np.random.default_rng(0).normal(size=(3, 2))
    made = map_table(tiny_corpus, rows, {"mean": xy, "last": -xy}, lengths=np.arange(90))
    save_map(made, tmp_path / "m.parquet")
    read = load_map(tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(read, made)
    assert read["tokens"].tolist() == [1, 4, 80]
    np.testing.assert_allclose(read[["last_x", "last_y"]], -xy, rtol=1e-6)
    with pytest.raises(InputError, match=r"none\.parquet holds no map"):
        load_map(tmp_path / "none.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="not a table of maps"):
        load_map(tmp_path / "other.parquet")


@pytest.mark.parametrize(
    ("text", "title", "beginning"),
    [
        ("\n Subject \nThe first words.", "Subject", "The first words."),
        ("one line only", "one line only", ""),
        (" \n", "(empty)", ""),
        ("\ud800 half", "? half", ""),
    ],
)
def test_titles_are_first_lines(text, title, beginning):
    assert title_and_beginning(text) == (title, beginning)


def test_long_lines_are_cut_at_a_word_and_nothing_is_lost():
    title, beginning = title_and_beginning("word " * 100)
    assert title == cut("word " * 100, 80)
    assert len(title) <= 80
    assert beginning.startswith("word word")


def test_the_hover_map_has_a_panel_a_pooling_and_the_documents_once(report):
    points = load_map(map_path(report, "tiny"))
    spec = hover_chart(points)
    assert [panel["title"]["text"] for panel in spec["concat"]] == ["last", "mean", "max", "concat"]
    assert len(spec["data"]["values"]) == len(points) == 45
    assert {parameter["name"] for parameter in spec["params"]} == {"pointed", "chosen", "names"}
    no_topics = hover_chart(points.assign(topic=""))
    dots, *words = no_topics["concat"][0]["layer"]
    assert dots["encoding"]["color"]["field"] == "tokens"
    assert "shape" not in dots["encoding"]
    for layer in words:
        assert {name["kind"] for name in no_topics["datasets"][layer["data"]["name"]]} == {"words of regions"}


def test_a_run_without_maps_has_no_map_page(tmp_path):
    assert write_map_page(tmp_path) is None


def test_tables_pictures_and_titles_are_escaped(tmp_path):
    parts = templates().get_template("parts.html").module
    figure = {"source": 'x".png', "alt": 'an "alternative"', "width": 1, "height": 1}
    page = write_html(tmp_path / "x.html", "notebook.html", title="<t>", file="x.ipynb", notebook="")
    html = parts.table(pd.DataFrame({"<a>": ["<b>"]})) + parts.picture(figure) + page.read_text()
    for raw in ("<a>", "<b>", 'x".png', "<t>"):
        assert raw not in html
    assert "an &#34;alternative&#34;" in html


def test_a_document_cannot_end_the_maps_script(report, tmp_path):
    points = load_map(map_path(report, "tiny"))
    save_map(points.assign(title="</script><h1>mine</h1>"), map_path(tmp_path, "tiny"))
    page = write_map_page(tmp_path).read_text()
    assert page.count("<h1>") == 1
    assert "\\u003c/script\\u003e" in page


def test_links_in_a_table_are_the_only_html_in_it():
    shown = with_links(pd.DataFrame({"run": ["<b>"], "notebook": ["runs/<i>/06_clustering.html"]}))
    assert '<a href="runs/&lt;i&gt;/06_clustering.html">06_clustering</a>' in shown
    assert "<td>&lt;b&gt;</td>" in shown

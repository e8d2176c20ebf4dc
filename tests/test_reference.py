"""What the README and the notebooks say is what the reference run found."""

import re
import runpy
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from unpadded.evaluation.scores import read_scores
from unpadded.report.comparison import HEADLINE_METRICS, NOTEBOOK_OF
from unpadded.report.plots.scores import method_names
from unpadded.report.readme import with_headline, with_own_models
from unpadded.runs.profiles import SCORED, STAGES

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "outputs" / "reference"


FIGURE = r"(?<![\d.])\d\.\d{3}(?!\d)"  # a score is quoted with three decimals
TASK_OF = {notebook: task for task, notebook in NOTEBOOK_OF.items()}
# What prose calls a method, and what betrays a post-processing; "none" and "idf" go with the pooling's name.
SPOKEN = {
    "tfidf": "tf-idf",
    "wordllama": "static vectors",
    "word_vectors": "word vectors",
    "fasttext": "fasttext",
    "lsa_ngrams": "lsa of words and n-grams",
    "lsa_word_vectors": "lsa with word vectors",
    "sif": "smooth inverse frequency",
    "input_embeddings": "input embeddings",
    "input_embeddings_idf": "input embeddings",
}
STEPS = {"l2": "l2|normalised", "standardize": "standardi", "remove_top": "remov", "whiten": "whiten"}


def sentences(text: str) -> list[str]:
    """The sentences of a text; a row of a table is one."""
    return [" ".join(part.split()) for part in re.split(r"\.\s+|\n(?=\|)", text)]


def names_method(sentence: str, name: str) -> bool:
    """Whether a sentence speaks of a method, by its name in tables ("mean + l2") or in prose."""
    base, _, step = name.partition(" + ")
    spoken = rf"(?<!\w)(?:{re.escape(base)}|{re.escape(SPOKEN.get(base, base))})(?!\w)"
    return bool(re.search(spoken, sentence, re.I) and re.search(STEPS.get(step, ""), sentence, re.I))


def scores_spoken_of(sentence: str, scores) -> set[str]:
    """The headline scores of the methods and corpora that a sentence names; of newsgroups where it names no corpus."""
    corpora = [name for name in set(scores.corpus) if f"`{name}`" in sentence]
    corpora += ["newsgroups"] if not corpora or "Newsgroups" in sentence else []
    rows = scores[scores.corpus.isin(corpora) & scores.metric.isin(HEADLINE_METRICS)].assign(name=method_names)
    return {f"{row.value:.3f}" for row in rows.itertuples() if names_method(sentence, row.name)}


def verdicts_spoken_of(sentence: str, verdicts: list[str]) -> set[str]:
    """The figures of the notebook's test verdicts on two methods that a sentence names."""
    found = set()
    for said in verdicts:
        pair = re.search(r"^(.+) beats (.+) by \d|No difference between (.+) and (.+) was shown", said.strip())
        if pair and all(names_method(sentence, name) for name in pair.groups() if name):
            found |= set(re.findall(FIGURE, said))
    return found


def unfounded(text: str, scores, verdicts: list[str]) -> list[str]:
    """The quoted figures for which the sentence around them names no origin."""
    return [
        f"{figure}: {sentence}"
        for sentence in sentences(text)
        for figure in re.findall(FIGURE, sentence)
        if figure not in scores_spoken_of(sentence, scores) | verdicts_spoken_of(sentence, verdicts)
    ]


def printed(executed) -> list[str]:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs).splitlines()


def said_of_the_reference_run(stage) -> list[str]:
    """A notebook's answer, and the section at its end that says more."""
    cells = nbformat.read(ROOT / "notebooks" / f"{stage.name}.ipynb", as_version=4).cells
    (found,) = (cell.source for cell in cells if cell.source.startswith("## What the reference run found"))
    return [cells[1].source, found]


def test_a_figure_needs_its_own_method_and_corpus():
    scores = read_scores(REFERENCE / "scores.csv")
    value = scores[(scores.corpus == "newsgroups") & (scores.metric == "v_measure") & (scores.method == "lsa")]["value"]
    figure = f"{value.item():.3f}"
    assert not unfounded(f"LSA has {figure}.", scores, [])
    for wrong in (f"TF-IDF has {figure}", f"On `bbc` LSA has {figure}", f"The share is {figure}", "LSA has 0.001"):
        assert unfounded(wrong, scores, [])
    verdicts = ["mean beats lsa by 0.123 AMI (p = 0.02 after Holm's correction, n = 10)."]
    assert not unfounded("mean is ahead of LSA by 0.123", scores, verdicts)
    assert unfounded("mean is ahead of max by 0.123", scores, verdicts)


def test_the_readmes_figures_are_those_of_the_methods_it_names():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- headline:end -->")[1].split("\n## ")[0]
    said = [line for stage in SCORED for line in printed(nbformat.read(REFERENCE / f"{stage}.ipynb", as_version=4))]
    assert re.findall(FIGURE, text)
    assert unfounded(text, read_scores(REFERENCE / "scores.csv"), said) == []


def test_the_readmes_table_is_the_reference_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_headline(text, read_scores(REFERENCE / "scores.csv")) == text


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_tables_of_own_models_are_made_from_their_scores(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    scores = pd.read_csv(REFERENCE / "vectors.csv", keep_default_na=False, na_values={"pieces": ""})
    tests = pd.read_csv(REFERENCE / "vector_tests.csv", keep_default_na=False)
    assert with_own_models(text, scores, tests) == text
    assert len(set(scores.corpus)) > 3


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_figures_in_what_is_said_of_the_reference_run_are_in_it(stage):
    """A score belongs to a method and corpus that its sentence names; the studies (01 to 05) show what they quote."""
    answer = "\n\n".join(said_of_the_reference_run(stage))
    executed = nbformat.read(REFERENCE / f"{stage.name}.ipynb", as_version=4)
    if stage.name in (*SCORED, "09_compare_runs"):
        scores = read_scores(REFERENCE / "scores.csv")
        task = TASK_OF.get(stage.name)
        assert unfounded(answer, scores if task is None else scores[scores.task == task], printed(executed)) == []
        return
    shown = {number for cell in executed.cells[2:] for number in re.findall(r"\d\.\d{3}", str(cell.get("outputs", "")))}
    assert set(re.findall(FIGURE, answer)) <= shown


def test_the_figures_of_the_training_page_are_in_the_recipes_table():
    """Each row of the page's table quotes the table's row of that corpus, model and kind of vectors."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = pd.read_csv(REFERENCE / "recipe.csv")
    table = table[table.epochs == 4].set_index(["corpus", "point", "pooling"])
    spoken = {
        "mean": ("default", "mean"),
        "mean, IDF-weighted": ("default", "mean + idf"),
        "mean, width 200": ("width 200", "mean"),
        "mean, width 200, both directions": ("width 200, both directions", "mean"),
        "LSA": ("baselines", "lsa"),
        "word vectors": ("baselines", "word_vectors"),
        "fastText": ("baselines", "fasttext"),
    }
    quoted = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| \**([\d.]+)\** \| \**([\d.]+)\** \|$", page, re.M)
    assert len(quoted) == 12
    for corpus, vectors, v_measure, precision in quoted:
        row = table.loc[(corpus, *spoken[vectors])]
        assert (f"{row.v_measure:.3f}", f"{row['P@10']:.3f}") == (v_measure, precision)
    curves = pd.read_csv(REFERENCE / "wikitext2" / "perplexity.csv").groupby("model")
    for model in ("default", "full"):
        assert f"{curves.valid_perplexity.last()[model]:.0f}" in page
    hours = re.findall(r"^\| ((?:default|two layers), [^|]+) \|([^|]+)\|([^|]+)\|([^|]+)\| ([\d.]+) \|$", page, re.M)
    assert len(hours) == 6
    for name, *quoted, tokens in hours:
        points = curves.get_group(name).set_index("minutes")
        found = [f"{points.test_perplexity.asof(minutes + 0.5):.1f}" for minutes in (20, 30, 60)]
        assert [text.strip().strip("*") for text in quoted] == found
        assert tokens == f"{points.tokens.max() / 1e6:.1f}"


def test_no_answer_waits_for_its_figures():
    for stage in STAGES:
        assert "TODO" not in "".join(said_of_the_reference_run(stage))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_an_answer_is_read_at_a_glance_and_says_whose_it_is(stage):
    """It is shown above the pictures of any run; so does the section behind, which must not read as that run's either."""
    answer, found = said_of_the_reference_run(stage)
    spoken = answer.removeprefix("**Answer.**").replace("`", "")
    assert len(re.findall(r"[.:?!](?:\s+[A-Z*]|$)", spoken)) <= 4
    assert len(re.findall(r"\d[\d.,]*", spoken)) <= 12
    assert len(spoken.split()) <= 75
    assert "20 Newsgroups" in answer or "two corpora" in answer
    _, whose, *_ = found.split("\n\n")
    assert re.fullmatch(r"\*O[nf] [^*]*20 Newsgroups[^*]*; not about your documents\.\*", whose)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_picture_of_an_answer_is_one_that_the_notebook_draws(stage):
    """Shown once on the first screen, once in its section: the same bytes."""
    cells = nbformat.read(REFERENCE / f"{stage.name}.ipynb", as_version=4).cells
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    shown = [data["image/png"] for data in outputs if "image/png" in data]
    (place,) = (i for i, cell in enumerate(cells) if "lead" in cell.metadata.get("tags", []))
    assert place == 2
    (output,) = cells[place].outputs
    assert shown.count(output.data["image/png"]) == 2
    (source,) = (c for c in cells if c.cell_type == "code" and "lead=" in c.source)
    assert output.data["image/png"] in [o.data.get("image/png") for o in source.outputs if "data" in o]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_executed_copy_is_the_source_notebook(stage):
    source = nbformat.read(ROOT / "notebooks" / f"{stage.name}.ipynb", as_version=4)
    executed = nbformat.read(REFERENCE / f"{stage.name}.ipynb", as_version=4)
    kept = [c.source for c in executed.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    assert kept == [c.source for c in source.cells]


def test_the_reference_run_shows_no_path_of_a_machine_and_stays_small():
    """Of what is committed; vectors and logs stay on the machine that made them."""
    for path in REFERENCE.rglob("*"):
        if {"embeddings", "representations", "logs"} & set(path.parts):
            continue
        if path.suffix in (".ipynb", ".html", ".json", ".csv"):
            assert not re.search(r"/(?:home|root|work|Users)/", path.read_text(errors="replace")), path.name
        if path.suffix == ".ipynb":
            assert path.stat().st_size < 2_000_000


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_copies_were_executed_and_show_pictures_without_widgets(stage):
    """A forge renders what is in the file: pictures, not what a widget would draw."""
    cells = [c for c in nbformat.read(REFERENCE / f"{stage.name}.ipynb", as_version=4).cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    kinds = [set(output.get("data", {})) for output in outputs]
    assert any("image/png" in kind for kind in kinds)
    widget = "application/vnd.jupyter.widget-view+json"
    assert all("image/png" in kind for kind in kinds if widget in kind)


def test_the_answer_about_batches_counts_the_verdicts_of_its_executed_copy():
    source = nbformat.read(ROOT / "notebooks" / "certify.ipynb", as_version=4)
    executed = nbformat.read(REFERENCE / "certify.ipynb", as_version=4)
    assert [cell.source for cell in executed.cells] == [cell.source for cell in source.cells]
    tables = [
        o.data["text/html"] for c in executed.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {})
    ]
    (table,) = [table for table in tables if "bit-identical" in table]
    found = re.findall(r">(bit-identical|rounding|depends on the batch|not repeatable|wrong order)<", table)
    counts = {verdict: found.count(verdict) for verdict in set(found)}
    rounding = len(re.findall(r">rounding</td>\s*<td[^>]*>rounding<", table))  # the verdict and what it follows
    answer = executed.cells[1].source
    assert "twelve encoders" in answer
    assert counts["bit-identical"] + rounding + counts["depends on the batch"] + counts["not repeatable"] == 12
    assert (counts["bit-identical"], rounding, counts["depends on the batch"], counts["not repeatable"]) == (3, 4, 4, 1)
    for words in (
        "three give the same bits",
        "four differ by rounding alone",
        "Four depend on the batch",
        "not\nrepeatable",
    ):
        assert words.replace("\n", " ") in " ".join(answer.split())


def test_the_readmes_speeds_are_those_of_the_records():
    records = runpy.run_path(str(ROOT / "benchmarks" / "records.py"))["read"](ROOT / "benchmarks" / "RECORDS.md")
    rows = records[(records.model == "400/400/1") & (records.lengths == "lognormal") & (records.threads == "2")]
    rows = rows[rows.processor.str.startswith("Intel(R) Xeon") & rows.processor.str.endswith(", AMX")]
    times = dict(
        zip(rows.method.str.replace(r" \(.*", "", regex=True), rows["times the loop"].astype(float), strict=True)
    )
    (said,) = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| How fast?")]
    ours = (f"{times['unpadded ' + name]:.1f}" for name in ("float32", "bfloat16", "int8"))
    assert "{} times the loop over single documents in float32, {} in bfloat16, {} in int8".format(*ours) in said
    peers = {name: value for name, value in times.items() if not name.startswith(("unpadded", "loop"))}
    fastest = max(peers, key=peers.get)
    assert fastest == "ONNX Runtime int8"
    assert f"ONNX Runtime's int8, has {peers[fastest]:.1f}" in said
    assert times["unpadded int8"] > 1.3 * peers[fastest]
    alone = records[records.lengths.str.startswith("1 of ") & records.processor.str.startswith("Intel(R) Xeon")]
    alone = alone[alone.method.str.startswith("unpadded")]
    assert "faster than by the loop at every length from 1 to 2,000 tokens" in said
    assert set(alone.lengths) == {f"1 of {n}" for n in (1, 10, 100, 400, 2000)}
    assert alone["times the loop"].astype(float).min() > 1


def test_the_readmes_price_of_int8_is_what_was_measured():
    prices = pd.read_csv(REFERENCE / "speed" / "precisions.csv").set_index("precision")
    exact, rounded = prices.loc["float32"], prices.loc["int8"]
    said = (ROOT / "README.md").read_text()
    assert f"goes from {exact.perplexity:.2f} to {rounded.perplexity:.2f}, and no score by more than 0.002" in said
    assert rounded.perplexity < 1.01 * exact.perplexity
    assert (exact - rounded).drop("perplexity").abs().max() < 0.002

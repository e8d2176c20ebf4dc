"""What a run says it found is what its own tables hold."""

import html
import json
import re
import shutil

import nbformat
import pandas as pd
import pytest

from unpadded.common.files import write_json
from unpadded.evaluation.scores import Representation, read_scores, score_row, to_frame, write_scores
from unpadded.evaluation.statistics import Interval
from unpadded.report.answers import answer, compared_on
from unpadded.report.notebooks import put_answer, write_page
from unpadded.report.own_models import NO_TESTS
from unpadded.report.run_page import write_index

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"


def table(
    values: dict[str, float], *, half: float = 0.02, corpus: str = "own", metric: str = "v_measure", task="clustering"
):
    """A long table with "method pooling" -> value and intervals of `half` to each side."""
    rows = []
    for name, value in values.items():
        method, _, pooling = name.partition(" ")
        about = {"corpus": corpus, "task": task, "metric": metric, "n": 9, "seed": 0, "seconds": 0}
        vectors = Representation(method, pooling, "none", None)
        rows.append(score_row(vectors, Interval(value, value - half, value + half), **about))
    return to_frame(rows)


def paired(pair: tuple[str, str], significant: bool) -> pd.DataFrame:
    """A paired test of two vectors' clusterings."""
    return pd.DataFrame([("own", "AMI", *pair, 0.03, significant)], columns=NO_TESTS.columns)


VALUES = {"lm mean": 0.5, "lm_words mean": 0.61, "lm_tuned mean": 0.55, "lsa": 0.58, "tfidf": 0.3}


def test_the_best_of_the_model_stands_beside_the_best_baseline_and_the_recommended_is_named():
    said = compared_on(table(VALUES), "clustering", NO_TESTS, "lm_tuned mean")
    assert said == (
        "lm_words mean finds the topics best (V-measure 0.610); the best of the baselines is lsa (0.580). "
        "Their 95 % intervals overlap, so that may be chance. What this run recommends, lm_tuned mean, has 0.550."
    )


def test_a_baseline_that_wins_wins():
    said = compared_on(table(VALUES | {"lsa": 0.7}), "clustering", NO_TESTS, "lm_words mean")
    assert said.startswith(
        "lsa finds the topics best (V-measure 0.700); the best of the model's is lm_words mean (0.610)."
    )
    assert "Their 95 % intervals do not overlap." in said
    assert "recommends" not in said  # it was named already


@pytest.mark.parametrize(
    ("pair", "significant", "said"),
    [
        (("lm_words mean", "lsa"), True, "A paired test shows"),
        (("lsa", "lm_words mean"), False, "does not show that they differ"),
        (("lm_words mean", "tfidf"), True, "intervals overlap"),
    ],
)
def test_a_paired_test_of_the_two_counts_for_more_than_their_intervals(pair, significant, said):
    assert said in compared_on(table(VALUES), "clustering", paired(pair, significant))
    other_score = paired(pair, significant).assign(metric="accuracy")
    assert "intervals overlap" in compared_on(table(VALUES), "clustering", other_score)


@pytest.mark.parametrize(
    ("pair", "significant", "said"),
    [
        (("lm_tuned mean", "lsa"), True, "has 0.550; a paired test shows the difference from lsa."),
        (("lm_tuned mean", "lsa"), False, "a paired test does not show a difference"),
        (("lm mean", "lsa"), True, "has 0.550."),
    ],
)
def test_a_paired_test_of_what_is_recommended_is_told(pair, significant, said):
    told = compared_on(table(VALUES), "clustering", paired(pair, significant), "lm_tuned mean")
    assert said in told
    assert "intervals overlap" in told, "the other two were not tested"


@pytest.mark.parametrize(("p_holm", "said"), [(0.01, "A paired test shows the difference."), (0.4, "does not show")])
@pytest.mark.parametrize("corpus", ["own", "own, same topic"])
def test_the_tests_that_a_run_keeps_are_spoken_of(run, corpus, p_holm, said):
    rows = [
        {"corpus": corpus, "metric": "AMI", "seed": 0, "first": "lm_words mean", "second": name, "difference": 0.03}
        for name in ("lsa", "tfidf")
    ]
    tests = pd.DataFrame(rows).assign(p_holm=p_holm, significant=p_holm < 0.05, n=10)
    other = tests.assign(corpus="also", significant=False, p_holm=0.9)
    (run / "tests").mkdir()
    pd.concat([other, tests]).to_csv(run / "tests" / "06_clustering.csv", index=False)
    assert said in answer(run, "06_clustering")
    two_tasks = pd.concat([tests, tests.assign(corpus="own, judged queries")])
    two_tasks.to_csv(run / "tests" / "06_clustering.csv", index=False)
    assert "intervals overlap" in answer(run, "06_clustering"), "which of the two tasks is asked about is not known"


def test_what_was_not_measured_is_not_spoken_of():
    assert compared_on(table(VALUES), "ranking", NO_TESTS) == ""
    assert compared_on(table({"lsa": 0.4, "tfidf": 0.3}), "clustering", NO_TESTS) == (
        "Of what was measured, lsa comes first (V-measure 0.400)."
    )


@pytest.fixture
def run(tmp_path):
    """A run's folder with the tables that answers are made from."""
    write_json(
        tmp_path / "run.json", {"corpus": "own", "profile": "smoke", "documents": 90, "version": "0", "stages": {}}
    )
    scores = pd.concat([table(VALUES), table({"lm mean": 0.4, "lsa": 0.2}, corpus="also")])
    write_scores(scores.reset_index(drop=True), tmp_path / "scores.csv")
    why = "Pieces of 12 documents find the rest at 0.61 by lm_words mean."
    write_json(
        tmp_path / "recommended.json", {"method": "lm_words", "pooling": "mean", "postprocess": "none", "why": why}
    )
    card = {"tokens_seen": 12_345, "minutes": 1.25, "valid_perplexity": 98.4, "vocabulary": 4_000}
    write_json(tmp_path / "language_model" / "config.json", {"card": card})
    tuning = {"halves_found_before": 0.25, "halves_found": 0.5, "held_out_documents": 12, "minutes": 3.0}
    tuning |= {"perplexity_before": 98.4, "perplexity": 410.2}
    write_json(tmp_path / "tuned_model" / "config.json", {"card": card | {"tuning": tuning}})
    for stem in ("01_train_language_model", "06_clustering", "09_compare_runs", "10_teach_the_vectors"):
        bars = nbformat.v4.new_output("stream", text="bars")
        cells = [
            nbformat.v4.new_markdown_cell("# A question?"),
            nbformat.v4.new_markdown_cell("**Answer.** 0.999 there."),
            nbformat.v4.new_code_cell("lead_picture()", outputs=[bars], metadata={"tags": ["lead"]}),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{stem}.ipynb")
        write_page(tmp_path / f"{stem}.ipynb")
    return tmp_path


def test_every_number_of_an_answer_stands_in_the_runs_own_tables(run):
    known = set()
    for path in ("language_model/config.json", "tuned_model/config.json", "recommended.json"):
        for number in re.findall(NUMBER, (run / path).read_text()):
            value = float(number.replace(",", ""))
            known |= {f"{value:,.0f}", f"{value:.1f}", f"{value:.2f}", f"{100 * value:.0f}", number}
    known |= {f"{row.value:.3f}" for row in read_scores(run / "scores.csv").itertuples()} | {"95"}
    for stem in ("01_train_language_model", "06_clustering", "09_compare_runs", "10_teach_the_vectors"):
        said = answer(run, stem)
        assert said, stem
        assert set(re.findall(NUMBER, said)) <= known, (stem, said)


def test_the_pages_say_what_this_run_found_first_and_whose_the_other_answer_is(run):
    front = write_index(run).read_text().partition('<h3><a href="06_clustering.html">')[2]
    own = "lm_words mean finds the topics best (V-measure 0.610)"
    assert front.index(own) < front.index("What the reference run found") < front.index("0.999 there")
    page = (run / "06_clustering.html").read_text()
    assert page.index("In this run.") < page.index(own) < page.index("What the reference run found, on 20 Newsgroups.")
    assert page.index("0.999 there") < page.index("The picture is of this run.") < page.index("bars")
    write_index(run)
    assert (run / "06_clustering.html").read_text() == page


def test_the_executed_notebook_says_it_too_as_it_is_opened_in_jupyterlab(run):
    write_index(run)
    said = answer_cell(run)
    own, _, theirs = said.partition("\n\n**What the reference run found, on 20 Newsgroups.** ")
    assert own.startswith(
        "**In this run.** lm\\_words mean finds the topics best (V-measure 0.610)"
    )  # Markdown's escapes
    assert theirs == "0.999 there."
    write_index(run)
    assert answer_cell(run) == said
    shutil.copy(run / "06_clustering.html", run / "kept.html")
    write_page(run / "06_clustering.ipynb")  # as `unpadded report` does
    write_index(run)
    assert (run / "06_clustering.html").read_text() == (run / "kept.html").read_text()


def test_another_answer_takes_the_place_of_the_one_before(run):
    write_index(run)
    write_scores(table({"lm mean": 0.9, "lsa": 0.2}), run / "scores.csv")
    write_index(run)
    for said in (answer_cell(run), (run / "06_clustering.html").read_text()):
        assert "0.900" in said
        assert "0.610" not in said
        assert said.count("0.999 there.") == 1


def answer_cell(run) -> str:
    return nbformat.read(run / "06_clustering.ipynb", as_version=4).cells[1].source


@pytest.mark.parametrize("name", ["*a*", "x_y_z", "<b>", "a\\b", "$5$", "`q`", "[l](m)", "~~s~~"])
def test_a_name_of_any_characters_is_shown_as_it_stands(run, name):
    put_answer(run / "06_clustering.ipynb", f"On {name}: mean finds the topics best.")
    shown = re.sub(r"<[^>]+>", "", (run / "06_clustering.html").read_text().partition("<main>")[2])
    assert f"On {html.escape(name, quote=False)}: mean finds" in shown


@pytest.mark.parametrize(
    "stem", ["01_train_language_model", "06_clustering", "09_compare_runs", "10_teach_the_vectors"]
)
def test_an_answer_has_three_sentences_at_most(run, stem):
    assert len(re.split(r"(?<=[.:]) (?=[A-Z])", answer(run, stem))) <= 3


def test_the_reference_runs_pages_keep_their_answers(run):
    summary = json.loads((run / "run.json").read_text()) | {"profile": "reference"}
    write_json(run / "run.json", summary)
    before = (run / "06_clustering.html").read_text()
    assert "In this run" not in write_index(run).read_text()
    assert (run / "06_clustering.html").read_text() == before


def test_a_run_that_was_stopped_has_no_answer_yet(run):
    shutil.rmtree(run / "tuned_model")
    (run / "scores.csv").write_text("torn")
    assert answer(run, "10_teach_the_vectors") == answer(run, "06_clustering") == answer(run, "03_padding") == ""

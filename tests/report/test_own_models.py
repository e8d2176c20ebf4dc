"""The table of corpora that each have a model of their own."""

import pandas as pd
import pytest

from unpadded.common.errors import InputError
from unpadded.common.files import write_json, write_table
from unpadded.evaluation.baselines.baselines import BASELINES, ON_REQUEST
from unpadded.evaluation.scores import Representation, score_row, to_frame, write_scores
from unpadded.evaluation.statistics import Interval
from unpadded.report import goals
from unpadded.report.goals import ALONE, RECOMMENDED, WITH_WORDS, Goal, goals_markdown, worth_markdown, worth_of_choice
from unpadded.report.own_models import (
    KINDS,
    WORDS,
    best_of_kinds,
    own_models_markdown,
    paired_tests_of,
    paired_wins,
    scores_of,
    wins,
)
from unpadded.report.readme import with_own_models
from unpadded.runs.profiles import QUICK_BASELINES

VALUES = {  # (method, pooling) -> value; intervals are 0.05 to each side
    ("lm", "mean"): 0.40,
    ("lm", "max"): 0.45,
    ("lm_tuned", "mean"): 0.60,
    ("lm_words", "mean"): 0.65,
    ("tfidf", ""): 0.50,
    ("lsa", ""): 0.68,
    ("wordllama", ""): 0.80,
}


PIECES = {
    ("lm_tuned", "mean"): 0.9,
    ("lm_words", "mean"): 0.8,
    ("lm", "mean"): 0.3,
    ("lm", "max"): 0.2,
    ("lsa", ""): 1.0,
}


def write_run(folder, *, corpus="own", recommended=("lm_words", "mean", "none"), seed=0, add=0.0):
    rows = []
    for name in (corpus, "other"):
        for (method, pooling), value in VALUES.items():
            vectors = Representation(method, pooling, "none", None)
            about = {"corpus": name, "task": "clustering", "metric": "v_measure", "n": 9, "seed": seed, "seconds": 0}
            rows.append(score_row(vectors, Interval(value + add, value + add - 0.05, value + add + 0.05), **about))
    folder.mkdir()
    write_scores(to_frame(rows), folder / "scores.csv")
    write_json(folder / "run.json", {"corpus": corpus})
    write_json(folder / "recommended.json", dict(zip(("method", "pooling", "postprocess"), recommended, strict=True)))
    asked = [(*method, "none", Representation(*method, "none", None).name, score) for method, score in PIECES.items()]
    write_table(
        folder / "choice.csv", pd.DataFrame(asked, columns=["method", "pooling", "postprocess", "name", "score"])
    )
    return folder


def test_a_row_holds_the_best_of_each_kind_on_the_runs_own_corpus(tmp_path):
    table = best_of_kinds(scores_of(write_run(tmp_path / "run")))
    assert len(table) == 1
    row = table.iloc[0]
    assert (row.corpus, row.score) == ("own", "V-measure")
    assert (row["as trained"], row["as trained: name"]) == (0.45, "max")
    assert row.seeds == 1
    assert pd.isna(row.spread)
    assert (row["tuned"], row["with words"], row["recommended"]) == (0.60, 0.65, 0.65)
    assert (row["words alone"], row["words alone: name"], row["pretrained"]) == (0.68, "lsa", 0.80)


def test_the_recommended_column_is_what_was_chosen_and_not_the_best(tmp_path):
    run = write_run(tmp_path / "run", recommended=("lm", "mean", "none"))
    assert best_of_kinds(scores_of(run)).iloc[0]["recommended"] == 0.40


def test_every_baseline_is_of_a_kind():
    assert {*WORDS, *KINDS["pretrained"]} == {*BASELINES, *ON_REQUEST, "bm25"} - {"random"}
    assert set(QUICK_BASELINES.split(",")) <= set(BASELINES)


def test_wins_are_counted_with_the_interval_of_the_recommended_vectors(tmp_path):
    within = best_of_kinds(scores_of(write_run(tmp_path / "one")))
    behind = best_of_kinds(scores_of(write_run(tmp_path / "two", recommended=("lm_tuned", "mean", "none"))))
    both = pd.concat([within, behind])
    assert wins(within, "words alone") == (0, 1, 1)
    assert wins(behind, "words alone") == (0, 0, 1)
    assert wins(both, "as trained") == (2, 0, 2)
    assert "ahead in 0 of 2 rows and within its interval in 1 more" in own_models_markdown(both)


def test_the_readmes_table_has_the_best_of_a_row_in_bold_and_replaces_the_old_one(tmp_path):
    scores = scores_of(write_run(tmp_path / "run"))
    text = "before\n<!-- own models:begin -->\nold\n<!-- own models:end -->\nafter"
    made = with_own_models(text, scores)
    assert made.startswith("before\n")
    assert made.endswith("\nafter")
    assert "old" not in made
    assert "| `own` | V-measure | 1 | 0.450 | 0.600 | 0.650 | 0.650 | 0.680 | **0.800** |" in made
    with pytest.raises(InputError, match="has no <!-- own models:begin -->"):
        with_own_models("nothing", scores)


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no finished run with scores"):
        scores_of(tmp_path)


def test_of_several_runs_of_a_corpus_the_means_are_shown(tmp_path):
    runs = [write_run(tmp_path / str(seed), seed=seed, add=0.1 * seed) for seed in range(3)]
    table = best_of_kinds(pd.concat([scores_of(run) for run in runs]))
    assert len(table) == 1
    row = table.iloc[0]
    assert row.seeds == 3
    assert row["tuned"] == pytest.approx(0.70)
    assert row["recommended: high"] == pytest.approx(0.80)
    assert row.spread == pytest.approx(0.1)
    assert "standard deviation of 0.100 (the median of the rows), and of 0.100 at most (`own`, V-measure)" in (
        own_models_markdown(table)
    )


def test_a_rival_that_one_run_of_several_has_counts_with_that_run(tmp_path):
    runs = [write_run(tmp_path / str(seed), seed=seed, add=0.1 * seed) for seed in range(2)]
    first, second = (scores_of(run) for run in runs)
    row = best_of_kinds(pd.concat([first, second[second.method != "wordllama"]])).iloc[0]
    assert (row["pretrained"], row["pretrained: name"]) == (0.80, "wordllama")
    assert row["words alone"] == pytest.approx(0.73)


def test_paired_tests_against_the_best_of_a_kind_are_counted(tmp_path):
    run = write_run(tmp_path / "run")
    rows = [
        ("own", "AMI", "lsa", -0.03, False),
        ("own", "AMI", "wordllama", -0.2, True),
        ("own", "AMI", "tfidf", 0.1, True),
    ]
    rows += [
        ("other", "AMI", "lsa", 0.5, True),
        ("own, same topic", "nDCG@10", "bm25", 0.1, True),
        ("own", "R", "lsa", 1, True),
    ]
    tests = pd.DataFrame(rows, columns=["corpus", "metric", "second", "difference", "significant"])
    assert paired_tests_of(run, "own").empty
    (run / "tests").mkdir()
    write_table(run / "tests" / "06_clustering.csv", tests)
    found = paired_tests_of(run, "own")
    assert found.second.tolist() == ["lsa", "wordllama", "tfidf", "bm25"]
    table = best_of_kinds(scores_of(run))
    assert paired_wins(table, found, "words alone") == (0, 0, 1)  # lsa is the best; nothing else was ranked
    assert paired_wins(table, found, "pretrained") == (0, 1, 1)
    said = own_models_markdown(table, found)
    assert (
        "Of 1 paired tests against the best of words alone, 0 show it ahead and 0 behind; 1 show no difference." in said
    )


def test_a_goal_is_held_against_the_vectors_that_it_speaks_of(tmp_path, monkeypatch):
    scores = scores_of(write_run(tmp_path / "run"))
    given = [(ALONE, 0.60), (ALONE, 0.64), (RECOMMENDED, 0.71), (WITH_WORDS, 0.65)]
    wanted = tuple(Goal("own", "v_measure", of, value) for of, value in given)
    monkeypatch.setattr(goals, "GOALS", (*wanted, Goal("another", "P@10", RECOMMENDED, 0.5)))
    lines = goals_markdown(scores).splitlines()[2:]
    assert [line.split(" | ")[-1].rstrip(" |") for line in lines[:4]] == ["yes", "within the interval", "no", "yes"]
    assert "0.600 [0.550, 0.650]" in lines[0]
    assert "0.650 [0.600, 0.700]" in lines[2]
    assert "not measured" in lines[4]
    assert "1 of 1 rows | yes" in lines[5]  # words alone have 0.68, within 0.65 + 0.05
    assert "0 of 1 rows | no" in lines[6]


def test_the_choice_is_worth_what_labels_say_of_its_order(tmp_path):
    worth = worth_of_choice(scores_of(write_run(tmp_path / "run", recommended=("lm_tuned", "mean", "none")))).iloc[0]
    assert worth.n == 4  # baselines are not chosen from
    assert worth.correlation == pytest.approx(0.6)  # places 1 2 3 4 by pieces are 2 1 4 3 by labels
    assert (worth.best, worth.recommended) == (0.65, 0.60)
    assert worth.lost == pytest.approx(0.05)
    assert "| `own` | V-measure | 4 | 0.600 | 0.650 | 0.600 | 0.050 |" in worth_markdown(scores_of(tmp_path / "run"))


def test_a_page_gets_the_tables_that_it_has_markers_for(tmp_path):
    scores = scores_of(write_run(tmp_path / "run"))
    text = "<!-- goals:begin -->\n<!-- goals:end --> then <!-- worth of the choice:begin --><!-- worth of the choice:end -->"
    made = with_own_models(text, scores)
    assert "| goal |" in made
    assert "rank correlation" in made
    assert "own models" not in made

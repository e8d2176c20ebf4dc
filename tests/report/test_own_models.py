"""The table of corpora that each have a model of their own."""

import pandas as pd
import pytest

from unpadded.common.errors import InputError
from unpadded.common.files import write_json
from unpadded.evaluation.baselines.baselines import BASELINES, ON_REQUEST
from unpadded.evaluation.scores import Representation, score_row, to_frame, write_scores
from unpadded.evaluation.statistics import Interval
from unpadded.report.own_models import KINDS, WORDS, best_of_kinds, own_models_markdown, scores_of, wins
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


def write_run(folder, *, corpus="own", recommended=("lm_words", "mean", "none")):
    rows = []
    for name in (corpus, "other"):
        for (method, pooling), value in VALUES.items():
            vectors = Representation(method, pooling, "none", None)
            about = {"corpus": name, "task": "clustering", "metric": "v_measure", "n": 9, "seed": 0, "seconds": 0}
            rows.append(score_row(vectors, Interval(value, value - 0.05, value + 0.05), **about))
    folder.mkdir()
    write_scores(to_frame(rows), folder / "scores.csv")
    write_json(folder / "run.json", {"corpus": corpus})
    write_json(folder / "recommended.json", dict(zip(("method", "pooling", "postprocess"), recommended, strict=True)))
    return folder


def test_a_row_holds_the_best_of_each_kind_on_the_runs_own_corpus(tmp_path):
    table = best_of_kinds(scores_of(write_run(tmp_path / "run")))
    assert len(table) == 1
    row = table.iloc[0]
    assert (row.corpus, row.score) == ("own", "V-measure")
    assert (row["as trained"], row["as trained: name"]) == (0.45, "max")
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
    assert "| `own` | V-measure | 0.450 | 0.600 | 0.650 | 0.650 | 0.680 | **0.800** |" in made
    with pytest.raises(InputError, match="has no <!-- own models:begin -->"):
        with_own_models("nothing", scores)


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no finished run with scores"):
        scores_of(tmp_path)

"""What the front page says of plain words is what the scores and the paired tests of the run hold."""

import pandas as pd
import pytest

from unpadded.common.files import write_json, write_table
from unpadded.corpus.corpus import Corpus
from unpadded.evaluation.scores import Representation, score_row, to_frame, write_scores
from unpadded.evaluation.statistics import Interval
from unpadded.report.front_page import in_numbers, worth_it

NAMES = {"clustering": ("06_clustering", "v_measure", "AMI"), "ranking": ("07_ranking", "nDCG@10", "nDCG@10")}
NAMES["classification"] = ("08_classification", "accuracy", "accuracy")


@pytest.fixture
def run(tmp_path):
    """A run that recommends `lm_words mean`, without scores."""
    write_json(tmp_path / "run.json", {"corpus": "own"})
    chosen = {"method": "lm_words", "pooling": "mean", "postprocess": "none", "why": "Because."}
    write_json(tmp_path / "recommended.json", chosen)
    return tmp_path


def scored(run, values: dict[str, dict[str, float]], significant: dict[str, bool]) -> None:
    """Leave scores, task -> method -> value, and a paired test of the recommended against every other in each task."""
    rows = []
    for task, methods in values.items():
        stem, metric, tested = NAMES[task]
        for method, value in methods.items():
            vectors = Representation(method, "mean" if method.startswith("lm") else "", "none", None)
            about = {"corpus": "own", "task": task, "metric": metric, "n": 9, "seed": 0, "seconds": 0}
            rows.append(score_row(vectors, Interval(value, value - 0.1, value + 0.1), **about))
        pairs = [
            {"metric": tested, "first": "lm_words mean", "second": other} for other in methods if other != "lm_words"
        ]
        own = pd.DataFrame(pairs).assign(corpus="own, same topic" if task == "ranking" else "own")
        if task in significant:
            tests = own.assign(significant=significant[task])
            other = own.assign(
                significant=not significant[task], corpus="other, same topic"
            )  # must not be taken for it
            write_table(run / "tests" / f"{stem}.csv", pd.concat([other, tests, other.assign(metric="spearman")]))
    write_scores(to_frame(rows), run / "scores.csv")


def test_each_task_counts_as_its_paired_test_says(run):
    scored(
        run,
        {
            "clustering": {"lm_words": 0.6, "lsa": 0.5, "tfidf": 0.4, "lm": 0.9, "minilm": 0.8},
            "ranking": {"lm_words": 0.7, "bm25": 0.71},
            "classification": {"lm_words": 0.8, "tfidf": 0.85},
        },
        {"clustering": True, "ranking": False, "classification": True},
    )
    found = worth_it(run)
    assert found["verdict"] == (
        "Yes for clustering. For ranking no difference was shown. No for classification: words are better."
    )
    assert found["details"] == [
        "Clustering: V-measure 0.600, and 0.500 of lsa, the best of the words; a paired test shows it.",
        "Ranking: nDCG@10 0.700, and 0.710 of bm25, the best of the words; a paired test does not show that they differ.",
        "Classification: accuracy 0.800, and 0.850 of tfidf, the best of the words; a paired test shows it.",
    ]


def test_without_a_test_nothing_is_claimed(run):
    scored(run, {"clustering": {"lm_words": 0.9, "lsa": 0.1}}, {})
    found = worth_it(run)
    assert found["verdict"] == "For clustering no difference was shown."
    assert found["details"][0].endswith("the best of the words; no paired test was made.")


def test_a_run_without_words_or_without_a_recommendation_says_nothing(run):
    assert worth_it(run) is None  # no scores yet
    scored(run, {"clustering": {"lm_words": 0.9, "minilm": 0.1}}, {})
    assert worth_it(run) is None
    scored(run, {"clustering": {"lm_words": 0.9, "lsa": 0.1}}, {"clustering": True})
    assert worth_it(run) is not None
    (run / "recommended.json").unlink()
    assert worth_it(run) is None


def test_documents_in_numbers_are_those_of_the_corpus():
    texts = ["one two three", "four five", "four five", "six"]
    corpus = Corpus("small", list("abcd"), texts, labels=["x", "y", "x", "y"], split=["train", "train", "test", "test"])
    summary = {"documents": 1234, "facts": corpus.describe()}
    assert in_numbers(summary) == (
        "1,234 documents of 2 words (median); 2 topics; 1 copy of another text; "
        "2 in the part 'train'; 2 in the part 'test'"
    )
    kept = {
        name: dict(sorted(value.items())) if name == "splits" else value for name, value in corpus.describe().items()
    }
    assert in_numbers({"documents": 1234, "facts": kept}) == in_numbers(
        summary
    )  # as a file gives them back, by their names
    assert in_numbers({"documents": 3}) == "3 documents"  # a run of an earlier version

"""The noun itself: what it refuses, how it is cut down, what its fingerprint covers."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.corpus.sampling import largest_remainder


def topical(sizes=(30, 10, 5)) -> Corpus:
    labels = [f"topic {topic}" for topic, size in enumerate(sizes) for _ in range(size)]
    split = ["train" if i % 5 < 3 else "test" for i in range(len(labels))]
    ids = [f"d{i}" for i in range(len(labels))]
    return Corpus("toy", ids, [f"text {i}" for i in range(len(labels))], labels=labels, split=split)


def ranked() -> Corpus:
    ids = [f"d{i}" for i in range(40)]
    relevance = {f"q{q}": {f"d{4 * q + i}": int(i > 0) for i in range(4)} for q in range(6)}
    queries = {query: f"query {query}" for query in relevance}
    return Corpus("toy", ids, [f"text {i}" for i in range(40)], queries=queries, relevance=relevance)


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": [], "texts": [], "labels": None}, "holds no documents"),
        ({"texts": ["a", None, "c", 4]}, "null or not a string in row 2, 4 (2 in all)"),
        ({"ids": ["a", "b", "a", "b"]}, "the same document id more than once: a, b (2 in all)"),
        ({"labels": ["x", "", None, "x"]}, "no label, or one that is no string or number, in row 2 (1 in all)"),
        ({"labels": ["x"]}, "4 documents but 1 labels"),
        (
            {"split": ["train", "train", "test", None]},
            "no split, or one that is no string or number, in row 4 (1 in all)",
        ),
        ({"queries": {"q": "?"}}, "queries without judgments"),
        ({"queries": {"q": "?"}, "relevance": {"r": {"a": 1}}}, "judgments for unknown queries: r (1 in all)"),
        ({"queries": {"q": "?"}, "relevance": {"q": {"e": 1}}}, "judgments for unknown documents: e (1 in all)"),
        (
            {"ratings": pd.DataFrame({"first": ["a"], "second": ["z"], "rating": [1.0]})},
            "unknown documents: z (1 in all)",
        ),
        ({"ratings": pd.DataFrame({"a": [1]})}, "name them first, second, rating"),
    ],
)
def test_inconsistent_fields_are_refused(change, said):
    good = {"ids": list("abcd"), "texts": list("wxyz"), "labels": list("ttuu")}
    assert said in refusal(lambda: Corpus("toy", **(good | change)))


def test_only_the_first_five_rows_are_named():
    assert "row 1, 2, 3, 4, 5, ... (9 in all)" in refusal(lambda: Corpus.from_texts([None] * 9))


def test_the_empty_string_is_a_document():
    corpus = Corpus.load(["", "two words", ""])
    assert corpus.texts == ["", "two words", ""]
    assert corpus.notes == ("kept 2 without text", "kept 1 with the text of an earlier document")


def test_texts_and_labels_in_memory():
    corpus = Corpus.from_texts(pd.Series(["a", "b"]), labels=[1, 2])
    assert (corpus.ids, corpus.labels, corpus.topics) == (["1", "2"], ["1", "2"], ["1", "2"])
    assert "put it in a list" in refusal(lambda: Corpus.from_texts("one text"))
    assert Corpus.from_texts(["a", "b"], labels=["x", float("nan")]).labels == ["x", None]
    assert "leave out label='y'" in refusal(lambda: Corpus.load(["a"], label="y"))


@pytest.mark.parametrize("source", ["newsgrops", "no/such/file.csv", "", "long " * 5000, "nul\0byte"])
def test_an_unknown_source_is_refused_in_one_short_sentence(source):
    message = refusal(lambda: Corpus.load(source))
    assert "imdb, lee, newsgroups, newsgroups-raw, reuters-r52, reuters-r8" in message
    assert ("did you mean 'newsgroups'?" in message) == (source == "newsgrops")
    assert len(message) < 500


def test_fingerprint_covers_content_and_not_the_name():
    corpus, rated = topical(), pd.DataFrame({"first": ["d0"], "second": ["d1"], "rating": [0.5]})
    assert corpus.fingerprint == replace(corpus, name="other", notes=("x",)).fingerprint
    changed = [
        replace(corpus, texts=["other", *corpus.texts[1:]]),
        replace(corpus, ids=["other", *corpus.ids[1:]]),
        replace(corpus, labels=None),
        replace(corpus, split=None),
        replace(corpus, ratings=rated),
        replace(corpus, ratings=rated.assign(rating=0.6)),
        replace(corpus, queries={"q": "?"}, relevance={"q": {"d0": 1}}),
        replace(corpus, queries={"q": "?"}, relevance={"q": {"d0": 2}}),
        corpus.select(np.arange(len(corpus))[::-1]),
    ]
    assert len({corpus.fingerprint, *(other.fingerprint for other in changed)}) == len(changed) + 1
    assert Corpus.from_texts(["ab", "c"]).fingerprint != Corpus.from_texts(["a", "bc"]).fingerprint


def test_select_takes_positions_or_a_mask():
    corpus = topical()
    picked = corpus.select([3, 1])
    assert (picked.ids, picked.texts) == (["d3", "d1"], ["text 3", "text 1"])
    assert (picked.labels, picked.split) == (["topic 0", "topic 0"], ["test", "train"])
    assert corpus.select(np.array(corpus.split) == "test").ids == corpus.select(corpus.indices("test")).ids
    assert "no split 'dev': it has test, train" in refusal(lambda: corpus.indices("dev"))
    assert "no split 'train': it has none" in refusal(lambda: Corpus.from_texts(["a"]).indices("train"))


def test_select_restricts_judgments_and_ratings():
    corpus = replace(
        ranked(), ratings=pd.DataFrame({"first": ["d0", "d0"], "second": ["d1", "d9"], "rating": [1.0, 0.0]})
    )
    # d4 is judged for q1, but with grade 0, which leaves q1 without a relevant document.
    picked = corpus.select([0, 1, 4])
    assert picked.queries == {"q0": "query q0"}
    assert picked.relevance == {"q0": {"d0": 0, "d1": 1}}
    assert picked.ratings.to_dict("records") == [{"first": "d0", "second": "d1", "rating": 1.0}]
    bare = corpus.select([30])
    assert (bare.queries, bare.relevance, bare.ratings) == (None, None, None)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), st.data())
@settings(max_examples=30)
def test_largest_remainder_is_proportional(sizes, data):
    n = data.draw(st.integers(0, sum(sizes)))
    counts = largest_remainder(sizes, n)
    assert sum(counts) == n
    assert all(abs(count - n * size / sum(sizes)) < 1 for count, size in zip(counts, sizes, strict=True))
    assert all(count <= size for count, size in zip(counts, sizes, strict=True))


def test_sample_is_stratified_and_repeatable():
    corpus = topical((50, 30, 20))
    sample = corpus.sample(20, seed=3)
    assert Counter(sample.labels) == {"topic 0": 10, "topic 1": 6, "topic 2": 4}
    assert Counter(sample.split) == {"train": 12, "test": 8}
    assert [corpus.ids.index(id_) for id_ in sample.ids] == sorted(corpus.ids.index(id_) for id_ in sample.ids)
    assert sample.fingerprint == corpus.sample(20, seed=3).fingerprint
    assert sample.fingerprint != corpus.sample(20, seed=4).fingerprint
    assert corpus.sample(100) is corpus
    assert "ask for at least 1" in refusal(lambda: corpus.sample(0))


@given(st.integers(4, 39), st.integers(0, 5))
@settings(max_examples=30)
def test_a_sample_of_a_ranking_corpus_keeps_whole_queries(n, seed):
    corpus = ranked()
    sample = corpus.sample(n, seed)
    assert len(sample) == n
    if n >= 8:
        assert len(sample.queries) == min(6, n // 2 // 4)
        assert all(sample.relevance[query] == corpus.relevance[query] for query in sample.queries)


@given(st.integers(1, 60), st.integers(0, 5))
@settings(max_examples=30)
def test_queries_with_more_relevant_documents_than_the_sample_keep_some_of_them(n, seed):
    ids = [f"d{i}" for i in range(500)]
    relevance = {f"q{q}": {f"d{i}": int(i % 5 > 0) for i in range(100 * q, 100 * q + 100)} for q in range(4)}
    corpus = Corpus(
        "toy", ids, [f"text {i}" for i in range(500)], queries=dict.fromkeys(relevance, "?"), relevance=relevance
    )
    sample = corpus.sample(n, seed)
    assert len(sample) == n
    assert len(sample.queries) == max(1, min(4, n // 2))
    assert all(grade == relevance[q][d] for q, grades in sample.relevance.items() for d, grade in grades.items())
    assert all(any(grades.values()) for grades in sample.relevance.values())
    queries = len(sample.queries)
    assert sample.notes == (
        f"no query fits into a sample of {n} documents with all its own: {queries} keep some of them",
    )


def test_describe_counts():
    corpus = Corpus("toy", list("abcd"), ["one two", "", "one two", "x y z"], labels=list("ssst"), split=["train"] * 4)
    assert corpus.describe() == {
        "name": "toy", "documents": 4, "splits": {"train": 4}, "topics": 2, "mean_words": 1.8, "median_words": 2.0,
        "longest_words": 3, "empty": 1, "duplicates": 1, "queries": 0, "judgments": 0, "ratings": 0,
    }  # fmt: skip
    assert repr(corpus) == "Corpus('toy': 4 documents, 2 topics, 0 queries)"


def test_what_is_learned_from_is_counted_first_whatever_stands_first():
    corpus = Corpus("toy", list("abcd"), list("wxyz"), split=["test", "unlabelled", "test", "train"])
    assert list(corpus.describe()["splits"].items()) == [("train", 1), ("test", 2), ("unlabelled", 1)]


def test_texts_in_two_splits_or_topics_are_noted(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label,split\na,x,train\na,y,test\nb,x,train\nb,x,test\nc,x,train\n")
    repeated = "kept 2 with the text of an earlier document"
    assert Corpus.load(path).notes == (repeated, "texts in more than one split: 2", "texts in more than one topic: 1")

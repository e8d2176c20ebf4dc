"""Ranking: the limits, ties and copies, judgments, human ratings, and search in blocks."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from unpadded.common import nearest as search_blocks
from unpadded.common.errors import InputError
from unpadded.common.nearest import cosine_scorer, first_documents
from unpadded.embeddings.fusion import standardised
from unpadded.evaluation.baselines.baselines import BM25
from unpadded.evaluation.ranking.ranking import METRICS, example_results, rank_judged, rank_topics
from unpadded.evaluation.ranking.ratings import rank_ratings
from unpadded.evaluation.scores import Representation
from unpadded.evaluation.statistics import compare
from vector_tools import clouds, lm, noise


def test_perfect_vectors_score_one():
    vectors, labels, ids = clouds(noise=0)
    scores, _ = rank_topics([lm(vectors)], labels, corpus_name="tiny", ids=ids)
    table = scores.set_index("metric")[["value", "ci_low", "ci_high"]]
    for metric in ("nDCG@10", "AP", "Rprec", "P@10", "R@100", "RR@10"):
        assert table.loc[metric].tolist() == pytest.approx([1, 1, 1])
    assert (scores["n"] == 120).all()


def test_perfect_vectors_score_one_even_when_a_topic_is_larger_than_the_depth(monkeypatch):
    monkeypatch.setattr("unpadded.evaluation.ranking.ranking.DEPTH", 10)
    vectors, labels, ids = clouds(noise=0)
    scores, _ = rank_topics([lm(vectors)], labels, corpus_name="tiny", ids=ids)
    assert scores.set_index("metric").loc[["AP", "Rprec"], "value"].tolist() == pytest.approx([1, 1])


def test_random_vectors_score_chance_within_the_interval():
    _, labels, ids = clouds(per_topic=300)
    scores, _ = rank_topics([lm(noise(1200, width=30))], labels, corpus_name="tiny", ids=ids, n_queries=150)
    row = scores.set_index("metric").loc["P@10"]
    assert row["ci_low"] <= 299 / 1199 <= row["ci_high"]


def test_average_precision_agrees_with_scikit_learn():
    vectors, labels, ids = clouds(noise=0.7)
    _, details = rank_topics([lm(vectors)], labels, corpus_name="tiny", ids=ids)
    similarity, labels = cosine_similarity(vectors), np.array(labels)
    for query in (0, 17, 60):
        others = np.arange(len(ids)) != query
        expected = average_precision_score(labels[others] == labels[query], similarity[query, others])
        assert details.values["AP"]["mean"][ids[query]] == pytest.approx(expected, abs=1e-6)


def test_permuting_documents_changes_nothing():
    vectors, labels, ids = clouds(noise=0.7)
    vectors[5] = vectors[9]  # a tie
    order = np.random.default_rng(1).permutation(len(ids))
    options = {"corpus_name": "tiny", "n_queries": 40, "seed": 3}
    first, details = rank_topics([lm(vectors)], labels, ids=ids, **options)
    labels, ids = np.array(labels)[order].tolist(), np.array(ids)[order].tolist()
    second, other = rank_topics([lm(vectors[order])], labels, ids=ids, **options)
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"), check_exact=True)
    assert details.query_ids == other.query_ids


def test_a_query_finds_neither_itself_nor_copies_of_its_text():
    vectors = np.repeat(np.eye(2, dtype=np.float32), [4, 3], axis=0)
    texts = ["same", "same", "other", "third", "x", "y", "z"]
    labels, ids = list("aaaabbb"), list("1234567")
    _, details = rank_topics([lm(vectors)], labels, corpus_name="tiny", ids=ids, texts=texts)
    row = details.first["mean"][details.query_ids.index("1")]
    assert set(row[row >= 0].tolist()) == {2, 3, 4, 5, 6}
    assert "2 copies of a query's text were neither hit nor miss" in details.note
    assert details.values["AP"]["mean"]["1"] == pytest.approx(1)
    _, kept = rank_topics([lm(vectors)], labels, corpus_name="tiny", ids=ids)
    assert 1 in kept.first["mean"][kept.query_ids.index("1")]


def test_a_topic_with_one_document_asks_no_query():
    vectors, labels, ids = noise(7), list("aaabbbc"), list("1234567")
    scores, details = rank_topics([lm(vectors)], labels, corpus_name="tiny", ids=ids)
    assert "7" not in details.query_ids
    assert details.note.startswith("1 of 7 queries were left out")
    assert (scores["n"] == 6).all()


@pytest.mark.parametrize(("labels", "message"), [("aaaa", "needs two topics"), ("abcd", "no topic holds two")])
def test_corpora_without_anything_to_find_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        rank_topics([lm(noise(4))], list(labels), corpus_name="tiny", ids=list("1234"))


def test_broken_vectors_are_refused():
    with pytest.raises(InputError, match="mean: 4 vectors hold nan or infinity"):
        rank_topics([lm(np.full((4, 2), np.nan))], list("aabb"), corpus_name="tiny", ids=list("1234"))


@pytest.fixture
def judged():
    """Three queries on four documents: q2 is judged irrelevant only, q3 not at all."""
    documents = lm([[1, 0], [0.9, 0.1], [0, 1], [0.1, 1]])
    queries = lm([[1, 0], [0, 1], [1, 1]])
    relevance = {"q1": {"d1": 2, "d2": 1, "d3": 0}, "q2": {"d1": 0}}
    options = {"corpus_name": "tiny", "ids": ["d1", "d2", "d3", "d4"], "query_ids": ["q1", "q2", "q3"]}
    return documents, queries, relevance, options


def test_judged_queries_are_scored_and_queries_without_relevant_documents_left_out(judged):
    documents, queries, relevance, options = judged
    scores, details = rank_judged([documents], [queries], relevance=relevance, **options)
    assert details.query_ids == ["q1"]
    assert details.note.startswith("2 of 3 queries were left out")
    assert scores["value"].tolist() == pytest.approx([1, 1, 1, 0.2, 1, 1])
    assert scores["metric"].tolist() == list(METRICS)


def test_rr_at_10_is_nothing_beyond_the_tenth_document():
    vectors = np.column_stack([np.ones(14), np.linspace(0, 1, 14)])  # q finds d00, d01, ... in this order
    documents, ids = lm(vectors), [f"d{i:02d}" for i in range(14)]
    for place, expected in ((0, 1), (9, 1 / 10), (10, 0)):
        scores, _ = rank_judged(
            [documents],
            [lm([[1, 0], [0, 1]])],
            corpus_name="tiny",
            ids=ids,
            query_ids=["q", "r"],
            relevance={"q": {ids[place]: 1}},
        )
        assert scores.set_index("metric").loc["RR@10", "value"] == pytest.approx(expected)


def test_a_large_corpus_is_searched_in_blocks_of_bounded_memory():
    documents = np.random.default_rng(0).standard_normal((100_000, 8), dtype=np.float32)
    tracemalloc.start()
    found = first_documents(cosine_scorer(documents[:700], documents), 700, 100_000, depth=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found[:, 0] == np.arange(700)).all()
    # A block of scores, its copy and the positions of its sort, which are twice as wide; all queries at once need more.
    assert peak < 5 * search_blocks.BLOCK_BYTES


def test_the_judgments_of_large_topics_are_never_in_memory_together(monkeypatch):
    vectors, labels, ids = clouds(2, 1000, noise=0.8)
    options = {"corpus_name": "tiny", "ids": ids, "n_queries": 100}
    monkeypatch.setattr(search_blocks, "BLOCK_BYTES", 10**5)
    monkeypatch.setattr("unpadded.evaluation.ranking.ranking.DICTIONARY_ENTRIES", 10_000)
    peaks, found = [], []
    for kept in (10**9, 0):
        monkeypatch.setattr("unpadded.evaluation.ranking.ranking.JUDGMENTS_KEPT", kept)
        tracemalloc.start()
        found.append(rank_topics([lm(vectors), lm(noise(2000), "last")], labels, **options)[0])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    pd.testing.assert_frame_equal(*(scores.drop(columns="seconds") for scores in found), check_exact=True)
    assert peaks[1] < peaks[0] / 2


def test_grades_count_in_ndcg(judged):
    documents, queries, _, options = judged
    relevance = {"q1": {"d1": 1, "d2": 2}}
    scores, _ = rank_judged([documents], [queries], relevance=relevance, **options)
    gain = (1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3))
    assert scores.set_index("metric").loc["nDCG@10", "value"] == pytest.approx(gain)


def test_judgments_without_any_relevant_document_and_unlike_queries_are_refused(judged):
    documents, queries, _, options = judged
    with pytest.raises(InputError, match="no query has a relevant document"):
        rank_judged([documents], [queries], relevance={"q2": {"d1": 0}}, **options)
    with pytest.raises(InputError, match="same representations"):
        rank_judged([documents], [lm(queries.vectors, "last")], relevance={"q1": {"d1": 1}}, **options)


def test_bm25_ranks_texts_beside_the_vectors():
    texts = ["rocket to the moon", "moon orbit rocket", "bread and butter", "butter on bread"]
    scores, details = rank_topics(
        [lm(noise(4))], list("aabb"), corpus_name="tiny", ids=list("1234"), texts=texts, bm25=True
    )
    row = scores[scores["method"] == "bm25"].set_index("metric")
    assert row.loc["AP", "value"] == 1
    assert set(row["pooling"]) == {""}
    assert set(compare(details.per_item("AP"))["second"]) == {"bm25"}
    with pytest.raises(InputError, match="BM25 ranks texts"):
        rank_topics([lm(noise(4))], list("aabb"), corpus_name="tiny", ids=list("1234"), bm25=True)


def test_the_table_of_examples_shows_the_methods_side_by_side():
    vectors, labels, ids = clouds(2, 5, noise=0)
    texts = [f"text of {i}" for i in ids]
    _, details = rank_topics([lm(vectors), lm(noise(10), "last")], labels, corpus_name="tiny", ids=ids, texts=texts)
    queries = dict(zip(ids, texts, strict=True))
    table = example_results(details, texts, queries=queries, labels=labels, n_queries=2, k=3)
    assert table.shape == (6, 2)
    query = details.query_ids[0]
    topic = labels[ids.index(query)]
    assert table.loc[f"text of {query}", "mean"].str.startswith(f"[{topic}] text of").all()


@pytest.mark.parametrize("block", [1, 10**9])
def test_search_in_blocks_finds_what_a_full_sort_finds(monkeypatch, block):
    monkeypatch.setattr(search_blocks, "BLOCK_BYTES", block)
    queries, documents = noise(7, seed=1), noise(50)
    expected = np.argsort(-cosine_similarity(queries, documents), axis=1)[:, :9]
    np.testing.assert_array_equal(first_documents(cosine_scorer(queries, documents), 7, 50, depth=9), expected)
    both = cosine_scorer(sparse.csr_matrix(queries), sparse.csr_matrix(documents))
    np.testing.assert_array_equal(first_documents(both, 7, 50, depth=9), expected)


def test_ties_keep_the_order_of_documents_and_a_vector_of_zeros_is_like_nothing():
    documents = np.array([[0, 0], [1, 0], [2, 0], [-1, 0]], dtype=np.float32)
    found = first_documents(cosine_scorer(documents[1:2], documents), 1, 4, depth=4, excluded=[np.array([1])])
    assert found.tolist() == [[2, 0, 3, -1]]


@pytest.fixture
def rated():
    vectors = noise(12, width=5)
    ids = [f"d{i}" for i in range(12)]
    first, second = np.triu_indices(12, 1)
    rating = (cosine_similarity(vectors)[first, second] + 1) / 2
    pairs = {"first": [ids[i] for i in first], "second": [ids[i] for i in second], "rating": rating}
    return vectors, ids, pd.DataFrame(pairs)


def test_vectors_that_agree_with_the_ratings_score_one(rated):
    vectors, ids, ratings = rated
    scores, details = rank_ratings([lm(vectors)], corpus_name="tiny", ids=ids, ratings=ratings)
    table = scores.set_index("metric")
    for metric in ("spearman", "nDCG@10"):
        assert table.loc[metric, ["value", "ci_low", "ci_high"]].tolist() == pytest.approx([1, 1, 1])
    assert table["n"].to_dict() == {"spearman": 66, "nDCG@10": 12}
    assert details.per_item()["mean"].shape == (12,)


def test_random_vectors_agree_by_chance_and_opposite_ones_not_at_all(rated):
    vectors, ids, ratings = rated
    scores, _ = rank_ratings([lm(noise(12, seed=9))], corpus_name="tiny", ids=ids, ratings=ratings)
    row = scores.set_index("metric").loc["spearman"]
    assert row["ci_low"] <= 0 <= row["ci_high"]
    opposite, _ = rank_ratings(
        [lm(vectors)], corpus_name="tiny", ids=ids, ratings=ratings.assign(rating=1 - ratings["rating"])
    )
    assert opposite.set_index("metric").loc["spearman", "value"] == pytest.approx(-1)


def test_vectors_that_tell_no_rated_pair_from_another_are_refused(rated):
    _, ids, ratings = rated
    same = np.outer(np.arange(1, 13), [1, 2, 3])  # different lengths in one direction
    with pytest.raises(InputError, match="mean: all rated pairs have the same cosine"):
        rank_ratings([lm(same)], corpus_name="tiny", ids=ids, ratings=ratings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": "d99"}, "document 'd99'"),
        ({"rating": -1.0}, "none negative"),
        ({"rating": np.nan}, "finite ratings"),
        ({"rating": 0.5}, "not all the same"),
    ],
)
def test_bad_ratings_are_refused(rated, change, message):
    vectors, ids, ratings = rated
    with pytest.raises(InputError, match=message):
        rank_ratings([lm(vectors)], corpus_name="tiny", ids=ids, ratings=ratings.assign(**change))


def test_the_sum_with_bm25_ranks_by_both_as_a_search_does():
    texts = ["red apple", "green apple", "blue car", "red car"]
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float32)
    own = Representation("lm_words", "mean", "idf", vectors)
    judged = {"relevance": {"q": {"d1": 1}}, "texts": texts, "query_texts": ["apple"], "bm25": True}
    asked = [Representation("lm_words", "mean", "idf", np.array([[0.6, 0.5]], np.float32))]
    about = {"corpus_name": "toy", "ids": [f"d{i}" for i in range(4)], "query_ids": ["q"]} | judged
    scores, details = rank_judged([own], asked, fused="lm_words mean + idf", **about)
    assert list(details.first) == ["lm_words mean + idf", "bm25", "lm_bm25 mean + idf"]
    cosines = vectors @ asked[0].vectors[0] / np.linalg.norm(vectors, axis=1)
    sums = standardised(cosines) + standardised(BM25(texts).scores(["apple"])[0])
    assert details.first["lm_bm25 mean + idf"][0].tolist()[:4] == np.argsort(-sums, kind="stable").tolist()
    assert set(scores.method) == {"lm_words", "bm25", "lm_bm25"}
    for fused in ("", "another"):
        assert set(rank_judged([own], asked, fused=fused, **about)[0].method) == {"lm_words", "bm25"}

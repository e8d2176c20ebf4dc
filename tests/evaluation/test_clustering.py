"""Clustering: the limits, the spreads, the order of documents, and every bad input by name."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from unpadded.common.errors import InputError
from unpadded.evaluation.clustering.agreement import METRICS, resampled_scores
from unpadded.evaluation.clustering.describe import confusion, density_clusters, nearest_documents
from unpadded.evaluation.clustering.kmeans import cluster_all, evaluate_clustering
from unpadded.evaluation.clustering.terms import best_terms, cluster_terms, count_terms
from unpadded.evaluation.scores import COLUMNS, Representation
from unpadded.evaluation.statistics import compare
from unpadded.report.plots.scores import method_names
from vector_tools import clouds, lm, noise

PERFECT = ["v_measure", "NMI", "AMI", "ARI"]


def test_perfect_vectors_score_one_without_spread():
    vectors, labels, ids = clouds()
    scores, details = cluster_all([lm(vectors)], labels, corpus_name="tiny", ids=ids, n_seeds=3)
    assert list(scores.columns) == COLUMNS
    table = scores.set_index("metric")
    for metric in PERFECT:
        assert table.loc[metric, ["value", "ci_low", "ci_high"]].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert table.loc["silhouette", "value"] > 0.9
    assert table["n"].tolist() == [120] * 5
    assert "transductive" in details.note


def test_random_vectors_score_chance_within_the_interval():
    _, labels, ids = clouds(per_topic=60)
    scores, _ = cluster_all([lm(noise(240))], labels, corpus_name="tiny", ids=ids, n_seeds=10)
    table = scores.set_index("metric")
    for metric in ("AMI", "ARI"):
        assert table.loc[metric, "ci_low"] <= 0 <= table.loc[metric, "ci_high"]
    assert table.loc["v_measure", "value"] < 0.1
    assert (table["ci_low"].loc[["v_measure", "NMI"]] >= 0).all()


def test_permuting_documents_changes_nothing():
    vectors, labels, ids = clouds(noise=0.6)
    order = np.random.default_rng(1).permutation(len(ids))
    shuffled = [np.asarray(x)[order].tolist() for x in (labels, ids)]
    first, details = cluster_all([lm(vectors)], labels, corpus_name="tiny", ids=ids, n_seeds=3)
    second, other = cluster_all([lm(vectors[order])], shuffled[0], corpus_name="tiny", ids=shuffled[1], n_seeds=3)
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"), check_exact=True)
    np.testing.assert_array_equal(
        details.clusterings["mean"].assignments[:, order], other.clusterings["mean"].assignments
    )


def test_the_interval_combines_both_spreads():
    vectors, labels, _ = clouds(noise=0.6)
    result = evaluate_clustering(vectors, labels, n_seeds=4, n_resamples=6)
    value, seeds, documents = result.spreads().loc["AMI"]
    interval = result.interval("AMI")
    assert result.assignments.shape == (4, 120)
    assert result.resampled["AMI"].shape == (4, 6)
    assert documents > 0
    assert interval.high - value == pytest.approx(1.96 * np.hypot(seeds, documents))
    assert result.values["NMI"].tolist() == result.values["v_measure"].tolist()


def test_sparse_and_dense_vectors_score_the_same():
    vectors, labels, _ = clouds(noise=0)
    dense = evaluate_clustering(vectors, labels, n_seeds=2).values
    pd.testing.assert_frame_equal(dense, evaluate_clustering(sparse.csr_matrix(vectors), labels, n_seeds=2).values)


def test_a_vector_of_zeros_does_not_swallow_the_corpus():
    rng = np.random.default_rng(0)
    topics = np.repeat(np.arange(8), 50)
    words = np.zeros((400 + 40, 800), dtype=np.float32)  # the last 40 documents are empty
    for row, topic in zip(words, topics, strict=False):
        row[100 * topic + rng.choice(100, 15, replace=False)] = 15**-0.5
    labels = [*(f"t{topic}" for topic in topics), *["t0"] * 40]
    assert evaluate_clustering(sparse.csr_matrix(words), labels, n_seeds=6).values["ARI"].min() > 0.3


def test_paired_blocks_show_a_difference_and_show_none():
    vectors, labels, ids = clouds(per_topic=60)
    poolings = [lm(vectors, "mean"), lm(noise(240), "last"), lm(noise(240, seed=1), "max")]
    _, details = cluster_all(poolings, labels, corpus_name="tiny", ids=ids, n_seeds=10)
    table = compare(details.per_item()).set_index(["first", "second"])["significant"]
    assert table["mean", "last"]
    assert not table["last", "max"]
    assert set(details.spreads()["method"]) == {"mean", "last", "max"}


def test_no_block_shares_a_start_or_a_document_with_another():
    vectors, labels, ids = clouds(per_topic=60, noise=1.0)
    result = evaluate_clustering(vectors, labels, ids=ids, n_seeds=3)
    order = np.argsort(ids)
    blocks = np.array_split(np.random.default_rng(0).permutation(len(ids)), 3)
    expected = [
        METRICS["AMI"](np.array(labels)[order][block], result.assignments[seed][order][block])
        for seed, block in enumerate(blocks)
    ]
    assert len(set(np.concatenate(blocks))) == len(ids)
    assert result.blocks["AMI"].tolist() == expected
    assert len(evaluate_clustering(vectors[:40], labels[:40], n_seeds=10).blocks) == 5  # of no fewer than 8 documents


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["a"] * 6, {}, r"needs at least two topics, got only \['a'\]"),
        (list("ababab"), {"n_clusters": 7}, "7 clusters of 6 documents"),
        (list("ababa"), {}, "6 vectors for 5 documents"),
    ],
)
def test_bad_input_is_named(labels, options, message):
    with pytest.raises(InputError, match=message):
        evaluate_clustering(noise(6), labels, **options)


def test_constant_and_broken_vectors_are_refused():
    for vectors, message in ((np.ones((6, 2)), "same vector"), (np.full((6, 2), np.nan), "nan or infinity")):
        with pytest.raises(InputError, match=message):
            evaluate_clustering(vectors, list("ababab"))


def test_a_topic_with_one_document_and_duplicates_are_clustered_like_others():
    vectors = np.repeat(np.eye(3, dtype=np.float32), [4, 4, 1], axis=0)
    result = evaluate_clustering(vectors, ["a"] * 4 + ["b"] * 4 + ["c"], n_seeds=2)
    assert result.values["ARI"].tolist() == [1.0, 1.0]


def test_fewer_distinct_vectors_than_clusters_leave_clusters_empty():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    result = evaluate_clustering(vectors, list("abcde") * 2, n_seeds=2)
    assert len(np.unique(result.clusters)) == 2


def test_a_confusion_table_is_matched_along_its_diagonal():
    table = confusion(np.array([2, 2, 0, 0, 1, 1]), list("aabbcc"))
    assert table.columns.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(table.to_numpy(), 2 * np.eye(3))


def test_clusters_are_described_by_their_central_documents_and_terms():
    vectors, labels, _ = clouds(3, 5)
    words = {"topic0": "rocket orbit", "topic1": "bread butter", "topic2": "goal league"}
    texts = [f"{words[label]} shared" for label in labels]
    result = evaluate_clustering(vectors, labels, n_seeds=2)
    nearest = nearest_documents(result, vectors, texts, labels, k=2)
    assert len(nearest) == 6
    assert (nearest.groupby("cluster")["topic"].nunique() == 1).all()
    terms = cluster_terms(result.clusters, texts, k=2)
    assert sorted(tuple(sorted(t.split(", "))) for t in terms["terms"]) == sorted(
        tuple(sorted(pair.split())) for pair in words.values()
    )


def test_documents_without_words_have_no_marking_terms():
    assert cluster_terms(np.array([0, 1, 1]), ["1", "", "2"])["terms"].tolist() == ["", ""]


def test_marking_terms_are_those_of_the_formula_without_documents_outside_and_terms_unwanted():
    """Grootendorst's weights computed word by word, of clusters 0 and 2; the document outside says nothing."""
    texts = ["moon rocket rocket", "bread bread bread moon", "rocket orbit", "bread salt salt", "salt orbit"]
    clusters = np.array([0, 2, 0, 2, -1])
    words = {0: "moon rocket rocket rocket orbit".split(), 2: "bread bread bread moon bread salt salt".split()}
    everything = words[0] + words[2]
    weight = {
        (c, word): own.count(word) / len(own) * np.log1p(len(everything) / 2 / everything.count(word))
        for c, own in words.items()
        for word in set(own)
    }
    expected = {c: sorted(set(own), key=lambda word, c=c: -weight[c, word]) for c, own in words.items()}
    assert best_terms(clusters, count_terms(texts), k=5) == expected
    unwanted = best_terms(clusters, count_terms(texts), k=2, without={2: {"bread"}})
    assert unwanted == {0: expected[0][:2], 2: [word for word in expected[2] if word != "bread"][:2]}


def test_hdbscan_finds_the_number_of_clusters_itself():
    vectors, labels, ids = clouds(4, 40)
    scores, numbers = density_clusters([lm(vectors)], labels, corpus_name="tiny", ids=ids, min_cluster_size=15)
    assert numbers.loc[0, "n_clusters"] == 4
    assert numbers.loc[0, "noise_share"] < 0.1
    assert scores["metric"].tolist() == ["HDBSCAN v_measure", "HDBSCAN AMI", "HDBSCAN ARI"]
    row = scores.set_index("metric").loc["HDBSCAN AMI"]
    assert 0.9 < row["ci_low"] <= row["value"] <= 1


def test_every_hdbscan_row_holds_its_own_scores():
    """Whatever the order: the IDF-weighted mean comes last of the model's vectors, and not beside mean."""
    vectors, labels, ids = clouds(4, 40)
    weighted = Representation("lm", "mean", "idf", clouds(4, 40, noise=0.3)[0])
    several = [lm(noise(160)), lm(vectors, "max"), weighted, Representation("lsa", "", "none", noise(160, seed=1))]
    scores, numbers = density_clusters(several, labels, corpus_name="tiny", ids=ids)
    assert numbers["method"].tolist() == ["mean", "max", "mean + idf", "lsa"]
    for metric in ("v_measure", "AMI", "ARI"):
        rows = scores[scores.metric == f"HDBSCAN {metric}"]
        own = dict(zip(method_names(rows), rows["value"], strict=True))
        assert numbers[metric].tolist() == [own[name] for name in numbers["method"]]
    assert numbers["v_measure"].idxmax() == 1


def test_resampled_scores_are_those_of_documents_drawn_anew():
    rng = np.random.default_rng(0)
    truth = rng.integers(5, size=300)
    clusters = np.where(rng.random(300) < 0.6, truth, rng.integers(6, size=300))
    drawn = resampled_scores(truth, clusters, n_resamples=2000, rng=np.random.default_rng(1))
    rows = [rng.integers(300, size=300) for _ in range(120)]
    for name, metric in METRICS.items():
        expected = np.array([metric(truth[r], clusters[r]) for r in rows])
        assert drawn[name].mean() == pytest.approx(expected.mean(), abs=0.01)
        assert drawn[name].std() == pytest.approx(expected.std(), rel=0.2)
    perfect = resampled_scores(truth, truth, n_resamples=5, rng=rng)
    assert all(np.allclose(values, 1) for values in perfect.values())


def test_the_best_representation_is_found_by_its_mean_over_seeds():
    vectors, labels, ids = clouds()
    poolings = [lm(noise(120), "last"), lm(vectors, "mean")]
    _, details = cluster_all(poolings, labels, corpus_name="tiny", ids=ids, n_seeds=2)
    assert details.best() == "mean"
    assert details.best(among=["last"]) == "last"
    assert details.best(among=["unknown"]) == "mean"

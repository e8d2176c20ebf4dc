"""Intervals cover, tests agree with scipy's, and a sentence claims no more than its test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from unpadded.common.errors import InputError
from unpadded.evaluation.statistics import against, bootstrap_mean, compare, holm, percentile_interval, verdict


def p_value(first, second):
    """Of two methods, which needs no correction."""
    return compare({"first": first, "second": second})["p_value"].item()


def test_constant_values_have_no_width():
    assert bootstrap_mean(np.ones(50)) == (1.0, 1.0, 1.0)
    assert bootstrap_mean(np.array([0.4])) == (0.4, 0.4, 0.4)


def test_bootstrap_of_the_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(size=2000)
    interval = bootstrap_mean(values, seed=1)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.value == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_bootstrap_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_mean(rng.normal(size=60), n_resamples=400, seed=i) for i in range(200)]
    covered = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert 0.89 <= covered <= 0.99


def test_an_interval_always_holds_its_value():
    assert percentile_interval(0.9, np.linspace(0.1, 0.2, 50)).high == 0.9


@pytest.mark.parametrize("n", [2, 5, 11])
def test_small_paired_tests_are_exact(n):
    rng = np.random.default_rng(n)
    first, second = rng.normal(0.5, size=n), rng.normal(size=n)
    expected = stats.permutation_test((first - second,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert p_value(first, second) == pytest.approx(expected.pvalue)


def test_large_paired_tests_approach_the_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.12, size=300), rng.normal(size=300)
    assert p_value(first, second) == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)
    assert p_value(second, first) == p_value(first, second)


def test_equal_methods_are_never_different():
    values = np.random.default_rng(0).random(100)
    assert p_value(values, values) == 1.0


def test_holm_on_a_worked_example():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.04; adjusted values never fall
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms())
def test_holm_is_monotone_larger_and_independent_of_order(p_values, random):
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[order]) >= 0).all()
    shuffled = random.sample(range(len(p_values)), len(p_values))
    np.testing.assert_array_equal(holm([p_values[i] for i in shuffled]), adjusted[shuffled])


@pytest.fixture
def comparison():
    rng = np.random.default_rng(0)
    mean = rng.random(200)
    return compare(
        {"mean": mean, "last": mean - 0.3 + 0.1 * rng.random(200), "max": mean + 0.001 * rng.normal(size=200)}
    )


def test_compare_holds_every_pair_with_its_means(comparison):
    assert comparison[["first", "second"]].to_numpy().tolist() == [["mean", "last"], ["mean", "max"], ["last", "max"]]
    np.testing.assert_allclose(comparison["difference"], comparison["mean_first"] - comparison["mean_second"])
    np.testing.assert_allclose(comparison["p_holm"], holm(comparison["p_value"].to_numpy()))
    assert comparison["significant"].tolist() == [True, False, True]


def test_the_verdict_says_beats_only_when_the_test_does(comparison):
    assert verdict(comparison, "mean", "last", metric="AP").startswith("mean beats last by 0.248")
    assert verdict(comparison, "last", "mean").startswith("mean beats last by 0.248")
    assert verdict(comparison, "mean", "max").startswith("No difference between mean and max was shown")
    with pytest.raises(InputError, match="no pair 'mean' and 'concat'"):
        verdict(comparison, "mean", "concat")


def test_pure_noise_is_rarely_called_a_difference():
    rng = np.random.default_rng(0)
    claims = [
        compare({n: rng.normal(size=40) for n in "abcd"}, n_resamples=499)["significant"].any() for _ in range(60)
    ]
    assert np.mean(claims) <= 0.15


@pytest.mark.parametrize(
    ("per_item", "message"),
    [
        ({"a": np.ones(3)}, "at least two"),
        ({"a": np.ones(3), "b": np.ones(4)}, "different numbers of items"),
        ({"a": np.ones(3), "b": np.array([1, np.nan, 1])}, "b: expected one finite number per item"),
    ],
)
def test_bad_comparisons_are_refused(per_item, message):
    with pytest.raises(InputError, match=message):
        compare(per_item)


def test_a_chosen_method_is_tested_against_all_others_and_nothing_where_it_was_not_measured():
    rng = np.random.default_rng(0)
    per_item = {"own": rng.uniform(0.5, 1, 40), "worse": rng.uniform(0, 0.5, 40)}
    per_item["alike"] = per_item["own"][::-1].copy()
    table = against("own", per_item, corpus="news", metric="nDCG@10", seed=3)
    assert table[["corpus", "metric", "seed", "first", "second"]].to_numpy().tolist() == [
        ["news", "nDCG@10", 3, "own", "worse"],
        ["news", "nDCG@10", 3, "own", "alike"],
    ]
    assert table.significant.tolist() == [True, False]
    assert table.difference.tolist() == pytest.approx([(per_item["own"] - per_item["worse"]).mean(), 0])
    for chosen, measured in (("", per_item), ("another", per_item), ("own", {"own": per_item["own"]})):
        empty = against(chosen, measured, corpus="news", metric="nDCG@10")
        assert empty.empty
        assert [*empty] == [*table]

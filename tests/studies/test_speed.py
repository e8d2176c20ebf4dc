"""Methods side by side: all agree where nothing is padded, and the tables say what was measured."""

import numpy as np
import pytest
import torch

from encoder_tools import as_corpus, fastai_loop, random_documents, random_model
from unpadded.common.errors import InputError
from unpadded.common.names import POOLINGS
from unpadded.encoding.validation import whole_numbers
from unpadded.studies.padding.effects import neighbours_kept
from unpadded.studies.speed import throughput as speed
from unpadded.studies.speed.precision import precision_price, rms_distance
from unpadded.studies.speed.throughput import (
    METHODS,
    draw_documents,
    model_of_shape,
    product_rate,
    runner_of,
    shape_of,
    speed_table,
    spread_sample,
    work_of_token,
)

UNEQUAL = [3, 40, 9, 17, 1, 26]


@pytest.fixture(autouse=True)
def _small_products(monkeypatch):
    monkeypatch.setattr(speed, "SIDE", 64)  # the limit itself is not what is tested


@pytest.mark.parametrize("method", METHODS)
def test_every_method_agrees_with_fastai_where_nothing_is_padded(method):
    lm, documents = random_model(), random_documents([12] * 5)
    expected = np.hstack(list(fastai_loop(lm, documents).values()))
    found = runner_of(method, lm)(documents, 2)
    assert (found.shape, found.dtype) == ((5, 3 * lm.emb_sz), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_padding_spoils_the_naive_batch_alone():
    lm, documents = random_model(), random_documents(UNEQUAL)
    expected = np.hstack(list(fastai_loop(lm, documents).values()))
    errors = {m: np.abs(runner_of(m, lm)(documents, 4) - expected).max(axis=1) for m in METHODS}
    assert max(errors[method].max() for method in METHODS if method != "naive padded") < 1e-6
    longest_of_a_batch = np.isin(np.arange(6), [1, 5])  # batches of 4 in the order given
    assert errors["naive padded"][longest_of_a_batch].max() < 1e-6
    assert errors["naive padded"][~longest_of_a_batch].min() > 1e-3


def test_the_speed_table_has_each_method_once_and_the_errors():
    lm, documents = random_model(), random_documents(UNEQUAL)
    table = speed_table(lm, documents, sizes=[1, 4], turns=2)
    assert len(table) == 1 + 2 * (len(METHODS) - 1)
    assert set(table.model) == {"7/11/2"} == {shape_of(lm)}
    first = table.iloc[0]
    assert (first.method, first.times_the_loop, first.max_abs_diff) == ("loop", 1.0, 0.0)
    assert (table.tokens == sum(UNEQUAL)).all()
    assert (table[["tokens_per_second", "documents_per_second", "share_of_limit"]] > 0).all(axis=None)
    np.testing.assert_allclose(table.tokens_per_second / table.documents_per_second, sum(UNEQUAL) / 6)
    wrong = table.set_index(["method", "batch_size"]).wrong_documents
    assert wrong["naive padded", 4] == 4  # of the six, all but the longest of each batch
    assert wrong.drop(("naive padded", 4)).eq(0).all()


def test_batches_that_would_not_fit_are_left_out():
    table = speed_table(random_model(), random_documents(UNEQUAL), sizes=[1, 4], most_padded=100)
    assert table.groupby("method").batch_size.max().to_dict() == {
        "loop": 1,
        "naive padded": 1,
        "sorted padded": 1,
        "unpadded": 4,
    }


def test_bad_choices_are_refused_with_the_mend():
    lm = random_model()
    with pytest.raises(InputError, match=r"'packed' is not known: give one of loop, naive padded"):
        runner_of("packed", lm)
    with pytest.raises(InputError, match="give at least one"):
        speed_table(lm, [], sizes=[1])
    with pytest.raises(InputError, match="'400-1152' is not like"):
        model_of_shape("400-1152", ["a", "b"])


def test_lists_of_whole_numbers_are_read_and_anything_else_is_refused():
    assert whole_numbers("1, 8,64", "sizes") == [1, 8, 64]
    assert (whole_numbers("", "sizes"), whole_numbers(512, "sizes")) == ([], [512])
    for wrong in ("1,x", "0", "1.5", "-3"):
        with pytest.raises(InputError, match=f"sizes: '{wrong}' is no list of whole numbers above 0"):
            whole_numbers(wrong, "sizes")


def test_a_model_of_a_shape_is_ready_and_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    lm = model_of_shape("8/12/2", [f"t{i}" for i in range(20)])
    assert torch.equal(torch.rand(2), expected)
    assert (shape_of(lm), lm.module.training) == ("8/12/2", False)
    assert work_of_token(lm) == 4 * (12 * (8 + 12) + 8 * (12 + 8))


def test_drawn_documents_are_cut_and_enough():
    corpus = as_corpus(random_documents([30] * 20))
    drawn = draw_documents(corpus, n_tokens=95, longest=10, seed=1)
    assert [len(tokens) for tokens in drawn] == [10] * 10
    assert len(draw_documents(corpus, n_tokens=10_000, longest=100)) == 20
    assert all(any(np.array_equal(tokens, corpus[i][:10]) for i in range(20)) for tokens in drawn)


def test_a_spread_sample_holds_short_and_long_documents():
    lengths = [80, *range(5, 35)]
    places = spread_sample(random_documents(lengths), 200)
    assert {0, 1} <= set(places)  # the longest and the shortest
    assert len(set(places)) == len(places) < 31
    assert sum(lengths[i] for i in places) == pytest.approx(200, rel=0.4)
    assert spread_sample(random_documents([7]), 100) == [0]


def test_small_batches_are_timed_over_fewer_documents():
    table = speed_table(random_model(), random_documents(UNEQUAL), sizes=[1, 4], most_batches=2)
    documents = table.set_index(["method", "batch_size"]).documents
    assert documents["unpadded", 1] == documents["naive padded", 1] == documents["loop", 1] == 2
    assert documents["unpadded", 4] == 6
    assert table.compared.eq(2).all()


def test_wrong_is_relative_to_the_vector():
    small = np.array([[1e-6, 2e-6], [1.0, 2.0]])
    found = speed._errors(small + 1e-8, small)
    assert found == {
        "max_abs_diff": pytest.approx(1e-8),
        "max_relative_diff": pytest.approx(5e-3),
        "wrong_documents": 1,
        "compared": 2,
    }


def test_the_product_rate_counts_multiply_adds():
    ticks = iter(range(100))
    assert product_rate(lambda: next(ticks)) == 64**3  # one tick a product
    assert product_rate(lambda: next(ticks), times=1) == 64**3
    assert product_rate(lambda: next(ticks), times=1, side=32) == 32**3
    assert next(ticks) == 2 * 2 * (5 + 1 + 1)  # torch's own product and the packed one, each timed


def test_spread_is_the_distance_between_documents():
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert rms_distance(points) == pytest.approx(5)
    rng = np.random.default_rng(0)
    cloud = rng.standard_normal((200, 3))
    pairs = cloud[:, None] - cloud[None]
    squared = (pairs**2).sum(axis=2)[~np.eye(200, dtype=bool)]
    assert rms_distance(cloud) == pytest.approx(np.sqrt(squared.mean()))


def test_kept_neighbours_are_counted():
    angles = np.deg2rad([0, 10, 25, 180, 190, 205])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_array_equal(neighbours_kept(circle, 3 * circle, k=2), np.ones(6))
    swapped = circle[[0, 1, 3, 2, 4, 5]]  # one document changes sides with another
    assert neighbours_kept(circle, swapped, k=2).tolist() == [0.5, 0.5, 0.0, 0.0, 0.5, 0.5]


def test_the_price_of_no_rounding_is_nothing_and_bfloat16_costs_little():
    lm, documents = random_model(), random_documents(range(5, 35))
    free = precision_price(lm, documents, precision="float32")
    assert free.pooling.tolist() == list(POOLINGS)
    assert free.moved.eq(0).all()
    assert free.neighbours_kept.eq(1).all()
    price = precision_price(lm, documents, precision="bfloat16", k=3).set_index("pooling")
    assert price.moved.between(1e-6, 0.2).all()
    assert (price.cosine_lowest <= price.cosine).all()
    assert (price.ci_low <= price.neighbours_kept).all()
    assert price.k.eq(3).all()
    assert precision_price(lm, documents[:2]).empty

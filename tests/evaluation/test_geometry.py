"""Geometry: known clouds have known shapes."""

import numpy as np
import pytest
from scipy import sparse

from unpadded.common.errors import InputError
from unpadded.evaluation.scores import Representation
from unpadded.evaluation.vector_geometry import (
    effective_dimension,
    geometry,
    mean_cosine,
    norms_by_length,
    part_contributions,
)
from vector_tools import lm, noise


def test_mean_cosine_of_a_ball_is_zero_and_of_a_far_cloud_one():
    assert mean_cosine(noise(500, width=50)) == pytest.approx(0, abs=0.01)
    assert mean_cosine(noise(500, width=50) + 100) == pytest.approx(1, abs=0.001)
    assert mean_cosine(np.array([[1.0, 0], [-2.0, 0]])) == pytest.approx(-1)
    with pytest.raises(InputError, match="at least two"):
        mean_cosine(np.ones((1, 2)))


def test_effective_dimension_counts_equal_directions():
    assert effective_dimension(np.ones(7)) == pytest.approx(7)
    assert effective_dimension(np.array([5.0, 0, 0])) == pytest.approx(1)


def test_the_table_finds_the_length_in_the_first_component_and_in_the_norm():
    lengths = np.random.default_rng(0).integers(5, 500, size=300)
    long = np.column_stack([lengths, noise(300, width=4)]).astype(np.float32)
    table = geometry([lm(long), lm(noise(300), "last")], lengths).set_index("method")
    assert table.loc["mean", "component_1_length_correlation"] == pytest.approx(1, abs=0.01)
    assert table.loc["mean", "norm_length_correlation"] == pytest.approx(1, abs=0.01)
    assert table.loc["mean", "effective_dimension"] == pytest.approx(1, abs=0.1)
    assert abs(table.loc["last", "norm_length_correlation"]) < 0.2
    assert table.loc["last", "effective_dimension"] == pytest.approx(8, abs=0.5)


def test_norms_by_length_have_mean_one_and_rise_where_norms_do():
    lengths = np.arange(1, 101)
    vectors = np.outer(lengths, [1.0, 2.0]).astype(np.float32)
    norms = norms_by_length([lm(vectors)], lengths, n_bins=5)
    assert norms["relative_norm"].mean() == pytest.approx(1)
    assert (np.diff(norms["relative_norm"]) > 0).all()
    assert norms["length"].tolist() == [10.5, 30.5, 50.5, 70.5, 90.5]


def test_the_part_of_large_scale_decides_the_distances():
    shares = part_contributions({"last": noise(200), "mean": 3 * noise(200)}).set_index("part")["share"]
    assert shares["mean"] == pytest.approx(0.9, abs=1e-4)


def test_sparse_vectors_are_refused():
    words = Representation("tfidf", "", "none", sparse.csr_matrix(noise(5)))
    with pytest.raises(InputError, match="dense vectors"):
        geometry([words], np.ones(5))

"""What a choice changes for each document."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tiny_run import make_run
from unpadded.common.errors import InputError
from unpadded.explore import changes
from unpadded.explore.changes import (
    between_poolings,
    by_padding,
    by_quarter,
    by_tuning,
    by_words,
    comparisons,
    reasons,
    shares_changed,
)
from unpadded.explore.data import Explorable
from unpadded.explore.explorer import Explorer


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, tiny_corpus, tiny_model):
    folder = tmp_path_factory.mktemp("changes")
    run = make_run(folder / "tiny", tiny_corpus, tiny_model)
    shutil.copytree(run / "embeddings", run / "embeddings_tuned")  # as if teaching had changed nothing
    return folder


@pytest.fixture(scope="module")
def data(outputs) -> Explorable:
    return Explorable.open(outputs / "tiny")


def plainly(before: np.ndarray, after: np.ndarray, k: int) -> np.ndarray:
    """The same by the full matrix of cosines and sets of Python."""
    found = []
    for vectors in (before, after):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -np.inf)
        found.append([set(row[: min(k, len(vectors) - 1)]) for row in np.argsort(-cosines, axis=1, kind="stable")])
    return np.array([1 - len(old & new) / len(old) for old, new in zip(*found, strict=True)])


@given(st.integers(2, 40), st.integers(1, 12))
def test_shares_are_those_of_the_full_matrix(n, k):
    rng = np.random.default_rng(n * 100 + k)
    before, after = rng.standard_normal((n, 5)), rng.standard_normal((n, 7))
    found = shares_changed(before, after, k=k)
    np.testing.assert_allclose(found, plainly(before, after, k), atol=1e-12)
    np.testing.assert_allclose(found, shares_changed(sparse.csr_matrix(before), after, k=k))
    assert not shares_changed(before, 3 * before, k=k).any()


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    before, after = rng.standard_normal((50, 5)), rng.standard_normal((50, 5))
    whole = shares_changed(before, after)
    monkeypatch.setattr("unpadded.common.nearest.BLOCK_BYTES", 1000)  # five documents at a time
    np.testing.assert_array_equal(shares_changed(before, after), whole)


def test_other_documents_are_refused():
    with pytest.raises(InputError, match="3 documents before and 4 after"):
        shares_changed(np.ones((3, 2)), np.ones((4, 2)))


def test_poolings_teaching_and_words(data):
    vectors = data.vectors
    found = between_poolings(data, "mean", "last")
    np.testing.assert_allclose(found.changed, plainly(vectors["mean"], vectors["last"], 10), atol=0.11)
    assert found.tokens.tolist() == list(data.tokens.lengths)
    assert not by_tuning(data, "concat").changed.any()
    words = by_words(data, "mean")
    assert 0 < words.changed.mean() < 1
    assert between_poolings(data, "concat", "concat").changed.sum() == 0


def test_padding_behind_read_by_length_hurts_nobody_and_read_over_all_positions_those_with_pads(data):
    exact = by_padding(data, "mean", "behind", "length-aware")
    assert exact.changed.dropna().max() <= 0.1 + 1e-9  # rounding may swap two that are as near
    hurt = by_padding(data, "mean", "behind", "naive")
    read = hurt.changed.notna()
    assert read.sum() == len(data.maps)
    assert set(np.flatnonzero(read)) == set(data.maps["row"])
    batches = [hurt[read & (hurt.pads + hurt.tokens == longest)] for longest in set((hurt.pads + hurt.tokens)[read])]
    assert sorted(part.place.max() for part in batches) == [13, 32]  # 45 documents
    assert hurt.changed.mean() > exact.changed.mean()
    found = reasons(hurt)
    assert set(found) == {"tokens", "pads", "place"}
    assert -1 <= min(found.values()) <= max(found.values()) <= 1
    quarters = by_quarter(hurt, "tokens")
    assert quarters.documents.sum() == read.sum()
    weighted = (quarters.changed * quarters.documents).sum() / read.sum()
    assert weighted == pytest.approx(hurt.changed.mean())


def test_long_documents_are_left_out_of_padded_batches(data, monkeypatch):
    monkeypatch.setattr(changes, "LONGEST", 20)
    found = by_padding(data, "max", "before", "naive", most=10)
    assert found.changed.notna().sum() == 10
    assert found.tokens[found.changed.notna()].max() <= 20
    monkeypatch.setattr(changes, "LONGEST", 1)
    with pytest.raises(InputError, match="fewer than two documents"):
        by_padding(data, "max", "before", "naive")


def test_a_run_that_taught_nothing_offers_no_teaching(outputs, tmp_path):
    run = shutil.copytree(outputs / "tiny", tmp_path / "tiny", ignore=shutil.ignore_patterns("embeddings_tuned"))
    shutil.copy(outputs / "tiny.csv", tmp_path)
    record = (run / "run.json").read_text().replace(outputs.name, tmp_path.name)
    (run / "run.json").write_text(record.replace(str(outputs), str(tmp_path)))
    opened = Explorable.open(outputs / "tiny")
    opened.run = run
    assert not any("teaching" in name for name in comparisons(opened))
    with pytest.raises(InputError, match="holds no taught vectors"):
        by_tuning(opened, "mean")


def test_the_panel_colours_the_maps_and_lists_the_most_changed(outputs):
    explorer = Explorer(outputs=outputs)
    panel, maps, near = (explorer.panels[name] for name in ("changes", "maps", "neighbours"))
    assert any("teaching" in name for name in panel.choice.options)
    panel.choice.value = "mean or last"
    panel.button.click()
    assert maps.colours.colour.value == "changed: mean or last"
    assert sum(maps.colours._shown.counts.values()) == len(maps.points)
    expected = between_poolings(maps.data, "mean", "last").changed
    assert f"{expected.mean():.0%} differ on average over 90 documents" in panel.result.value
    listed = [row for _, row in panel.list.options[1:]]
    assert expected[listed].tolist() == sorted(expected, reverse=True)
    panel.list.value = listed[3]
    assert "Near the document" in near._about.value
    panel.choice.value = "mean: exact or pads before the text, read over all positions"
    panel.compare()
    assert all(name in panel.result.value for name in ("pads", "tokens", "place", "rank correlation"))
    assert len(panel.list.options) == 1 + len(maps.points)
    assert isinstance(panel.table, pd.DataFrame)


def test_every_choice_can_be_computed(data):
    for name, compute in comparisons(data).items():
        found = compute(data).changed.dropna()
        assert len(found), name
        assert found.between(0, 1).all(), name

"""A run's documents in the form that embedding-atlas reads."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_run import make_run
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.embeddings.store import Embeddings
from unpadded.explore.atlas import NEIGHBOURS, export_atlas, nearest


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_corpus, tiny_model):
    return make_run(tmp_path_factory.mktemp("atlas") / "tiny", tiny_corpus, tiny_model)


def test_the_file_holds_every_document_with_its_vector_map_and_neighbours(run, tiny_corpus, tmp_path, capsys):
    path = tmp_path / "docs.parquet"
    assert main(["export", str(run), "--atlas", str(path), "--pooling", "max"]) == 0
    said = capsys.readouterr().out
    assert f"{len(tiny_corpus)} documents" in said
    assert "--text text --x projection_x --y projection_y --neighbors neighbors" in said
    table = pd.read_parquet(path)
    assert {"id", "text", "label", "projection_x", "projection_y", "neighbors", "vector"} <= set(table.columns)
    assert (table.id.tolist(), table.text.tolist()) == (tiny_corpus.ids, tiny_corpus.texts)
    vectors = Embeddings.open(run / "embeddings" / "tiny").to_numpy("max")
    np.testing.assert_array_equal(np.stack(table.vector), vectors)
    assert np.isfinite(table[["projection_x", "projection_y"]]).all(axis=None)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row, found in enumerate(table.neighbors):
        assert len(found["ids"]) == len(set(found["ids"])) == len(found["distances"]) == NEIGHBOURS
        assert row not in found["ids"]
        np.testing.assert_allclose(found["distances"], 1 - unit[found["ids"]] @ unit[row], atol=1e-5)
        assert (np.diff(found["distances"]) > -1e-6).all()
        others = np.delete(1 - unit @ unit[row], [row, *found["ids"]])
        assert others.min() >= found["distances"][-1] - 1e-5


@given(st.integers(2, 12), st.integers(1, 20))
def test_neighbours_are_the_others_however_few_there_are(n, k):
    vectors = np.random.default_rng(n).standard_normal((n, 3)).astype(np.float32)
    found = nearest(vectors, k)
    assert [len(one["ids"]) for one in found] == [min(k, n - 1)] * n
    assert all(row not in one["ids"] for row, one in enumerate(found))


def test_copies_are_no_further_than_nothing():
    assert nearest(np.ones((5, 7), np.float32))[0]["distances"] == pytest.approx([0] * 4, abs=1e-6)
    assert min(nearest(np.full((3, 3), 0.1, np.float32))[0]["distances"]) >= 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus": "other"}, "has not embedded 'other': give one of tiny"),
        ({"pooling": "median"}, "holds no 'median': give one of "),
    ],
)
def test_what_is_not_there_is_refused_and_nothing_is_written(run, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_atlas(run, tmp_path / "docs.parquet", **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--atlas", str(tmp_path / "x.parquet")]) == 2
    assert "holds no finished run" in capsys.readouterr().err


def test_other_documents_than_the_runs_are_refused(run, tmp_path):
    copied = tmp_path / "tiny"
    shutil.copytree(run, copied)
    table = pd.read_csv(run.parent / "tiny.csv")
    table.iloc[::-1].to_csv(tmp_path / "tiny.csv", index=False)
    record = (copied / "run.json").read_text().replace(run.parent.name, tmp_path.name)
    (copied / "run.json").write_text(record)
    with pytest.raises(InputError):
        export_atlas(copied, tmp_path / "docs.parquet")

"""The approximate index: it finds what exact search finds, and it is made again whenever it cannot be trusted."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from search_tools import embedded
from unpadded.cli.main import main
from unpadded.embeddings import search as search_module
from unpadded.embeddings.index import build_index, index_path, stored_index, vector_blocks
from unpadded.embeddings.search import DocumentSearch
from unpadded.embeddings.store import Embeddings

N = 400
QUERIES = ["rocket launch to the moon", "bread and cheese", "goal of the team"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    embedded(folder, N)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(autouse=True)
def small_sample(monkeypatch):
    monkeypatch.setattr(search_module, "SAMPLE", 20)


def opened(folder, **options) -> tuple[DocumentSearch, list[str]]:
    said = []
    return DocumentSearch.open(
        folder / "vectors", model=folder / "model", by="vectors", exact_up_to=100, say=said.append, **options
    ), said


@pytest.mark.parametrize("pooling", ["mean", "concat"])
def test_an_index_finds_what_exact_search_finds(folder, pooling):
    search, said = opened(folder, pooling=pooling)
    found = search.search(QUERIES)
    exact = DocumentSearch.open(folder / "vectors", model=folder / "model", by="vectors", pooling=pooling).search(
        QUERIES
    )
    assert index_path(search.embeddings, pooling).is_file()
    assert any("recall@10 " in sentence and "40 queries" in sentence for sentence in said)
    assert json.loads((folder / "vectors" / f"{pooling}.usearch.json").read_text())["recall"] >= 0.95
    scores = dict(zip(zip(exact["query"], exact["id"], strict=True), exact["score"], strict=True))
    both = [key for key in zip(found["query"], found["id"], strict=True) if key in scores]
    assert len(both) >= 0.9 * len(scores)  # equal documents may stand for one another
    by_rank = found.merge(exact, on=["query", "rank"])
    np.testing.assert_allclose(by_rank["score_x"], by_rank["score_y"], atol=2e-3)
    for row in found.itertuples():  # scores are exact, not those of half precision
        if (row.query, row.id) in scores:
            assert row.score == pytest.approx(scores[row.query, row.id], abs=1e-6)


def test_recall_is_what_a_count_by_hand_says(folder):
    embeddings = Embeddings.open(folder / "vectors")
    vectors = embeddings.to_numpy("max")
    rows = np.arange(0, N, 10)
    index = build_index(embeddings, "max", vectors[rows], own_rows=rows, say=lambda sentence: None)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = []
    for row, (found, _) in zip(rows, index.nearest(vectors[rows], 11), strict=True):
        cosines = unit @ unit[row]
        tenth = np.sort(np.delete(cosines, row))[-10]
        shares.append((cosines[[i for i in found if i != row][:10]] >= tenth - 1e-6).mean())
    assert index.facts.recall == pytest.approx(np.mean(shares))
    assert index.facts.recall >= 0.95


def forbid_building(monkeypatch):
    def fail(*args, **options):
        raise AssertionError("the index was made again")

    monkeypatch.setattr(search_module, "build_index", fail)


def test_the_index_is_made_once(folder, monkeypatch):
    search, _ = opened(folder)
    first = search.search(QUERIES)
    forbid_building(monkeypatch)
    again, said = opened(folder)
    assert again.search(QUERIES).equals(first)
    assert said == []


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS = {
    "other embeddings": (lambda folder: change_manifest(folder), "made from other embeddings"),
    "flipped bit": (lambda folder: flip(folder / "vectors" / "mean.usearch"), "is damaged"),
    "emptied": (lambda folder: (folder / "vectors" / "mean.usearch").write_bytes(b""), "is damaged"),
    "lost": (lambda folder: (folder / "vectors" / "mean.usearch").unlink(), "cannot be read"),
    "torn facts": (lambda folder: (folder / "vectors" / "mean.usearch.json").write_text("{"), "cannot be read"),
    "foreign facts": (lambda folder: (folder / "vectors" / "mean.usearch.json").write_text("[]"), "cannot be read"),
    "another version": (lambda folder: change_facts(folder, usearch="1.0"), "made by another version"),
}


def change_manifest(folder):
    path = folder / "vectors" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["certificate"]["documents"] = 1
    path.write_text(json.dumps(manifest))


def change_facts(folder, **changes):
    path = folder / "vectors" / "mean.usearch.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("fault", FAULTS)
def test_an_index_that_cannot_be_trusted_is_made_again(folder, fault, monkeypatch):
    search, _ = opened(folder)
    expected = search.search(QUERIES)
    do, sentence = FAULTS[fault]
    do(folder)
    again, said = opened(folder)
    found = again.search(QUERIES)
    assert any(sentence in line for line in said)
    assert any("recall@10" in line for line in said)
    np.testing.assert_allclose(found["score"], expected["score"], atol=2e-3)
    forbid_building(monkeypatch)
    third, said = opened(folder)
    assert third.search(QUERIES).equals(found)
    assert said == []


def test_an_index_of_another_set_is_not_used(folder, monkeypatch):
    search, _ = opened(folder)
    search.search(QUERIES)
    kept = {path.name: path.read_bytes() for path in (folder / "vectors").glob("mean.usearch*")}
    assert len(kept) == 2
    shutil.rmtree(folder / "vectors")
    embeddings = embedded(folder, N, seed=1)
    for name, content in kept.items():
        (folder / "vectors" / name).write_bytes(content)
    said = []
    assert stored_index(embeddings, "mean", say=said.append) is None
    assert "made from other embeddings" in said[0]


def test_a_target_that_is_not_met_leaves_the_search_exact(folder, monkeypatch):
    search, said = opened(folder)
    monkeypatch.setattr("unpadded.embeddings.index.EXPANSIONS", (64, 128))
    monkeypatch.setattr(
        search_module, "build_index", lambda *args, **options: build_index(*args, **{**options, "target": 1.1})
    )
    found = search.search(QUERIES)
    assert "the search stays exact" in said[-1]
    assert not index_path(search.embeddings, "mean").exists()
    exact = DocumentSearch.open(folder / "vectors", model=folder / "model", by="vectors").search(QUERIES)
    assert found.equals(exact)
    forbid_building(monkeypatch)
    assert search.search(QUERIES).equals(exact)


def test_small_sets_and_long_lists_are_searched_exactly(folder, monkeypatch):
    forbid_building(monkeypatch)
    search, said = opened(folder)
    assert len(search.search(QUERIES[:1], k=N)) == N  # the whole set: an index would have nothing to leave out
    DocumentSearch.open(folder / "vectors", model=folder / "model", by="vectors", exact_up_to=N).search(QUERIES)
    assert said == []


def test_an_index_that_cannot_be_kept_is_used_all_the_same(folder, monkeypatch):
    def fail(path):
        raise PermissionError(13, "Permission denied")

    search, said = opened(folder)
    monkeypatch.setattr("unpadded.embeddings.index.atomic_write", fail)
    assert len(search.search(QUERIES)) == 30
    assert "cannot be kept" in said[-1]
    assert not list((folder / "vectors").glob("*usearch*"))


def test_documents_without_tokens_do_no_harm():
    """A zero vector has the cosine 0 with everything, in the index as in exact search."""
    from usearch.index import Index

    graph = Index(ndim=3, metric="ip", dtype="f16")
    graph.add(np.arange(3), np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32))
    found = graph.search(np.array([1, 0, 0], np.float32), 3)
    assert dict(zip(found.keys.tolist(), (1 - found.distances).tolist(), strict=True)) == {1: 1, 0: 0, 2: 0}


def test_the_command_says_what_the_index_finds(folder, capsys):
    arguments = ["search", "--embeddings", folder / "vectors", "--model", folder / "model", "--exact-up-to", 100]
    arguments += ["--by", "vectors"]
    assert main([*map(str, arguments), QUERIES[0], "-k", "4", "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert "recall@10 " in err
    assert "against exact search on 40 queries" in err


def test_blocks_of_vectors_are_the_vectors(folder, monkeypatch):
    embeddings = Embeddings.open(folder / "vectors")
    monkeypatch.setattr("unpadded.embeddings.index.BLOCK_BYTES", 4 * 36 * 70)
    blocks = list(vector_blocks(embeddings, "concat"))
    assert [len(block) for block in blocks] == [70] * 5 + [50]
    np.testing.assert_array_equal(np.concatenate(blocks), embeddings.to_numpy("concat"))


@pytest.mark.parametrize("exact_up_to", [0, 10**6], ids=["index", "exact"])
def test_threads_find_what_the_serial_search_finds(folder, exact_up_to):
    index_path(Embeddings.open(folder / "vectors"), "mean").unlink(missing_ok=True)
    asked = [(f"{query} {i}", k) for i in range(6) for query in QUERIES for k in (1, 3, 20)]
    search = DocumentSearch.open(folder / "vectors", model=folder / "model", by="vectors", exact_up_to=exact_up_to)
    with ThreadPoolExecutor(8) as pool:  # they make the index, too
        found = list(pool.map(lambda one: search.search([one[0]], k=one[1]), asked))
    alone = DocumentSearch.open(folder / "vectors", model=folder / "model", by="vectors", exact_up_to=exact_up_to)
    for (query, k), table in zip(asked, found, strict=True):
        pd.testing.assert_frame_equal(table, alone.search([query], k=k), check_exact=True)

"""Search by words and by both: BM25 kept beside the vectors, the sum of two standardised scores, and what found a result."""

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import bm25s
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_texts
from embedding_tools import contents
from search_tools import embedded
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.embeddings import search as search_module
from unpadded.embeddings import words as words_module
from unpadded.embeddings.fusion import found_by, standardised, summed
from unpadded.embeddings.search import COLUMNS, DocumentSearch
from unpadded.embeddings.store import Embeddings
from unpadded.embeddings.words import WordIndex, first_rows, stored_words, write_words

N = 300
QUERY = "rocket launch to the moon"
QUERIES = [QUERY, "bread and cheese", "goal of the team", "league cheese moon"]
NAME = "Quetzalcoatlus"  # a word that the model does not know


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    texts, _ = make_texts(N)
    texts[41] = f"{texts[41]} {NAME}"
    texts[7], texts[8] = "", "?! -- !?"
    embedded(folder, N, texts=texts)
    return folder, texts


@pytest.fixture(scope="module")
def folder(made):
    return made[0]


@pytest.fixture(scope="module")
def texts(made):
    return made[1]


def bm25_by_bm25s_alone(texts, query) -> np.ndarray:
    """BM25 with bm25s's own tokenizer and its own numbering of the words."""
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, return_ids=False, show_progress=False), show_progress=False)
    words = [w for w in bm25s.tokenize(query, return_ids=False, show_progress=False)[0] if w in index.vocab_dict]
    return index.get_scores(words) if words else np.zeros(len(texts), np.float32)


def by_hand(texts, vectors, query_vector, query, k):
    """Search by both in plain numpy: rows, sums and the first rows of either side."""
    bm25 = bm25_by_bm25s_alone(texts, query).astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query_vector)
    cosines = (vectors.astype(np.float64) @ query_vector / np.where(norms == 0, 1, norms)).astype(np.float32)
    near = np.argsort(-cosines, kind="stable")
    held = np.array([row for row in np.argsort(-bm25, kind="stable") if bm25[row] > 0], dtype=int)
    depth = max(10 * k, 200)
    candidates = np.array(sorted({*near[:depth], *held[:depth]}))
    sums = np.zeros(len(candidates))
    for scores in (cosines[candidates].astype(np.float64), bm25[candidates]):
        if scores.std() > 1e-12:
            sums += (scores - scores.mean()) / scores.std()
    best = np.argsort(-sums, kind="stable")[:k]
    first = max(k, 10)
    return candidates[best], sums[best], set(near[:first].tolist()), set(held[:first].tolist())


@pytest.mark.parametrize("pooling", ["mean", "concat"])
@pytest.mark.parametrize("k", [1, 7, 25])
def test_both_is_the_sum_of_standardised_scores(folder, texts, pooling, k):
    search = DocumentSearch.open(folder / "vectors", pooling=pooling)
    assert search.by == "both"
    found = search.search(QUERIES, k=k)
    assert tuple(found.columns) == COLUMNS
    vectors = search.embeddings.to_numpy(pooling)
    for query, query_vector in zip(QUERIES, search.encoder.encode(QUERIES), strict=True):
        rows, sums, near, held = by_hand(texts, vectors, query_vector.astype(np.float64), query, k)
        its = found[found["query"] == query]
        np.testing.assert_allclose(its["score"], sums, atol=1e-4)
        assert its["id"].tolist() == [f"d{row}" for row in rows]
        assert its["rank"].tolist() == list(range(1, k + 1))
        for row, side in zip(rows.tolist(), its["found_by"], strict=True):
            expected = {"vectors": (True, False), "words": (False, True)}
            assert (row in near, row in held) == expected[side] if side in expected else (row in near) == (row in held)


def test_what_found_a_result_differs(folder):
    sides = DocumentSearch.open(folder / "vectors").search(QUERIES, k=25)["found_by"]
    assert set(sides) == {"vectors", "words", "both"}


def test_what_neither_side_puts_first_was_found_by_both():
    rows = np.array([0, 1, 2, 3])
    assert found_by(rows, np.array([1, 3]), np.array([2, 3])) == ["both", "vectors", "words", "both"]


def test_by_words_is_bm25_alone(folder, texts):
    search = DocumentSearch.open(folder / "vectors", by="words")
    found = search.search([*QUERIES, NAME], k=N)
    for query in [*QUERIES, NAME]:
        scores = bm25_by_bm25s_alone(texts, query)
        rows = [row for row in np.argsort(-scores, kind="stable") if scores[row] > 0]
        its = found[found["query"] == query]
        assert its["id"].tolist() == [f"d{row}" for row in rows]
        assert its["score"].tolist() == scores[rows].tolist()
    assert set(found["found_by"]) == {"words"}


def test_a_word_that_the_model_does_not_know_finds_its_document(folder):
    for by in ("words", "both"):
        found = DocumentSearch.open(folder / "vectors", by=by).search([NAME.lower()])
        assert found[["id", "found_by"]].values.tolist() == [["d41", "words"]]
    with_known = DocumentSearch.open(folder / "vectors").search([f"{NAME} the and"])
    assert with_known["id"][0] == "d41"


@pytest.mark.parametrize("query", ["the of and", "qwxyz", "?!"])
def test_where_no_word_is_shared_vectors_decide(folder, query):
    both = DocumentSearch.open(folder / "vectors").search([query])
    vectors = DocumentSearch.open(folder / "vectors", by="vectors").search([query])
    assert both["id"].tolist() == vectors["id"].tolist()
    assert set(both["found_by"]) == {"vectors"}
    assert DocumentSearch.open(folder / "vectors", by="words").search([query]).empty


@given(
    n=st.sampled_from([1, 2, 3, 11, N]),
    k=st.integers(1, 2 * N),
    words=st.lists(st.sampled_from("rocket moon bread goal the zebra".split()), min_size=1, max_size=4),
    by=st.sampled_from(["vectors", "words", "both"]),
)
@settings(max_examples=60)
def test_ranks_count_and_no_document_is_found_twice(tmp_path_factory, folder, n, k, words, by):
    if n != N:
        folder = tmp_path_factory.getbasetemp() / f"of {n} documents"
        if not folder.exists():
            embedded(folder, n)
    found = DocumentSearch.open(folder / "vectors", by=by).search([" ".join(words)], k=k)
    assert found["rank"].tolist() == list(range(1, len(found) + 1))
    assert found["id"].is_unique
    assert found["score"].is_monotonic_decreasing
    assert len(found) <= min(k, n)
    if by == "vectors" or (by == "both" and set(words) != {"zebra"}):
        assert len(found) == min(k, n)


@given(scores=st.lists(st.integers(0, 4), max_size=40), depth=st.integers(0, 50))
def test_the_first_rows_are_those_of_a_stable_sort(scores, depth):
    scores = np.array(scores, np.float32)
    expected = [row for row in np.argsort(-scores, kind="stable") if scores[row] > 0]
    assert first_rows(scores, depth).tolist() == expected[:depth]


@given(scores=st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=30), k=st.integers(1, 40))
def test_equal_sums_keep_the_order_of_the_documents(scores, k):
    cosines, bm25 = (np.array(side, np.float32) / 8 for side in zip(*scores, strict=True))
    rows, sums = summed(np.arange(len(scores)), cosines, bm25, k)
    assert len(rows) == min(k, len(scores))
    assert (np.diff(sums) <= 0).all()
    assert all(a < b for a, b, s, t in zip(rows, rows[1:], sums, sums[1:], strict=False) if s == t)


def test_standardised_scores_have_mean_0_and_deviation_1():
    scores = standardised(np.array([1, 5, 2, 2], np.float32))
    assert scores.mean() == pytest.approx(0)
    assert scores.std() == pytest.approx(1)
    assert not standardised(np.full(7, 0.1, np.float32)).any()  # whose mean is not 0.1 in the last bit
    assert len(standardised(np.zeros(0))) == 0


def test_the_index_is_that_of_bm25s_and_its_words_have_the_order_of_the_texts(texts):
    index = WordIndex.of(texts)
    for query in [*QUERIES, NAME, "a", "", "rocket rocket moon", "naïve Müller 東京 rocket"]:
        assert index.scores(query).tobytes() == bm25_by_bm25s_alone(texts, query).tobytes()
    words = bm25s.tokenize(texts, return_ids=False, show_progress=False)
    assert list(index._index.vocab_dict) == list(dict.fromkeys(word for document in words for word in document))


def test_words_of_any_language_are_found():
    texts = ["Der Müller mahlt", "東京 タワー", "моя собака", "🙂 🙃", ""]
    index = WordIndex.of(texts)
    assert [index.scores(query).argmax() for query in ("MÜLLER", "東京", "Собака")] == [0, 1, 2]
    assert not index.scores("🙂").any()


def test_an_index_lies_in_bm25s_own_files_without_pickle(folder, texts):
    kept = folder / "vectors" / "words"
    for path in kept.glob("*.npy"):
        np.load(path, allow_pickle=False)
    loaded = bm25s.BM25.load(kept, mmap=True)
    assert loaded.scores["num_docs"] == N
    index = stored_words(folder / "vectors", Embeddings.open(folder / "vectors").manifest["settings"]["corpus"])
    assert isinstance(index._index.scores["data"], np.memmap)
    assert index.scores(QUERY).tobytes() == WordIndex.of(texts).scores(QUERY).tobytes()


FAULTS = {
    "missing": (lambda kept: shutil.rmtree(kept), "keeps no index of words"),
    "torn array": (lambda kept: cut(kept / "data.csc.index.npy"), "keeps a damaged index of words"),
    "flipped bit": (lambda kept: flip(kept / "indices.csc.index.npy"), "keeps a damaged index of words"),
    "lost file": (lambda kept: (kept / "vocab.index.json").unlink(), "keeps a damaged index of words"),
    "lost facts": (lambda kept: (kept / "facts.json").unlink(), "keeps a damaged index of words"),
    "torn facts": (lambda kept: cut(kept / "facts.json"), "keeps a damaged index of words"),
    "no checksums": (lambda kept: facts(kept, sha256={}), "keeps a damaged index of words"),
    "other texts": (lambda kept: write_words(["other texts"], kept.parent, "0" * 64), "the words of other texts"),
    "another format": (lambda kept: facts(kept, format="0"), "the words of other texts"),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def facts(kept, **changes):
    path = kept / "facts.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("fault", FAULTS)
def test_an_index_that_cannot_be_trusted_is_not_used_and_made_again(folder, texts, tmp_path, capsys, fault):
    shutil.copytree(folder, tmp_path / "copy")
    whole = contents(folder)
    do, sentence = FAULTS[fault]
    do(tmp_path / "copy" / "vectors" / "words")
    assert contents(tmp_path / "copy") != whole
    command = ["search", "--embeddings", str(tmp_path / "copy" / "vectors"), QUERY, "--json"]
    assert main([*command, "--by", "words"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err
    assert err.endswith("run the same 'unpadded embed' again, with bm25s installed (pip install 'unpadded[search]').\n")
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert err.startswith("unpadded search: searched by vectors alone, for ")
    assert sentence in err
    expected = DocumentSearch.open(folder / "vectors", by="vectors").search([QUERY])
    assert [json.loads(line) for line in out.splitlines()] == expected.to_dict("records")
    embedded(tmp_path / "copy", N, texts=texts)
    assert contents(tmp_path / "copy") == whole


def test_a_finished_set_of_an_older_version_gets_its_index_and_is_not_touched(folder, texts, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "vectors" / "words")
    monkeypatch.setattr("unpadded.embeddings.embedding.encode_shard", None)  # nothing is computed again
    embedded(tmp_path / "copy", N, texts=texts)
    assert contents(tmp_path / "copy") == contents(folder)
    assert DocumentSearch.open(tmp_path / "copy" / "vectors").by == "both"


def test_what_a_killed_process_left_goes(folder, texts, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    torn = tmp_path / "copy" / "vectors" / ".words.x1.tmp"
    torn.mkdir()
    (torn / "data.csc.index.npy").write_bytes(b"x")
    embedded(tmp_path / "copy", N, texts=texts)
    assert not torn.exists()


def test_texts_without_words_keep_no_index(tmp_path):
    embedded(tmp_path, 4, texts=["?!", "", "the of", "a"])
    assert not (tmp_path / "vectors" / "words").exists()
    said = []
    search = DocumentSearch.open(tmp_path / "vectors", say=said.append)
    assert search.by == "vectors"
    assert "keeps no index of words (texts without a word have none)" in said[0]
    assert len(search.search(["rocket"])) == 4


def test_an_index_of_other_texts_goes_where_the_texts_have_none(tmp_path):
    write_words(["rocket"], tmp_path, "a")
    assert stored_words(tmp_path, "a").n_documents == 1
    write_words(["?!"], tmp_path, "b")
    assert not (tmp_path / "words").exists()


def test_too_long_a_corpus_keeps_no_index(tmp_path, monkeypatch):
    monkeypatch.setattr(words_module, "MOST_CHARACTERS", 11)
    write_words(["rocket", "moon"], tmp_path / "short", "a")
    write_words(["rocket", "bread!"], tmp_path / "long", "a")
    assert (tmp_path / "short" / "words").is_dir()
    assert not (tmp_path / "long").exists()


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    def fail(*args, **options):
        raise OSError("1000 requested and 109 written")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match=r"The disk under .* is full"):
        embedded(tmp_path, 3)
    assert [path.name for path in (tmp_path / "vectors").glob("*words*")] == []
    assert not list((tmp_path / "vectors").glob(".words*"))
    monkeypatch.undo()
    embedded(tmp_path, 3)
    assert DocumentSearch.open(tmp_path / "vectors").by == "both"


def test_without_bm25s_a_set_is_embedded_and_searched_by_vectors(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm25s", None)
    monkeypatch.setitem(sys.modules, "bm25s.stopwords", None)
    embeddings = embedded(tmp_path, 12)
    assert len(embeddings) == 12
    assert not (tmp_path / "vectors" / "words").exists()
    said = []
    assert DocumentSearch.open(folder / "vectors", say=said.append).by == "vectors"
    assert said == ["searched by vectors alone, for bm25s is not installed: pip install 'unpadded[search]' brings it."]
    with pytest.raises(InputError, match=r"bm25s is not installed: pip install 'unpadded\[search\]' brings it"):
        DocumentSearch.open(folder / "vectors", by="words")
    found = DocumentSearch.open(folder / "vectors", by="vectors").search([QUERY])
    assert len(found) == 10


def test_vectors_need_no_index_of_words(folder, monkeypatch):
    monkeypatch.setattr(search_module, "stored_words", None)
    said = []
    assert len(DocumentSearch.open(folder / "vectors", by="vectors", say=said.append).search([QUERY])) == 10
    assert said == []


@pytest.mark.parametrize("by", ["meaning", "", None])
def test_what_is_no_way_to_search_is_refused(folder, by):
    with pytest.raises(InputError, match="search by one of vectors, words, both"):
        DocumentSearch.open(folder / "vectors", by=by)


@pytest.mark.parametrize("by", ["words", "both"])
@pytest.mark.parametrize("exact_up_to", [0, 10**6], ids=["index", "exact"])
def test_threads_find_what_the_serial_search_finds(folder, tmp_path, monkeypatch, by, exact_up_to):
    monkeypatch.setattr(search_module, "CANDIDATES", 1)
    monkeypatch.setattr(search_module, "LEAST_CANDIDATES", 10)  # few enough for an approximate index of a small set
    monkeypatch.setattr(search_module, "SAMPLE", 20)
    shutil.copytree(folder, tmp_path / "copy")
    asked = [(f"{query} {word}", k) for query in QUERIES for word in ("", NAME, "bread", "season") for k in (1, 3, 12)]
    options = {"model": folder / "model", "by": by, "exact_up_to": exact_up_to}
    search = DocumentSearch.open(tmp_path / "copy" / "vectors", **options)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: search.search([one[0]], k=one[1]), asked))
    assert (tmp_path / "copy" / "vectors" / "mean.usearch").exists() == (by == "both" and exact_up_to == 0)
    alone = DocumentSearch.open(tmp_path / "copy" / "vectors", **options)
    for (query, k), table in zip(asked, found, strict=True):
        pd.testing.assert_frame_equal(table, alone.search([query], k=k), check_exact=True)


def test_the_command_says_what_found_each_result_and_what_nobody_knows(folder, capsys):
    command = ["search", "--embeddings", str(folder / "vectors")]
    assert main([*command, *QUERIES, "--json", "-k", "25"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["found_by"] for row in rows} == {"vectors", "words", "both"}
    assert rows == DocumentSearch.open(folder / "vectors").search(QUERIES, k=25).to_dict("records")
    for arguments, sentence in {
        (NAME,): f"the model knows no word of '{NAME}': what is found has its words",
        ("qwxyz",): "the model knows no word of 'qwxyz': what is found means nothing",
        (NAME, "--by", "vectors"): f"the model knows no word of '{NAME}': what is found means nothing",
        ("qwxyz", "--by", "words"): "no document has a word of 'qwxyz' (frequent English words do not count)",
        (NAME, "--by", "words"): None,
    }.items():
        assert main([*command, *arguments]) == 0
        assert capsys.readouterr().err == (f"unpadded search: {sentence}\n" if sentence else "")


def test_columns_of_the_terminal_stand_under_each_other(folder, capsys):
    assert main(["search", "--embeddings", str(folder / "vectors"), QUERY, "-k", "40"]) == 0
    lines = capsys.readouterr().out.splitlines()
    starts = {tuple(line.index(word) for word in (line.split()[2], " d", ".")) for line in lines}
    assert len(starts) == 1


def test_another_way_to_search_is_refused_by_the_parser(folder, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["search", "--embeddings", str(folder / "vectors"), QUERY, "--by", "meaning"])
    assert caught.value.code == 2
    assert "invalid choice: 'meaning'" in capsys.readouterr().err

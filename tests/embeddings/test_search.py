"""`unpadded search`: the nearest documents by cosine, and nothing found by a model that did not make the vectors."""

import io
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_tools import embedded
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.common.nearest import cosine_scorer, first_documents, nearest_rows
from unpadded.embeddings.search import DocumentSearch, find_model
from unpadded.embeddings.snippets import N_BYTES, beginning
from unpadded.embeddings.store import Embeddings
from unpadded.model.language_model import LanguageModel

N = 120
QUERY = "rocket launch to the moon"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    embedded(folder, N)
    return folder


def cosines(query: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return vectors @ query / np.where(norms == 0, 1, norms)


@given(
    seed=st.integers(0, 99),
    n=st.integers(1, 40),
    n_queries=st.integers(1, 4),
    k=st.integers(1, 50),
    step=st.integers(1, 41),
)
@settings(max_examples=30)
def test_blocks_of_any_size_give_the_nearest_rows(seed, n, n_queries, k, step):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (n, 3)).astype(np.float32)  # with ties and zero vectors
    queries = rng.standard_normal((n_queries, 3)).astype(np.float32)
    rows, scores = nearest_rows(queries, (vectors[i : i + step] for i in range(0, n, step)), k)
    assert rows.shape == scores.shape == (n_queries, min(k, n))
    for query, found, its_scores in zip(queries, rows, scores, strict=True):
        expected = cosines(query, vectors)
        np.testing.assert_allclose(its_scores, np.sort(expected)[::-1][:k], atol=1e-6)
        np.testing.assert_allclose(expected[found], its_scores, atol=1e-6)
        assert len(set(found)) == len(found)


def test_equal_cosines_keep_the_order_of_the_documents():
    same = np.ones((9, 2), np.float32)
    rows, _ = nearest_rows(same[:1], [same[:4], same[4:]], 6)
    assert rows.tolist() == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat"])
def test_scores_and_order_are_those_of_the_ranking_evaluation(folder, pooling):
    search = DocumentSearch.open(folder / "vectors", pooling=pooling, by="vectors")
    found = search.search([QUERY, "bread and cheese"], k=7)
    queries = search.encoder.encode([QUERY, "bread and cheese"])
    scorer = cosine_scorer(queries, search.embeddings.to_numpy(pooling))
    rows = first_documents(scorer, 2, N, depth=7)
    assert found["id"].tolist() == [search.embeddings.ids[i] for i in rows.ravel()]
    np.testing.assert_allclose(found["score"], np.take_along_axis(scorer(slice(None)), rows, axis=1).ravel(), atol=1e-6)
    assert found["rank"].tolist() == [*range(1, 8), *range(1, 8)]
    assert found["query"].tolist() == [QUERY] * 7 + ["bread and cheese"] * 7
    assert set(found["found_by"]) == {"vectors"}


def test_a_document_is_nearest_to_itself_and_shown_with_its_first_words(folder):
    search = DocumentSearch.open(folder / "vectors", by="vectors")
    assert search.pooling == "mean"
    words = bytes(search.embeddings.beginnings[17]).decode()
    best = search.search([words], k=1).iloc[0]
    assert (best["id"], best["words"]) == ("d17", words)
    assert best["score"] == pytest.approx(1, abs=1e-5)


@given(text=st.text(max_size=400))
@settings(max_examples=30)
def test_a_beginning_is_whole_characters_of_the_first_words(text):
    kept = beginning(text)
    assert len(kept) <= N_BYTES
    assert " ".join(text.split()).startswith(kept.decode())
    assert len(kept) > N_BYTES - 4 or kept.decode() == " ".join(text.split())


def test_a_beginning_of_what_is_no_unicode_is_readable():
    assert beginning("a \ud800 b") == b"a ? b"


def test_damaged_first_words_are_found_and_mended(tmp_path):
    embedded(tmp_path, 12)
    path = tmp_path / "vectors" / "beginnings.npy"
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"x")
    with pytest.raises(InputError, match=r"damaged \(beginnings\.npy\)"):
        Embeddings.open(tmp_path / "vectors", verify=True)
    embedded(tmp_path, 12)
    assert path.read_bytes() == before
    Embeddings.open(tmp_path / "vectors", verify=True)


@pytest.mark.parametrize(("layer", "precision"), [("all", "float32"), (0, "bfloat16")])
def test_queries_are_read_as_the_documents_were(tmp_path, layer, precision):
    embedded(tmp_path, 12, layer=layer, precision=precision)
    search = DocumentSearch.open(tmp_path / "vectors")
    assert (search.encoder.layers, search.encoder.precision) == (((0, 1) if layer == "all" else (0,)), precision)
    words = bytes(search.embeddings.beginnings[5]).decode()
    assert search.search([words], k=1)["id"].tolist() == ["d5"]


def test_the_model_is_found_where_it_lay_and_beside(folder, tmp_path):
    assert find_model(Embeddings.open(folder / "vectors")) == (folder / "model").resolve()
    shutil.copytree(folder / "vectors", tmp_path / "run" / "embeddings" / "tiny")
    embeddings = Embeddings.open(tmp_path / "run" / "embeddings" / "tiny")
    embeddings.manifest["about"]["model_folder"] = str(tmp_path / "moved")
    with pytest.raises(InputError, match=r"not found \(it was .*moved\): say where it is with --model"):
        find_model(embeddings)
    shutil.copytree(folder / "model", tmp_path / "run" / "language_model")
    assert find_model(embeddings) == tmp_path / "run" / "language_model"


def test_sets_of_older_versions_are_searched_too(folder, tmp_path):
    """They have no first words and do not say where the model lay."""
    shutil.copytree(folder / "vectors", tmp_path / "old")
    manifest = json.loads((tmp_path / "old" / "manifest.json").read_text())
    del manifest["sha256"]["beginnings.npy"], manifest["about"]["model_folder"]
    (tmp_path / "old" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "old" / "beginnings.npy").unlink()
    with pytest.raises(InputError, match=r"is not found: say where it is with --model"):
        DocumentSearch.open(tmp_path / "old")
    found = DocumentSearch.open(tmp_path / "old", model=folder / "model").search([QUERY])
    expected = DocumentSearch.open(folder / "vectors").search([QUERY])
    assert found["id"].tolist() == expected["id"].tolist()
    assert set(found["words"]) == {""}


def test_a_foreign_model_is_refused(folder, tmp_path):
    lm = LanguageModel.load(folder / "model")
    with_other_words = LanguageModel(lm.module, [*lm.vocab[:-1], "another"])
    with pytest.raises(InputError, match=r"made by another model .*: give the model that made them"):
        DocumentSearch(Embeddings.open(folder / "vectors"), with_other_words)


@pytest.mark.parametrize("queries", ["one str", ["", "rocket"], [" \n"], [None]])
def test_what_is_no_query_is_refused(folder, queries):
    with pytest.raises(InputError):
        DocumentSearch.open(folder / "vectors").search(queries)


def test_a_pooling_that_is_not_there_is_refused(folder):
    with pytest.raises(InputError, match="it has last, mean, max, concat pooling"):
        DocumentSearch.open(folder / "vectors", pooling="weighted_mean")


def run(folder, *arguments) -> int:
    return main(["search", "--embeddings", str(folder / "vectors"), *map(str, arguments)])


def test_the_command_prints_rank_score_id_and_words(folder, capsys):
    assert run(folder, QUERY, "-k", 3) == 0
    out, err = capsys.readouterr()
    expected = DocumentSearch.open(folder / "vectors").search([QUERY], k=3)
    lines = [line.split(maxsplit=4) for line in out.splitlines()]
    assert [int(line[0]) for line in lines] == [1, 2, 3]
    assert [float(line[1]) for line in lines] == [round(score, 4) for score in expected["score"]]
    assert [line[2] for line in lines] == expected["found_by"].tolist()
    assert [line[3] for line in lines] == expected["id"].tolist()
    assert [line[4] for line in lines] == expected["words"].tolist()
    assert err == ""


@pytest.mark.parametrize("by", ["vectors", "words"])
def test_by_one_side_alone_no_line_says_what_found_it(folder, capsys, by):
    assert run(folder, QUERY, "-k", 3, "--by", by) == 0
    expected = DocumentSearch.open(folder / "vectors", by=by).search([QUERY], k=3)
    lines = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    assert [line[2] for line in lines] == expected["id"].tolist()
    assert [float(line[1]) for line in lines] == [round(score, 4) for score in expected["score"]]


def test_the_command_prints_json_lines_of_several_queries(folder, tmp_path, capsys):
    (tmp_path / "queries.txt").write_text("\ufeffbread and cheese\n\ngoal of the team\n")
    assert run(folder, QUERY, "--queries", tmp_path / "queries.txt", "--json", "-k", 2, "--pooling", "max") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["query"] for row in rows] == [QUERY] * 2 + ["bread and cheese"] * 2 + ["goal of the team"] * 2
    expected = DocumentSearch.open(folder / "vectors", pooling="max").search([row["query"] for row in rows[::2]], k=2)
    assert rows == expected.to_dict("records")


def test_a_score_does_not_depend_on_what_else_is_asked(folder):
    search = DocumentSearch.open(folder / "vectors", pooling="concat")
    queries = [QUERY, *search.embeddings.ids, "bread", "goal"]
    together = search.search(queries, k=5)
    alone = search.search([QUERY], k=5)
    assert together[together["query"] == QUERY].equals(alone)


def test_queries_are_searched_in_batches(folder, monkeypatch, capsys):
    queries = [QUERY, "bread", "goal", "bread", "rocket"]
    asked, search = [], DocumentSearch.search
    monkeypatch.setattr("unpadded.embeddings.QUERIES_AT_ONCE", 2)
    monkeypatch.setattr(DocumentSearch, "search", lambda self, some, **k: asked.append(some) or search(self, some, **k))
    assert run(folder, *queries, "-k", 3, "--json") == 0
    assert asked == [queries[:2], queries[2:4], queries[4:]]
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["query"] for row in rows] == [query for query in queries for _ in range(3)]
    assert rows == [
        row for q in queries for row in search(DocumentSearch.open(folder / "vectors"), [q], k=3).to_dict("records")
    ]


def test_queries_come_from_standard_input_too(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"rocket\nbread\n")))
    assert run(folder, "--queries", "-", "-k", 1) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line in ("rocket", "bread")] == ["rocket", "bread"]


def test_more_documents_than_there_are_gives_all_of_them(folder, capsys):
    assert run(folder, QUERY, "-k", 1000, "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == N


def test_a_query_of_unknown_words_is_answered_with_a_warning(folder, capsys):
    assert run(folder, "qwxyz", "-k", 1) == 0
    assert "knows no word of 'qwxyz'" in capsys.readouterr().err


def test_ids_cannot_move_the_cursor(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "copy")
    ids = tmp_path / "copy" / "vectors" / "ids.jsonl"
    ids.write_text(ids.read_text().replace('"d', '"\\u001b[2J'))
    assert run(tmp_path / "copy", QUERY) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "There is no query"),
        ([QUERY, "--model", "nowhere"], "nowhere is no language model"),
        ([QUERY, "--pooling", "median"], "'median'"),
        (["--queries", "nowhere.txt"], "nowhere.txt cannot be read"),
        ([""], "Query 1 has no word"),
    ],
)
def test_wrong_input_is_said_in_one_line(folder, capsys, arguments, said):
    assert run(folder, *arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


def test_queries_that_are_not_utf8_are_refused(folder, tmp_path, capsys):
    (tmp_path / "latin").write_bytes("Käse".encode("latin-1"))
    assert run(folder, "--queries", tmp_path / "latin") == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_a_query_file_has_as_many_queries_as_lines(folder, tmp_path, capsys):
    lines = ["bread\u2028and cheese", "goal\x0cof the team", "a\x85rocket", "the moon"]
    (tmp_path / "queries.txt").write_bytes("\r\n".join(lines).encode())
    assert run(folder, "--queries", tmp_path / "queries.txt", "--json", "-k", 1) == 0
    assert [json.loads(line)["query"] for line in capsys.readouterr().out.removesuffix("\n").split("\n")] == lines


def test_a_query_that_finds_less_shifts_no_other(folder, monkeypatch, capsys):
    """As an approximate index may: here two of three for one query, and none for another."""
    queries, found = [QUERY, "bread", "goal", "bread", "rocket"], {"bread": 2, "rocket": 0}
    whole = DocumentSearch.open(folder / "vectors").search(queries, k=3)
    less = pd.concat([whole[i : i + found.get(q, 3)] for i, q in zip(range(0, 15, 3), queries, strict=True)])
    monkeypatch.setattr(DocumentSearch, "search", lambda self, some, **k: less.reset_index(drop=True))
    assert run(folder, *queries, "-k", 3) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    shown = [(block.strip().split("\n")[0], len(block.strip().split("\n")) - 1) for block in blocks]
    assert shown == [(QUERY, 3), ("bread", 2), ("goal", 3), ("bread", 2), ("rocket", 0)]

"""Embeddings on disk: what is written is read back, and nothing torn, altered, foreign or other is."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.embeddings.store import Embeddings, npy_header
from unpadded.embeddings.writer import open_writer

POOLINGS = ["last", "mean", "max"]
SETTINGS = {"model": "a" * 64, "corpus": "b" * 64, "poolings": POOLINGS, "precision": "float32", "layers": [2]}


def vectors_of(documents: int, width: int, poolings=POOLINGS) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {pooling: random.normal(size=(documents, width)).astype(np.float32) for pooling in poolings}


def write(folder, vectors, *, ids=None, shard_size=3, stop_after=None, environment=None, **changed) -> list[int]:
    """Write `vectors`, or as many shards of them as `stop_after` says; the shards that were written."""
    documents, width = next(iter(vectors.values())).shape
    ids = [f"d{i}" for i in range(documents)] if ids is None else ids
    given_settings = {**SETTINGS, "poolings": list(vectors), "shard_size": shard_size, **changed}
    arguments = {"settings": given_settings, "environment": environment or {"torch": "2"}, "about": {}, "ids": ids}
    written = []
    with open_writer(folder, width=width, **arguments) as writer:
        for shard, (first, end) in list(writer.pending.items())[:stop_after]:
            writer.write(shard, {p: v[first:end] for p, v in vectors.items()}, tokens=10 * (end - first), seconds=0.5)
            written.append(shard)
        if not writer.pending and not writer.finished:
            writer.finish(certificate={"bit_identical": True})
    return written


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "timings.csv"}


@pytest.fixture
def whole(tmp_path):
    """A finished set of ten documents in four shards, and the vectors in it."""
    vectors = vectors_of(10, 5)
    write(tmp_path / "whole", vectors)
    return tmp_path / "whole", vectors


def test_reading_gives_memory_maps_and_ids(whole):
    folder, vectors = whole
    embeddings = Embeddings.open(folder, verify=True)
    assert (len(embeddings), embeddings.width) == (10, 5)
    assert embeddings.ids == [f"d{i}" for i in range(10)]
    assert embeddings.poolings == ("last", "mean", "max", "concat")
    for pooling in POOLINGS:
        assert isinstance(embeddings[pooling], np.memmap)
        assert not embeddings[pooling].flags.writeable
        np.testing.assert_array_equal(embeddings[pooling], vectors[pooling])
    concat = embeddings.to_numpy()
    assert concat.dtype == np.float32
    assert not isinstance(concat, np.memmap)
    np.testing.assert_array_equal(concat, np.hstack([vectors[p] for p in POOLINGS]))


def test_arrays_are_plain_npy_files(whole):
    folder, vectors = whole
    np.testing.assert_array_equal(np.load(folder / "mean.npy", allow_pickle=False), vectors["mean"])


def test_manifest_holds_settings_totals_and_certificate(whole):
    manifest = Embeddings.open(whole[0]).manifest
    assert manifest["settings"]["precision"] == "float32"
    assert (manifest["documents"], manifest["tokens"]) == (10, 100)
    assert manifest["certificate"] == {"bit_identical": True}
    timings = (whole[0] / "timings.csv").read_text().splitlines()
    assert timings[0] == "shard,documents,tokens,seconds,finished_at"
    assert [line.rsplit(",", 1)[0] for line in timings[1:]] == [
        f"{i},{n},{n}0,0.500" for i, n in enumerate([3, 3, 3, 1])
    ]


@given(data=st.data(), documents=st.integers(0, 9), width=st.integers(1, 4), shard_size=st.integers(1, 12))
@settings(max_examples=25)
def test_any_stops_leave_the_bytes_of_one_run(tmp_path_factory, data, documents, width, shard_size):
    vectors = vectors_of(documents, width)
    at_once, stopped = tmp_path_factory.mktemp("at_once"), tmp_path_factory.mktemp("stopped")
    write(at_once, vectors, shard_size=shard_size)
    written = []
    for stop_after in data.draw(st.lists(st.integers(0, 3), max_size=4)):
        written += write(stopped, vectors, shard_size=shard_size, stop_after=stop_after)
    written += write(stopped, vectors, shard_size=shard_size)
    assert written == list(range(-(-documents // shard_size)))  # each shard once, none twice
    assert contents(stopped) == contents(at_once)
    np.testing.assert_array_equal(Embeddings.open(stopped, verify=True).to_numpy("max"), vectors["max"])


@given(ids=st.lists(st.text(st.characters(exclude_categories=())), unique=True, min_size=1, max_size=6))
@settings(max_examples=30)
def test_ids_are_any_strings(tmp_path_factory, ids):
    folder = tmp_path_factory.mktemp("ids")
    write(folder, vectors_of(len(ids), 2), ids=ids)
    assert Embeddings.open(folder, verify=True).ids == ids


def test_one_pooling_alone(tmp_path):
    vectors = vectors_of(4, 2, ["mean"])
    write(tmp_path, vectors)
    embeddings = Embeddings.open(tmp_path)
    assert embeddings.poolings == ("mean",)
    np.testing.assert_array_equal(embeddings.to_numpy("mean"), vectors["mean"])
    with pytest.raises(InputError, match="holds mean, not 'concat'"):
        embeddings.to_numpy()
    with pytest.raises(InputError, match="stores mean as arrays, not 'last'"):
        embeddings["last"]


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


HEADER = len(npy_header(10, 5))
DAMAGES = {  # what is done, and the shards that have to be computed again
    "flipped bit in a row": (lambda folder: flip(folder / "mean.npy", HEADER + 4 * 5 * 4), [1]),
    "flipped bit in the header": (lambda folder: flip(folder / "max.npy", 11), []),
    "truncated array": (lambda folder: os.truncate(folder / "last.npy", HEADER + 5 * 5 * 4), [1, 2, 3]),
    "array too long": (lambda folder: (folder / "last.npy").write_bytes((folder / "last.npy").read_bytes() + b"x"), []),
    "lost array": (lambda folder: (folder / "last.npy").unlink(), [0, 1, 2, 3]),
    "emptied array": (lambda folder: (folder / "last.npy").write_bytes(b""), [0, 1, 2, 3]),
    "lost ids": (lambda folder: (folder / "ids.jsonl").unlink(), []),
    "flipped bit in the ids": (lambda folder: flip(folder / "ids.jsonl", 3), []),
    "lost list of shards": (lambda folder: (folder / "shards.jsonl").unlink(), [0, 1, 2, 3]),
    "torn list of shards": (lambda folder: os.truncate(folder / "shards.jsonl", 1000), [3]),
    "flipped bit in the list of shards": (lambda folder: flip(folder / "shards.jsonl", 40), [0]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_mended(whole, damage):
    folder, vectors = whole
    before = contents(folder)
    do, lost = DAMAGES[damage]
    do(folder)
    with pytest.raises(InputError, match="damaged"):
        Embeddings.open(folder, verify=True)
    assert write(folder, vectors) == lost
    assert contents(folder) == before


@pytest.mark.parametrize("damage", ["truncated array", "lost array", "lost ids", "flipped bit in the header"])
def test_sizes_and_headers_are_checked_without_verify(whole, damage):
    DAMAGES[damage][0](whole[0])
    with pytest.raises(InputError, match="run the same 'unpadded embed' again"):
        Embeddings.open(whole[0])


def test_a_set_in_work_is_not_opened(tmp_path):
    write(tmp_path, vectors_of(10, 5), stop_after=2)
    with pytest.raises(InputError, match="not finished"):
        Embeddings.open(tmp_path)


@pytest.mark.parametrize("place", ["missing", "empty", "file"])
def test_what_holds_no_embeddings_is_not_opened(tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="holds no embeddings"):
        Embeddings.open(tmp_path / place)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": "something else"}', '{"format": "unpadded embeddings 1"}']
)
def test_a_foreign_manifest_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest"):
        Embeddings.open(tmp_path)
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest"):
        write(tmp_path, vectors_of(2, 2))


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("model", "c" * 64, r"another model \(aaaaaaaaaaaa\.\.\., this is cccccccccccc\.\.\.\)"),
        ("corpus", "c" * 64, "another corpus"),
        ("precision", "bfloat16", r"another precision \(float32, this is bfloat16\)"),
        ("layers", [0, 1], r"another layer \(2, this is 0\+1\)"),
        ("shard_size", 4, r"another shard size \(3, this is 4\)"),
    ],
)
@pytest.mark.parametrize("stop_after", [1, None])
def test_other_settings_are_refused_and_change_nothing(tmp_path, name, other, said, stop_after):
    vectors = vectors_of(10, 5)
    write(tmp_path, vectors, stop_after=stop_after)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=said):
        write(tmp_path, vectors, **{name: other})
    assert contents(tmp_path) == before


def test_another_pooling_is_refused(whole):
    with pytest.raises(InputError, match=r"another pooling \(last\+mean\+max, this is mean\)"):
        write(whole[0], vectors_of(10, 5, ["mean"]))


def test_an_unfinished_set_is_not_mixed_with_another_version(tmp_path):
    vectors = vectors_of(10, 5)
    write(tmp_path, vectors, stop_after=1)
    with pytest.raises(InputError, match="begun with torch 2, this is 3"):
        write(tmp_path, vectors, environment={"torch": "3"})
    assert write(tmp_path, vectors) == [1, 2, 3]
    assert write(tmp_path, vectors, environment={"torch": "3"}) == []  # nothing is computed, so nothing is mixed


def test_a_set_without_a_finished_shard_takes_the_new_environment(tmp_path):
    write(tmp_path, vectors_of(4, 2), stop_after=0)
    write(tmp_path, vectors_of(4, 2), environment={"torch": "3"})
    assert Embeddings.open(tmp_path).manifest["environment"] == {"torch": "3"}


def test_foreign_files_are_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"'thesis\.tex'"):
        write(tmp_path, vectors_of(2, 2))
    assert contents(tmp_path) == {"thesis.tex": b"x"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="Cannot write to the folder"):
        write(tmp_path / "file", vectors_of(2, 2))


def test_leftovers_of_a_killed_run_are_removed(whole):
    folder, vectors = whole
    before = contents(folder)
    (folder / ".shards.jsonl.abc.tmp").write_text("torn")
    write(folder, vectors)
    assert contents(folder) == before


def test_a_second_writer_is_refused(tmp_path):
    arguments = {"settings": {**SETTINGS, "shard_size": 2}, "environment": {}, "about": {}, "ids": ["a"], "width": 2}
    with open_writer(tmp_path, **arguments):
        with pytest.raises(InputError, match="Another process writes to"), open_writer(tmp_path, **arguments):
            pass
        (reads, tells), (never, _) = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:  # a process that inherits the lock and outlives the writer
            os.write(tells, b"x")
            os.read(never, 1)
            os._exit(0)
        os.read(reads, 1)
    try:
        with open_writer(tmp_path, **arguments) as writer:
            assert writer.pending == {0: (0, 1)}
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_finish_and_shapes_are_checked(tmp_path):
    arguments = {"settings": {**SETTINGS, "shard_size": 2}, "environment": {}, "about": {}, "ids": ["a", "b", "c"]}
    with open_writer(tmp_path, width=4, **arguments) as writer:
        with pytest.raises(ValueError, match="still to be written"):
            writer.finish()
        with pytest.raises(ValueError, match="shape"):
            writer.write(0, vectors_of(3, 4), tokens=1, seconds=0)


def test_manifest_is_stable_json(whole):
    text = (whole[0] / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

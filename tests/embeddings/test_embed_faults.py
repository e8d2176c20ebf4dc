"""What happens to an embedding job between one instruction and the next: real kills, real full disks.

A forked child runs the job, so that a kill -9 costs no imports; the parent then runs the same command again.
"""

import argparse
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from embedding_tools import contents, shards_listed, write_files
from unpadded.cli.embed import add_embed_parser, run_embed
from unpadded.common.errors import InputError
from unpadded.embeddings import embedding as embedding_run
from unpadded.embeddings.store import Embeddings
from unpadded.encoding.encoder import DocumentEncoder

pytestmark = pytest.mark.slow

DOCUMENTS, SHARD_SIZE = 24, 8
SAMPLE = embedding_run.SAMPLE


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A certificate on two documents."""
    embedding_run.SAMPLE = 2
    yield
    embedding_run.SAMPLE = SAMPLE


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model and a corpus on disk."""
    return write_files(tmp_path_factory.mktemp("files"), emb_sz=400, n_hid=8, n_documents=DOCUMENTS, longest=19)


def arguments(files, output, *more) -> list[str]:
    given = ["embed", "--model", files / "model", "--input", files / "corpus.csv", "--output", output]
    return [str(item) for item in [*given, "--threads", "1", "--shard-size", SHARD_SIZE, *more]]


def embed(files, output, *more) -> int:
    parser = argparse.ArgumentParser()
    add_embed_parser(parser.add_subparsers())
    return run_embed(parser.parse_args(arguments(files, output, *more)))


def start(prepare, files, output) -> int:
    """Fork a process that runs `prepare()` and then the job; its id."""
    child = os.fork()  # torch has one thread here (see conftest.py): others would not survive the fork
    if child == 0:
        status = 70
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            prepare()
            status = embed(files, output)
        finally:
            os._exit(status)
    return child


def ended(child: int) -> int:
    """Wait for a child; its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module")
def uninterrupted(files, quick, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert embed(files, folder) == 0
    return contents(folder)


STEPS = ("fsync", "replace", "ftruncate", "pwrite")


def at_step(number: int, do) -> None:
    """Let `do(name, real, *arguments)` take the place of the `number`-th call that changes a file."""
    counter = iter(range(10**6))

    def counted(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            return do(name, real, *args) if next(counter) == number else real(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, counted(name))


def kill_halfway(name, real, *args):
    """Tear what is being written, or kill just after."""
    try:
        if name == "pwrite":
            descriptor, data, position = args
            real(descriptor, data[: len(data) // 2], position)
        else:
            real(*args)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def assert_unfinished_or_whole(folder: Path, whole: dict[str, bytes]) -> None:
    """What a kill leaves behind is refused, unless it is everything."""
    if folder.exists() and contents(folder) == whole:
        return
    with pytest.raises(InputError, match=r"not finished|holds no embeddings"):
        Embeddings.open(folder)


def test_killed_at_every_step_the_same_command_goes_on(files, uninterrupted, tmp_path):
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        status = ended(start(lambda: at_step(steps, kill_halfway), files, folder))  # noqa: B023 - runs within this turn
        if status == 0:
            break
        assert status == -signal.SIGKILL
        assert_unfinished_or_whole(folder, uninterrupted)
        if steps % 3 == 0:  # killed once more, a little later
            ended(start(lambda: at_step(steps // 2, kill_halfway), files, folder))  # noqa: B023
        assert embed(files, folder) == 0
        assert contents(folder) == uninterrupted, f"killed at step {steps}"
        steps += 1
    assert steps > 3 * 8  # every shard alone takes eight


@pytest.mark.parametrize("written", range(5))
def test_killed_while_the_index_of_words_is_written_it_is_made_again(files, uninterrupted, tmp_path, written):
    """bm25s writes its files without a sync, so no step of `STEPS` lies between two of them."""

    def killed():
        import bm25s

        files_of = iter([*["save"] * 3, "dumps", "dump"])  # three arrays, the words, the parameters
        places = {"save": bm25s.np, "dumps": bm25s.json_functions, "dump": bm25s.json}
        left = [written]

        def watched(real):
            def call(*args, **options):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return real(*args, **options)

            return call

        for name in set(files_of):
            setattr(places[name], name, watched(getattr(places[name], name)))

    assert ended(start(killed, files, tmp_path)) == -signal.SIGKILL
    assert len(list(tmp_path.glob(".words.*.tmp/*.npy"))) == min(written, 3)
    assert not (tmp_path / "words").exists()
    assert_unfinished_or_whole(tmp_path, uninterrupted)
    assert embed(files, tmp_path) == 0
    assert contents(tmp_path) == uninterrupted
    assert any(name.startswith("words/") for name in uninterrupted)


def shards_timed(folder: Path) -> int:
    timings = folder / "timings.csv"
    return timings.read_bytes().count(b"\n") - 1 if timings.exists() else 0


def slow() -> None:
    """Take 20 ms for every document, to be killed between two shards for certain."""
    stream = DocumentEncoder.stream_tokens

    def stream_slowly(self, token_ids, **options):
        for item in stream(self, token_ids, **options):
            time.sleep(0.02)
            yield item

    DocumentEncoder.stream_tokens = stream_slowly


def test_killed_from_outside_finished_shards_are_kept(files, uninterrupted, tmp_path):
    for finished in (1, 2):
        child = start(slow, files, tmp_path / "out")
        while shards_timed(tmp_path / "out") < finished:  # which is the last that is written of a shard
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
    assert embed(files, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == uninterrupted
    timings = pd.read_csv(tmp_path / "out" / "timings.csv")
    assert timings["shard"].tolist() == [0, 1, 2]  # none was computed twice


def test_a_second_process_is_refused_until_the_first_is_gone(files, uninterrupted, tmp_path):
    child = start(slow, files, tmp_path / "out")
    while shards_listed(tmp_path / "out") < 1:
        time.sleep(0.005)
    with pytest.raises(InputError, match="Another process writes to"):
        embed(files, tmp_path / "out")
    os.kill(child, signal.SIGKILL)
    ended(child)
    assert embed(files, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == uninterrupted


def test_an_interrupted_job_goes_on(files, uninterrupted, tmp_path, monkeypatch):
    stream = DocumentEncoder.stream_tokens

    def interrupted(self, token_ids, **options):
        for position, vectors in stream(self, token_ids, **options):
            if shards_listed(tmp_path) == 1:
                raise KeyboardInterrupt
            yield position, vectors

    monkeypatch.setattr(DocumentEncoder, "stream_tokens", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed(files, tmp_path)
    assert shards_listed(tmp_path) == 1
    monkeypatch.undo()
    assert embed(files, tmp_path) == 0
    assert contents(tmp_path) == uninterrupted


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 136 KiB, which holds two of the three shards; only root may mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=136k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this machine lets no file system be mounted")
    yield folder
    subprocess.run(["umount", folder], check=True)


def assert_full(status: int, message: str, folder: Path) -> None:
    assert status == 1
    assert message.count("\n") == 1
    assert "is full: make room and run the same command again" in message
    assert not list(folder.glob(".*.tmp"))
    with pytest.raises(InputError, match="not finished"):
        Embeddings.open(folder)


def test_a_full_disk_ends_in_one_sentence_and_loses_no_shard(files, uninterrupted, small_disk, capsys):
    output = small_disk / "out"
    assert_full(embed(files, output), capsys.readouterr().err, output)
    assert shards_listed(output) == 2
    assert_full(embed(files, output), capsys.readouterr().err, output)  # still full
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    assert embed(files, output) == 0
    assert contents(output) == uninterrupted
    assert pd.read_csv(output / "timings.csv")["shard"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("documents", [0, 4, 12, 20])
def test_a_file_size_limit_is_a_full_disk(files, uninterrupted, tmp_path, documents):
    limit = 128 + documents * 400 * 4
    reads, writes = os.pipe()

    def restrict():
        sys.stderr = os.fdopen(writes, "w", buffering=1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    assert ended(start(restrict, files, tmp_path)) == 1
    assert b"is full" in os.read(reads, 1000)
    assert not list(tmp_path.glob(".*.tmp"))
    assert embed(files, tmp_path) == 0
    assert contents(tmp_path) == uninterrupted


def test_any_other_error_of_the_file_system_is_passed_on(files, tmp_path, monkeypatch):
    def fail(descriptor, data, position):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(OSError, match="Input/output error"):
        embed(files, tmp_path)


def test_the_command_is_killed_and_goes_on(files, tmp_path, monkeypatch):
    """The same through the front door, with nothing of the test in the process."""
    monkeypatch.setattr(embedding_run, "SAMPLE", SAMPLE)
    assert embed(files, tmp_path / "whole", "--shard-size", "1") == 0
    given = [sys.executable, "-m", "unpadded.cli.main", *arguments(files, tmp_path / "out", "--shard-size", "1")]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(given, **quiet) as first:
        while shards_listed(tmp_path / "out") < 1 and first.poll() is None:
            time.sleep(0.002)
        first.kill()
    assert first.returncode == -signal.SIGKILL
    second = subprocess.run(given, **quiet, check=False)
    assert second.returncode == 0, second.stderr
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert f"{DOCUMENTS} documents" in second.stdout

"""Embedding over several processes: the bytes of one process, whoever dies on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import dask
import pandas as pd
import pytest
import torch
from distributed import CancelledError, KilledWorker
from distributed.comm import CommClosedError
from distributed.utils import get_mp_context

from embedding_tools import contents, shards_listed, write_files
from unpadded.cli.main import main
from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.embeddings import driver as embedding_cluster
from unpadded.embeddings.driver import cluster_client, embed_on_cluster
from unpadded.embeddings.embedding import embed_corpus
from unpadded.embeddings.worker import EncoderRecipe, check_device, describe, encode_texts
from unpadded.embeddings.writer import EmbeddingsWriter
from unpadded.model.language_model import LanguageModel

pytestmark = pytest.mark.slow

DOCUMENTS, SHARD_SIZE = 60, 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model and a corpus on disk."""
    return write_files(tmp_path_factory.mktemp("files"), emb_sz=20, n_hid=30, n_documents=DOCUMENTS, longest=59)


@pytest.fixture(scope="module")
def job(files):
    """Corpus and recipe."""
    return Corpus.load(files / "corpus.csv"), EncoderRecipe(str(files / "model"), threads=1)


@pytest.fixture(scope="module")
def local(job, tmp_path_factory):
    """The files of one process."""
    folder = tmp_path_factory.mktemp("local")
    embed_corpus(job[0], job[1].build(), folder, shard_size=SHARD_SIZE, pooling="concat")
    return contents(folder)


@pytest.fixture(scope="module")
def client():
    """Three workers, forks of one process that has imported what they need."""
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(
            ["distributed", "unpadded.embeddings.worker", "unpadded.encoding.encoder"]
        )
        with cluster_client(n_workers=3) as client:
            yield client


def until(condition, seconds: float = 60) -> None:
    """Wait for a condition that is to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_three_processes_write_the_bytes_of_one(client, job, local, tmp_path):
    embeddings = embed_on_cluster(client, *job, tmp_path, shard_size=SHARD_SIZE)
    assert contents(tmp_path) == local
    assert len(embeddings) == DOCUMENTS
    assert len(pd.read_csv(tmp_path / "timings.csv")) == DOCUMENTS // SHARD_SIZE


def stop_after(monkeypatch, n_shards: int, error: BaseException) -> None:
    """Let `error` come after so many shards."""
    write, left = EmbeddingsWriter.write, iter(range(n_shards))

    def counted(self, *args, **options):
        write(self, *args, **options)
        if next(left, None) is None:
            raise error

    monkeypatch.setattr(EmbeddingsWriter, "write", counted)


def test_a_stopped_cluster_job_goes_on_anywhere(client, job, local, tmp_path, monkeypatch):
    stop_after(monkeypatch, 4, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        embed_on_cluster(client, *job, tmp_path / "first", shard_size=SHARD_SIZE)
    monkeypatch.undo()
    assert shards_listed(tmp_path / "first") == 5
    until(lambda: not any(client.processing().values()))  # what was under way was called off
    embed_corpus(job[0], job[1].build(), tmp_path / "first", shard_size=SHARD_SIZE, pooling="concat")
    assert contents(tmp_path / "first") == local

    stop_after(monkeypatch, 7, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        embed_corpus(job[0], job[1].build(), tmp_path / "second", shard_size=SHARD_SIZE, pooling="concat")
    monkeypatch.undo()
    embed_on_cluster(client, *job, tmp_path / "second", shard_size=SHARD_SIZE)
    assert contents(tmp_path / "second") == local
    assert len(pd.read_csv(tmp_path / "second" / "timings.csv")) == DOCUMENTS // SHARD_SIZE  # none was done twice


def test_a_model_that_the_workers_do_not_see_is_an_input_error(client, job, tmp_path):
    recipe = EncoderRecipe(str(tmp_path / "nowhere"))
    with pytest.raises(
        InputError, match=r"The worker tcp://.* cannot make the encoder: .*nowhere is no language model"
    ):
        embed_on_cluster(client, job[0], recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_worker_with_another_model_or_processor_is_refused(job):
    corpus, recipe = job
    facts = describe(recipe, ["mean"])
    shard = encode_texts(recipe, facts, corpus.texts[:3])
    assert (
        shard.vectors["mean"].tobytes()
        == recipe.build()
        .encode_tokens(LanguageModel.load(recipe.model).numericalize(corpus.texts[:3]), pooling="mean")
        .tobytes()
    )
    with pytest.raises(InputError, match=r"This process finds another model in .*: let every worker see the same"):
        encode_texts(recipe, replace(facts, settings={**facts.settings, "model": "0" * 64}), corpus.texts[:3])
    with pytest.raises(InputError, match=r"has processor .*, the first worker had Pentium, and the last bits"):
        encode_texts(
            recipe, replace(facts, environment={**facts.environment, "processor": "Pentium"}), corpus.texts[:3]
        )


def test_threads_are_set_in_every_thread_that_a_worker_uses(job):
    """Dask runs tasks in threads of a pool, and torch keeps its number of threads for each of them."""
    corpus, recipe = job
    facts = describe(replace(recipe, threads=2), ["mean"])
    assert facts.environment["threads"] == 2
    with ThreadPoolExecutor(1) as pool:
        pool.submit(torch.set_num_threads, 1).result()
        pool.submit(encode_texts, replace(recipe, threads=2), facts, corpus.texts[:3]).result()
        assert pool.submit(torch.get_num_threads).result() == 2


@pytest.mark.parametrize(
    ("device", "precision", "said"),
    [
        ("gpu", "float32", "'gpu' is not known"),
        ("meta", "float32", "'meta' is not supported"),
        ("cuda:99", "float32", "'cuda:99' is not there"),
        ("cpu", "float16", "float16 needs a CUDA device"),
    ],
)
def test_devices_that_are_not_there_are_refused(device, precision, said):
    with pytest.raises(InputError, match=said):
        check_device(device, precision)


def test_the_command_refuses_them_too(files, tmp_path, capsys):
    given = ["embed", "--model", files / "model", "--input", files / "corpus.csv", "--output", tmp_path / "out"]
    assert main([*map(str, given), "--device", "cuda:99"]) == 2
    assert "'cuda:99' is not there" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*map(str, given), "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"])


def test_shards_of_a_killed_worker_go_to_the_others(client, job, local, tmp_path, monkeypatch):
    """The last test of this cluster: one of its three workers is a new one afterwards."""
    write, stopped = EmbeddingsWriter.write, threading.Event()

    def write_and_wait(*args, **options):
        write(*args, **options)
        stopped.wait(60)

    monkeypatch.setattr(EmbeddingsWriter, "write", write_and_wait)
    address, process = next(iter(client.run(os.getpid).items()))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(embed_on_cluster, client, *job, tmp_path, shard_size=SHARD_SIZE)
        try:
            until(lambda: shards_listed(tmp_path) > 0)
            os.kill(process, signal.SIGSTOP)  # so that what it has, begun or done, stays with it
            stopped.set()
            until(lambda: client.processing().get(address) or client.has_what().get(address))
            assert not running.done()
        finally:
            stopped.set()  # if it failed before: the writes must not wait a minute each
            os.kill(process, signal.SIGKILL)
        running.result(timeout=120)
    assert contents(tmp_path) == local
    assert address not in client.nthreads()


def dask_command(*arguments) -> subprocess.Popen:
    """A process of Dask's own command line."""
    given = [sys.executable, "-m", "dask", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler on the loopback interface: its process and its address."""
    listed = tmp_path / "scheduler.json"
    process = dask_command(
        "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", listed
    )
    try:
        until(lambda: listed.exists() and listed.stat().st_size)
        yield process, pd.read_json(listed, typ="series")["address"]
    finally:
        end(process)


def embed_remotely(files, output, address) -> int:
    given = ["embed", "--model", files / "model", "--input", files / "corpus.csv", "--output", output]
    given += ["--shard-size", SHARD_SIZE, "--scheduler", address]
    return main([str(item) for item in given])


def test_a_scheduler_started_by_dasks_own_command(files, scheduler, local, tmp_path, capsys, monkeypatch):
    """With no worker, with one that has several threads, and gone in the middle of the work."""
    process, address = scheduler
    monkeypatch.setattr(embedding_cluster, "TIMEOUT", 0.5)
    assert embed_remotely(files, tmp_path / "out", address) == 2
    assert f"has no worker: start one with 'dask worker {address}" in capsys.readouterr().err
    monkeypatch.setattr(embedding_cluster, "TIMEOUT", 60)
    worker = dask_command("worker", address, "--nthreads", 3, "--no-dashboard", "--no-nanny")
    try:
        assert embed_remotely(files, tmp_path / "out", address) == 0
        assert contents(tmp_path / "out") == local
        out, err = capsys.readouterr()
        assert f"{DOCUMENTS} documents" in out
        assert err == ""

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(embed_remotely, files, tmp_path / "lost", address)
            until(lambda: shards_listed(tmp_path / "lost") > 0)
            worker.send_signal(signal.SIGSTOP)
            process.kill()
            assert running.result(timeout=120) == 1
        assert "is gone: start it and run the same command again" in capsys.readouterr().err
        assert shards_listed(tmp_path / "lost") > 0
    finally:
        end(worker)


@pytest.mark.parametrize(
    ("error", "becomes", "said"),
    [
        (KilledWorker("task", SimpleNamespace(address="tcp://a:1"), 3), ChildProcessError, r"4 workers.* at tcp://a:1"),
        (CancelledError("task"), ConnectionError, "no finished shard is lost"),
        (CommClosedError("closed"), ConnectionError, "no finished shard is lost"),
        (ModuleNotFoundError("No module named 'unpadded'"), InputError, "install the same versions of unpadded"),
        (RuntimeError("Error during deserialization of the task graph."), InputError, "install the same versions"),
        (RuntimeError("a bug"), RuntimeError, "^a bug$"),
        (OSError(28, "No space left on device"), OSError, "No space left"),
    ],
)
def test_what_a_cluster_can_do_is_said_in_a_sentence(error, becomes, said):
    with (
        pytest.raises(becomes, match=said),
        embedding_cluster._cluster_errors_in_a_sentence(SimpleNamespace(scheduler=None)),
    ):
        raise error


def test_where_no_scheduler_answers_is_said(monkeypatch):
    monkeypatch.setattr(embedding_cluster, "TIMEOUT", 0.3)
    with (
        pytest.raises(InputError, match=r"No Dask scheduler answers at '127\.0\.0\.1:9'"),
        cluster_client(scheduler="127.0.0.1:9"),
    ):
        pass

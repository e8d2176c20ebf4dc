"""`unpadded embed` over many processes: shards go to Dask's workers, vectors come back, one process writes them.

The corpus is read by the process that calls; every worker has to see the model's folder under the same path, on a file
system that they share. A worker that dies loses nothing but time: its shards go to the others. What goes through the
calling process (texts out, vectors in) bounds how many workers it can feed: docs/scale.md has the numbers.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import dask
from distributed import CancelledError, Client, Future, KilledWorker, as_completed
from distributed.comm import CommClosedError

from unpadded.common import InputError, first_line, local_client, n_cores, scheduler_client
from unpadded.corpus import Corpus
from unpadded.embeddings.embedding import SHARD_SIZE, certified_sample, open_shards, stored_parts
from unpadded.embeddings.progress import EmbeddingProgress
from unpadded.embeddings.store import Embeddings
from unpadded.embeddings.worker import EncodedShard, EncoderRecipe, certify_texts, describe, encode_texts
from unpadded.embeddings.writer import EmbeddingsWriter

SHARDS_AHEAD = 2  # shards under way for each worker: one is computed while another travels
TIMEOUT = 30  # seconds in which a scheduler has to answer and to have a worker
NO_SCHEDULER = "No Dask scheduler answers at {address!r} ({reason}): start one with 'dask scheduler'."


def embed_on_cluster(
    client: Client,
    corpus: Corpus,
    recipe: EncoderRecipe,
    folder: str | os.PathLike,
    *,
    pooling: str | Sequence[str] = "concat",
    shard_size: int = SHARD_SIZE,
    progress: bool | None = None,
) -> Embeddings:
    """Embed every document of `corpus` into `folder` on the workers of `client`, going on where an earlier run stopped.

    All files but timings.csv are, byte for byte, those of `embedding.embed_corpus` in one process with the same
    processor, library versions and number of torch threads (`recipe.threads`, which every worker is set to); a worker
    where one of these differs is refused. Raises `InputError` as `embed_corpus` does and for a worker that does not see
    the model, `ConnectionError` for a scheduler that is lost, `ChildProcessError` for a shard that kills every worker that
    takes it up; finished shards stay.
    """
    with _cluster_errors_in_a_sentence(client):
        facts = client.submit(describe, recipe, stored_parts(pooling), pure=False).result()
        with open_shards(corpus, folder, facts, shard_size=shard_size) as writer:
            if not writer.finished:
                shown = EmbeddingProgress(sum(end - first for first, end in writer.pending.values()), show=progress)
                with closing(shown), closing(_encoded(client, writer, corpus.texts, recipe, facts)) as shards:
                    for shard, encoded in shards:
                        first, end = writer.pending[shard]
                        writer.write(shard, encoded.vectors, tokens=encoded.tokens, seconds=encoded.seconds)
                        shown.update(encoded.tokens, end - first)
                sample = certified_sample(corpus.texts)
                writer.finish(certificate=client.submit(certify_texts, recipe, facts, sample, pure=False).result())
    return Embeddings.open(folder)


@contextmanager
def cluster_client(*, scheduler: str | None = None, n_workers: int = 1) -> Iterator[Client]:
    """A client of the Dask scheduler at an address, or of `n_workers` new processes on this machine.

    The new processes end with the block. Raises `InputError` for an address where no scheduler with a worker answers.
    """
    if scheduler is None:
        environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(n_cores() // n_workers, 1)))}
        with local_client(n_workers, environment=environment) as client:
            yield client
        return
    with scheduler_client(scheduler, timeout=TIMEOUT, refusal=NO_SCHEDULER) as client:
        try:
            client.wait_for_workers(1, timeout=TIMEOUT)
        except TimeoutError:
            raise InputError(
                f"The scheduler at {scheduler} has no worker: start one with 'dask worker {scheduler} --nthreads 1'."
            ) from None
        yield client


def _encoded(client: Client, writer: EmbeddingsWriter, texts, recipe, facts) -> Iterator[tuple[int, EncodedShard]]:
    """Yield (shard, its vectors) in whatever order the workers end; only what is under way is held."""
    to_do, under_way = deque(writer.pending.items()), {}
    done = as_completed(loop=client.loop)
    try:
        while to_do or under_way:
            while to_do and len(under_way) < SHARDS_AHEAD * _n_workers(client):
                shard, (first, end) = to_do.popleft()
                future = _submitted(client, recipe, facts, list(texts[first:end]), shard)
                under_way[future] = shard
                done.add(future)
            future = next(done)
            shard = under_way.pop(future)
            yield shard, future.result()
            future.release()
    finally:
        client.cancel(list(under_way), force=True)


def _n_workers(client: Client) -> int:
    """The workers of the moment, at least 1: they may come and go."""
    try:
        return max(len(client.nthreads()), 1)
    except OSError as error:
        raise CommClosedError(str(error)) from error


def _submitted(client: Client, recipe, facts, texts: list[str], shard: int) -> Future:
    # The texts go with the task, not into a worker's memory: what dies with a worker would have to be sent again.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        return client.submit(encode_texts, recipe, facts, texts, pure=False, priority=-shard)


@contextmanager
def _cluster_errors_in_a_sentence(client: Client) -> Iterator[None]:
    """Say in a sentence that the scheduler is gone or that a task kills its workers."""
    address = client.scheduler.address if client.scheduler else "its address"
    try:
        yield
    except KilledWorker as error:
        raise ChildProcessError(
            f"A task ended {error.allowed_failures + 1} workers, one after the other, the last at "
            f"{error.last_worker.address}: look into its log, give it more memory, and run the same command again."
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ConnectionError(
            f"The scheduler at {address} is gone: start it and run the same command again, no finished shard is lost."
        ) from error
    except (ModuleNotFoundError, RuntimeError) as error:
        if not isinstance(error, ModuleNotFoundError) and "deserializ" not in str(error):
            raise
        raise InputError(
            f"The scheduler at {address}, or a worker of it, cannot read what it is sent ({first_line(error)}): install the "
            "same versions of unpadded and of what it needs there."
        ) from error

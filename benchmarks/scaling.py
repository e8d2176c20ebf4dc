"""Encoding over worker processes: do twice the processes take half the time, and do more documents take only more time?

One table: first the same documents on 1, 2 and 4 processes of a local cluster, then more and more documents. The whole job
of `unpadded embed --workers` is measured (tokenizing, encoding, sending, writing), without the start of the cluster and the
loading of the model. `--clock cpu` counts the processors' time of all processes together, by the number of workers: it
holds on a machine that others use too, but says nothing about waiting. With `--csv` the rows are added to a file from which
`scale_plan.py` computes docs/scale.md.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from distributed import Client

from unpadded import Corpus, LanguageModel
from unpadded.common import ENVIRONMENT, n_cores, set_defaults
from unpadded.embeddings import EncoderRecipe, cluster_client, describe, embed_on_cluster

MODELS = {"full": (400, 1152, 3), "reference": (400, 400, 1), "small": (60, 120, 1)}
SPECIAL = "xxunk xxpad xxbos xxeos xxfld xxrep xxwrep xxup xxmaj".split()
N_WORDS = 12_000
MIB = 2**20


def word(number: int) -> str:
    """A word of letters alone, which the tokenizer leaves whole."""
    letters = []
    for _ in range(4):
        number, letter = divmod(number, 20)
        letters.append("bcdfghjklmnpqrstvwxz"[letter])
    return "a".join(letters)


def make_model(shape: tuple[int, int, int], folder: Path) -> Path:
    """A model with random weights, saved: speed does not need trained ones."""
    torch.manual_seed(0)
    config = dict(zip(("emb_sz", "n_hid", "n_layers"), shape, strict=True))
    return LanguageModel.new(SPECIAL + [word(i) for i in range(N_WORDS)], config).save(folder)


def make_corpus(n: int, mean_words: int) -> Corpus:
    """`n` documents of log-normal length whose words have Zipf's frequencies."""
    rng = np.random.default_rng(n)
    lengths = np.exp(rng.normal(np.log(mean_words) - 0.32, 0.8, n)).astype(int).clip(1, 20 * mean_words)
    share = 1 / np.arange(1, N_WORDS + 1)
    words = np.array([word(i) for i in range(N_WORDS)])[rng.choice(N_WORDS, lengths.sum(), p=share / share.sum())]
    ends = np.cumsum(lengths)
    texts = [" ".join(words[end - length : end]) for length, end in zip(lengths, ends, strict=True)]
    return Corpus(f"{n} documents", [f"d{i:09d}" for i in range(n)], texts)


class PeakMemory:
    """The most that processes hold at once in a `with` block, each by itself, in MiB (`.mib`: the largest growth)."""

    def __init__(self, pids: list[int]):
        self._processes = [psutil.Process(pid) for pid in pids]

    def __enter__(self):
        self._before = [process.memory_info().rss for process in self._processes]
        self._most, self._done = list(self._before), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._most = [max(m, p.memory_info().rss) for m, p in zip(self._most, self._processes, strict=True)]

    def __exit__(self, *_) -> None:
        self._done.set()
        self._thread.join()
        self.mib = max(most - before for most, before in zip(self._most, self._before, strict=True)) / MIB


@contextmanager
def ready_cluster(n_workers: int, recipe: EncoderRecipe) -> Iterator[tuple[Client, list[int]]]:
    """A client of new processes that have loaded the model and encoded, and their process ids."""
    with cluster_client(n_workers=n_workers) as client, tempfile.TemporaryDirectory() as folder:
        for worker in client.nthreads():
            client.submit(describe, recipe, ["mean"], workers=[worker], pure=False).result()
        warm = make_corpus(64 * n_workers, 50)
        embed_on_cluster(client, warm, recipe, Path(folder) / "warm", shard_size=32)
        yield client, list(client.run(lambda: psutil.Process().pid).values())


def cpu_seconds(pids: list[int]) -> float:
    """Processor time that processes have had so far."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def measure(recipe: EncoderRecipe, n_workers: int, corpus: Corpus, *, shard_size: int, clock: str) -> dict:
    """One row: the corpus embedded by new processes."""
    this = psutil.Process().pid
    with ready_cluster(n_workers, recipe) as (client, workers), tempfile.TemporaryDirectory() as folder:
        with PeakMemory(workers) as in_workers, PeakMemory([this]) as in_driver:
            start, spent = time.perf_counter(), cpu_seconds([this, *workers])
            embeddings = embed_on_cluster(client, corpus, recipe, Path(folder) / "out", shard_size=shard_size)
            seconds = time.perf_counter() - start
            if clock == "cpu":
                seconds = (cpu_seconds([this, *workers]) - spent) / n_workers
        tokens = embeddings.manifest["tokens"]
    return {
        "device": recipe.device,
        "clock": clock,
        "threads": recipe.threads,
        "workers": n_workers,
        "documents": len(corpus),
        "tokens": tokens,
        "seconds": round(seconds, 2),
        "tokens/s": round(tokens / seconds),
        "microseconds a token": round(1e6 * seconds / tokens, 2),
        "worker MiB": round(in_workers.mib),
        "driver MiB": round(in_driver.mib),
    }


def with_efficiency(table: pd.DataFrame) -> pd.DataFrame:
    """Add `efficiency`: tokens/s to those of one process, by the number of processes, and by that of cores they have."""
    alone = table[table["workers"] == 1].groupby("documents")["tokens/s"].max()
    to_one = table["tokens/s"] / table["documents"].map(alone)
    return table.assign(
        **{
            "efficiency": (to_one / table["workers"]).round(2),
            "by cores": (to_one / np.minimum(table["workers"] * table["threads"], n_cores())).round(2),
        }
    )


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="reference")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--documents", type=int, default=20_000, help="of the rows with different numbers of workers")
    parser.add_argument("--growth", type=int, nargs="*", default=[1_000, 10_000, 50_000, 200_000])
    parser.add_argument("--words", type=int, default=60, help="of a document, on average")
    parser.add_argument("--shard-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--csv", type=Path, help="file to add the rows to")
    options = parser.parse_args()
    set_defaults(ENVIRONMENT)
    runs = [(n_workers, options.documents) for n_workers in options.workers]
    runs += [(min(n_cores(), max(options.workers)), n) for n in options.growth]
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(MODELS[options.model], Path(folder) / "model")
        recipe = EncoderRecipe(str(model), device=options.device, threads=options.threads)
        how = {"shard_size": options.shard_size, "clock": options.clock}
        rows = [measure(recipe, w, make_corpus(n, options.words), **how) for w, n in runs]
    table = with_efficiency(pd.DataFrame(rows))
    print(f"AWD-LSTM {'/'.join(map(str, MODELS[options.model]))}, {n_cores()} cores, shards of {options.shard_size}")
    print(table.to_string(index=False))
    if options.csv:
        named = table.assign(model=options.model, cores=n_cores(), shard_size=options.shard_size)
        named.to_csv(options.csv, mode="a", header=not options.csv.exists(), index=False)


if __name__ == "__main__":  # the workers import this file
    main()

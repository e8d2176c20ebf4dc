"""Unpadded against its peers: speed, memory and errors on several distributions of document lengths.

Prints one table a model, all of it measured in this process, methods taking turns. `--clock cpu` with `--threads 1` counts
the processor's time and so holds on a machine that others use at the same time.
"""

import argparse
import ctypes
import gc
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
from fastai.text.models.core import get_language_model

from records import keep
from unpadded import DocumentEncoder, LanguageModel
from unpadded.common import InputError, MissingExtraError
from unpadded.studies import (
    PEERS,
    SIDE,
    WRONG,
    OnnxLSTM,
    OpenVinoLSTM,
    loop,
    product_rate,
    spread_sample,
    work_of_token,
)

MODELS = {"full": (400, 1152, 3), "default": (400, 400, 1), "small": (60, 120, 1)}
SIZES = (32, 128, 512)  # batch sizes that each peer may choose from
RUNTIMES = {  # others' LSTM operators, with the batch sizes that each may choose from
    "ONNX Runtime float32": OnnxLSTM,
    "ONNX Runtime int8": partial(OnnxLSTM, int8=True),
    "OpenVINO float32": OpenVinoLSTM,
    "OpenVINO bfloat16": partial(OpenVinoLSTM, precision="bf16"),
}
RUNTIME_SIZES = (4, 8, 16, 32, 64, 128)
PRECISIONS = ("float32", "bfloat16", "int8")
CALLERS = 2  # threads that share an encoder
LOOPED = 12_000  # tokens of the documents that the loop runs over, with the full-size model


def lengths(name: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of tokens of `n` documents, int array."""
    if name == "lognormal":
        return np.exp(rng.normal(np.log(213) - 0.405, 0.9, n)).astype(int).clip(3, 4000)  # 213 tokens on average
    if name == "short":
        return rng.integers(5, 16, n)
    if name == "equal":
        return np.full(n, 200)
    if name == "heavy":
        return (20 * (1 + rng.pareto(1.2, n))).astype(int).clip(3, 20_000)
    if name == "one long":
        return np.concatenate([[max(40 * n, 2000)], rng.integers(10, 60, n - 1)])
    raise SystemExit(f"No distribution {name!r}: lognormal, short, equal, heavy or one long.")


def make_model(shape: tuple[int, int, int], n_tokens: int) -> LanguageModel:
    """A model with fastai's random weights: speed and rounding do not need trained ones."""
    config = awd_lstm_lm_config | dict(zip(("emb_sz", "n_hid", "n_layers"), shape, strict=True))
    module = get_language_model(AWD_LSTM, n_tokens, config).eval()
    return LanguageModel(module, [f"t{i}" for i in range(n_tokens)])


def make_documents(sizes: np.ndarray, n_tokens: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Token ids with Zipf's frequencies, never the pad id, which fastai's own method takes for padding."""
    share = 1 / np.arange(1, n_tokens + 1)
    share[1] = 0
    flat = rng.choice(n_tokens, sizes.sum(), p=share / share.sum())
    return [torch.from_numpy(part) for part in np.split(flat, np.cumsum(sizes)[:-1])]


class PeakMemory:
    """Most memory that the process holds in a `with` block beyond what it held before, in MiB (`.mib`)."""

    def __enter__(self):
        gc.collect()
        if hasattr(ctypes.CDLL(None), "malloc_trim"):
            ctypes.CDLL(None).malloc_trim(0)  # what an earlier method freed is not held any more
        self._process = psutil.Process()
        self._before = self._most = self._process.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._done.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self.mib = (self._most - self._before) / 2**20


def best_size(method: Callable, documents: list, clock: Callable, sizes: Sequence[int]) -> int:
    """The batch size with which a peer is fastest on an eighth of the documents, or 64 of them."""
    sample, seconds = documents[:: max(min(len(documents) // 64, 8), 1)], {}
    for size in sizes:
        start = clock()
        method(sample, size=size)
        seconds[size] = clock() - start
    return min(seconds, key=seconds.get)


def by_callers(lm: LanguageModel, documents: list[np.ndarray]) -> np.ndarray:
    """The vectors of `documents` from one encoder that CALLERS threads share, each for its part of them."""
    encoder = DocumentEncoder(lm, "concat")
    vectors = np.empty((len(documents), encoder.width), np.float32)

    def call(first: int) -> None:
        vectors[first::CALLERS] = encoder.encode_tokens(documents[first::CALLERS])

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(CALLERS)))
    return vectors


def methods_of(lm: LanguageModel, documents: list[torch.Tensor], options) -> dict[str, Callable]:
    """Method -> a function from documents to float32 [n, 3 * width], each peer with its best size of batches."""
    found = {}
    for precision in options.precisions:
        try:
            encoder = DocumentEncoder(
                lm, "concat", precision=precision
            )  # made once, as the sessions of the runtimes are
        except InputError as error:
            print(error)
            continue
        found[f"unpadded {precision}"] = partial(_by_us, encoder)
    if options.callers:
        found[f"unpadded float32, {CALLERS} callers"] = lambda some: by_callers(lm, [ids.numpy() for ids in some])
    for name in options.runtimes:
        try:
            runtime = RUNTIMES[name](lm)
        except MissingExtraError as error:
            print(error)
            continue
        method = partial(_by_runtime, runtime)
        size = best_size(method, documents, CLOCKS[options.clock], RUNTIME_SIZES)
        found[f"{name} ({size})"] = partial(method, size=size)
    for name in options.peers:
        method = partial(_by_fastai, PEERS[name], lm.awd_lstm)
        size = best_size(method, documents, CLOCKS[options.clock], SIZES)
        found[f"{name} ({size})"] = partial(method, size=size)
    return found


def _by_us(encoder: DocumentEncoder, documents: list[torch.Tensor]) -> np.ndarray:
    return encoder.encode_tokens([ids.numpy() for ids in documents])


def _by_runtime(runtime: OnnxLSTM, documents: list[torch.Tensor], size: int) -> np.ndarray:
    return runtime.vectors([ids.numpy() for ids in documents], size=size)


def _by_fastai(method: Callable, awd_lstm, documents: list[torch.Tensor], size: int) -> np.ndarray:
    return method(awd_lstm, documents, size=size).numpy()


def compare(lm: LanguageModel, name: str, documents: list[torch.Tensor], options) -> list[dict]:
    """One row a method: `options.repeat` turns, in which all methods run one after the other.

    "times the loop" has the best turn of each; "of its turns" is the least, the median and the most of all turns.
    """
    clock, awd_lstm = CLOCKS[options.clock], lm.awd_lstm
    n_tokens = sum(map(len, documents))
    weights = work_of_token(lm)
    some = spread_sample(documents, LOOPED * 20_000_000 // max(weights, 2_000_000))
    runs = methods_of(lm, documents, options)
    seconds, memory, vectors = {"loop": []}, {}, {}
    limits = {"float32": 0.0, "bfloat16": 0.0}
    for _ in range(options.repeat):
        for precision in limits:
            reached = product_rate(clock, dtype=getattr(torch, precision), side=options.side)
            limits[precision] = max(limits[precision], reached)
        start = clock()
        expected = loop(awd_lstm, [documents[i] for i in some]).numpy()
        rate = (clock() - start) / sum(len(documents[i]) for i in some)
        seconds["loop"].append(rate * n_tokens)
        for method, run in runs.items():
            run(documents[:1])  # compiled code is there
            with PeakMemory() as peak:
                start = clock()
                vectors[method] = run(documents)
                seconds.setdefault(method, []).append(clock() - start)
            memory[method] = max(memory.get(method, 0), peak.mib)
    rows = []
    for method, spent in seconds.items():
        limit = limits["bfloat16" if "bfloat16" in method or "int8" in method else "float32"]
        turns = np.sort(np.array(seconds["loop"]) / spent)
        rows.append(
            {
                "lengths": name,
                "method": method,
                "times the loop": round(min(seconds["loop"]) / min(spent), 2),
                "of its turns": f"{turns[0]:.2f} {np.median(turns):.2f} {turns[-1]:.2f}",
                "share of limit": round(weights * n_tokens / min(spent) / limit, 3),
            }
        )
        if method in vectors:
            error = np.abs(vectors[method][some] - expected).max(axis=1)
            again = some[::2]  # in other batches: every second document of the sample, and nothing between
            changed = (runs[method]([documents[i] for i in again]) != vectors[method][again]).any(axis=1).sum()
            rows[-1] |= {
                "peak MiB": round(memory[method]),
                "largest error": f"{error.max():.1e}",
                "wrong documents": f"{(error > WRONG).sum()} of {len(some)}",
                "other bits in other batches": f"{changed} of {len(again)}",
            }
    return rows


def growth(lm: LanguageModel, options) -> pd.DataFrame:
    """Time and memory from 1,000 to 100,000 documents: both divided by the number of documents."""
    clock, rng, rows = CLOCKS[options.clock], np.random.default_rng(0), []
    DocumentEncoder(lm, "concat").encode_tokens([[2]] * 600)
    for n in (1_000, 10_000, 100_000):
        documents = [tokens.numpy() for tokens in make_documents(rng.integers(5, 60, n), len(lm.vocab), rng)]
        encoder = DocumentEncoder(lm, "concat")
        with PeakMemory() as peak:
            start = clock()
            vectors = encoder.encode_tokens(documents)
            spent = clock() - start
        result = vectors.nbytes / 2**20
        rows.append(
            {
                "documents": n,
                "microseconds a token": round(1e6 * spent / sum(map(len, documents)), 2),
                "result MiB": round(result, 1),
                "peak beyond result MiB": round(peak.mib - result, 1),
            }
        )
    return pd.DataFrame(rows)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["full", "small"])
    parser.add_argument("--lengths", nargs="+", default=["lognormal", "short", "equal", "heavy", "one long"])
    parser.add_argument("--documents", type=int, help="of each distribution (300 full, 2000 default, 6000 small)")
    parser.add_argument("--vocabulary", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--precisions", nargs="*", choices=PRECISIONS, default=list(PRECISIONS), help="of ours")
    parser.add_argument("--callers", action="store_true", help=f"ours from {CALLERS} threads, too")
    parser.add_argument("--runtimes", nargs="*", choices=RUNTIMES, default=list(RUNTIMES), help="other LSTM operators")
    parser.add_argument("--records", type=Path, help="a file of records (Markdown) to put the rows into")
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=list(PEERS), help="(none: ours and the loop alone)"
    )
    parser.add_argument("--side", type=int, default=SIDE, help="of the square matrices whose product is the limit")
    parser.add_argument("--growth", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for name in options.models:
        lm, rng = make_model(MODELS[name], options.vocabulary), np.random.default_rng(0)
        print(
            f"\nAWD-LSTM {'/'.join(map(str, MODELS[name]))}, {options.threads} threads, {options.clock} time",
            flush=True,
        )
        for distribution in options.lengths:
            n = options.documents or {"full": 300, "default": 2000, "small": 6000}[name]
            documents = make_documents(lengths(distribution, n, rng), options.vocabulary, rng)
            print(f"{distribution}: {n} documents, {sum(map(len, documents))} tokens", flush=True)
            table = pd.DataFrame(compare(lm, distribution, documents, options))
            print(table.to_string(index=False), flush=True)
            if options.records:
                keep(options.records, table, model="/".join(map(str, MODELS[name])), threads=options.threads)
    if options.growth:
        print("\nGrowth, AWD-LSTM 60/120/1", flush=True)
        print(growth(make_model(MODELS["small"], 2_000), options).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

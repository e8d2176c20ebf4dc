"""Unpadded against its peers: speed, memory and errors on several distributions of document lengths.

Prints one table a model, all of it measured in this process, methods taking turns. `--clock cpu` with `--threads 1` counts
the processor's time and so holds on a machine that others use at the same time.
"""

import argparse
import ctypes
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import psutil
import torch
from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
from fastai.text.models.core import get_language_model

from unpadded import DocumentEncoder, LanguageModel
from unpadded.studies import PEERS, WRONG, loop, product_rate, spread_sample, work_of_token

MODELS = {"full": (400, 1152, 3), "default": (400, 400, 1), "small": (60, 120, 1)}
SIZES = (32, 128, 512)  # batch sizes that each peer may choose from
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


def best_size(method: Callable, awd_lstm, documents: list[torch.Tensor], clock: Callable) -> int:
    """The batch size with which a peer is fastest on an eighth of the documents, or 64 of them."""
    sample, seconds = documents[:: max(min(len(documents) // 64, 8), 1)], {}
    for size in SIZES:
        start = clock()
        method(awd_lstm, sample, size=size)
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


def compare(lm: LanguageModel, name: str, documents: list[torch.Tensor], options) -> list[dict]:
    """One row a method: the best of `options.repeat` turns, in which all methods run one after the other."""
    clock, awd_lstm = CLOCKS[options.clock], lm.awd_lstm
    n_tokens = sum(map(len, documents))
    weights = work_of_token(lm)
    some = spread_sample(documents, LOOPED * 20_000_000 // max(weights, 2_000_000))
    arrays = [tokens.numpy() for tokens in documents]
    # The encoder is made in its run: packing the weights is part of its time and of its memory.
    runs = {"unpadded float32": lambda: torch.from_numpy(DocumentEncoder(lm, "concat").encode_tokens(arrays))}
    runs[f"unpadded float32, {CALLERS} callers"] = lambda: torch.from_numpy(by_callers(lm, arrays))
    if options.bfloat16:
        runs["unpadded bfloat16"] = lambda: torch.from_numpy(
            DocumentEncoder(lm, "concat", precision="bfloat16").encode_tokens(arrays)
        )
    for peer, method in ((peer, PEERS[peer]) for peer in options.peers):
        size = best_size(method, awd_lstm, documents, clock)
        runs[f"{peer} ({size})"] = lambda method=method, size=size: method(awd_lstm, documents, size=size)
    seconds, memory, vectors = {}, {}, {}
    limits = dict.fromkeys(["float32", *(["bfloat16"] if options.bfloat16 else [])], 0.0)
    for _ in range(options.repeat):
        for precision in limits:
            limits[precision] = max(limits[precision], product_rate(clock, dtype=getattr(torch, precision)))
        start = clock()
        expected = loop(awd_lstm, [documents[i] for i in some])
        rate = (clock() - start) / sum(len(documents[i]) for i in some)
        seconds["loop"] = min(seconds.get("loop", np.inf), rate * n_tokens)
        for method, run in runs.items():
            with PeakMemory() as peak:
                start = clock()
                vectors[method] = run()
                seconds[method] = min(seconds.get(method, np.inf), clock() - start)
            memory[method] = max(memory.get(method, 0), peak.mib)
    rows = []
    for method, spent in seconds.items():
        limit = limits["bfloat16" if method.endswith("bfloat16") else "float32"]
        error = (vectors[method][some] - expected).abs().amax(1) if method in vectors else torch.zeros(len(some))
        rows.append(
            {
                "lengths": name,
                "method": method,
                "tokens/s to loop": round(seconds["loop"] / spent, 2),
                "share of limit": round(weights * n_tokens / spent / limit, 3),
                "peak MiB": round(memory[method]) if method in memory else None,
                "largest error": f"{error.max().item():.1e}",
                "wrong documents": f"{int((error > WRONG).sum())} of {len(some)}",
            }
        )
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
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=list(PEERS), help="(none: ours and the loop alone)"
    )
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
            print(pd.DataFrame(compare(lm, distribution, documents, options)).to_string(index=False), flush=True)
    if options.growth:
        print("\nGrowth, AWD-LSTM 60/120/1", flush=True)
        print(growth(make_model(MODELS["small"], 2_000), options).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

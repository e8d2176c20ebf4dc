"""One document alone, a few together, and a service's requests, against fastai's loop, in one process and taking turns."""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from encoding import PRECISIONS, make_documents, make_model
from records import REQUESTS, keep
from unpadded import DocumentEncoder, LanguageModel
from unpadded.common import InputError
from unpadded.studies import loop

SHAPES = {"narrow": (200, 200, 1), "default": (400, 400, 1), "full": (400, 1152, 3)}
LENGTHS = (1, 10, 100, 400, 2000)
CALLERS = (1, 2, 8)
REQUEST = 20  # tokens
SETTLED = 0.03  # seconds until OpenMP's threads, which the loop uses, wait no longer with a core of their own


def encoders(lm: LanguageModel) -> dict[str, DocumentEncoder]:
    """One for each precision that this processor has."""
    found = {}
    for precision in PRECISIONS:
        try:
            found[f"unpadded {precision}"] = DocumentEncoder(lm, "concat", precision=precision)
        except InputError as error:
            print(error)
    return found


def seconds_of(methods: dict[str, Callable], n_turns: int) -> dict[str, np.ndarray]:
    """Seconds of each turn of each method; in a turn each of them runs twice, the second time by the clock.

    The first call finds another method's weights in the caches and its own threads asleep, which a service's does not.
    """
    seconds = {name: np.empty(n_turns) for name in methods}
    for turn in range(n_turns):
        for name, method in methods.items():
            time.sleep(SETTLED)
            method()
            start = time.perf_counter()
            method()
            seconds[name][turn] = time.perf_counter() - start
    return seconds


def together(lm: LanguageModel, sizes: Sequence[int], n_turns: int) -> pd.DataFrame:
    """Documents of `sizes` tokens in one call: one row a method."""
    documents = make_documents(np.array(sizes), len(lm.vocab), np.random.default_rng(0))
    arrays = [ids.numpy() for ids in documents]
    methods = {"loop": partial(loop, lm.awd_lstm, documents)}
    methods |= {name: partial(encoder.encode_tokens, arrays) for name, encoder in encoders(lm).items()}
    seconds = seconds_of(methods, n_turns)
    rows = []
    for name, spent in seconds.items():
        turns = np.sort(seconds["loop"] / spent)
        ratio = np.median(seconds["loop"]) / np.median(spent)
        rows.append(
            {
                "lengths": f"{len(sizes)} of {sizes[0]}",
                "method": name,
                "times the loop": round(ratio, 2),
                "of its turns": f"{turns[0]:.2f} {np.median(turns):.2f} {turns[-1]:.2f}",
                "milliseconds": round(1e3 * np.median(spent), 2),
            }
        )
    return pd.DataFrame(rows)


def service(lm: LanguageModel, callers: int, n_requests: int) -> pd.DataFrame:
    """Requests of one document each from `callers` threads: milliseconds of a request, median and 99th percentile."""
    documents = make_documents(np.full(n_requests, REQUEST), len(lm.vocab), np.random.default_rng(1))
    methods = {"loop, one request at a time": _locked(lambda ids: loop(lm.awd_lstm, [ids]))}
    for name, encoder in encoders(lm).items():
        methods[name] = lambda ids, encoder=encoder: encoder.encode_tokens([ids.numpy()])
    rows, of_loop = [], 0.0  # the loop is the first of the methods
    for name, method in methods.items():
        method(documents[0])

        def timed(ids: torch.Tensor, method: Callable = method) -> float:
            start = time.perf_counter()
            method(ids)
            return time.perf_counter() - start

        with ThreadPoolExecutor(callers) as pool:
            start = time.perf_counter()
            seconds = np.array(list(pool.map(timed, documents)))
            whole = time.perf_counter() - start
        median, worst = np.percentile(1e3 * seconds, [50, 99])
        rate = n_requests / whole
        of_loop = of_loop or rate
        rows.append([callers, name, round(rate / of_loop, 2), round(median, 2), round(worst, 2), round(rate)])
    columns = ["callers", "method", "times the loop", "median ms", "99 % ms", "requests a second"]
    return pd.DataFrame(rows, columns=columns)


def _locked(method: Callable) -> Callable:
    """fastai's module keeps the states of its last batch, so that two threads cannot use it at once."""
    lock = threading.Lock()

    def one_at_a_time(ids: torch.Tensor):
        with lock:
            return method(ids)

    return one_at_a_time


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS))
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=20_000)
    parser.add_argument("--records", type=Path, help="a file of records (Markdown) to put the rows into")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for name in options.models:
        lm, shape = make_model(SHAPES[name], options.vocabulary), "/".join(map(str, SHAPES[name]))
        print(f"\nAWD-LSTM {shape}, {options.threads} threads", flush=True)
        mixes = [[n] for n in options.lengths] + [[100] * n for n in (2, 3, 4)]
        tables = [together(lm, mix, min(options.turns, max(3, 4000 // mix[0]))) for mix in mixes]
        print(pd.concat(tables).to_string(index=False), flush=True)
        if options.records:
            keep(options.records, pd.concat(tables), model=shape, threads=options.threads)
        print(f"\nrequests of {REQUEST} tokens", flush=True)
        served = pd.concat(service(lm, n, options.requests) for n in CALLERS)
        print(served.to_string(index=False), flush=True)
        if options.records:
            keep(options.records, served, REQUESTS, model=shape, threads=options.threads)


if __name__ == "__main__":
    main()

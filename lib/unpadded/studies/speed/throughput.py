"""How fast documents become vectors: one at a time, in padded batches and with the encoder, side by side in one process."""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch

from unpadded.common import InputError
from unpadded.encoding import DocumentEncoder
from unpadded.kernels import packed_product
from unpadded.model import LanguageModel, borrowed
from unpadded.studies.speed.peers import loop, naive_batches, sorted_padded
from unpadded.tokens import TokenizedCorpus

PADDED = {"loop": loop, "naive padded": naive_batches, "sorted padded": partial(sorted_padded, most_padded=sys.maxsize)}
METHODS = (*PADDED, "unpadded")
MOST_PADDED = 400_000  # tokens of a padded batch, beyond which its states might not fit the machine that measures
LOOPED = 30_000_000_000  # multiply-adds of the documents that the loop runs over
MOST_BATCHES = 100  # batches of one size that are timed: small ones are slow
WRONG = 1e-3  # of a vector's largest number, from which a difference in any number makes the vector wrong
SIDE = 2048  # of the matrices of the matrix-product limit; of smaller ones the product may not reach it


Runner = Callable[[Sequence[np.ndarray], int], np.ndarray]  # documents, batch size -> their vectors


def runner_of(method: str, lm: LanguageModel) -> Runner:
    """What turns documents (token ids) into last, mean and max side by side, float32 [n_documents, 3 * width].

    `method`: one of `METHODS`; "unpadded bfloat16" names a precision. `lm` reads in one direction; it is left as it was.
    Raises `InputError` for an unknown method.
    """
    name, _, precision = method.partition(" ")
    if name == "unpadded":
        encoder = DocumentEncoder(lm, "concat", precision=precision or "float32")
        return lambda documents, size: encoder.variant(slots=size).encode_tokens(documents)
    if method not in PADDED:
        raise InputError(f"Method {method!r} is not known: give one of {', '.join(METHODS)} or 'unpadded bfloat16'.")
    return partial(_run_fastai, PADDED[method], lm)


def _run_fastai(method: Callable, lm: LanguageModel, documents: Sequence[np.ndarray], size: int) -> np.ndarray:
    tensors = [torch.from_numpy(np.array(tokens, np.int64)) for tokens in lm.as_read(documents)]
    with borrowed(lm.module) as awd_lstm:
        return method(awd_lstm, tensors, size=size).numpy()


def speed_table(
    lm: LanguageModel,
    documents: Sequence[np.ndarray],
    *,
    sizes: Sequence[int],
    methods: Sequence[str] = METHODS,
    turns: int = 1,
    most_padded: int = MOST_PADDED,
    most_batches: int = MOST_BATCHES,
    side: int | None = None,
) -> pd.DataFrame:
    """One row a method and batch size: the best of `turns`, in which all of them run one after the other.

    Columns model, method, batch_size, documents, tokens, setup_seconds (once, before the first document), seconds,
    documents_per_second, tokens_per_second, times_the_loop, share_of_limit (see `product_rate`, which takes `side`),
    max_abs_diff, max_relative_diff (of the vector's largest number) and wrong_documents among the `compared` ones that the
    loop ran over. At most `most_batches` of a size are run, and none of a size whose largest batch has more than
    `most_padded` tokens.
    Raises `InputError` for no documents or an unknown method.
    """
    if not len(documents):
        raise InputError("documents: there are none; give at least one.")
    first = documents[: most_batches * min(sizes, default=1)]  # every method and size reads these
    some, lengths = spread_sample(first, LOOPED // work_of_token(lm)), np.array([len(d) for d in documents])
    runners, setup = {}, {}
    for method in dict.fromkeys(["loop", *methods]):
        start = time.perf_counter()
        runners[method] = runner_of(method, lm)
        runners[method](documents[:1], 1)  # libraries prepare a first call
        setup[method] = time.perf_counter() - start
    runs = [("loop", 1)] + [
        (method, size)
        for size in sizes
        for method in runners
        if method != "loop" and _largest_batch(method, lengths[: most_batches * size], size) <= most_padded
    ]
    places = {(m, n): some if m == "loop" else range(len(documents[: most_batches * n])) for m, n in runs}
    seconds, vectors, limit = dict.fromkeys(runs, np.inf), {}, product_rate(side=side)
    for method, size in runs * turns:
        which = [documents[i] for i in places[method, size]]
        start = time.perf_counter()
        found = runners[method](which, size)
        seconds[method, size] = min(seconds[method, size], time.perf_counter() - start)
        vectors[method, size] = found if method == "loop" else found[some]
        limit = max(limit, product_rate(times=1, side=side))  # the clock rate of a processor varies
    rows = [
        {"model": shape_of(lm), "method": method, "batch_size": size, "setup_seconds": setup[method]}
        | _figures(seconds[method, size], lengths[places[method, size]], work_of_token(lm) / limit)
        | _errors(vectors[method, size], vectors["loop", 1])
        for method, size in runs
    ]
    table = pd.DataFrame(rows)
    return table.assign(times_the_loop=table.tokens_per_second / table.tokens_per_second[0])


def _figures(seconds: float, lengths: np.ndarray, token_at_limit: float) -> dict:
    """Speed over documents of `lengths`; `token_at_limit`: seconds of a token at the matrix-product limit."""
    return {
        "documents": len(lengths),
        "tokens": int(lengths.sum()),
        "seconds": seconds,
        "documents_per_second": len(lengths) / seconds,
        "tokens_per_second": lengths.sum() / seconds,
        "share_of_limit": token_at_limit * lengths.sum() / seconds,
    }


def _errors(found: np.ndarray, expected: np.ndarray) -> dict:
    error = np.abs(found - expected).max(axis=1)
    relative = error / np.abs(expected).max(axis=1)
    return {
        "max_abs_diff": float(error.max()),
        "max_relative_diff": float(relative.max()),
        "wrong_documents": int((relative > WRONG).sum()),
        "compared": len(found),
    }


def product_rate(
    clock: Callable[[], float] = time.perf_counter,
    *,
    dtype: torch.dtype = torch.float32,
    times: int = 5,
    side: int | None = None,
) -> float:
    """Multiply-adds a second of a product of square matrices, `side` (SIDE) rows each: the limit of dense arithmetic.

    The best of `times` with torch's own product and with the packed one that the encoder takes: where torch's library does
    not know the processor, the second is the faster. Bytes have torch's product alone, whose sums are whole numbers.
    """
    side = side or SIDE
    a, b, out = torch.rand(side, side).to(dtype), torch.rand(side, side).to(dtype), torch.empty(side, side, dtype=dtype)
    packed = None if dtype == torch.int8 else packed_product(b, dtype)
    products = (lambda: torch.mm(a, b, out=out), lambda: packed(a, None)) if packed else (lambda: torch._int_mm(a, b),)
    seconds = []
    for _ in range(times):
        for multiply in products:
            start = clock()
            multiply()
            seconds.append(clock() - start)
    return side**3 / min(seconds)


def work_of_token(lm: LanguageModel) -> int:
    """Multiply-adds that the LSTM layers spend on one token."""
    return sum(rnn.module.weight_ih_l0.numel() + rnn.weight_hh_l0_raw.numel() for rnn in lm.awd_lstm.rnns)


def shape_of(lm: LanguageModel) -> str:
    """A model's size in short: width of the embeddings, of the layers below the last, number of layers."""
    return f"{lm.emb_sz}/{lm.n_hid}/{lm.n_layers}"


def model_of_shape(shape: str, vocab: Sequence[str], *, seed: int = 0) -> LanguageModel:
    """An untrained model of `shape` ("400/1152/3"): speed and memory do not need trained weights."""
    try:
        emb_sz, n_hid, n_layers = map(int, shape.split("/"))
    except ValueError as error:
        raise InputError(f"The model shape {shape!r} is not like '400/1152/3': give widths and layers.") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lm = LanguageModel.new(vocab, {"emb_sz": emb_sz, "n_hid": n_hid, "n_layers": n_layers})
    lm.module.eval()
    return lm


def draw_documents(tokens: TokenizedCorpus, *, n_tokens: int, longest: int, seed: int = 0) -> list[np.ndarray]:
    """Documents in random order, cut after `longest` tokens, until they have `n_tokens` together or there are no more."""
    drawn, total = [], 0
    for i in np.random.default_rng(seed).permutation(len(tokens)).tolist():
        if total >= n_tokens:
            break
        if len(tokens[i]):
            drawn.append(np.array(tokens[i][:longest]))
            total += len(drawn[-1])
    return drawn


def spread_sample(documents: Sequence, n_tokens: int) -> list[int]:
    """Places of documents of all lengths, with about `n_tokens` in total; the shortest and the longest are among them."""
    lengths = np.array([len(tokens) for tokens in documents])
    n = int(np.clip(n_tokens / lengths.mean(), min(2, len(lengths)), len(lengths)))
    ranks = np.linspace(len(lengths) - 1, 0, n).round().astype(int)
    return np.sort(np.argsort(lengths, kind="stable")[ranks]).tolist()


def _largest_batch(method: str, lengths: np.ndarray, size: int) -> int:
    """Tokens of a method's largest batch, padding included; 0 for one that pads nothing."""
    if method not in PADDED:
        return 0
    order = lengths if method == "naive padded" else np.sort(lengths)[::-1]
    return max(len(order[at : at + size]) * int(order[at : at + size].max()) for at in range(0, len(order), size))

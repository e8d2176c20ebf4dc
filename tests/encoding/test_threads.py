"""One encoder, classifier, vectorizer or search in many threads and in other processes: the bits of the serial call."""

import copy
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unpadded.encoding.engine.tiled as tiled_module
from encoder_tools import random_documents, random_model
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.engine.narrow import CompiledLSTM
from unpadded.encoding.engine.stream import StreamingLSTM
from unpadded.encoding.engine.tiled import TiledLSTM, has_tiles
from unpadded.model.language_model import LanguageModel

pytestmark = pytest.mark.slow
N_TOKENS = 3_000
LIMIT = 120  # seconds in which no call should still be under way
MODELS = {"narrow": (20, 33, 2), "wide": (64, 250, 2), "one wide layer": (300, 300, 1)}

PRECISIONS = ["float32", "bfloat16", *(["int8"] if has_tiles(torch.int8) else [])]


def both_directions(sizes) -> LanguageModel:
    models = [random_model(N_TOKENS, *sizes, seed=seed) for seed in (0, 1)]
    vocab = models[0].vocab
    backward = LanguageModel(models[1].module, vocab, direction="backward")
    return LanguageModel(models[0].module, vocab).with_backward(backward)


@lru_cache(maxsize=16)
def model(name: str, directions: str) -> LanguageModel:
    return both_directions(MODELS[name]) if directions == "both" else random_model(N_TOKENS, *MODELS[name])


@pytest.fixture(autouse=True)
def few_tokens_in_the_tables(monkeypatch):
    """So that a vocabulary of 3,000 has rare tokens, as one of 30,000 has with the usual size of the table."""
    for engine in (StreamingLSTM, CompiledLSTM, TiledLSTM):
        monkeypatch.setitem(engine.__init__.__kwdefaults__, "table_bytes", 1 << 20)


@pytest.fixture(autouse=True)
def without_tiles(request, monkeypatch):
    """The narrow model is read in float32 as on a processor without them."""
    chosen = getattr(request.node, "callspec", None)
    if chosen and "narrow" in chosen.params.values():
        monkeypatch.setattr(tiled_module, "has_tiles", lambda dtype: dtype != torch.float32 and has_tiles(dtype))


def in_threads(calls: list, n_threads: int) -> list:
    """What each of the functions returns, all of them begun at once in `n_threads` threads."""
    barrier = threading.Barrier(n_threads)

    def worker(own: list) -> list:
        barrier.wait()
        return [call() for call in own]

    with ThreadPoolExecutor(n_threads) as pool:
        parts = [pool.submit(worker, calls[i::n_threads]) for i in range(n_threads)]
        found = [part.result(timeout=LIMIT) for part in parts]
    return [found[i % n_threads][i // n_threads] for i in range(len(calls))]


@pytest.mark.parametrize("directions", ["forward", "both"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=4)
@given(data=st.data(), n_threads=st.sampled_from([2, 8]), seed=st.integers(0, 999))
def test_threads_get_the_bits_of_the_serial_call(name, precision, directions, data, n_threads, seed):
    rng = np.random.default_rng(seed)
    lengths = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=12))
    calls = [random_documents(rng.permutation(lengths * 3), N_TOKENS, seed=seed + i) for i in range(2 * n_threads)]
    lm = model(name, directions)
    serial = DocumentEncoder(lm, precision=precision)
    expected = [serial.encode_tokens(documents, pooling=["last", "mean", "max"]) for documents in calls]
    for encoder in (serial, DocumentEncoder(lm, precision=precision)):  # the second makes its tables in the threads
        encode = partial(encoder.encode_tokens, pooling=["last", "mean", "max"])
        found = in_threads([partial(encode, documents) for documents in calls], n_threads)
        for own, others in zip(found, expected, strict=True):
            assert all(np.array_equal(own[part], others[part]) for part in own)


@pytest.mark.parametrize("name", MODELS)
def test_streams_that_are_read_in_turns_get_them_too(name):
    encoder = DocumentEncoder(model(name, "both"))
    documents = [random_documents([40, 7, 33, 2, 28], N_TOKENS, seed=seed) for seed in range(3)]
    expected = [encoder.encode_tokens(own) for own in documents]
    streams = [encoder.stream_tokens(own) for own in documents]
    for step in zip(*streams, strict=True):
        for (position, parts), vectors in zip(step, expected, strict=True):
            assert np.array_equal(parts["mean"], vectors[position])


@pytest.mark.parametrize("name", MODELS)
def test_threads_that_set_torchs_number_of_threads_disturb_no_one(name):
    lm, before = model(name, "forward"), torch.get_num_threads()
    documents = random_documents([50, 3, 41, 17] * 4, N_TOKENS)

    def call(n: int) -> tuple[int, np.ndarray]:
        torch.set_num_threads(n)
        return n, encoder.encode_tokens(documents)

    expected = {}
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            expected[n] = DocumentEncoder(lm).encode_tokens(documents)
        encoder = DocumentEncoder(lm)
        for n, vectors in in_threads([lambda n=n: call(n) for n in (1, 2, 3) * 3], 9):
            assert np.array_equal(vectors, expected[n])
    finally:
        torch.set_num_threads(before)


def test_texts_in_threads(tiny_model):
    encoder = DocumentEncoder(tiny_model)
    texts = [[f"the moon number{i}x{j} and bread" for j in range(40)] for i in range(16)]
    expected = [DocumentEncoder(tiny_model).encode(own) for own in texts]
    found = in_threads([lambda own=own: encoder.encode(own) for own in texts], 8)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def child(pipe, encode, documents) -> None:
    pipe.send(encode(documents))
    pipe.close()


def sent(context, encode, documents) -> np.ndarray:
    """What another process's `encode(documents)` returns."""
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs, encode, documents), daemon=True)
    process.start()
    try:
        assert ours.poll(LIMIT), "the other process hangs"
        return ours.recv()
    finally:
        process.kill()
        process.join()


@pytest.fixture(scope="module")
def used_module() -> LanguageModel:
    """A model that has been run in training, which leaves dropped-out weights in its layers."""
    lm = random_model(N_TOKENS, *MODELS["wide"], seed=3)
    lm.module.train()
    lm.awd_lstm.reset()
    lm.module(torch.ones(2, 4, dtype=torch.int64))
    return lm


@pytest.mark.parametrize("used", [False, True], ids=["before use", "after use"])
@pytest.mark.parametrize("name", ["narrow", "wide"])
def test_it_works_in_a_forked_process(name, used):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    torch.set_num_threads(2)  # OpenMP's threads do not exist in the new process
    encoder, documents = DocumentEncoder(model(name, "both")), random_documents([30, 2, 55, 0] * 25, N_TOKENS)
    expected = DocumentEncoder(model(name, "both")).encode_tokens(documents)
    if used:
        encoder.encode_tokens(documents)
    assert np.array_equal(sent(multiprocessing.get_context("fork"), encoder.encode_tokens, documents), expected)


def test_a_fork_while_threads_encode_waits_for_their_locks():
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    torch.set_num_threads(2)
    lm, documents = model("wide", "forward"), random_documents([30, 2, 55] * 5, N_TOKENS)
    expected, end = DocumentEncoder(lm).encode_tokens(documents), threading.Event()

    def go_on():
        while not end.is_set():
            DocumentEncoder(lm).encode_tokens(documents)  # its tables are made anew, under the lock

    threads = [threading.Thread(target=go_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            encode = DocumentEncoder(lm).encode_tokens
            assert np.array_equal(sent(multiprocessing.get_context("fork"), encode, documents), expected)
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_it_is_sent_to_new_processes_and_to_joblibs(used_module):
    encoder, texts = DocumentEncoder(used_module), random_documents([30, 2, 55] * 5, N_TOKENS)
    expected = encoder.encode_tokens(texts)
    assert np.array_equal(sent(multiprocessing.get_context("spawn"), encoder.encode_tokens, texts), expected)
    joblib = pytest.importorskip("joblib")
    halves = joblib.Parallel(2)(joblib.delayed(encoder.encode_tokens)(texts[i::2]) for i in range(2))
    for i, half in enumerate(halves):
        assert np.array_equal(half, expected[i::2])


@pytest.mark.parametrize("make", [multiprocessing.Pool, ProcessPoolExecutor])
def test_pools_of_processes_map_its_method(tiny_model, make):
    encoder, texts = DocumentEncoder(tiny_model), ["the moon", "bread and butter", "goal for the team"]
    expected = [encoder.encode([text]) for text in texts]
    with make(2) as pool:
        found = list(pool.map(encoder.encode, [[text] for text in texts]))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda encoder: pickle.loads(pickle.dumps(encoder))])
def test_copies_are_whole_and_follow_nobody(used_module, copied):
    encoder, documents = DocumentEncoder(used_module), random_documents([30, 2, 55], N_TOKENS)
    expected = encoder.encode_tokens(documents)
    twin = copied(encoder)
    assert np.array_equal(twin.encode_tokens(documents), expected)
    with torch.no_grad():
        twin.lm.awd_lstm.rnns[0].weight_hh_l0_raw.mul_(2)
    assert np.array_equal(encoder.encode_tokens(documents), expected)
    assert not np.array_equal(twin.encode_tokens(documents), expected)
    assert twin.lm.module.training == used_module.module.training


def test_a_shallow_copy_shares_the_module(tiny_model):
    assert copy.copy(tiny_model).module is tiny_model.module

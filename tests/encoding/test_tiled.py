"""The tiled engine: its products, its threads, its bytes; that batches change nothing is tested with all engines."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unpadded.encoding.direction as reader_module
import unpadded.encoding.engine.tiled as tiled_module
from encoder_tools import random_documents, random_model
from unpadded import DocumentEncoder, certify
from unpadded.common import InputError
from unpadded.encoding.engine.tiled import TiledLSTM, has_tiles
from unpadded.encoding.pooling import PoolSettings
from unpadded.encoding.schedule import backlogs_of
from unpadded.kernels import (
    LANES,
    TILE,
    compiled,
    has_bfloat16_matrices,
    has_int8_matrices,
    run_together,
)
from unpadded.kernels.amx import SHAPES, close_matrices, open_matrices, sixteen_rows, thirty_two_rows
from unpadded.kernels.tiles import MOST_ROWS, six_rows, two_rows
from unpadded.kernels.together import meet

PARTS = ("last", "mean", "max")
needs_bytes = pytest.mark.skipif(not has_tiles(torch.int8), reason="this processor does not multiply bytes")
PRECISIONS = [
    pytest.param(name, marks=pytest.mark.skipif(not has_tiles(dtype), reason=f"no {name} here"))
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("int8", torch.int8))
]
needs_matrices = pytest.mark.skipif(not has_int8_matrices(), reason="this processor has no matrix registers")
IN_VECTORS = [  # precisions that this processor multiplies in matrix registers, and could in others
    pytest.param(name, marks=pytest.mark.skipif(not matrices() or not has_tiles(dtype), reason="in vectors as it is"))
    for name, dtype, matrices in (
        ("bfloat16", torch.bfloat16, has_bfloat16_matrices),
        ("int8", torch.int8, has_int8_matrices),
    )
]


@pytest.fixture(autouse=True)
def every_model_is_wide(monkeypatch):
    monkeypatch.setattr(reader_module, "NARROW", 0)


def read(engine, documents, **options):
    """What the engine pools, float32 [n_documents, 3 * width]."""
    lengths = np.array([len(tokens) for tokens in documents])
    rows = np.zeros((len(documents), len(PARTS) * engine.widths[-1]), np.float32)
    pools = PoolSettings(PARTS, [len(engine.widths) - 1])
    for positions, parts in engine.read(backlogs_of(documents, lengths), pools, **options):
        rows[positions] = np.concatenate([parts[name] for name in PARTS], axis=1)
    return rows


def without_matrices(monkeypatch):
    """As on a processor that has vector registers only."""
    for name in ("has_bfloat16_matrices", "has_int8_matrices"):
        monkeypatch.setattr(tiled_module, name, lambda: False)


SHAPES_OF_MODELS = st.sampled_from([(7, 11, 1), (33, 31, 3), (16, 70, 2)])


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=SHAPES_OF_MODELS,
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=60),
    slots=st.one_of(st.none(), st.integers(1, 90)),
    chunk_length=st.one_of(st.none(), st.integers(1, 50)),
    threads=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_a_documents_bits_are_its_own(precision, shape, lengths, slots, chunk_length, threads, seed):
    engine = TiledLSTM(random_model(50, *shape).awd_lstm, dtype=getattr(torch, precision))
    documents = random_documents(lengths, seed=seed)
    alone = np.concatenate([read(engine, [tokens]) for tokens in documents])
    order = np.random.default_rng(seed).permutation(len(documents))
    found = read(engine, [documents[i] for i in order], slots=slots, chunk_length=chunk_length, threads=threads)
    assert np.array_equal(found, alone[order])


@pytest.mark.parametrize("precision", IN_VECTORS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=SHAPES_OF_MODELS, lengths=st.lists(st.integers(1, 45), min_size=1, max_size=60), threads=st.integers(1, 4))
def test_a_documents_bits_are_its_own_in_vector_registers_too(precision, shape, lengths, threads):
    with pytest.MonkeyPatch.context() as patch:
        without_matrices(patch)
        engine = TiledLSTM(random_model(50, *shape).awd_lstm, dtype=getattr(torch, precision))
    documents = random_documents(lengths)
    alone = np.concatenate([read(engine, [tokens]) for tokens in documents])
    assert np.array_equal(read(engine, documents, threads=threads), alone)


@needs_matrices
@pytest.mark.parametrize("shape", [(33, 70, 2), (64, 64, 1), (20, 130, 1)])
def test_bytes_have_the_same_bits_in_matrix_and_in_vector_registers(monkeypatch, shape):
    """Their sums are exact, so it does not matter who adds them up."""
    awd_lstm, documents = random_model(50, *shape).awd_lstm, random_documents([1, 60, 17, 5, 33, 2] * 9)
    in_matrices = TiledLSTM(awd_lstm, dtype=torch.int8)
    without_matrices(monkeypatch)
    in_vectors = TiledLSTM(awd_lstm, dtype=torch.int8)
    assert in_matrices._model.weights.dtype != in_vectors._model.weights.dtype
    assert np.array_equal(read(in_matrices, documents), read(in_vectors, documents))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_table_of_frequent_tokens_changes_no_bit(precision):
    """Ten tokens are in it once it saves what it costs; the others are computed as they come."""
    awd_lstm = random_model(50, 24, 40, 2).awd_lstm
    documents, width = random_documents([60, 3, 17, 1, 30]), -(-40 // LANES) * LANES
    whole, part = (
        TiledLSTM(awd_lstm, dtype=getattr(torch, precision), table_bytes=16 * width * n) for n in (10**4, 10)
    )
    first = read(whole, documents)  # made while it reads
    assert len(whole._model.table) == 50
    assert np.array_equal(read(part, documents), first)
    assert len(part._model.table) == 10
    assert np.array_equal(read(whole, documents), first)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_states_are_those_that_are_pooled(precision):
    engine = TiledLSTM(random_model(50, 9, 40, 2).awd_lstm, dtype=getattr(torch, precision))
    (document,) = random_documents([37])
    states, pooled = engine.states(document), read(engine, [document]).reshape(3, -1)
    assert states.shape == (37, 9)
    assert np.array_equal(states[-1], pooled[0])
    assert np.array_equal(states.max(axis=0), pooled[2])


@needs_bytes
@pytest.mark.parametrize("shape", [(32, 64, 1), (33, 70, 2), (19, 130, 3)])
def test_int8_is_near_float32_and_certified(shape):
    lm, documents = random_model(200, *shape), random_documents([1, 60, 17, 5, 33, 2] * 6, n_tokens=200)
    encoder = DocumentEncoder(lm, "concat", precision="int8")
    bytes_, exact = encoder.encode_tokens(documents), DocumentEncoder(lm, "concat").encode_tokens(documents)
    cosines = (bytes_ * exact).sum(1) / np.linalg.norm(bytes_, axis=1) / np.linalg.norm(exact, axis=1)
    assert 0.999 < cosines.min() < 1
    assert certify(encoder, documents).bit_identical


@needs_bytes
def test_products_of_bytes_are_exact():
    """The largest sums that there can be, too: nothing saturates."""
    rng = np.random.default_rng(0)
    weights, x = rng.integers(0, 256, (TILE, 1152), np.uint8), rng.integers(-127, 128, (8, 1152), np.int8)
    weights[0], x[0], x[1] = 255, 127, -127
    out = np.zeros((MOST_ROWS, TILE), np.float32)
    product = six_rows if MOST_ROWS == 6 else two_rows
    _products_of(product)(x.view(np.uint8), 0, _packed(weights), 0, 288, 0, out)
    assert np.array_equal(out.view(np.int32), x[:MOST_ROWS].astype(np.int64) @ weights.T.astype(np.int64))


@needs_matrices
@pytest.mark.parametrize(("product", "n_rows"), [(sixteen_rows, 16), (thirty_two_rows, 32)])
def test_products_of_matrices_of_bytes_are_exact(product, n_rows):
    """The last register of factors is half zeros, so that it does not matter what weights it meets."""
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (TILE, 1152), np.int8), rng.integers(-127, 128, (40, 1152), np.int8)
    weights[0], x[5], x[6] = -127, 127, -127
    x[:, 1120:] = 0

    @compiled
    def multiplied(x, weights, out):
        open_matrices(SHAPES)
        product(x, 5, weights, 0, 18, out)
        close_matrices()

    out = np.zeros((n_rows, TILE), np.float32)
    multiplied(x, _packed(weights), out)
    expected = x[5 : 5 + n_rows, :1120].astype(np.int64) @ weights[:, :1120].T.astype(np.int64)
    assert np.array_equal(out.view(np.int32), expected)


def _packed(weights):
    """A block of weights as the products take it, from an address that registers like."""
    memory = np.empty(weights.size + 64, weights.dtype)
    aligned = memory[-memory.ctypes.data % 64 :][: weights.size]
    aligned[:] = weights.reshape(TILE, -1, 4).transpose(1, 0, 2).ravel()
    return aligned


def _products_of(tile):
    @compiled
    def product(x, first, weights, begin, n, ahead, out):
        tile(x, first, weights, begin, n, ahead, out)

    return product


@needs_bytes
def test_states_of_nothing_are_read_in_int8():
    """A model whose first states are zero: no scale is divided by."""
    lm = random_model.__wrapped__(50, 8, 12, 2, seed=9)
    for parameter in lm.awd_lstm.parameters():
        parameter.data.zero_()
    assert not DocumentEncoder(lm, precision="int8").encode_tokens(random_documents([3, 9])).any()


def test_int8_is_refused_where_bytes_are_not_multiplied(monkeypatch):
    monkeypatch.setattr(tiled_module, "has_tiles", lambda dtype: False)
    with pytest.raises(InputError, match="'int8' needs a CPU that multiplies bytes"):
        DocumentEncoder(random_model(), precision="int8")


OF_ANOTHER_PROCESSOR = """
import sys, numpy as np, torch
import unpadded.encoding.direction as reader_module
from encoder_tools import random_documents, random_model
from unpadded import DocumentEncoder
from unpadded.common import InputError
from unpadded.kernels import LANES
assert LANES == 8
reader_module.NARROW = 0
lm = random_model(50, 33, 70, 2)
np.save(sys.argv[1], DocumentEncoder(lm, "concat").encode_tokens(random_documents([1, 9, 40, 17, 2])))
try:
    DocumentEncoder(lm, precision="int8")
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(LANES == 8, reason="this is such a processor")
def test_a_processor_with_shorter_registers_gives_the_same_bits(tmp_path, monkeypatch, pytestconfig):
    path = tmp_path / "vectors.npy"
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2")
    # Compiled once for as long as the sources stay the same, and beside what this processor's own code is.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(pytestconfig.cache.mkdir("haswell")))
    command = [sys.executable, "-c", OF_ANOTHER_PROCESSOR, str(path)]
    done = subprocess.run(command, cwd="tests", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "multiplies bytes" in done.stdout
    found = DocumentEncoder(random_model(50, 33, 70, 2), "concat").encode_tokens(random_documents([1, 9, 40, 17, 2]))
    assert np.array_equal(np.load(path), found)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_callers_share_an_encoder_and_the_cores(precision):
    """Six threads, each call cut among as many threads as are left for it."""
    encoder = DocumentEncoder(random_model(50, 33, 150, 2), "concat", precision=precision)
    documents = random_documents([30, 200, 7, 90, 1, 55])
    expected, before = encoder.encode_tokens(documents), torch.get_num_threads()
    try:
        torch.set_num_threads(8)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(encoder.encode_tokens, [documents[i:] + documents[:i] for i in range(6)] * 2))
    finally:
        torch.set_num_threads(before)
    for i, vectors in enumerate(found):
        assert np.array_equal(np.roll(vectors, i % 6, axis=0), expected)
    assert tiled_module._calls == 0


def test_a_part_that_fails_is_heard_of_and_leaves_nobody_waiting():
    """The others are in compiled code, at a meeting to which it does not come."""
    met = threading.Event()

    def work(part, counter):
        if part == 1:
            raise ValueError("part 1")
        meet(counter, 1, 3)
        met.set()

    with pytest.raises(ValueError, match="part 1"):
        run_together(3, work)
    assert met.is_set()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not say where threads run")
def test_the_other_parts_run_on_other_cores_than_the_caller_who_stays_free():
    cores, seen = os.sched_getaffinity(0), {}

    def work(part, counter):
        seen[part] = os.sched_getaffinity(0)

    def pinned():
        os.sched_setaffinity(0, {min(cores)})  # of this thread alone
        run_together(2, work)

    run_together(2, work)
    assert seen[0] == cores
    assert len(seen[1]) == max(len(cores) - 1, 1)
    assert seen[1] <= cores
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pinned).result()
    assert seen == {0: {min(cores)}, 1: {min(cores)}}


def test_a_second_thread_comes_only_for_work_that_is_worth_its_start(monkeypatch):
    engine, counts = TiledLSTM(random_model(50, 33, 200, 2).awd_lstm), []

    def counted(n_threads, function):
        counts.append(n_threads)
        run_together(n_threads, function)

    monkeypatch.setattr(tiled_module, "run_together", counted)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for n_tokens in (1, 3 * tiled_module.OWN_BYTES // (4 * engine.work)):
            read(engine, random_documents([n_tokens], seed=0))
        assert counts[0] == 1
        assert max(counts) == counts[-1] == 2  # of three: the work is a little less than it takes
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n_documents", [1, 2, 5, 40])
def test_slots_are_not_more_than_the_documents_need(n_documents):
    chosen = tiled_module._plan(2 << 20, np.full(n_documents, 30), None, None, 2, 400)
    assert chosen.ladder[0] <= min(n for n in tiled_module.LADDER if n >= n_documents)

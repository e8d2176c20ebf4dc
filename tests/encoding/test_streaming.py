"""The engine: nothing but a document's own tokens decides its states, down to the last bit."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import unpadded.encoding.direction as reader_module
import unpadded.encoding.engine.tiled as tiled_module
import unpadded.encoding.schedule as schedule_module
from encoder_tools import fastai_loop, random_documents, random_model
from unpadded.common.errors import InputError
from unpadded.encoding.certification import twin_of
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.encoding.engine.narrow import CompiledLSTM
from unpadded.encoding.engine.stream import GRAIN, StreamingLSTM, _cuts_whole
from unpadded.encoding.engine.weights import LANES, read_layers
from unpadded.encoding.planning import plan
from unpadded.encoding.pooling import PoolSettings
from unpadded.encoding.schedule import Schedule, backlogs_ahead, backlogs_of, by_step
from unpadded.kernels.products import PANEL, RowProduct

SHAPES = [(7, 11, 1), (7, 11, 2), (33, 31, 3), (16, 40, 4)]


@pytest.fixture(params=["stepped", "tiled", "compiled"], autouse=True)
def kernel(request, monkeypatch):
    """Which engine the models of a test take; their own size would make all of them narrow."""
    monkeypatch.setattr(reader_module, "NARROW", 10**6 if request.param == "compiled" else 0)
    if request.param != "tiled":
        monkeypatch.setattr(tiled_module, "has_tiles", lambda dtype: False)
    return request.param


def alone(encoder, documents):
    return np.concatenate([encoder.encode_tokens([tokens]) for tokens in documents])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.sampled_from(SHAPES),
    lengths=st.lists(st.integers(1, 45), min_size=1, max_size=40),
    slots=st.one_of(st.none(), st.integers(1, 90)),
    chunk_length=st.one_of(st.none(), st.integers(1, 50)),
    seed=st.integers(0, 99),
)
def test_batches_never_change_a_bit(shape, lengths, slots, chunk_length, seed):
    lm = random_model(50, *shape)
    documents = random_documents(lengths, seed=seed)
    encoder = DocumentEncoder(lm, slots=slots, chunk_length=chunk_length)
    order = np.random.default_rng(seed).permutation(len(documents))
    expected = alone(DocumentEncoder(lm), documents)
    assert np.array_equal(encoder.encode_tokens(documents), expected)
    assert np.array_equal(encoder.encode_tokens([documents[i] for i in order]), expected[order])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.sampled_from(SHAPES), lengths=st.lists(st.integers(1, 60), min_size=1, max_size=25))
def test_vectors_are_those_of_fastai(shape, lengths):
    lm = random_model(50, *shape)
    documents = random_documents(lengths, seed=len(lengths))
    expected = fastai_loop(lm, documents)
    found = DocumentEncoder(lm).encode_tokens(documents, pooling=["last", "mean", "max"])
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_batches_never_change_a_bit_with_threads(n_threads):
    lm, before = random_model(50, 96, 160, 2), torch.get_num_threads()
    documents = random_documents([3, 20, 11, 7, 1, 30])
    try:
        torch.set_num_threads(n_threads)
        expected = alone(DocumentEncoder(lm), documents)
        for slots in (1, 77):  # 77 slots are enough work to be shared among threads
            found = DocumentEncoder(lm, slots=slots).encode_tokens(documents * 15)
            assert np.array_equal(found, np.tile(expected, (15, 1)))
    finally:
        torch.set_num_threads(before)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.sampled_from(SHAPES),
    documents=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=20),
    slots=st.one_of(st.none(), st.integers(1, 30)),
    chunk_length=st.one_of(st.none(), st.integers(1, 50)),
)
def test_tokens_may_be_read_and_not_pooled(shape, documents, slots, chunk_length):
    lengths, skips = np.array(documents).T
    skips = np.minimum(skips, lengths - 1)
    lm, tokens = random_model(50, *shape), random_documents(lengths)
    encoder = DocumentEncoder(lm, slots=slots, chunk_length=chunk_length)
    found = encoder.encode_tokens(tokens, pooling=["last", "mean", "max"], skip=skips)
    twin = twin_of(lm.awd_lstm)
    for i, (document, skip) in enumerate(zip(tokens, skips, strict=True)):
        twin.reset()
        with torch.no_grad():
            states = twin(torch.from_numpy(document)[None])[0, skip:].double().numpy()
        expected = {"last": states[-1], "mean": np.mean(states, axis=0), "max": np.max(states, axis=0)}
        for name in expected:
            np.testing.assert_allclose(found[name][i], expected[name], rtol=0, atol=1e-6)
    whole = encoder.encode_tokens(tokens)
    assert np.array_equal(encoder.encode_tokens(tokens, skip=np.zeros(len(tokens), int)), whole)


def test_an_encoder_survives_a_change_of_threads():
    lm, before = random_model(), torch.get_num_threads()
    documents = random_documents([5, 9, 30])
    encoder = DocumentEncoder(lm)
    first = encoder.encode_tokens(documents)
    try:
        torch.set_num_threads(before + 1)
        np.testing.assert_allclose(encoder.encode_tokens(documents), first, rtol=0, atol=1e-6)
        assert np.array_equal(encoder.encode_tokens(documents), alone(encoder, documents))
    finally:
        torch.set_num_threads(before)


def test_bfloat16_is_exact_among_batches_and_near_float32():
    lm = random_model(50, 33, 31, 2)
    documents = random_documents([1, 60, 17, 5, 33, 2] * 6)
    encoder = DocumentEncoder(lm, precision="bfloat16")
    rounded = encoder.encode_tokens(documents)
    assert np.array_equal(rounded, alone(encoder, documents))
    assert np.array_equal(rounded, encoder.variant(slots=70, chunk_length=3).encode_tokens(documents))
    difference = np.abs(rounded - DocumentEncoder(lm).encode_tokens(documents)).max()
    assert 0 < difference < 0.05


def test_long_and_short_documents_together_go_down_the_ladder():
    lm = random_model()
    documents = random_documents([700, 650, 300, *[4] * 300])
    encoder = DocumentEncoder(lm, slots=100)
    assert np.array_equal(encoder.encode_tokens(documents), alone(encoder, documents))


def test_rare_tokens_get_the_inputs_that_the_table_would_hold():
    lm = random_model(200)
    ids = torch.from_numpy(np.stack(random_documents([90] * 5, n_tokens=200)))
    whole = StreamingLSTM(lm.awd_lstm).token_inputs
    part = StreamingLSTM(lm.awd_lstm, table_bytes=32 * 4 * 4 * 10).token_inputs  # ten tokens are in the table
    calls = [(tokens, whole.steps(tokens), part.steps(tokens)) for tokens in (ids, ids.flip(0))]
    for tokens, expected, found in calls:
        assert tokens.max() >= 10
        assert all(torch.equal(expected(t), found(t)) for t in range(len(tokens)))


def test_the_module_and_the_random_state_are_left_alone():
    lm = random_model(seed=1)
    lm.module.train()
    lm.awd_lstm.bs = 3
    lm.awd_lstm.reset()
    lm.awd_lstm(torch.ones(3, 4, dtype=torch.int64))  # leaves a hidden state and dropped-out weights behind
    hidden = [h.clone() for pair in lm.awd_lstm.hidden for h in pair]
    dropped = [rnn.module.weight_hh_l0.detach().clone() for rnn in lm.awd_lstm.rnns]
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    weights = {name: tensor.clone() for name, tensor in lm.module.state_dict().items()}
    documents = random_documents([1, 30, 8])
    found = DocumentEncoder(lm, "concat").encode_tokens(documents)

    assert lm.module.training
    now = [h for pair in lm.awd_lstm.hidden for h in pair]
    assert all(torch.equal(a, b) for a, b in zip(now, hidden, strict=True))
    assert all(torch.equal(r.module.weight_hh_l0, w) for r, w in zip(lm.awd_lstm.rnns, dropped, strict=True))
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert all(torch.equal(tensor, weights[name]) for name, tensor in lm.module.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in lm.module.parameters())
    expected = fastai_loop(lm, documents)
    np.testing.assert_allclose(found, np.hstack([expected[n] for n in ("last", "mean", "max")]), rtol=0, atol=1e-6)


def test_gates_are_padded_to_whole_registers():
    layers = read_layers(random_model(50, 33, 31, 2).awd_lstm)
    assert [(layer.width, layer.padded) for layer in layers] == [(31, 32), (33, 64)]
    assert all(layer.padded % LANES == 0 for layer in layers)
    gates = layers[1].laid_out(layers[1].recurrent, 64).view(4, 64, 64)
    assert gates[:, 33:].abs().max() == gates[:, :, 33:].abs().max() == 0
    assert torch.equal(gates[[0, 1, 3, 2], :33, :33], layers[1].recurrent.view(4, 33, 33))


@pytest.mark.parametrize("broken", ["bidirectional", "gru"])
def test_models_that_cannot_be_streamed_are_refused(broken):
    class Stand:  # the part of an AWD_LSTM that is looked at
        n_dir = 2 if broken == "bidirectional" else 1
        encoder = nn.Embedding(5, 3)
        rnns = (nn.GRU(3, 3),)

    with pytest.raises(InputError, match="bidirectional" if broken == "bidirectional" else "GRU"):
        read_layers(Stand)


def test_a_layer_without_an_lstms_weights_is_named_too():
    lm = random_model.__wrapped__()  # of its own: other tests share the one that is kept
    lm.awd_lstm.rnns[1] = nn.Linear(3, 3)
    with pytest.raises(InputError, match="Layer 1 is a Linear"):
        DocumentEncoder(lm)


def test_a_product_that_depends_on_the_number_of_rows_is_done_in_panels():
    product = RowProduct(torch.eye(3))
    product._multiply = lambda x, bias: x + (len(x) != PANEL) * 1e-3  # another kernel for every other number of rows
    x = torch.rand(150, 3)
    assert not product.agrees(150)
    assert torch.equal(product(x), x)


def compiled(lm, documents, parts, layers, *, n_threads=1, **options):
    """What the compiled engine pools, {part: array [n_documents, width]}, and in how many pieces."""
    engine = CompiledLSTM(lm.awd_lstm, **options)
    lengths = np.array([len(tokens) for tokens in documents])
    pieces = list(engine.read(backlogs_of(documents, lengths), PoolSettings(parts, layers), threads=n_threads))
    order = np.argsort(np.concatenate([positions for positions, _ in pieces]))
    return {part: np.concatenate([found[part] for _, found in pieces])[order] for part in parts}, len(pieces)


def test_tokens_beyond_the_compiled_table_get_the_same_bits():
    lm = random_model(200, 21, 40, 2)
    documents = random_documents([90, 5, 41, 3, 60, 7, 1], n_tokens=200)
    whole, *others = (  # all tokens in the table, nine, and one
        compiled(lm, documents, ["last", "mean"], [0, 1], table_bytes=n)[0] for n in (40 << 20, 4 * 4 * 64 * 9, 0)
    )
    for found in others:
        assert all(np.array_equal(whole[part], found[part]) for part in whole)


def test_the_compiled_table_waits_until_it_pays_and_changes_nothing():
    engine, documents = CompiledLSTM(random_model(200, 21, 40, 2).awd_lstm), random_documents([90, 60], n_tokens=200)
    lengths, tables, found = np.array([90, 60]), [], []
    for _ in range(2):
        found += [
            parts["mean"] for _, parts in engine.read(backlogs_of(documents, lengths), PoolSettings(["mean"], [1]))
        ]
        tables.append(len(engine._table))
    assert tables == [0, 200]
    half = len(found) // 2
    assert all(np.array_equal(one, other) for one, other in zip(found[:half], found[half:], strict=True))


def test_compiled_threads_take_whole_documents_and_change_nothing():
    lm = random_model(50, 20, 33, 2)
    documents = random_documents([100, *[9, 4, 31, 1] * 9])
    one, n_pieces = compiled(lm, documents, ["max", "mean"], [1])
    four, n_more = compiled(lm, documents, ["max", "mean"], [1], n_threads=4)
    assert 4 < n_pieces < n_more
    assert all(np.array_equal(one[part], four[part]) for part in one)


def test_a_compiled_reading_that_is_left_early_ends_its_threads():
    lm, before = random_model(50, 8, 8, 1), threading.active_count()
    documents = random_documents([20_000] * 12)
    reading = DocumentEncoder(lm).stream_tokens(documents)
    next(reading)
    reading.close()
    assert threading.active_count() == before


def test_a_product_that_depends_on_the_place_is_found_out():
    product = RowProduct(torch.eye(3))
    product._multiply = lambda x, bias: torch.cat([x[:-1], x[-1:] + 1e-3])
    assert not product.agrees(16)


@pytest.mark.parametrize("n_rows", [1, 5, 64, 65, 200])
def test_products_are_right(n_rows):
    generator = torch.Generator().manual_seed(n_rows)
    weight, bias, x = (torch.randn(*size, generator=generator) for size in [(40, 24), (40,), (n_rows, 24)])
    for product in (RowProduct(weight), RowProduct(weight).in_panels):
        torch.testing.assert_close(product(x, bias), x @ weight.T + bias)


@given(n_threads=st.integers(1, 9), n_slots=st.integers(1, 600))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_threads_never_cut_a_register(n_threads, n_slots):
    engine = StreamingLSTM(random_model(50, 33, 40, 2).awd_lstm)
    rows = engine.aligned(n_slots, n_threads)
    assert rows >= n_slots
    for size in (64, 3 * 64, 4 * 64):
        n_parts = min(n_threads, -(-rows * size // GRAIN))
        assert rows * size % n_parts == 0
        assert rows * size // n_parts % LANES == 0
    assert not _cuts_whole(GRAIN * 2 + LANES, 2)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=40),
    n_slots=st.integers(1, 9),
    n_steps=st.integers(1, 8),
    window=st.integers(1, 50),
)
def test_every_token_runs_once_in_its_place(lengths, n_slots, n_steps, window):
    documents = [np.arange(n) + 1000 * i for i, n in enumerate(lengths)]
    empty, found, running = [], {}, [[] for _ in range(n_slots)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule_module, "BACKLOG_DOCUMENTS", window)
        schedule = Schedule(backlogs_ahead(documents, empty))
        schedule.open(n_slots)
        while schedule.n_live:
            if schedule.n_live < schedule.n_slots:
                running = [running[slot] for slot in schedule.shrink(schedule.n_live)]
            block = schedule.next_block(lambda left: n_steps)
            positions = iter(block.finished.tolist())
            events = (by_step(them, len(block.ids)) for them in (block.starts, block.ends))
            for step, starts, ends in zip(block.ids, *events, strict=True):
                for slot in starts:
                    running[slot] = []
                for slot, token in enumerate(step):
                    running[slot].append(int(token))
                for slot in ends:
                    found[next(positions)] = list(running[slot])
    assert empty == [i for i, n in enumerate(lengths) if n == 0]
    assert found == {i: tokens.tolist() for i, tokens in enumerate(documents) if len(tokens)}


def test_equal_documents_leave_no_slot_idle():
    schedule = Schedule(backlogs_of([np.zeros(10, int)] * 32, np.full(32, 10)))
    schedule.open(8)
    n_steps = 0
    while schedule.n_live:
        n_steps += len(schedule.next_block(lambda left: 7).ids)
    assert n_steps == 40


def test_one_long_document_decides_the_slots():
    engine = StreamingLSTM(random_model(50, 200, 512, 2).awd_lstm)
    few = plan(engine, np.array([50_000] + [50] * 1000), slots=None, chunk_length=None)
    many = plan(engine, np.array([50] * 100_000), slots=None, chunk_length=None)
    assert few.ladder[0] < many.ladder[0]
    assert plan(engine, np.array([5]), slots=9, chunk_length=4).ladder == (9, 8, 4, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu():
    lm = random_model(50, 33, 31, 3)
    documents = random_documents([1, 60, 17, 5, 33, 2] * 6)
    before = torch.backends.cuda.matmul.allow_tf32
    encoder = DocumentEncoder(lm, device="cuda")
    found = encoder.encode_tokens(documents)
    np.testing.assert_allclose(found, DocumentEncoder(lm).encode_tokens(documents), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found, alone(encoder, documents), rtol=0, atol=1e-5)
    assert torch.backends.cuda.matmul.allow_tf32 == before

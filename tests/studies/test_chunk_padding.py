"""fastai's batched path: which documents it gets wrong is told from lengths alone, and its own code agrees."""

import numpy as np
import pytest
import torch
from fastai.text.models.core import SentenceEncoder, masked_concat_pool
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder_tools import random_model
from unpadded.encoding.certification import twin_of
from unpadded.studies.padding.fastai_batches import (
    FAULTS,
    alone_vectors,
    batched_vectors,
    cells_read,
    chunk_batch,
    chunk_faults,
    measure_batches,
    sorted_batches,
    wrong_vectors,
)


def texts_without_pads(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(2, 50, n) for n in lengths]


def test_the_example_to_follow_by_eye():
    """Chunks of 4 steps. The second document ends before the second chunk, so the third, below it, is not read at all."""
    documents = texts_without_pads([6, 3, 2])
    ids = chunk_batch(documents, bptt=4)
    assert (ids == 1).tolist() == [[False] * 6, [False] * 3 + [True] * 3, [True] * 4 + [False] * 2]
    read = cells_read(ids, bptt=4)
    assert read.tolist() == [[True] * 6, [True] * 6, [False] * 6]
    faults = chunk_faults([6, 3, 2], bptt=4)
    assert faults["text_lost"].tolist() == [0, 0, 2]
    found = batched_vectors(random_model(), documents, bptt=4)
    assert not found[2].any()
    assert np.abs(found[:2] - alone_vectors(random_model(), documents, bptt=4)[:2]).max() < 1e-6


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=10),
    bptt=st.integers(2, 12),
    rest=st.one_of(st.none(), st.integers(0, 30)),
)
def test_the_lengths_tell_which_vectors_are_wrong(lengths, bptt, rest):
    max_len = None if rest is None else bptt + rest
    table = measure_batches(
        random_model(), texts_without_pads(lengths), n_batches=9, batch_size=4, bptt=bptt, max_len=max_len
    )
    assert len(table) == len(lengths)
    assert sorted(table["document"]) == list(range(len(lengths)))
    sound = table[~table["foreseen"]]
    assert (sound["max_abs_diff"] < 1e-6).all()
    assert (table.loc[table["foreseen"], "max_abs_diff"] > 1e-6).all()
    assert (table.loc[table["text_lost"] > 0, "wrong"]).all()


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=12), bptt=st.integers(1, 20))
def test_lost_text_is_what_the_encoder_does_not_run(lengths, bptt):
    lengths = sorted(lengths, reverse=True)
    ids = chunk_batch(texts_without_pads(lengths), bptt=bptt)
    lost = ((ids != 1) & ~cells_read(ids, bptt=bptt)).sum(axis=1)
    assert chunk_faults(lengths, batch_size=12, bptt=bptt)["text_lost"].tolist() == lost.tolist()


def test_a_batch_of_one_is_without_fault_and_batches_cover_all():
    lengths = [5, 80, 200, 3_000, 1]
    assert not chunk_faults(lengths, batch_size=1)[FAULTS].any(axis=None)
    batches = sorted_batches(lengths, batch_size=2)
    assert [batch.tolist() for batch in batches] == [[3, 2], [1, 0], [4]]


def test_max_len_is_counted_from_the_end_of_the_batch():
    faults = chunk_faults([30, 17], bptt=4, max_len=18)  # 17 tokens fit into 18, but a pad stands behind them
    assert faults["beginning_dropped"].tolist() == [0, 4] if (30 - 17) % 4 > 1 else [0, 0]
    assert chunk_faults([31, 17], bptt=4, max_len=18)["beginning_dropped"].tolist() == [0, 4]


@pytest.mark.parametrize("max_len", [None, 12, 15])
def test_alone_is_what_fastai_says_to_one_document(max_len):
    lm, documents = random_model(), texts_without_pads([1, 4, 11, 12, 13, 16, 40])
    found = alone_vectors(lm, documents, bptt=4, max_len=max_len)
    encoder = SentenceEncoder(4, twin_of(lm.awd_lstm), pad_idx=1, max_len=max_len).eval()
    with torch.no_grad():
        expected = [masked_concat_pool(*encoder(torch.from_numpy(d)[None]), 4)[0].numpy() for d in documents]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_only_batches_of_short_documents_are_run_when_asked():
    table = measure_batches(
        random_model(), texts_without_pads([300, 290, 20, 10]), n_batches=2, batch_size=2, longest=50
    )
    assert sorted(table["document"]) == [2, 3]


def test_wrong_vectors_are_counted_beside_unpaddeds_none():
    lm, documents = random_model(), texts_without_pads([6, 3, 2, 6])
    measured = measure_batches(lm, documents, n_batches=1, bptt=4)
    table = wrong_vectors(lm, documents, measured).set_index("method")
    wrong = measured[measured["wrong"]]
    assert table["n"].tolist() == [4, 4]
    assert table["wrong"].tolist() == [len(wrong), 0]
    assert len(wrong) > 0
    assert table["cosine_distance_of_wrong"].tolist() == [wrong["cosine_distance"].mean(), 0]
    assert (table.loc["Unpadded", ["mean_cosine_distance", "max_abs_diff"]] == 0).all()

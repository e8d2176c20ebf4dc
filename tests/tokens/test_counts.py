import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.tokens import counts
from unpadded.tokens.counts import MOST_TOKENS, documents_read


@settings(max_examples=50)
@given(st.lists(st.integers(0, MOST_TOKENS), max_size=40), st.integers(0, 3))
def test_documents_are_read_until_they_have_the_tokens_that_are_asked_for(lengths, seed):
    read = documents_read(lengths, seed=seed)
    found = np.array(lengths, int)[read]
    assert read.tolist() == sorted(set(read.tolist()))
    assert len(read) == len(lengths) or found.sum() >= MOST_TOKENS
    drawn = np.random.default_rng(seed).permutation(len(lengths))[: len(read)]
    assert set(drawn.tolist()) == set(read.tolist()), "they are the first that are drawn"
    assert np.array(lengths, int)[drawn[:-1]].sum() < MOST_TOKENS, "and one fewer would not have been enough"


@pytest.mark.parametrize(("length", "n"), [(8, 20_000), (1_000, 2_000), (MOST_TOKENS, 1)])
def test_short_documents_are_all_read_and_of_long_ones_as_many_as_have_their_tokens(length, n):
    assert len(documents_read([length] * 20_000)) == n


def test_of_no_documents_none_are_read():
    assert documents_read([]).tolist() == []


def test_what_is_read_follows_the_limit(monkeypatch):
    monkeypatch.setattr(counts, "MOST_TOKENS", 1)
    assert len(documents_read([5, 5, 5])) == 1

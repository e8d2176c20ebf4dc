import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.tokens import counts
from unpadded.tokens.counts import READ_DOCUMENTS, READ_TOKENS, documents_read


@settings(max_examples=50)
@given(st.lists(st.integers(0, READ_TOKENS), max_size=40), st.integers(0, 3), st.integers(0, 20))
def test_documents_are_read_until_there_are_enough_of_them_and_of_their_tokens(lengths, seed, enough):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(counts, "READ_DOCUMENTS", enough)
        read = documents_read(lengths, seed=seed)
    lengths = np.array(lengths, int)
    assert read.tolist() == sorted(set(read.tolist()))
    assert len(read) == len(lengths) or (len(read) >= enough and lengths[read].sum() >= READ_TOKENS)
    drawn = np.random.default_rng(seed).permutation(len(lengths))[: len(read)]
    assert set(drawn.tolist()) == set(read.tolist()), "they are the first that are drawn"
    assert len(read) <= enough or lengths[drawn[:-1]].sum() < READ_TOKENS, "and one fewer would not have been enough"


@pytest.mark.parametrize(("length", "n"), [(8, 20_000), (200, 10_000), (READ_TOKENS, READ_DOCUMENTS)])
def test_short_documents_are_all_read_and_of_long_ones_enough(length, n):
    assert len(documents_read([length] * 20_000)) == n


def test_of_no_documents_none_are_read():
    assert documents_read([]).tolist() == []

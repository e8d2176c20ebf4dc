"""The first cells of notebook 02: the loop and the encoder say the same, and the states of a document are its own."""

import numpy as np
import pytest

from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel
from unpadded.studies.first_look import LOOP, OURS, beside_the_loop, few_documents, states_of, worth_showing
from unpadded.tokens.tokenized import TokenizedCorpus


@pytest.fixture
def documents(tiny_tokens, tiny_model):
    return list(tiny_tokens.with_vocab(tiny_model.vocab).select(range(5)))


def test_the_loop_and_the_encoder_give_the_same_numbers(tiny_model, documents):
    table = beside_the_loop(tiny_model, documents, turns=2)
    assert list(table.index) == [LOOP, OURS]
    assert (table.seconds > 0).all()
    assert table.largest_difference[LOOP] == 0
    assert table.largest_difference[OURS] < 1e-6


@pytest.mark.parametrize("most", [3, 36])
def test_pooled_states_are_the_documents_vectors(tiny_model, documents, most):
    tokens = max(documents, key=len)
    found = states_of(tiny_model, tokens, most=most)
    assert found.of == len(tokens)
    assert found.extent == (f"the first 3 of {found.of} tokens" if most == 3 else f"{found.of} tokens")
    assert len(found.words) == len(found.states) == min(most, len(tokens))
    assert found.words[0] == "xxbos"
    ways = {"last": found.states[-1], "mean": found.states.mean(0), "max": found.states.max(0)}
    for pooling, expected in ways.items():
        (vector,) = DocumentEncoder(tiny_model, pooling=pooling).encode_tokens([tokens[:most]])
        np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_of_a_model_of_both_directions_the_forward_one_reads(tiny_model, documents):
    forward = LanguageModel(tiny_model.module, tiny_model.vocab)
    sizes = {"emb_sz": 12, "n_hid": 20, "n_layers": 2}
    both = forward.with_backward(LanguageModel.new(tiny_model.vocab, sizes, direction="backward"))
    assert beside_the_loop(both, documents, turns=1).largest_difference[OURS] < 1e-6
    np.testing.assert_array_equal(states_of(both, documents[0]).states, states_of(tiny_model, documents[0]).states)


def test_the_document_that_is_shown_can_be_read():
    assert worth_showing([np.zeros(n) for n in (1, 900, 33, 26)]) == 2
    assert worth_showing([np.zeros(4)]) == 0


def test_documents_without_a_token_are_not_among_the_few(tiny_tokens, tiny_model):
    tokens = tiny_tokens.with_vocab(tiny_model.vocab)
    found = few_documents(tokens, seed=1)
    assert len(set(found)) == 5
    assert list(found) == sorted(few_documents(tokens, seed=1))
    offsets = np.array([0, 0, 3, 3, 4])
    few = TokenizedCorpus(np.arange(4, dtype=np.int32), offsets, tiny_model.vocab)
    assert list(few_documents(few)) == [1, 3]

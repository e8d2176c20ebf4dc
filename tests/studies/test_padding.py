"""Padding: where pads stand, how padded states are read, and models for which the right answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder_tools import random_documents, random_model
from unpadded.common.errors import InputError
from unpadded.corpus.corpus import Corpus
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel
from unpadded.studies.padding.downstream import INTERVAL, padding_costs, score
from unpadded.studies.padding.effects import (
    CHANGES,
    UNPADDED,
    PaddedVectors,
    choose_documents,
    cosine_distance,
    neighbours,
    next_token_kl,
    padding_effects,
    read_all,
    read_unpadded,
    vector_changes,
)
from unpadded.studies.padding.pad_row import pad_row, row_norms
from unpadded.studies.padding.padded_reader import PaddedReader, batch_pads, place_pads
from unpadded.studies.padding.study import injection_effects, study_padding, text_budget, zeroed_row_effects
from unpadded.tokens.tokenized import tokenize

POOLINGS = ("last", "mean", "max", "concat")
DOCUMENTS = random_documents([1, 2, 5, 9, 31, 32, 33, 40, 64, 70])


def changed_model(**changes) -> LanguageModel:
    """A random model of one layer with some of its parameters replaced by what a function makes of them."""
    source = random_model(50, 9, 9, 1, seed=3)
    lm = LanguageModel.new(source.vocab, {"emb_sz": 9, "n_hid": 9, "n_layers": 1})
    lm.module.load_state_dict(source.module.state_dict())
    lstm, rnn = lm.awd_lstm.rnns[0].module, lm.awd_lstm.rnns[0]
    parameters = {"bias_ih": lstm.bias_ih_l0, "bias_hh": lstm.bias_hh_l0, "recurrent": rnn.weight_hh_l0_raw}
    with torch.no_grad():
        for name, change in changes.items():
            parameters[name].copy_(change(parameters[name]))
    lm.module.eval()
    return lm


@given(
    n=st.integers(0, 9),
    n_pads=st.integers(0, 9),
    placement=st.sampled_from(["none", "before", "after xxbos", "behind"]),
)
def test_pads_stand_where_they_should_and_the_text_is_kept(n, n_pads, placement):
    tokens = np.arange(10, 10 + n)
    ids, is_text = place_pads(tokens, placement, n_pads)
    assert np.array_equal(ids[is_text], tokens)
    assert (ids[~is_text] == 1).all()
    assert (~is_text).sum() == (0 if placement == "none" else n_pads)
    if n and n_pads and placement != "none":
        first = {"before": [False, True], "after xxbos": [True, False], "behind": [True, n > 1]}[placement]
        assert is_text[[0, min(n_pads, 1)]].tolist() == first if placement != "before" else not is_text[0]
        assert is_text[-1] == (placement == "before" or (placement == "after xxbos" and n > 1))


def test_wrong_placements_are_refused():
    with pytest.raises(InputError, match="sideways"):
        place_pads(np.arange(3), "sideways", 1)
    with pytest.raises(InputError, match="at least 0 pads"):
        place_pads(np.arange(3), "before", -1)


def test_a_minibatch_pads_to_its_longest():
    assert batch_pads([3, 9, 4], batch_size=3).tolist() == [6, 0, 5]
    pads = batch_pads(range(1, 33), batch_size=8, seed=1)
    assert (pads == 0).sum() == 4  # one longest in each batch
    assert not batch_pads(range(1, 33), batch_size=1).any()


def test_without_pads_the_reader_gives_the_encoders_vectors():
    lm = random_model()
    expected = DocumentEncoder(lm).encode_tokens(DOCUMENTS, pooling=POOLINGS)
    for reader in (PaddedReader(lm), PaddedReader(lm, batch_size=3, chunk_length=7)):
        for found in reader.read(DOCUMENTS).values():
            for name in POOLINGS:
                np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


def test_the_naive_reading_is_that_of_a_document_whose_tokens_are_the_pads_too():
    lm = random_model()
    for placement in ("before", "after xxbos", "behind"):
        expected = DocumentEncoder(lm).encode_tokens(
            [place_pads(d, placement, 5)[0] for d in DOCUMENTS], pooling=POOLINGS
        )
        found = PaddedReader(lm).read(DOCUMENTS, placement, 5)["naive"]
        for name in POOLINGS:
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


def test_behind_the_text_pads_change_no_bit_when_lengths_are_respected():
    reader = PaddedReader(random_model())
    expected = reader.read(DOCUMENTS)["naive"]
    for n in (1, 31, 100, batch_pads([len(d) for d in DOCUMENTS])):
        found = reader.read(DOCUMENTS, "behind", n)
        for name in POOLINGS:
            assert np.array_equal(found["length-aware"][name], expected[name])
        assert not np.allclose(found["naive"]["mean"], expected["mean"], atol=1e-3)


def test_before_the_text_both_readings_have_the_same_last_state_and_it_is_wrong():
    reader = PaddedReader(random_model())
    found = reader.read(DOCUMENTS, "before", 8)
    assert np.array_equal(found["naive"]["last"], found["length-aware"]["last"])
    assert np.abs(found["naive"]["last"] - reader.read(DOCUMENTS)["naive"]["last"])[0].max() > 1e-3
    assert not np.allclose(found["naive"]["mean"], found["length-aware"]["mean"], atol=1e-3)


def test_zeroing_the_pad_row_makes_leading_pads_harmless_only_without_biases():
    no_bias = changed_model(bias_ih=torch.zeros_like, bias_hh=torch.zeros_like)
    for lm, harmless in ((no_bias, True), (changed_model(), False)):
        table = zeroed_row_effects(lm, DOCUMENTS, pads=[1, 16]).set_index("pad_row")
        assert (table.loc["as it is", "max_abs_diff"] > 1e-3).all()
        assert (table.loc[UNPADDED, [*CHANGES[:3], "changed"]] == 0).all(axis=None)
        zeroed = table.loc["zeroed", "max_abs_diff"]
        assert (zeroed < 1e-6).all() if harmless else (zeroed > 1e-3).all()


def test_a_model_without_memory_forgets_what_stood_before():
    """No recurrent weights, and forget gates closed by their bias: a state depends on its own token alone."""

    def closed(bias):
        bias = bias.clone()
        bias[9:18] = -1e4  # the second of torch's four gates
        return bias

    reader = PaddedReader(changed_model(recurrent=torch.zeros_like, bias_ih=closed))
    plain = reader.read(DOCUMENTS)["naive"]
    for placement in ("before", "after xxbos"):
        found = reader.read(DOCUMENTS, placement, 20)
        several = np.array([len(d) > 1 for d in DOCUMENTS])  # of one token, xxbos is all there is
        for name in POOLINGS:
            np.testing.assert_allclose(found["length-aware"][name], plain[name], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["naive"]["last"][several], plain["last"][several], rtol=0, atol=1e-6)


def test_empty_documents_and_no_documents():
    reader = PaddedReader(random_model())
    found = reader.read([np.array([], int), np.array([4, 5])], "behind", 3)
    assert not found["length-aware"]["concat"][0].any()
    assert found["naive"]["mean"][0].any()  # nothing but pads
    assert reader.read([])["naive"]["mean"].shape == (0, 7)


def test_a_backward_model_is_padded_in_its_own_order():
    forward = random_model()
    backward = LanguageModel(forward.module, forward.vocab, direction="backward")
    expected = PaddedReader(forward).read([d[::-1] for d in DOCUMENTS], "before", 3)
    found = PaddedReader(backward).read(DOCUMENTS, "before", 3)
    assert np.array_equal(found["naive"]["concat"], expected["naive"]["concat"])


def test_the_module_is_left_alone():
    lm = random_model(seed=5)
    lm.module.train()
    weights = {name: tensor.clone() for name, tensor in lm.module.state_dict().items()}
    state = torch.random.get_rng_state()
    PaddedReader(lm, zero_pad_row=True).read(DOCUMENTS, "before", 3)
    pad_row(lm, DOCUMENTS)
    assert lm.module.training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in lm.module.state_dict().items())
    assert all(parameter.grad is None for parameter in lm.module.parameters())


def test_distances_neighbours_and_divergence_of_known_vectors():
    one = np.array([[1, 0], [0, 2], [1, 1], [0, 0]], np.float32)
    other = np.array([[0, 3], [0, -1], [2, 2], [0, 0]], np.float32)
    np.testing.assert_allclose(cosine_distance(one, other), [1, 2, 0, 0], atol=1e-12)
    assert not cosine_distance(one, one).any()
    circle = np.array([[np.cos(t), np.sin(t)] for t in np.arange(8)], np.float32)
    assert neighbours(circle, k=2)[3].tolist() in ([2, 4], [4, 2])
    same = vector_changes(circle, circle)
    assert all(value == 0 for value in same.values())
    moved = circle.copy()
    moved[0] = -circle[0]
    assert vector_changes(np.repeat(circle, 3, axis=0), np.repeat(moved, 3, axis=0))["neighbours_lost"] > 0
    lm = random_model()
    states = DocumentEncoder(lm, "last").encode_tokens(DOCUMENTS)
    assert not next_token_kl(lm, states, states).any()
    assert (next_token_kl(lm, states, states[::-1]) > 0).all()


def test_unpaddeds_rows_are_zero_and_padding_behind_the_text_too():
    lm = random_model()
    found = [*read_all(lm, DOCUMENTS, pads=[2, 40]), *read_unpadded(lm, DOCUMENTS)]
    table = padding_effects(lm, found).fillna({"kl": 0.0})
    own = table[table["method"] == UNPADDED]
    assert own["pooling"].tolist() == list(POOLINGS)
    assert (own[CHANGES] == 0).all(axis=None)
    padded = table[table["method"] != UNPADDED]
    assert len(padded) == 3 * 3 * 2 * 4
    harmless = (padded["placement"] == "behind") & (padded["reading"] == "length-aware")
    assert (padded.loc[harmless, CHANGES] == 0).all(axis=None)
    assert (padded.loc[~harmless, ["cosine_distance", "max_abs_diff", "changed"]] > 0).all(axis=None)
    by_last = padded[~harmless & (padded["pooling"] == "last")]
    assert (by_last["kl"] > 0).all()


@pytest.fixture(scope="module")
def measured(tiny_corpus, tiny_model):
    tokens = tokenize(tiny_corpus.texts).with_vocab(tiny_model.vocab)
    sample, documents = choose_documents(tiny_corpus, tokens, n=40, longest=30)
    return sample, documents, [*read_all(tiny_model, documents, pads=[4]), *read_unpadded(tiny_model, documents)]


def test_costs_are_changes_against_no_padding(measured):
    sample, documents, found = measured
    found = [one for one in found if one.placement in ("none", "before") and one.reading != "length-aware"]
    found = [replace(one, vectors={p: one.vectors[p] for p in ("last", "mean")}) for one in found]
    assert all(2 <= len(d) <= 30 for d in documents)
    assert len(sample) == len(documents) == 40
    table = padding_costs(sample, found, pads=["4"])
    own = table[table["method"] == UNPADDED]
    assert set(own["reading"]) == {"alone", "in a batch"}
    assert (own[["v_measure_change", "nDCG@10_change", *INTERVAL]] == 0).all(axis=None)
    assert set(table.loc[table["method"] != UNPADDED, "pads"]) == {"0", "4"}
    base = table[(table["placement"] == "none") & (table["method"] != UNPADDED)].set_index("pooling")
    for _, row in table[table["placement"] == "before"].iterrows():
        assert row["v_measure_change"] == pytest.approx(row["v_measure"] - base.loc[row["pooling"], "v_measure"])
    assert table["nDCG@10"].between(0, 1).all()
    assert (table["nDCG@10_low"] <= table["nDCG@10_change"]).all()
    assert (table["nDCG@10_change"] <= table["nDCG@10_high"]).all()
    assert (table["nDCG@10_low"] < table["nDCG@10_high"]).any()


def test_vectors_that_are_all_the_same_find_nothing(tiny_corpus):
    same = np.ones((len(tiny_corpus), 3), np.float32)
    found, by_query = score(tiny_corpus, same)
    assert found["v_measure"] == 0
    assert np.isnan(found["nDCG@10"])
    assert np.isnan(by_query).all()
    different = np.random.default_rng(0).normal(size=same.shape).astype(np.float32)
    settings = [("none", "0", different), ("before", "4", same)]
    ways = [PaddedVectors("padded batch", place, pads, "naive", {"last": v}) for place, pads, v in settings]
    row = padding_costs(tiny_corpus, ways, pads=["4"]).iloc[1]
    assert row[["nDCG@10", "nDCG@10_change", *INTERVAL]].isna().all()
    assert row["v_measure_change"] < 0


def test_without_topics_there_are_effects_and_no_costs(tiny_corpus, tiny_model):
    plain = Corpus.from_texts(tiny_corpus.texts[:12])
    effects, costs = study_padding({"tiny": tiny_model}, [plain], pads=[3], n_documents=8)
    assert set(effects["corpus"]) == {"texts"}
    assert (effects["n"] == 8).all()
    assert costs.empty
    assert {"corpus", "model", "v_measure_change"} <= set(costs.columns)


def test_too_few_documents_of_that_length_are_refused(tiny_corpus, tiny_tokens):
    with pytest.raises(InputError, match="allow longer ones"):
        choose_documents(tiny_corpus, tiny_tokens, n=5, longest=1)


def test_the_pad_row_gets_no_gradient_as_an_input_and_one_as_a_class(tiny_corpus, tiny_model):
    documents = tiny_model.numericalize(tiny_corpus.texts[:5])
    table = pad_row(tiny_model, documents).set_index("row")
    assert table.loc["xxpad", "input_gradient"] == 0
    assert table.loc["xxpad", "output_gradient"] > 0
    assert (table.loc["others, median", ["input_gradient", "output_gradient"]] > 0).all()
    assert table.loc["xxpad", "norm"] == pytest.approx(row_norms(tiny_model)[1])
    assert len(row_norms(tiny_model)) == len(tiny_model.vocab)


def test_a_text_budget_takes_whole_documents(tiny_tokens):
    some = text_budget(tiny_tokens, 200)
    assert 200 <= len(some.ids) < 260
    assert len(text_budget(tiny_tokens, 10**9)) == len(tiny_tokens)


def test_models_trained_with_pads_are_compared(tiny_corpus, tiny_tokens, tiny_model):
    lm = LanguageModel(tiny_model.module, tiny_model.vocab)
    lm.card = {"settings": {"pad_injection": 0.1, "pad_placement": "random"}, "valid_perplexity": 9.0}
    table = injection_effects({"a": lm}, tiny_corpus, tiny_tokens, n_pads=4, n_documents=20)
    assert set(table["pads"]) == {"4", "batch"}
    assert (table["share"] == 0.1).all()
    assert table["v_measure"].between(0, 1).all()
    assert (table.loc[table["method"] == UNPADDED, "cosine_distance"] == 0).all()


@settings(max_examples=10)
@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=12), n_pads=st.integers(0, 40))
def test_a_document_is_read_the_same_in_every_batch(lengths, n_pads):
    """The reader's own answers must not mix in what batching does: rows only differ in their last bits."""
    reader, documents = PaddedReader(random_model()), random_documents(lengths)
    together = reader.read(documents, "before", n_pads)["naive"]["concat"]
    alone = np.concatenate([reader.read([d], "before", n_pads)["naive"]["concat"] for d in documents])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)

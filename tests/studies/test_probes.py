"""Probes on models whose right answer is known: without recurrence the last state cannot depend on the beginning."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

from encoder_tools import as_corpus, random_documents, random_model
from unpadded.common.names import STUDIED
from unpadded.corpus.corpus import Corpus
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model.language_model import LanguageModel
from unpadded.studies.last_state.edits import partners
from unpadded.studies.last_state.probes import fade, locate, perturb, remembered, topic_probe, vectors_by_layer
from unpadded.studies.last_state.samples import Sample, draw_sample, length_groups, unread_documents
from unpadded.studies.last_state.tables import everywhere, last_layer, with_intervals


def sample_of(documents, topics=None) -> Sample:
    return Sample("tiny", as_corpus(documents), topics, partners(topics, len(documents)))


@pytest.fixture(scope="module")
def memoryless() -> DocumentEncoder:
    """A model whose state after a token depends on that token alone: no recurrent weights, forget gates shut."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = LanguageModel.new([f"t{i}" for i in range(50)], {"emb_sz": 32, "n_hid": 32, "n_layers": 1})
    rnn = lm.awd_lstm.rnns[0]
    with torch.no_grad():
        lm.awd_lstm.encoder.weight.mul_(20)
        rnn.weight_hh_l0_raw.zero_()
        rnn.module.bias_ih_l0[32:64] = -50  # gates stand in the order input, forget, cell, output
    lm.module.eval()
    return DocumentEncoder(lm, layer="all")


@pytest.fixture(scope="module")
def ordinary() -> DocumentEncoder:
    return DocumentEncoder(random_model(), layer="all")


def test_layers_and_poolings_are_what_the_encoder_gives_one_by_one(ordinary):
    documents = random_documents([5, 9, 30])
    found = vectors_by_layer(ordinary, documents)
    assert set(found) == set(product((1, 2), STUDIED))
    for (layer, pooling), vectors in found.items():
        alone = DocumentEncoder(ordinary.lm, pooling, layer=layer - 1).encode_tokens(documents)
        np.testing.assert_array_equal(vectors, alone)


def test_a_memoryless_last_state_only_sees_the_last_part(memoryless):
    moved = perturb(memoryless, sample_of(random_documents([40] * 12))).set_index(["pooling", "part"]).value
    assert moved["last"].drop(10).eq(0).all()
    assert moved["last", 10].median() > 0.1


def test_the_mean_of_a_memoryless_model_moves_equally_for_every_part(memoryless):
    documents = [np.array([2] + [token] * 50) for token in (10, 20, 30)]
    moved = perturb(memoryless, sample_of(documents))
    for _, own in moved[moved.pooling == "mean"].groupby("document"):
        np.testing.assert_allclose(own.value, own.value.iloc[0], rtol=1e-5)
    assert moved[moved.pooling == "mean"].value.min() > 0.01


def test_replacing_nothing_by_itself_moves_nothing(ordinary):
    documents = [np.array([2] + [7] * 30)] * 2 + [np.array([2] + [9] * 30)]
    sample = Sample("tiny", as_corpus(documents), None, np.array([1, 0, 0]))
    moved = perturb(ordinary, sample)
    assert moved[moved.document < 2].value.eq(0).all()
    assert moved[moved.document == 2].value.min() > 0
    assert len(moved) == 3 * 10 * 2 * 4  # documents, parts, layers, poolings


def test_a_memoryless_last_state_is_nearest_to_the_last_part(memoryless):
    found = locate(memoryless, sample_of(random_documents([60] * 30)))
    assert found.groupby(["document", "layer", "pooling"]).is_nearest.sum().eq(1).all()
    nearest = found[found.pooling == "last"].groupby("part").is_nearest.mean()
    assert nearest[10] > 0.8
    spread_out = found[found.pooling == "mean"].groupby("part").is_nearest.mean()
    assert spread_out.max() < 0.5
    assert found.value.between(-1.000001, 1.000001).all()


def test_the_last_state_is_itself_again_when_the_whole_document_is_given(ordinary):
    lengths = [8, 16, 16, 64, 96, 11]
    faded = fade(ordinary, sample_of(random_documents(lengths)))
    whole = faded[faded.final_tokens == faded.length]
    assert set(whole.document) == {0, 1, 2, 3, 4}  # 11 is not among the numbers of tokens tried
    np.testing.assert_allclose(whole[["value", "cosine"]], 1, atol=1e-9)
    assert (faded.final_tokens <= faded.length).all()
    short = faded[(faded.final_tokens == 1) & (faded.layer == 2)]
    assert short.value.max() < 0.999
    assert faded[faded.final_tokens == 0].groupby("layer").size().tolist() == [6, 6]


def test_a_memoryless_model_remembers_one_token(memoryless, ordinary):
    sample = sample_of(random_documents([70] * 6))
    kept = remembered(fade(memoryless, sample))
    assert kept.value.eq(1).all()
    assert len(kept) == 6
    assert set(kept.length_group) == {"70-70 tokens"}
    more = remembered(fade(ordinary, sample), threshold=0.999)
    assert more[more.layer == 2].value.min() > 1


def test_what_is_never_similar_enough_takes_the_whole_document():
    table = {"document": 0, "length": 40, "layer": 1, "final_tokens": [0, 1, 2, 3], "value": [0.95, 0.95, 0.5, 0.8]}
    assert remembered(pd.DataFrame(table)).value.tolist() == [40]
    assert remembered(pd.DataFrame(table), threshold=0.7).value.tolist() == [3]


def topic_documents(n_each: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Documents of three topics, each with ten words of its own."""
    rng = np.random.default_rng(seed)
    topics = ["a", "b", "c"] * n_each
    words = {"a": 10, "b": 20, "c": 30}
    return [np.array([2, *rng.integers(words[t], words[t] + 10, 40)]) for t in topics], topics


def test_a_memoryless_last_state_names_the_topic_of_the_end_alone(memoryless):
    train, sample = sample_of(*topic_documents(40, seed=0)), sample_of(*topic_documents(10, seed=1))
    table = topic_probe(memoryless, sample, train=train, n_tokens=8)
    accuracy = table.groupby(["trained_on", "place", "pooling"]).value.mean()
    assert accuracy["whole", "whole", "mean"] > 0.9
    assert accuracy["whole", "end", "last"] == accuracy["whole", "whole", "last"] > 0.8
    assert accuracy["whole", "beginning", "last"] < 0.3  # it names the topic of what stands at the end
    assert accuracy["spliced", "beginning", "last"] < 0.6
    mean = accuracy["spliced"][:, "mean"]
    assert mean.max() - mean.min() < 0.35
    assert table.part_tokens.eq(8).all()


def test_the_probe_has_no_rows_without_topics_to_tell_apart(memoryless):
    documents = random_documents([30] * 6)
    plain, one = sample_of(documents), sample_of(documents, ["a"] * 6)
    assert topic_probe(memoryless, plain, train=plain, n_tokens=4).empty
    assert topic_probe(memoryless, one, train=one, n_tokens=4).empty


def test_everywhere_takes_every_corpus_and_model_and_skips_empty_samples(memoryless, ordinary):
    full, empty = sample_of(random_documents([30] * 3)), Sample("none", as_corpus([[]]).select([]), None, np.empty(0))
    table = everywhere(perturb, {"one": memoryless, "two": ordinary}, {"tiny": full, "none": empty})
    assert table.groupby(["corpus", "model"]).size().to_dict() == {("tiny", "one"): 120, ("tiny", "two"): 240}
    assert everywhere(perturb, {"one": memoryless}, {"none": empty}).empty
    averaged = with_intervals(table, ["model", "layer", "pooling", "part"])
    assert averaged.n.eq(3).all()
    assert ((averaged.ci_low <= averaged.value) & (averaged.value <= averaged.ci_high)).all()
    chosen = table[(table.model == "two") & (table.layer == 1) & (table.pooling == "max") & (table.part == 4)]
    row = averaged[
        (averaged.model == "two") & (averaged.layer == 1) & (averaged.pooling == "max") & (averaged.part == 4)
    ]
    assert row.value.item() == pytest.approx(chosen.value.mean())
    assert set(last_layer(table).groupby("model").layer.unique().explode()) == {1, 2}
    assert last_layer(table).groupby("model").layer.nunique().eq(1).all()
    assert list(with_intervals(pd.DataFrame(), ["part"]).columns) == ["part", "value", "ci_low", "ci_high", "n"]


def test_a_sample_is_of_the_asked_lengths_and_topics():
    lengths = np.arange(20, 80)
    corpus = Corpus.from_texts([f"text {i}" for i in range(60)], ["a"] * 50 + ["b"] * 10)
    tokens = as_corpus(random_documents(lengths))
    sample = draw_sample(corpus, tokens, np.arange(60), n=12, min_tokens=30, max_tokens=75, balanced=True)
    assert sorted(sample.topics) == ["a"] * 6 + ["b"] * 6
    assert sample.lengths.min() >= 30
    assert sample.lengths.max() <= 75
    assert all(sample.topics[i] != topic for topic, i in zip(sample.topics, sample.partner, strict=True))
    longer = draw_sample(corpus, tokens, np.arange(60), n=100, min_tokens=1_000)
    assert longer.lengths.min() == 49  # the median: where most documents are shorter than asked for
    assert len(draw_sample(corpus, as_corpus(random_documents([3] * 60)), np.arange(60), n=9, min_tokens=20)) == 0
    assert len(draw_sample(corpus, tokens, np.array([], dtype=int), n=9, min_tokens=20)) == 0


def test_unread_documents_are_those_outside_the_training_split():
    texts = [f"text {i}" for i in range(6)]
    split = Corpus("x", list("abcdef"), texts, labels=["p", "q"] * 3, split=["train"] * 4 + ["test"] * 2)
    assert unread_documents(split).tolist() == [4, 5]
    assert unread_documents(Corpus.from_texts(texts)).tolist() == list(range(6))


def test_length_groups_are_thirds_with_their_range():
    groups = length_groups([10, 90, 50, 20, 80, 60])
    assert groups.tolist() == [
        *("10-20 tokens", "80-90 tokens", "50-60 tokens"),
        *("10-20 tokens", "80-90 tokens", "50-60 tokens"),
    ]

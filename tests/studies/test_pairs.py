"""Every corpus with every model, in one table, and fastai's batches of all of them."""

import numpy as np
import pandas as pd
import pytest

from unpadded.corpus.corpus import Corpus
from unpadded.model.language_model import LanguageModel
from unpadded.studies.padding.effects import choose_documents
from unpadded.studies.padding.fastai_batches import chunk_faults, fault_counts, measure_batches, wrong_vectors
from unpadded.studies.padding.pairs import FastaiBatches, for_each, pairs_of, predictions_of
from unpadded.studies.padding.predictions import measure_predictions
from unpadded.tokens.tokenized import tokenize


@pytest.fixture(scope="module")
def corpora() -> list[Corpus]:
    rng = np.random.default_rng(0)
    words = "rocket orbit moon bread butter salt".split()
    texts = [" ".join(rng.choice(words, size=n)) for n in rng.integers(3, 200, size=150)]
    short = [text for text in texts if len(text.split()) < 60]
    return [Corpus.from_texts(texts, name="news"), Corpus.from_texts(short, name="talk")]


@pytest.fixture(scope="module")
def tokens(corpora) -> dict:
    return {corpus.name: tokenize(corpus.texts) for corpus in corpora}


@pytest.fixture(scope="module")
def pairs(corpora, tokens):
    vocab = tokens["news"].build_vocab(min_count=1)
    models = {name: LanguageModel.new(vocab, {"emb_sz": 6, "n_hid": 6, "n_layers": 1}) for name in ("large", "small")}
    return pairs_of(models, corpora, tokens)


def test_pairs_stand_by_corpus_and_read_with_their_models_vocabulary(pairs, corpora, tokens):
    assert [(pair.corpus.name, pair.model) for pair in pairs] == [
        ("news", "large"),
        ("news", "small"),
        ("talk", "large"),
        ("talk", "small"),
    ]
    for pair in pairs:
        assert pair.tokens.types == pair.lm.vocab
    own, documents = pairs[0].sample(9, longest=80, seed=3)
    expected, same = choose_documents(corpora[0], pairs[0].tokens, n=9, longest=80, seed=3)
    assert own.ids == expected.ids
    assert all((a == b).all() for a, b in zip(documents, same, strict=True))


def test_one_table_says_of_each_row_which_pair_it_is_of(pairs):
    table = for_each(pairs, lambda pair: pd.DataFrame({"n": [len(pair.corpus), 0], "what": ["a", "b"]}))
    assert list(table.columns) == ["corpus", "model", "n", "what"]
    assert table["model"].tolist() == ["large", "large", "small", "small"] * 2
    assert table.groupby("corpus", sort=False)["n"].max().tolist() == [len(pairs[0].corpus), len(pairs[2].corpus)]


@pytest.fixture(scope="module")
def batches(pairs, tokens):
    return FastaiBatches(pairs, tokens, n_batches=1, seed=1)


def test_what_is_counted_are_the_faults_of_the_corpus_and_of_a_sample(batches, pairs, tokens):
    table = batches.counts()
    assert list(table.index) == [("news", "all"), ("talk", "all"), ("news", "a sample"), ("talk", "a sample")]
    whole = fault_counts(chunk_faults(tokens["news"].lengths))
    assert {name: table.loc[("news", "all")][name] for name in whole} == whole
    sample = pairs[1].sample(64, longest=2_000, seed=1)[1]
    assert table.documents["news", "a sample"] == len(sample) == 64


def test_predictions_say_how_right_the_truth_is(corpora, tokens):
    labelled = Corpus.from_texts(corpora[1].texts, [f"topic {i % 2}" for i in range(len(corpora[1]))], name="talk")
    vocab = tokens["talk"].build_vocab(min_count=1)
    models = {"small": LanguageModel.new(vocab, {"emb_sz": 6, "n_hid": 6, "n_layers": 1})}
    (pair,) = pairs_of(models, [labelled], tokens)
    table = predictions_of(pair, n=24, longest=80, epochs=1, seed=2)
    expected, accuracy = measure_predictions(pair.lm, *pair.sample(24, longest=80, seed=2), epochs=1, seed=2)
    pd.testing.assert_frame_equal(table.drop(columns="accuracy"), expected)
    assert set(table.accuracy) == {accuracy}


def test_what_is_run_is_compared_with_each_document_alone(batches, pairs):
    kinds = [(pair.corpus.name, pair.model, kind) for pair, kind, _, _ in batches.run]
    assert kinds[:4] == [(pair.corpus.name, pair.model, "a sample") for pair in pairs]
    assert all(model == "large" and kind == "beginnings dropped" for _, model, kind in kinds[4:])
    sample = pairs[2].sample(64, longest=2_000, seed=1)[1]
    measured = measure_batches(pairs[2].lm, sample, n_batches=1)
    expected = wrong_vectors(pairs[2].lm, sample, measured)
    found = batches.wrong()
    assert list(found.columns[:3]) == ["corpus", "model", "documents"]
    rows = found[(found.corpus == "talk") & (found.model == "large") & (found.documents == "a sample")]
    shared = [column for column in expected.columns if column != "documents"]
    pd.testing.assert_frame_equal(rows[shared].reset_index(drop=True), expected[shared].reset_index(drop=True))
    share = (measured.wrong == measured.foreseen).mean()
    assert batches.foretold()[2] == f"talk, large, a sample: {share:.1%} as the lengths foretold"

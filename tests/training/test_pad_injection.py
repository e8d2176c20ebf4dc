"""Pads in training text: as many as asked for, where asked for, and nothing else changed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unpadded.common.errors import InputError
from unpadded.tokens.tokenized import TokenizedCorpus
from unpadded.training import loop as training
from unpadded.training.loader import StreamLoader
from unpadded.training.loop import train
from unpadded.training.pad_injection import inject_pads
from unpadded.training.settings import TrainingSettings

pytestmark = pytest.mark.slow

SMALL = TrainingSettings(emb_sz=8, n_hid=8, n_layers=1, min_count=1, batch_size=4, window=8, epochs=1, negatives=20)


def corpus_of(lengths, seed=0) -> TokenizedCorpus:
    ids = np.random.default_rng(seed).integers(0, 3, sum(lengths)).astype(np.int32)
    return TokenizedCorpus(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), ["xxbos", "a", "b"])


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=9).filter(any),
    share=st.floats(0, 0.6),
    placement=st.sampled_from(["before", "random"]),
    seed=st.integers(0, 9),
)
def test_the_text_is_kept_and_the_share_is_met(lengths, share, placement, seed):
    tokens = corpus_of(lengths)
    found = inject_pads(tokens, share=share, placement=placement, seed=seed)
    n_pads = len(found.ids) - len(tokens.ids)
    assert abs(n_pads - share / (1 - share) * len(tokens.ids)) <= 0.5
    assert len(found) == len(tokens)
    for i in range(len(tokens)):
        is_pad = np.array([found.types[t] == "xxpad" for t in found[i]], dtype=bool)
        assert np.array_equal(found[i][~is_pad], tokens[i])
        if placement == "before":
            assert not is_pad[is_pad.sum() :].any()
    again = inject_pads(tokens, share=share, placement=placement, seed=seed)
    assert np.array_equal(again.ids, found.ids)


def test_no_share_changes_nothing_and_a_known_pad_is_used():
    tokens = corpus_of([3, 4])
    assert inject_pads(tokens, share=0) is tokens
    known = TokenizedCorpus(tokens.ids, tokens.offsets, ["xxunk", "xxpad", "xxbos"])
    assert inject_pads(known, share=0.5).types == known.types
    assert inject_pads(tokens, share=0.5).types == [*tokens.types, "xxpad"]
    assert inject_pads(tokens, share=0.5).ids.dtype == np.int32


@pytest.mark.parametrize(
    "options", [{"share": 1}, {"share": -0.1}, {"share": float("nan")}, {"share": 0.1, "placement": "x"}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError, match="share from 0 to less than 1"):
        inject_pads(corpus_of([3]), **options)


@pytest.mark.parametrize(
    ("setting", "value"), [("pad_injection", 1.0), ("pad_injection", -0.1), ("pad_placement", "x")]
)
def test_wrong_settings_are_named(setting, value):
    with pytest.raises(InputError, match=setting):
        TrainingSettings(**{setting: value})


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_training_text_gets_pads_in_front_of_what_is_read_and_validation_text_none(tiny_tokens, monkeypatch, direction):
    seen = []
    original = StreamLoader.__init__

    def spy(self, corpus, **kwargs):
        seen.append(corpus)
        original(self, corpus, **kwargs)

    monkeypatch.setattr(training, "StreamLoader", type("Spy", (StreamLoader,), {"__init__": spy}))
    model = train(tiny_tokens, replace(SMALL, pad_injection=0.2, direction=direction), progress=False)
    pad = model.vocab.index("xxpad")
    train_tokens, valid_tokens = seen[:2]
    assert np.mean(train_tokens.ids == pad) == pytest.approx(0.2, abs=0.005)
    assert not (valid_tokens.ids == pad).any()
    for i in range(len(train_tokens)):
        is_pad = train_tokens[i] == pad
        assert not is_pad[is_pad.sum() :].any()
    assert model.card["settings"]["pad_injection"] == 0.2


def test_the_pad_row_is_trained_as_an_input(tiny_tokens):
    """fastai's padding_idx would keep the row as it was drawn; the objective looks tokens up without it."""
    loud = replace(SMALL, pad_injection=0.5, pad_placement="random", learning_rate=0.05, weight_decay=0.0, negatives=1)
    rows = []
    for epochs in (1, 4):
        model = train(tiny_tokens, replace(loud, epochs=epochs), progress=False)
        rows.append(model.awd_lstm.encoder.weight[1].detach().numpy())
    assert np.abs(rows[1] - rows[0]).max() > 0.01

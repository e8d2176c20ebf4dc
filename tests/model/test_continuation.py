"""Sample continuations: readable, the same for the same seed, and without a trace in the model."""

import numpy as np
import pytest
import torch

from unpadded.common.errors import InputError
from unpadded.model.continuation import _readable
from unpadded.model.language_model import LanguageModel
from unpadded.tokens.subword import train_subword
from unpadded.tokens.tokenized import tokenize
from unpadded.training.loop import train
from unpadded.training.settings import TrainingSettings

SENTENCE = "the quick brown fox jumps over the lazy dog"
SETTINGS = {"emb_sz": 24, "n_hid": 24, "min_count": 1, "dropout": 0.0, "batch_size": 2, "window": 12, "negatives": 0}


@pytest.fixture(scope="module")
def parrot() -> LanguageModel:
    """A model of both directions that has read one sentence over and over."""
    settings = TrainingSettings(**SETTINGS, epochs=25, learning_rate=0.03, direction="both")
    return train(tokenize([SENTENCE] * 30), settings, progress=False)


def test_it_writes_what_it_has_read(parrot):
    assert parrot.continue_text("the quick brown", temperature=0.1) == SENTENCE
    assert parrot.backward.continue_text("over the lazy dog", temperature=0.1) == SENTENCE


def test_the_same_seed_draws_the_same_text(tiny_model):
    texts = [tiny_model.continue_text("rocket", n_tokens=12, temperature=2.0, seed=seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("rocket ")
    assert "xx" not in "".join(texts)


def test_the_model_is_left_as_it_was(tiny_model):
    awd_lstm = tiny_model.awd_lstm
    tiny_model.module.train()
    awd_lstm.hidden, before = [tuple(torch.ones(1, 2, n) for _ in "hc") for n in (20, 12)], torch.get_rng_state()
    awd_lstm.bs = 2
    tiny_model.continue_text("moon", n_tokens=3)
    assert awd_lstm.bs == 2
    assert tiny_model.module.training
    assert all((part == 1).all() for layer in awd_lstm.hidden for part in layer)
    assert torch.equal(before, torch.get_rng_state())
    tiny_model.module.eval()
    awd_lstm.bs = 1
    tiny_model.module.reset()


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["xxmaj", "nasa", "xxup", "nasa", "says"], " Nasa NASA says"),
        (["xxrep", "3", "!", "then", "5"], " !!! then 5"),
        (["xxwrep", "2", "no", "more"], " no no more"),
        (["xxrep", "999999999", "!"], " " + "!" * 20),
        (["xxmaj"], " "),
    ],
)
def test_markers_become_what_they_stand_for(tokens, text):
    assert _readable(tokens, pieces=False) == text


def test_pieces_are_joined():
    assert _readable(["ket", "s", "▁xxmaj", "▁lau", "nch"], pieces=True) == "kets Launch"
    assert _readable(["▁the", "▁xxup", "▁na", "sa"], pieces=True) == " the NASA"


def test_subword_models_continue_words(tiny_corpus, tmp_path):
    subword = train_subword(tiny_corpus.texts, vocab_size=80, folder=tmp_path)
    vocab = tokenize(tiny_corpus.texts, subword).build_vocab(min_count=1)
    model = LanguageModel.new(vocab, {"emb_sz": 8, "n_hid": 8, "n_layers": 1}, tokenizer=subword)
    texts = [model.continue_text("rocket", n_tokens=20, seed=seed) for seed in range(4)]
    assert all(text.startswith("rocket") for text in texts)
    assert not any("▁" in text or "xxbos" in text for text in texts)


def test_empty_prompts_and_odd_temperatures(parrot):
    assert parrot.continue_text("", temperature=0.1).strip() == SENTENCE
    assert len(parrot.backward.continue_text("", temperature=0.1)) > 0
    for temperature in (0, -1, np.nan):
        with pytest.raises(InputError, match="temperature"):
            parrot.continue_text("the", temperature=temperature)

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.text.all import (
    AWD_LSTM,
    TextDataLoaders,
    awd_lstm_clas_config,
    awd_lstm_lm_config,
    get_language_model,
    language_model_learner,
    text_classifier_learner,
)

from unpadded.common.errors import InputError
from unpadded.model.language_model import LanguageModel

SMALL = {"emb_sz": 8, "n_hid": 12, "n_layers": 2}


@pytest.fixture
def frame(tiny_corpus):
    return pd.DataFrame({"text": tiny_corpus.texts, "label": tiny_corpus.labels})


def states(module, ids):
    module.reset()
    module.eval()
    with torch.no_grad():
        return module[0](torch.as_tensor(ids)[None])


@pytest.mark.parametrize("tied", [True, False])
def test_round_trip_is_bit_identical(tmp_path, tied):
    model = LanguageModel.new([f"t{i}" for i in range(30)], {**SMALL, "tie_weights": tied})
    model.training = pd.DataFrame({"step": [1, 2], "train_loss": [3.0, 2.5]})
    model.save(tmp_path)
    loaded = LanguageModel.load(tmp_path)
    assert loaded.vocab == model.vocab
    assert loaded.fingerprint == model.fingerprint
    assert loaded.training.equals(model.training)
    ids = np.arange(20)
    assert torch.equal(states(loaded.module, ids), states(model.module, ids))
    assert (loaded.module[1].decoder.weight is loaded.awd_lstm.encoder.weight) == tied
    assert not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize("name", ["weights.safetensors", "vocab.json", "training.csv"])
@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_torn_or_altered_files_are_refused(tmp_path, tiny_model, name, damage):
    tiny_model.save(tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="torn or altered"):
        LanguageModel.load(tmp_path)


def test_torn_config_foreign_folder_and_other_format_are_refused(tmp_path, tiny_model):
    with pytest.raises(InputError, match="missing"):
        LanguageModel.load(tmp_path / "nowhere")
    tiny_model.save(tmp_path)
    whole = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(whole[:50])
    with pytest.raises(InputError, match="cannot be read"):
        LanguageModel.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**json.loads(whole), "format": 99}))
    with pytest.raises(InputError, match="format 99"):
        LanguageModel.load(tmp_path)


def test_saving_over_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path, tiny_model, monkeypatch):
    tiny_model.save(tmp_path)
    monkeypatch.setattr("unpadded.model.storage.save", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tiny_model.save(tmp_path)
    assert LanguageModel.load(tmp_path).fingerprint == tiny_model.fingerprint
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]


def test_module_and_vocabulary_must_fit():
    module = get_language_model(AWD_LSTM, 10, {**awd_lstm_lm_config, **SMALL})
    assert LanguageModel(module, list("abcdefghij")).emb_sz == 8
    with pytest.raises(InputError, match="3 tokens but the model's embedding has 10"):
        LanguageModel(module, list("abc"))
    with pytest.raises(InputError, match="Linear"):
        LanguageModel(torch.nn.Sequential(torch.nn.Linear(1, 1)), ["a"])


def test_unknown_configuration_key_and_bidirectional_are_refused():
    with pytest.raises(InputError, match="n_hidden"):
        LanguageModel.new(["a"], {"n_hidden": 3})
    with pytest.raises(InputError, match="bidirectional"):
        LanguageModel.new(["a"], {**SMALL, "bidir": True})


def test_from_language_model_learner(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaders = TextDataLoaders.from_df(frame, text_col="text", is_lm=True, valid_pct=0.2, bs=4, seq_len=9)
        config = {**awd_lstm_lm_config, **SMALL}
        learn = language_model_learner(loaders, AWD_LSTM, config=config, pretrained=False)
        with learn.no_bar(), learn.no_logging():
            learn.fit(1)
    model = LanguageModel.from_learner(learn)
    assert model.tokenizer.kind == "word"
    ids = np.arange(len(model.vocab))
    assert torch.equal(states(model.module, ids), states(learn.model, ids))
    first = loaders.train_ds[0][0]
    assert model.vocab == list(loaders.vocab)
    assert first[0] == model.vocab.index("xxbos")
    assert (
        model.numericalize([frame.text[0]])[0].tolist()
        == loaders.numericalize(loaders.tokenizer(frame.text[0])).tolist()
    )


def test_from_classifier_learner_takes_the_encoder(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaders = TextDataLoaders.from_df(frame, text_col="text", label_col="label", valid_pct=0.2, bs=4)
        learn = text_classifier_learner(loaders, AWD_LSTM, config={**awd_lstm_clas_config, **SMALL}, pretrained=False)
    model = LanguageModel.from_learner(learn)
    assert model.vocab == list(loaders.vocab[0])
    ids = np.arange(len(model.vocab))
    learn.model.eval()
    learn.model.reset()
    with torch.no_grad():
        expected = learn.model[0].module(torch.as_tensor(ids)[None])
    assert torch.equal(states(model.module, ids), expected)


def test_from_learner_without_an_awd_lstm_is_refused():
    class Learner:
        model = torch.nn.Sequential(torch.nn.Linear(2, 2))

    with pytest.raises(InputError, match="no AWD_LSTM"):
        LanguageModel.from_learner(Learner())


def test_fastais_filler_words_have_neighbours_as_any_other():
    """A small vocabulary is filled up to a multiple of eight, and the notebook may show any of its words."""
    lm = LanguageModel.new(["xxunk", "xxpad", "bread", "xxfake", "xxfake"], {"emb_sz": 4, "n_hid": 4, "n_layers": 1})
    assert lm.nearest_words(["bread", "xxfake"], k=2)["word"].tolist() == ["bread", "xxfake"]
    with pytest.raises(InputError, match="no word 'wine'"):
        lm.nearest_words(["wine"])

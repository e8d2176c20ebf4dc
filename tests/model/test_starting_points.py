"""Where a training begins, and what other people's files may do to us: nothing."""

import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from fastai.text.all import (
    AWD_LSTM,
    DataBlock,
    RandomSplitter,
    TextBlock,
    TextDataLoaders,
    URLs,
    awd_lstm_lm_config,
    get_language_model,
    language_model_learner,
)
from fastai.text.learner import match_embeds

from unpadded.common.errors import InputError
from unpadded.model import pretrained as starting_points
from unpadded.model.fastai_modules import BIAS, EMBEDDING, weights_of
from unpadded.model.language_model import LanguageModel
from unpadded.model.pretrained import list_of_words, starting_point, wt103
from unpadded.runs.profiles import STAGES
from unpadded.runs.run import Run
from unpadded.tokens.tokenizer import TokenizerSettings
from unpadded.training.loop import train
from unpadded.training.settings import TrainingSettings
from unpadded.training.start import first_model, matched

SIZES = {"emb_sz": 8, "n_hid": 12, "n_layers": 2}
SMALL = TrainingSettings(**SIZES, min_count=1, dropout=0.3, batch_size=4, window=8, epochs=1, negatives=20)


class Runs:
    """A pickle of it would create a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def learner(tiny_corpus):
    frame = pd.DataFrame({"text": tiny_corpus.texts})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaders = TextDataLoaders.from_df(frame, text_col="text", is_lm=True, valid_pct=0.2, bs=4, seq_len=9)
        return language_model_learner(loaders, AWD_LSTM, config={**awd_lstm_lm_config, **SIZES}, pretrained=False)


def same(one, other):
    mine, theirs = (weights_of(model.module) for model in (one, other))
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("tied", [True, False])
def test_rows_are_matched_by_token_as_fastai_does(tied):
    old, new = ["xxunk", "xxpad", "a", "b", "c"], ["xxunk", "xxpad", "c", "new", "a"]
    module = get_language_model(AWD_LSTM, 5, {**awd_lstm_lm_config, **SIZES, "tie_weights": tied})
    module[1].decoder.bias.data.uniform_()
    found = matched(weights_of(module), old, new)
    expected = match_embeds(dict(weights_of(module)), old, new)
    torch.testing.assert_close(found[EMBEDDING], expected[EMBEDDING])
    torch.testing.assert_close(found[BIAS], expected[BIAS])
    if not tied:  # fastai gives the output layer the embedding's rows; ours keeps its own
        torch.testing.assert_close(found["1.decoder.weight"][2], module[1].decoder.weight[4])


def test_training_goes_on_from_a_model(tiny_tokens):
    first = train(tiny_tokens, replace(SMALL, epochs=8, learning_rate=0.02), progress=False)
    again = train(tiny_tokens, replace(SMALL, learning_rate=1e-4, emb_sz=4, n_layers=1), start=first, progress=False)
    scratch = train(tiny_tokens, replace(SMALL, learning_rate=1e-4), progress=False)
    assert again.emb_sz == first.emb_sz
    assert again.card["settings"]["n_layers"] == 2
    assert again.card["valid_perplexity"] < 1.1 * first.card["valid_perplexity"] < scratch.card["valid_perplexity"]


def test_a_start_must_fit(tiny_tokens, tiny_model, tmp_path):
    with pytest.raises(InputError, match="reads forward only"):
        train(tiny_tokens, replace(SMALL, direction="backward"), start=tiny_model, progress=False)
    other = replace(TokenizerSettings(), language="de")
    with pytest.raises(InputError, match="another tokenizer"):
        first_model(tiny_model.vocab, SMALL, tokenizer=other, start=tiny_model)
    with pytest.raises(InputError, match="is no language model"):
        starting_point(str(tmp_path))


def test_starting_points_by_name(tiny_model, tmp_path):
    assert starting_point("") is None
    assert starting_point(str(tiny_model.save(tmp_path))).fingerprint == tiny_model.fingerprint


def test_a_run_finds_the_start_that_its_caller_names(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("model", "wt103", ""):
        run = Run(tmp_path / "run", overrides={STAGES[0].name: {"start": name}})
        found = run.parameters(STAGES[0])["start"]
        assert (run.notebooks / found).resolve() == tmp_path / name if name == "model" else found == name


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """What fastai's archive unpacks to, in a home of its own: a .pth with a .pkl of the words beside it, both directions."""
    monkeypatch.setattr(starting_points, "fastai_path", lambda kind: tmp_path / "models")
    words, modules = ["xxunk", "xxpad", "xxbos", "the", "rocket", "moon"], {}
    for direction, letters in (("forward", "fwd"), ("backward", "bwd")):
        folder = tmp_path / "models" / f"wt103-{letters}"
        folder.mkdir(parents=True)
        module = modules[direction] = get_language_model(AWD_LSTM, len(words), {**awd_lstm_lm_config, **SIZES})
        state = dict(module.state_dict())
        for n in range(2):  # files of fastai's first version have the masked weights too
            state[f"0.rnns.{n}.module.weight_hh_l0"] = state[f"0.rnns.{n}.weight_hh_l0_raw"].clone()
        torch.save(state, folder / f"lstm_{letters}.pth")
        (folder / "itos_wt103.pkl").write_bytes(pickle.dumps(words))
    return tmp_path / "models", words, modules


def test_wt103_from_files_that_are_there(archive, tiny_tokens):
    _, words, modules = archive
    model = starting_point("wt103", direction="both")
    assert model.vocab == words
    for part in model.directions:
        assert same(part, LanguageModel(modules[part.direction], words))
    trained = train(tiny_tokens, replace(SMALL, learning_rate=1e-6, direction="both"), start=model, progress=False)
    row, old = trained.vocab.index("moon"), words.index("moon")
    found = trained.backward.awd_lstm.encoder.weight[row]
    torch.testing.assert_close(found, modules["backward"][0].encoder.weight[old], atol=1e-3, rtol=0)


def test_wt103_is_fetched_by_fastai_or_explained(archive, monkeypatch):
    folder, words, _ = archive
    asked = []
    whole = folder / "wt103-fwd"

    def fetch(url, c_key):
        asked.append((url, c_key))
        whole.with_name("away").rename(whole)
        return whole

    whole.rename(whole.with_name("away"))
    monkeypatch.setattr(starting_points, "untar_data", fetch)
    assert wt103().vocab == words
    assert asked == [(URLs.WT103_FWD, "model")]
    whole.rename(whole.with_name("away"))

    def offline(*_, **__):
        raise Exception("no route\nto host")

    monkeypatch.setattr(starting_points, "untar_data", offline)
    with pytest.raises(InputError, match=r"no route to host.*unpack .*wt103-fwd\.tgz.*lie in .*wt103-fwd\.$"):
        wt103()


def test_a_word_list_with_code_in_it_runs_nothing(archive, tmp_path):
    folder, _, _ = archive
    trap = tmp_path / "was here"
    path = folder / "wt103-fwd" / "itos_wt103.pkl"
    for content in (pickle.dumps(["a", Runs(trap)]), pickle.dumps([1, 2]), pickle.dumps(["a"])[:-3], b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no plain list of words"):
            list_of_words(path)
    assert not trap.exists()


def test_weights_with_code_in_them_run_nothing(tmp_path):
    trap = tmp_path / "was here"
    torch.save({"0.encoder.weight": Runs(trap)}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="holds no weights"):
        LanguageModel.from_weights(tmp_path / "evil.pth", ["a"])
    assert not trap.exists()
    with pytest.raises(InputError, match="holds no weights"):
        LanguageModel.from_weights(tmp_path / "nowhere.pth", ["a"])
    torch.save({"weight": torch.zeros(3)}, tmp_path / "foreign.pth")
    with pytest.raises(InputError, match="holds no weights"):
        LanguageModel.from_weights(tmp_path / "foreign.pth", ["a"])


def test_weights_that_fastai_saved(learner, tmp_path):
    vocab = list(learner.dls.vocab)
    expected = LanguageModel.from_learner(learner)
    learner.path = tmp_path
    path = learner.save("whole", with_opt=False)
    assert same(LanguageModel.from_weights(path, vocab), expected)
    learner.save_encoder("encoder")
    encoder = LanguageModel.from_weights(tmp_path / "models" / "encoder.pth", vocab)
    assert torch.equal(encoder.awd_lstm.encoder.weight, expected.awd_lstm.encoder.weight)
    with pytest.raises(InputError, match="vocabulary has 3 tokens"):
        LanguageModel.from_weights(path, vocab[:3])


def test_an_exported_learner_only_on_request(learner, tmp_path):
    learner.path = tmp_path
    learner.export("export.pkl")
    with pytest.raises(InputError, match="runs the code in it: pass run_its_code=True"):
        LanguageModel.from_learner(tmp_path / "export.pkl")
    model = LanguageModel.from_learner(tmp_path / "export.pkl", run_its_code=True)
    assert same(model, LanguageModel.from_learner(learner))
    assert (model.tokenizer.kind, model.direction) == ("word", "forward")
    (tmp_path / "torn.pkl").write_bytes((tmp_path / "export.pkl").read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read as an exported Learner"):
        LanguageModel.from_learner(tmp_path / "torn.pkl", run_its_code=True)
    with pytest.raises(InputError, match="is not a file"):
        LanguageModel.from_learner(tmp_path / "nowhere.pkl", run_its_code=True)


def test_the_direction_of_a_learner_is_noticed(tiny_corpus):
    frame = pd.DataFrame({"text": tiny_corpus.texts})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        block = DataBlock(
            blocks=TextBlock.from_df("text", is_lm=True, backwards=True, seq_len=9),
            get_x=lambda row: row["text"],
            splitter=RandomSplitter(0.2, seed=1),
        )
        learn = language_model_learner(
            block.dataloaders(frame, bs=4), AWD_LSTM, config={**awd_lstm_lm_config, **SIZES}, pretrained=False
        )
    model = LanguageModel.from_learner(learn)
    assert model.direction == "backward"
    read = learn.dls.train_ds[0][0].tolist()
    assert model.vocab[read[-1]] == "xxbos"

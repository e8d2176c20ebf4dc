"""benchmarks/training.py --data: dropouts that grow, weights that are averaged, and the curve that a training leaves."""

import importlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.core import Callback
from fastai.text.models.awdlstm import awd_lstm_lm_config

from docs_tools import ROOT
from unpadded.model import LanguageModel
from unpadded.training import perplexity
from unpadded.training.loop import train
from unpadded.training.settings import TrainingSettings

SMALL = TrainingSettings(emb_sz=16, n_hid=24, n_layers=2, batch_size=4, window=10, min_count=1, dropout=0.5, epochs=4)


@pytest.fixture
def script(monkeypatch):
    """Import a benchmark by its name, as it is imported beside the others."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


class Seen(Callback):
    """Weights, rate and probabilities after every step."""

    order, run_valid = 90, False

    def __init__(self, dropouts):
        self.dropouts, self.weights, self.rates, self.probabilities = dropouts, [], [], []

    def after_batch(self):
        self.weights.append([weights.detach().clone() for weights in self.model.parameters()])
        self.rates.append(self.opt.hypers[-1]["lr"])
        found = self.dropouts(self.model.module)
        self.kinds = [kind for kind, _, _ in found]
        self.probabilities.append([getattr(layer, name) for _, layer, name in found])


def trained(tokens, *callbacks) -> LanguageModel:
    return train(tokens, SMALL, valid=tokens, progress=False, callbacks=callbacks)


def test_dropouts_grow_in_a_line_and_all_of_them(script, tiny_tokens):
    long_training = script("long_training")
    seen = Seen(long_training.dropouts)
    last = {"embed_p": 0.11, "weight_p": 0.52, "input_p": 0.63, "hidden_p": 0.24, "output_p": 0.45}
    trained(tiny_tokens, long_training.GrowingDropout(last), seen)
    found = np.array(seen.probabilities)
    first = [SMALL.dropout * awd_lstm_lm_config[kind] for kind in seen.kinds]
    end = [last[kind] for kind in seen.kinds]
    share = np.arange(len(found))[:, None] / len(found)
    np.testing.assert_allclose(found, first + (np.array(end) - first) * share)
    assert set(seen.kinds) == set(last)


def test_what_dropouts_grow_to(script):
    training = script("training")
    assert training.last_dropouts("2")["hidden_p"] == 2 * awd_lstm_lm_config["hidden_p"]
    assert training.last_dropouts("2").keys() == training.last_dropouts("paper").keys()
    assert training.last_dropouts("paper")["output_p"] == 0.4


def test_a_curve_is_called_by_what_is_different(script):
    called = script("training").differences
    usual = {"dropout": [], "average": 0.0, "last_rate": 0.1, "warmup": None}
    assert called(SimpleNamespace(**usual)) == []
    assert called(SimpleNamespace(**usual | {"dropout": ["1", "2.2"], "average": 0.06})) == [
        "dropout 1 to 2.2",
        "averaged",
    ]
    other = usual | {"average": 0.06, "last_rate": 0.3, "warmup": 0.04}
    assert called(SimpleNamespace(**other)) == ["averaged, rate to 0.3", "warmup 0.04"]


@pytest.mark.parametrize("said", [["paper"], ["1", "papers"], ["1", "2", "3"]])
def test_a_dropout_that_is_none_is_refused_before_work_begins(script, monkeypatch, capsys, said):
    monkeypatch.setattr("sys.argv", ["training.py", "--dropout", *said])
    with pytest.raises(SystemExit):
        script("training").main()
    assert "--dropout takes" in capsys.readouterr().err


def test_the_model_has_the_average_of_the_last_steps_at_the_end(script, tiny_tokens):
    long_training = script("long_training")
    averaged = long_training.Averaged(0.5, last_rate=0.2)
    averaged.every = 2
    seen = Seen(long_training.dropouts)
    lm = trained(tiny_tokens, averaged, seen)
    mean = seen.weights[1]
    for step in range(4, len(seen.weights) + 1, 2):
        newest = min(1.0, 2 / (0.5 * step))
        mean = [old + newest * (new - old) for old, new in zip(mean, seen.weights[step - 1], strict=True)]
    for expected, last, own in zip(mean, seen.weights[-1], lm.module.parameters(), strict=True):
        torch.testing.assert_close(own, expected)
        assert not torch.equal(own, last)
    warm = int(np.argmax(seen.rates))
    assert seen.rates[-1] == pytest.approx(0.2 * SMALL.learning_rate, rel=0.2)
    np.testing.assert_allclose(np.diff(seen.rates[warm + 1 :], 2), 0, atol=1e-12)  # a line


def test_the_average_is_applied_for_a_while_only(script, tiny_tokens):
    long_training = script("long_training")
    averaged, found = long_training.Averaged(0.5), []

    class Look(Callback):
        order, run_valid = 91, False

        def after_batch(self):
            before = [weights.detach().clone() for weights in self.model.parameters()]
            with averaged.applied():
                found.append([torch.equal(a, b) for a, b in zip(averaged.mean, before, strict=True)])
            assert all(torch.equal(a, b) for a, b in zip(self.model.parameters(), before, strict=True))

    trained(tiny_tokens, averaged, Look())
    assert all(all(same) for same in found)  # within the block, the steps' own weights lie where the average was


def test_the_points_of_a_curve_are_of_the_average(script, tiny_tokens):
    averaged = script("long_training").Averaged(0.5)
    tokens = tiny_tokens.with_vocab(tiny_tokens.build_vocab(max_size=SMALL.max_vocab, min_count=1))
    points = script("training").Curve(
        lambda model: model.module, {"test": tokens}, every=0.0, measured=averaged.applied
    )
    lm = trained(tiny_tokens, averaged, points)
    assert len(points.rows) > 10  # one a step
    assert points.rows[-1]["test_perplexity"] == pytest.approx(perplexity(lm.module, tokens))


@pytest.mark.slow
def test_a_curve_is_kept_beside_the_others(script, tmp_path):
    training = script("training")
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    data.mkdir()
    for part in ("train", "valid", "test"):
        lines = [f" = Title {n} = \n\n {' '.join(rng.choice(list('abcdefgh'), 40))} \n" for n in range(30)]
        (data / f"{part}.txt").write_text("\n".join(lines))
    corpora = training.word_corpora(data)
    options = SimpleNamespace(
        minutes=0.03, every=0.01, dropout=["1", "paper"], average=0.1, last_rate=0.2, output=tmp_path
    )
    found = training.curve("two layers", corpora, options).assign(model="one")
    assert found.minutes.is_monotonic_increasing  # how many rows: the machine's to say
    assert found.test_perplexity.between(1, 40).all()  # of 56 words; 32.5 before the first step
    training.store_curve(tmp_path, found)
    training.store_curve(tmp_path, found.assign(model="two"))
    assert pd.read_csv(tmp_path / "perplexity.csv").model.unique().tolist() == ["one", "two"]
    assert (tmp_path / "perplexity.png").stat().st_size > 10_000

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback

from training_tools import SMALL, StopAt, assert_same, weights
from unpadded.common.errors import InputError
from unpadded.model.language_model import LanguageModel
from unpadded.training import checkpoint
from unpadded.training import log as training_log
from unpadded.training import loop as training
from unpadded.training.card import card_facts
from unpadded.training.loader import StreamLoader
from unpadded.training.log import TrainingLog
from unpadded.training.loop import train
from unpadded.training.objective import LanguageModelObjective
from unpadded.training.settings import TrainingSettings

pytestmark = pytest.mark.slow


def test_loader_covers_the_stream_once_and_carries_on(tiny_tokens):
    loader = StreamLoader(tiny_tokens, batch_size=3, window=7, shuffle=False)
    batches = list(loader)
    assert len(batches) == len(loader)
    x = torch.cat([b[0] for b in batches], 1)
    y = torch.cat([b[1] for b in batches], 1)
    assert torch.equal(x.flatten(), torch.from_numpy(np.array(tiny_tokens.ids[: x.numel()])).long())
    assert torch.equal(y[:, :-1], x[:, 1:])


def test_loader_shuffles_by_pass_and_resumes(tiny_tokens):
    loader = StreamLoader(tiny_tokens, batch_size=3, window=7, seed=5)
    first, second = list(loader), list(loader)
    assert not torch.equal(first[0][0], second[0][0])
    again = StreamLoader(tiny_tokens, batch_size=3, window=7, seed=5)
    again.passes, again.start = 1, 2
    resumed = list(again)
    assert len(resumed) == len(second) - 2
    assert torch.equal(resumed[0][0], second[2][0])


def test_validation_loss_is_the_full_cross_entropy(tiny_model, tiny_tokens):
    ids = torch.as_tensor(np.array(tiny_tokens.with_vocab(tiny_model.vocab).ids[:41])).long()
    objective = LanguageModelObjective(tiny_model.module, np.ones(len(tiny_model.vocab))).eval()
    tiny_model.module.reset()
    loss = objective(ids[None, :-1], ids[None, 1:])
    tiny_model.module.reset()
    logits = tiny_model.module(ids[None, :-1])[0][0]
    assert loss.item() == pytest.approx(F.cross_entropy(logits, ids[1:]).item(), abs=1e-5)


def test_sampled_gradient_agrees_with_the_full_softmax(tiny_model):
    """With many negatives the sampled loss estimates the full one: their gradients point the same way."""
    n = len(tiny_model.vocab)
    no_dropout = dict.fromkeys(("input_p", "hidden_p", "embed_p", "weight_p", "output_p"), 1e-12)
    module = LanguageModel.new(tiny_model.vocab, {"emb_sz": 12, "n_hid": 20, "n_layers": 2, **no_dropout}).module
    x, y = torch.randint(0, n, (4, 10)), torch.randint(0, n, (4, 10))
    gradients = []
    for negatives in (0, 5_000):
        objective = LanguageModelObjective(module, np.arange(1, n + 1), negatives=negatives, alpha=0, beta=0).train()
        objective.reset()
        objective.zero_grad()
        objective(x, y).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in module.parameters()]))
    assert F.cosine_similarity(*gradients, dim=0) > 0.98


def test_training_learns_and_fills_curve_and_card(tiny_tokens):
    settings = replace(SMALL, epochs=12, learning_rate=0.02)
    model = train(tiny_tokens, settings, about={"corpus": "tiny"}, progress=False)
    first, last = model.training.valid_perplexity.dropna().iloc[[0, -1]]
    assert last < 0.7 * first
    assert model.card["tokens_seen"] == model.training.tokens.iloc[-1]
    assert model.card["valid_perplexity"] == pytest.approx(last)
    assert json.loads(json.dumps(model.card)) == model.card
    assert {"settings", "seconds", "tokens_fingerprint", "versions", "corpus"} <= set(model.card)
    assert set(card_facts(model.card).index) >= {"settings: window", "versions: torch", "corpus"}
    assert not model.module.training


def test_same_seed_same_weights_and_the_callers_random_state_is_kept(tiny_tokens):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, two = (train(tiny_tokens, SMALL, progress=False) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert_same(weights(one), weights(two))
    other = train(tiny_tokens, replace(SMALL, seed=1), progress=False)
    assert not np.array_equal(weights(one)["0.encoder.weight"], weights(other)["0.encoder.weight"])


class Rates(Callback):
    """Put the learning rate of every training step into `rates`."""

    def __init__(self, rates):
        self.rates = rates

    def after_batch(self):
        if self.training:
            self.rates.append(self.opt.hypers[-1]["lr"])


def test_time_limit_completes_the_schedule(tiny_tokens, monkeypatch):
    limit, rates = replace(SMALL, epochs=100_000, max_minutes=1.0), []
    # A clock that counts steps: a hundred to the minute, however busy the machine is.
    monkeypatch.setattr(TrainingLog, "minutes", property(lambda self: self.step / 100))
    train(tiny_tokens, limit, progress=False, callbacks=(Rates(rates),))
    assert len(rates) == 101
    assert rates[-1] == pytest.approx(limit.learning_rate / 1_000)
    assert max(rates) == pytest.approx(limit.learning_rate)
    assert np.argmax(rates) == pytest.approx(100 * limit.warmup, abs=1)


SLOW = {"stood still": {2: 1_000.0, 20: 4_000.0}, "shared the machine": dict.fromkeys(range(30, 60), 200.0)}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)  # step -> minutes that it took longer than others
def test_a_slow_time_that_leaves_time_enough_changes_nothing(tiny_tokens, monkeypatch, slow):
    """Such a run, one that was killed and started again too, has the weights of one that was not: the steps decide."""
    roomy = replace(SMALL, max_minutes=10_000.0)

    def clock(log):
        return log.step / 100 + sum(minutes for step, minutes in slow.items() if log.step >= step)

    steady = train(tiny_tokens, roomy, progress=False)
    monkeypatch.setattr(TrainingLog, "minutes", property(clock))
    interrupted = train(tiny_tokens, roomy, progress=False)
    assert interrupted.card["minutes"] >= 5_000
    assert_same(weights(steady), weights(interrupted))
    assert steady.training.learning_rate.equals(interrupted.training.learning_rate)


def test_a_pause_that_takes_the_time_left_still_completes_the_schedule(tiny_tokens, monkeypatch):
    limit, rates = replace(SMALL, epochs=100_000, max_minutes=1.0), []
    monkeypatch.setattr(TrainingLog, "minutes", property(lambda self: self.step / 100 + (0.4 if self.step > 30 else 0)))
    train(tiny_tokens, limit, progress=False, callbacks=(Rates(rates),))
    assert len(rates) == 61
    assert rates[-1] == pytest.approx(limit.learning_rate / 1_000)


def test_training_without_dropout(tiny_tokens):
    model = train(tiny_tokens, replace(SMALL, dropout=0.0, epochs=1), progress=False)
    assert np.isfinite(model.card["valid_perplexity"])


def test_backward_reads_documents_reversed(tiny_tokens, monkeypatch):
    seen = {}
    original = StreamLoader.__init__

    def spy(self, corpus, **kwargs):
        seen.setdefault("corpus", corpus)
        original(self, corpus, **kwargs)

    monkeypatch.setattr(training, "StreamLoader", type("Spy", (StreamLoader,), {"__init__": spy}))
    train(tiny_tokens, replace(SMALL, direction="backward", epochs=1), progress=False)
    documents = seen["corpus"]
    assert all(documents.types[documents[i][-1]] == "xxbos" for i in range(len(documents)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emb_sz": 0}, "emb_sz is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"dropout": "much"}, "dropout is 'much'"),
        ({"direction": "sideways"}, "direction is 'sideways'"),
        ({"precision": "float8"}, "precision is 'float8'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        TrainingSettings(**settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_float16_is_refused_where_no_device_has_it(tiny_tokens):
    with pytest.raises(InputError, match="precision is 'float16' on cpu: only CUDA has it"):
        train(tiny_tokens, replace(SMALL, precision="float16"), progress=False)


def interrupt():
    raise KeyboardInterrupt


def float16_on_the_cpu(monkeypatch, first_scale: float) -> list[float]:
    """fastai's scaling of gradients, on the CPU, whose own LSTM in float16 is slow but there without oneDNN; its scales."""
    scales: list[float] = []

    class Scaler(torch.amp.GradScaler):
        def __init__(self, _device, **options):
            super().__init__("cpu", init_scale=first_scale, **options)

        def update(self):
            super().update()
            scales.append(self.get_scale())

    monkeypatch.setattr("fastai.callback.fp16.GradScaler", Scaler)
    monkeypatch.setattr(training, "chosen_precision", lambda asked, _device: asked)
    return scales


@pytest.mark.filterwarnings("ignore:CUDA is not available", "ignore:TF32 acceleration")  # there is no GPU, on purpose
def test_float16_that_is_resumed_keeps_the_scale_of_its_gradients(tiny_tokens, tmp_path, monkeypatch):
    scales = float16_on_the_cpu(monkeypatch, 2.0**40)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    settings = replace(SMALL, precision="float16", epochs=2)
    with torch.backends.mkldnn.flags(enabled=False):
        whole = train(tiny_tokens, settings, progress=False)
        expected = list(scales)
        scales.clear()
        with pytest.raises(KeyboardInterrupt):
            train(tiny_tokens, settings, progress=False, checkpoints=tmp_path, callbacks=(StopAt(30, interrupt),))
        resumed = train(tiny_tokens, settings, progress=False, checkpoints=tmp_path)
    assert scales == expected
    assert expected[0] > expected[29] > 1  # what a new scaler begins with is far from what this one had found
    assert_same(weights(whole), weights(resumed))


@pytest.mark.filterwarnings("ignore:CUDA is not available", "ignore:TF32 acceleration")  # there is no GPU, on purpose
@pytest.mark.parametrize("first_scale", [2.0**16, 2.0**40])
def test_float16_learns_as_float32_does_even_after_gradients_that_were_scaled_too_far(
    tiny_tokens, monkeypatch, first_scale
):
    scales = float16_on_the_cpu(monkeypatch, first_scale)
    settings = replace(SMALL, epochs=6, learning_rate=0.02)
    with torch.backends.mkldnn.flags(enabled=False):
        perplexity = {
            precision: train(tiny_tokens, replace(settings, precision=precision), progress=False).card[
                "valid_perplexity"
            ]
            for precision in ("float32", "float16")
        }
    assert perplexity["float16"] == pytest.approx(perplexity["float32"], rel=0.1)
    assert len(scales) > 20
    assert 1 < scales[-1] <= 2.0**24


def test_too_little_to_train_on(tiny_tokens):
    with pytest.raises(InputError, match="too few to train on"):
        train(tiny_tokens.select([0]), SMALL, progress=False)


def test_trained_model_round_trips(tmp_path, tiny_tokens):
    model = train(tiny_tokens, replace(SMALL, epochs=1), progress=False)
    loaded = LanguageModel.load(model.save(tmp_path))
    assert_same(weights(model), weights(loaded))
    assert loaded.card == model.card


def test_a_watched_run_tells_how_it_goes_and_is_the_same_run(tiny_tokens, monkeypatch, capsys):
    comments = []

    class Listen(Callback):
        order = 99

        def after_batch(self):
            if self.training:
                comments.append(self.progress.pbar.comment)

    monkeypatch.setattr(training_log, "LOOK_EVERY", 0.0)
    watched = train(tiny_tokens, replace(SMALL, epochs=1), callbacks=(Listen(),))
    pattern = r"loss \d+\.\d+, validation perplexity about \d+, [\d,]+ tokens/s, \d+\.\d min left"
    assert re.fullmatch(pattern, comments[-1])
    assert "perplexity" in capsys.readouterr().out  # the heading of fastai's table
    alone = train(tiny_tokens, replace(SMALL, epochs=1), progress=False)
    assert_same(weights(watched), weights(alone))

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback

from unpadded import checkpoint, training
from unpadded.batches import StreamLoader
from unpadded.errors import InputError
from unpadded.language_model import LanguageModel
from unpadded.objective import LanguageModelObjective
from unpadded.training import TrainingSettings, train

SMALL = TrainingSettings(
    emb_sz=12, n_hid=16, n_layers=2, min_count=1, dropout=0.3, batch_size=4, window=8, epochs=3, negatives=20
)


class StopAt(Callback):
    """Stop a run from outside after a number of steps."""

    order = 99

    def __init__(self, step, action):
        self.stop_at, self.action = step, action

    def after_batch(self):
        if self.training and self.training_log.step == self.stop_at:
            self.action()


KILLED = """
import os, signal
import torch
from fastai.callback.core import Callback
from unpadded import checkpoint
from unpadded.tokens import TokenizedCorpus
from unpadded.training import TrainingSettings, train

class Kill(Callback):
    order = 99
    def after_batch(self):
        if self.training and self.training_log.step == {stop}:
            os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
checkpoint.CHECKPOINT_EVERY = 0.0
train(TokenizedCorpus.open({tokens!r}), {settings!r}, checkpoints={checkpoints!r}, progress=False, callbacks=(Kill(),))
"""


def weights(model):
    return {name: value.numpy().copy() for name, value in model.module.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


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
    model = train(tiny_tokens, replace(SMALL, epochs=12, learning_rate=0.02), progress=False)
    first, last = model.training.valid_perplexity.dropna().iloc[[0, -1]]
    assert last < 0.7 * first
    assert model.card["tokens_seen"] == model.training.tokens.iloc[-1]
    assert model.card["valid_perplexity"] == pytest.approx(last)
    assert not model.module.training


def test_same_seed_same_weights_and_the_callers_random_state_is_kept(tiny_tokens):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, two = (train(tiny_tokens, SMALL, progress=False) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert_same(weights(one), weights(two))
    other = train(tiny_tokens, replace(SMALL, seed=1), progress=False)
    assert not np.array_equal(weights(one)["0.encoder.weight"], weights(other)["0.encoder.weight"])


def test_killed_training_goes_on_to_the_same_weights(tmp_path, tiny_tokens, monkeypatch):
    """kill -9 between checkpoints, in the second pass: the same call ends in the uninterrupted run's weights."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    uninterrupted = train(tiny_tokens, SMALL, progress=False)
    steps = int(uninterrupted.training.step.iloc[-1])
    tiny_tokens.save(tmp_path / "tokens")
    # A process of its own: a fork of this one would inherit thread pools whose threads do not exist in it.
    job = KILLED.format(tokens=str(tmp_path / "tokens"), checkpoints=str(tmp_path), settings=SMALL, stop=steps // 2)
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", job], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert child.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("checkpoint-*.safetensors"))) == 1
    seen = []
    resumed = train(
        tiny_tokens, SMALL, checkpoints=tmp_path, progress=False, callbacks=(StopAt(steps, lambda: seen.append(1)),)
    )
    assert seen == [1]
    assert_same(weights(uninterrupted), weights(resumed))
    assert resumed.training.drop(columns="minutes").equals(uninterrupted.training.drop(columns="minutes"))
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_torn_or_foreign_checkpoint_is_not_used(tmp_path, tiny_tokens, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False, callbacks=(StopAt(5, stop),))
    path = next(tmp_path.glob("checkpoint-*"))
    path.write_bytes(path.read_bytes()[:100])
    assert_same(
        weights(train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False)),
        weights(train(tiny_tokens, SMALL, progress=False)),
    )


def test_infinite_loss_stops_and_keeps_the_checkpoint(tmp_path, tiny_tokens, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)

    class Poison(Callback):
        def before_batch(self):
            if self.training and self.training_log.step == 6:
                self.model.module[0].encoder.weight.data[:] = float("nan")

    with pytest.raises(FloatingPointError, match="step 7"):
        train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False, callbacks=(Poison(),))
    model = train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False)
    assert all(np.isfinite(w).all() for w in weights(model).values())


def test_time_limit_completes_the_schedule(tiny_tokens):
    limit = replace(SMALL, epochs=100_000, max_minutes=0.03)
    started = time.monotonic()
    model = train(tiny_tokens, limit, progress=False)
    assert time.monotonic() - started < 60
    assert model.training.learning_rate.iloc[-1] < limit.learning_rate / 100
    assert model.training.learning_rate.max() > limit.learning_rate / 2


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


def test_too_little_to_train_on(tiny_tokens):
    with pytest.raises(InputError, match="too few to train on"):
        train(tiny_tokens.select([0]), SMALL, progress=False)


def test_trained_model_round_trips(tmp_path, tiny_tokens):
    model = train(tiny_tokens, replace(SMALL, epochs=1), progress=False)
    loaded = LanguageModel.load(model.save(tmp_path))
    assert_same(weights(model), weights(loaded))
    assert loaded.card == model.card

"""Training that is stopped: killed, interrupted, damaged, or at a loss that is not finite."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from safetensors.torch import save

from training_tools import SMALL, StopAt, assert_same, killed_at, weights
from unpadded.common.errors import InputError
from unpadded.model.language_model import LanguageModel
from unpadded.training import checkpoint
from unpadded.training import loop as training
from unpadded.training.held_out import cross_entropy
from unpadded.training.loop import train

pytestmark = pytest.mark.slow


def test_killed_training_goes_on_to_the_same_weights(tmp_path, tiny_tokens, monkeypatch):
    """kill -9 between checkpoints, in the second pass: the same call ends in the uninterrupted run's weights."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    uninterrupted = train(tiny_tokens, SMALL, progress=False)
    steps = int(uninterrupted.training.step.iloc[-1])
    tiny_tokens.save(tmp_path / "tokens")
    tokens = str(tmp_path / "tokens")
    killed_at(steps // 2, f"train(TokenizedCorpus.open({tokens!r}), {SMALL!r}, checkpoints={str(tmp_path)!r}")
    assert len(list(tmp_path.glob("checkpoint-*.safetensors"))) == 1
    seen = []
    resumed = train(
        tiny_tokens, SMALL, checkpoints=tmp_path, progress=False, callbacks=(StopAt(steps, lambda: seen.append(1)),)
    )
    assert seen == [1]
    assert_same(weights(uninterrupted), weights(resumed))
    assert resumed.training.drop(columns="minutes").equals(uninterrupted.training.drop(columns="minutes"))
    assert not list(tmp_path.glob("checkpoint-*"))


def stop():
    raise KeyboardInterrupt


def interrupted(tokens, folder, settings=SMALL, step=5):
    with pytest.raises(KeyboardInterrupt):
        train(tokens, settings, checkpoints=folder, progress=False, callbacks=(StopAt(step, stop),))
    return next(folder.glob("checkpoint-*"))


def test_a_torn_altered_or_foreign_checkpoint_is_refused(tmp_path, tiny_tokens, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    path = interrupted(tiny_tokens, tmp_path)
    whole = path.read_bytes()
    damages = {
        "torn": whole[:100],
        "altered": whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
        "empty": b"",
        "foreign": save({"a": torch.zeros(2)}),
    }
    for content in damages.values():
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"checkpoint .* delete it to train from the start"):
            train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False)
    path.write_bytes(whole)
    other = interrupted(tiny_tokens, tmp_path / "other", replace(SMALL, seed=9))
    path.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="another run's"):
        train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False)


OVERFITS = replace(SMALL, epochs=60, learning_rate=0.05, dropout=0.0, patience=2)


def test_training_ends_where_nothing_improves_and_takes_the_best_weights(tmp_path, tiny_tokens, monkeypatch):
    """It is stopped in the last pass before the end: what the best weights were is known from the checkpoint alone."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    held_out, kept = training._split(tiny_tokens, OVERFITS.seed)
    model = train(kept, OVERFITS, valid=held_out, progress=False)
    losses = model.training.valid_loss.dropna().to_list()
    assert len(losses) < OVERFITS.epochs
    assert len(losses) == losses.index(min(losses)) + 1 + OVERFITS.patience
    own = held_out.with_vocab(model.vocab)
    found = cross_entropy(model.module, own, batch_size=OVERFITS.batch_size, window=OVERFITS.window)
    assert found == pytest.approx(min(losses), rel=1e-3)
    assert losses[-1] > 1.005 * min(losses)
    steps = int(model.training.step.iloc[-1])
    with pytest.raises(KeyboardInterrupt):
        train(
            kept,
            OVERFITS,
            valid=held_out,
            checkpoints=tmp_path,
            progress=False,
            callbacks=(StopAt(steps - 2, stop),),
        )
    resumed = train(kept, OVERFITS, valid=held_out, checkpoints=tmp_path, progress=False)
    assert_same(weights(model), weights(resumed))
    assert resumed.training.drop(columns="minutes").equals(model.training.drop(columns="minutes"))


def test_both_directions_in_one_call_and_after_a_stop(tmp_path, tiny_tokens, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)
    settings = replace(SMALL, epochs=2, direction="both")
    whole = train(tiny_tokens, settings, progress=False)
    alone = [train(tiny_tokens, replace(settings, direction=d), progress=False) for d in ("forward", "backward")]
    for model, expected in zip(whole.directions, alone, strict=True):
        assert model.direction == model.card["settings"]["direction"] == expected.direction
        assert_same(weights(model), weights(expected))

    class StopBackward(Callback):
        order = 99

        def after_batch(self):
            if self.training and directions == ["forward", "backward"]:
                raise KeyboardInterrupt

    directions, original = [], training._train

    def count(corpus, settings, *args, **kwargs):
        directions.append(settings.direction)
        return original(corpus, settings, *args, **kwargs)

    monkeypatch.setattr(training, "_train", count)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_tokens, settings, checkpoints=tmp_path, progress=False, callbacks=(StopBackward(),))
    directions.clear()
    resumed = train(tiny_tokens, settings, checkpoints=tmp_path, progress=False)
    assert directions == ["backward"]
    for model, expected in zip(resumed.directions, whole.directions, strict=True):
        assert_same(weights(model), weights(expected))
    assert not list(tmp_path.iterdir())


def test_infinite_loss_stops_and_keeps_the_checkpoint(tmp_path, tiny_tokens, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.0)

    class Poison(Callback):
        def before_batch(self):
            if self.training and self.training_log.step == 6:
                self.model.module[0].encoder.weight.data[:] = float("nan")

    with pytest.raises(FloatingPointError, match=r"is nan at step 7.*of step 6 is kept in .*last_good_model"):
        train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False, callbacks=(Poison(),))
    good = LanguageModel.load(tmp_path / "last_good_model")
    assert all(np.isfinite(w).all() for w in weights(good).values())
    with pytest.raises(FloatingPointError, match="no checkpoint was made yet"):
        train(tiny_tokens, SMALL, progress=False, callbacks=(Poison(),))
    model = train(tiny_tokens, SMALL, checkpoints=tmp_path, progress=False)
    assert all(np.isfinite(w).all() for w in weights(model).values())

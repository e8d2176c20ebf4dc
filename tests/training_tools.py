"""A tiny training, ways to stop it, and its weights, for the tests of training."""

import os
import signal
import subprocess
import sys

import numpy as np
from fastai.callback.core import Callback

from unpadded.training.settings import TrainingSettings

SMALL = TrainingSettings(
    emb_sz=12, n_hid=16, n_layers=2, min_count=1, dropout=0.3, batch_size=4, window=8, epochs=3, negatives=20
)

KILLED = """
import os, signal
import torch
from fastai.callback.core import Callback
from unpadded import LanguageModel, TrainingSettings, TuningSettings, train, tune
from unpadded.training import checkpoint
from unpadded.tokens import TokenizedCorpus

class Kill(Callback):
    order = 99
    def after_batch(self):
        if self.training and self.training_log.step == {step}:
            os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
checkpoint.CHECKPOINT_EVERY = 0.0
{call}, progress=False, callbacks=(Kill(),))
"""


def killed_at(step: int, call: str) -> None:
    """Have a call of `train` or `tune`, given up to its last arguments, end with kill -9 behind a step.

    In a process of its own: a fork of this one would inherit thread pools whose threads do not exist in it.
    """
    job = KILLED.format(step=step, call=call)
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", job], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert child.returncode == -signal.SIGKILL


class StopAt(Callback):
    """Stop a run from outside after a number of steps."""

    order = 99

    def __init__(self, step, action):
        self.stop_at, self.action = step, action

    def after_batch(self):
        if self.training and self.training_log.step == self.stop_at:
            self.action()


def weights(model):
    return {name: value.numpy().copy() for name, value in model.module.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)

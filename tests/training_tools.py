"""A tiny training, ways to stop it, and its weights, for the tests of training."""

import numpy as np
from fastai.callback.core import Callback

from unpadded.training.settings import TrainingSettings

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


def weights(model):
    return {name: value.numpy().copy() for name, value in model.module.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)

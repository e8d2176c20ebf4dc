"""A language model's module as plain values, so that it can be sent to another process.

torch refuses to pickle a module that has been run in training, since it holds dropped-out weights with a gradient's history.
"""

from fastai.text.models.core import SequentialRNN
from safetensors.torch import load, save

from unpadded.model.fastai_modules import config_of, module_with, weights_of


def packed(module: SequentialRNN) -> dict:
    """What `unpacked` makes the module of again: configuration, weights as safetensors, device and mode."""
    return {
        "config": config_of(module[0], module[1]),
        "weights": save(weights_of(module)),
        "device": str(module[0].encoder.weight.device),
        "training": module.training,
    }


def unpacked(state: dict) -> SequentialRNN:
    """The module that `packed` was given; its carried state is zero."""
    module = module_with(load(state["weights"]), state["config"])
    return module.to(state["device"]).train(state["training"])

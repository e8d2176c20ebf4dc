"""A language model's module as plain values, so that it can be sent to another process.

torch refuses to pickle a module that has been run in training, since it holds dropped-out weights with a gradient's history.
"""

import torch
from fastai.text.models.core import SequentialRNN
from safetensors.torch import load, save

from unpadded.model.fastai_modules import config_of, load_weights, make_module, weights_of


def packed(module: SequentialRNN) -> dict:
    """What `unpacked` makes the module of again: configuration, weights as safetensors, device and mode."""
    embedding = module[0].encoder.weight
    return {
        "n_tokens": len(embedding),
        "config": config_of(module[0], module[1]),
        "weights": save(weights_of(module)),
        "device": str(embedding.device),
        "training": module.training,
    }


def unpacked(state: dict) -> SequentialRNN:
    """The module that `packed` was given; its carried state is zero."""
    with torch.random.fork_rng(devices=[]):  # making it draws random weights
        module = make_module(state["n_tokens"], state["config"])
    load_weights(module, load(state["weights"]))
    return module.to(state["device"]).train(state["training"])

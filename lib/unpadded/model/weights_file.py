"""Weights that fastai of any version saved, read without running the code that a pickle may have in it."""

import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from types import SimpleNamespace

import torch
from fastai.text.models.core import SequentialRNN

from unpadded.common import InputError, in_short
from unpadded.model.fastai_modules import BIAS, EMBEDDING, TWIN, config_of_weights, module_with

# The functions that put tensors together; the classes of storages are torch.load's own business.
TENSOR_CODE = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
}


def read_weights(path: str | os.PathLike) -> SequentialRNN:
    """The language model's module from a `.pth` file of `Learner.save` or `save_encoder`, read without running its code.

    Raises `InputError` for a file that holds anything else.
    """
    try:
        return module_of_weights(read_inert(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # torch raises its own kinds for each way in which a file can be wrong
        reason = in_short(error)
        raise InputError(
            f"{path} holds no weights of an AWD-LSTM language model ({reason}): give a .pth file of Learner.save or of "
            "save_encoder."
        ) from error


def read_inert(path: str | os.PathLike):
    """What lies in a file of `torch.save`: tensors, lists, dicts, numbers; in the place of anything else an `Inert`."""
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_INERT_PICKLE)


def is_weights(content) -> bool:
    """Whether the content of a file is a state dict, alone or beside an optimizer's."""
    state = content.get("model", content) if isinstance(content, Mapping) else {}
    return isinstance(state, Mapping) and any(isinstance(value, torch.Tensor) for value in state.values())


def module_of_weights(content) -> SequentialRNN:
    """The module of a language model from the state dict of whatever its encoder was saved within.

    Raises `InputError` for another kind of cell, `KeyError` and torch's errors for what are no such weights.
    """
    state = with_todays_names(content.get("model", content))
    state.setdefault(TWIN, state[EMBEDDING])
    config = config_of_weights(state)
    if config["out_bias"]:
        state.setdefault(BIAS, torch.zeros(len(state[EMBEDDING])))
    return module_with(state, config)


def with_todays_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of encoder and output layer under the names that fastai's language models have today.

    Wherever the encoder lies (on its own, in a language model, in a classifier), and as fastai 0.7, 1 or 2 called its parts.
    """
    cells = [name for name in state if re.search(r"(^|\.)rnns\.0\.", name)]
    if any(name.endswith("_reverse") or "_reverse_" in name for name in cells):
        raise InputError("the weights are of a bidirectional model: give one model per direction.")
    if cells and not any("weight_hh_l0" in name for name in cells):
        raise InputError(f"the weights {cells[0]} are not an LSTM's: only LSTMs can be streamed exactly.")
    prefix = cells[0][: cells[0].rindex("rnns.0.")]  # what stands before the encoder's own names
    found = {}
    for name, tensor in state.items():
        if name.startswith(prefix) and (own := _todays_name(name[len(prefix) :])):
            if f"0.{own}" not in found or name.endswith("_raw"):  # beside the weights may lie masked ones
                found[f"0.{own}"] = tensor.float()
        elif part := re.search(r"(^|\.)1\.(decoder\.(weight|bias))$", name):
            found[f"1.{part[2]}"] = tensor.float()
    return found


def _todays_name(name: str) -> str | None:
    """Of a tensor of an AWD_LSTM; None for any other."""
    if name in ("encoder.weight", "encoder_dp.emb.weight"):
        return name
    if name == "encoder_with_dropout.embed.weight":  # fastai 0.7
        return "encoder_dp.emb.weight"
    cell = re.fullmatch(r"rnns\.(\d+)\.(?:module\.)?(weight_ih_l0|bias_ih_l0|bias_hh_l0|weight_hh_l0)(?:_raw)?", name)
    if cell is None:
        return None
    return f"rnns.{cell[1]}.weight_hh_l0_raw" if cell[2] == "weight_hh_l0" else f"rnns.{cell[1]}.module.{cell[2]}"


class Inert:
    """Stands for an object of any class in a pickle: takes whatever it is given, and does nothing."""

    def __new__(cls, *_, **__):
        return super().__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return self

    __setstate__ = __setitem__ = append = extend = add = update = __call__


class _InertUnpickler(pickle.Unpickler):
    """Makes tensors and plain values; every other class or function that a pickle names is `Inert`."""

    def find_class(self, module: str, name: str):
        return TENSOR_CODE.get((module, name), Inert)


_INERT_PICKLE = SimpleNamespace(
    Unpickler=_InertUnpickler, load=lambda file, **options: _InertUnpickler(file, **options).load(), __name__="inert"
)

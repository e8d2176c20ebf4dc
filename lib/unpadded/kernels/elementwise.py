"""Elementwise functions whose usual kernel is slow on some processors."""

from collections.abc import Callable

import numpy as np
import torch

from unpadded.kernels.cpu import onednn_is_fast


def tanh_for(device: torch.device) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The fastest exact tanh on `device`: a function (x, out) -> out."""
    return _tanh_numpy if device.type == "cpu" and onednn_is_fast() else _tanh_torch


def _tanh_torch(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x, out=out)


def _tanh_numpy(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """numpy's own vector code on one core; torch's goes through MKL, which takes six times as long where it is not fast."""
    np.tanh(x.numpy(), out=out.numpy())
    return out

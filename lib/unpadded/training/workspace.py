"""Tensors that training uses again in every step, because allocating that much memory takes long on a CPU.

The operating system clears each new page; on a virtual machine that takes longer than to compute what is then written to
it. torch keeps freed memory for the next tensor on CUDA, but not on CPUs.
"""

import torch


class Workspace:
    """Tensors by name, dtype and shape, each made when it is first asked for."""

    def __init__(self):
        self._tensors = {}

    def take(self, name: str, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        """The tensor of that name, dtype and shape, with whatever it was left with."""
        key = name, dtype, shape
        if key not in self._tensors:
            self._tensors[key] = torch.empty(shape, dtype=dtype)
        return self._tensors[key]

    def gradient(self, name: str, parameter: torch.Tensor) -> torch.Tensor:
        """A tensor for `parameter`'s gradient: that of the last step, unless it is still in use (gradients are added up).

        To be written, returned by a backward pass and forgotten: torch then makes it the gradient without copying.
        """
        if parameter.grad is not None or parameter.device.type != "cpu":
            return torch.empty_like(parameter)
        return self.take(name, parameter.dtype, *parameter.shape).detach()

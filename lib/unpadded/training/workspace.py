"""Tensors that training uses again in every step, because allocating that much memory takes long on a CPU.

The operating system clears each new page; on a virtual machine that takes longer than to compute what is then written to
it. torch keeps freed memory for the next tensor on CUDA, but not on CPUs.
"""

from math import prod

import torch


class Workspace:
    """Tensors by name and dtype, each in memory that is made when it is first asked for, and anew for a larger shape."""

    def __init__(self):
        self._memory = {}

    def take(self, name: str, dtype: torch.dtype, *shape: int) -> torch.Tensor:
        """The tensor of that name, dtype and shape, with whatever its memory was left with."""
        size, key = prod(shape), (name, dtype)
        if key not in self._memory or len(self._memory[key]) < size:
            self._memory[key] = torch.empty(size, dtype=dtype)
        return self._memory[key][:size].view(shape)

    def gradient(self, name: str, parameter: torch.Tensor) -> torch.Tensor:
        """A tensor for `parameter`'s gradient: that of the last step, unless it is still in use (gradients are added up).

        To be written, returned by a backward pass and forgotten: torch then makes it the gradient without copying.
        """
        if parameter.grad is not None or parameter.device.type != "cpu":
            return torch.empty_like(parameter)
        return self.take(name, parameter.dtype, *parameter.shape).detach()

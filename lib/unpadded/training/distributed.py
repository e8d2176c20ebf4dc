"""Several processes that train one model: fastai's distributed context, broadcast and all_gather.

Every process holds the model and reads its own streams of each batch; gradients are averaged by torch's
DistributedDataParallel, which fastai sets up through accelerate. With one process nothing here does anything.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from fastai.torch_core import num_distrib, rank_distrib

from unpadded.common import InputError


def n_processes() -> int:
    """Processes that train together, at least 1; accelerate's launcher sets it."""
    return max(num_distrib(), 1)


def rank() -> int:
    """This process's number, 0 for the first (and only) one."""
    return rank_distrib()


@contextmanager
def distributed_data_parallel(learn, device: torch.device) -> Iterator[None]:
    """fastai's `distrib_ctx` around a Learner whose loaders divide the batch themselves; nothing for one process."""
    if n_processes() == 1:
        yield
        return
    with learn.distrib_ctx(sync_bn=False, cpu=device.type == "cpu"):
        # fastai would wrap the loaders so that they deal out items; a stream's windows must stay with one process.
        learn.distributed_trainer._wrap_dl = lambda loader: loader
        yield


def join_processes(device: torch.device) -> torch.device:
    """Connect to the other processes before anything is shared; the device that this process computes on.

    Raises `InputError` where accelerate is not installed.
    """
    if n_processes() == 1:
        return device
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise InputError("Training on several processes needs accelerate: pip install accelerate.") from error
    import fastai.distributed  # noqa: F401  adds distrib_ctx to Learner

    atexit.unregister(_leave_processes)
    atexit.register(_leave_processes)
    return Accelerator(cpu=device.type == "cpu").device


def _leave_processes() -> None:
    """Disconnect from the other processes, while Python still runs.

    A thread of the connection that hands a tensor back once Python has begun to end is ended by it in the middle of C++ code,
    and with it the process: "terminate called without an active exception".
    """
    gc.collect()  # a model that is still wrapped would hold on to the connection, and so to its threads
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def broadcast(value: float, device: torch.device) -> float:
    """The `value` of process 0, in every process."""
    if n_processes() == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.broadcast(tensor, 0)
    return tensor.item()


def all_gather(tensor: torch.Tensor, device: torch.device) -> list[torch.Tensor]:
    """Every process's `tensor` (all of one shape), in the order of the processes, on the CPU."""
    if n_processes() == 1:
        return [tensor.cpu()]
    own = tensor.to(device).contiguous()
    parts = [torch.empty_like(own) for _ in range(n_processes())]
    torch.distributed.all_gather(parts, own)
    return [part.cpu() for part in parts]

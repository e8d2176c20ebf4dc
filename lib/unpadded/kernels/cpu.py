"""What this processor is good at, decided by what it is and never by the clock: a result must not depend on a timing."""

from functools import cache

import torch


@cache
def onednn_is_fast() -> bool:
    """Whether oneDNN's float32 kernels are the ones to take on this CPU, in the place of MKL's, which torch's x86 builds use.

    MKL 2024 uses the whole of Intel's processors, but on others leaves AVX-512 alone (measured: benchmarks/README.md).
    """
    return has_packed_onednn() and torch.backends.mkl.is_available() and not _is_intels()


@cache
def has_packed_onednn() -> bool:
    """Whether this build of torch has oneDNN, and the private functions by which it takes a packed weight."""
    needed = ("_reorder_linear_weight", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in needed)


@cache
def has_packed_mkl() -> bool:
    """The same of MKL."""
    return all(hasattr(torch.ops.mkl, name) for name in ("_mkl_reorder_linear_weight", "_mkl_linear"))


@cache
def onednn_has_bfloat16() -> bool:
    """Whether oneDNN multiplies bfloat16 on this CPU."""
    return has_packed_onednn() and getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)()


@cache
def bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32.

    AMX tiles do, and AMD's AVX-512-BF16 does; Intel's AVX-512-BF16 was measured at half the float32 rate.
    """
    has = _capabilities()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and not _is_intels()))


def _is_intels() -> bool:
    return "Intel" in str(_capabilities().get("cpu_name", ""))


def _capabilities() -> dict:
    """What torch says of the processor; nothing where it does not say."""
    return getattr(torch.cpu, "get_capabilities", dict)()

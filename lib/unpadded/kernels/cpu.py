"""What this processor is good at, decided by what it is and never by the clock: a result must not depend on a timing."""

from functools import cache

import torch


@cache
def onednn_is_fast() -> bool:
    """Whether oneDNN's float32 kernels are the ones to take on this CPU, in the place of MKL's, which torch's x86 builds use.

    MKL 2024 uses the whole of Intel's processors, but on others leaves AVX-512 alone (measured: benchmarks/README.md).
    """
    return torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available() and not _is_intels()


@cache
def bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32.

    AMX tiles do, and AMD's AVX-512-BF16 does; Intel's AVX-512-BF16 was measured at half the float32 rate.
    """
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and not _is_intels()))


def _is_intels() -> bool:
    return "Intel" in str(torch.cpu.get_capabilities().get("cpu_name", ""))

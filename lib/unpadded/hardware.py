"""What this processor is good at, decided by what it is and never by the clock: a result must not depend on a timing."""

from functools import cache

import torch


@cache
def mkl_is_fast() -> bool:
    """Whether MKL, which torch's x86 builds multiply and take tanh with, uses the whole processor.

    It does so on Intel's; on others MKL 2024 leaves AVX-512 alone, where oneDNN does not (measured: benchmarks/README.md).
    """
    return torch.backends.mkl.is_available() and "Intel" in str(torch.cpu.get_capabilities().get("cpu_name", ""))


@cache
def bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32.

    AMX tiles do, and AMD's AVX-512-BF16 does; Intel's AVX-512-BF16 was measured at half the float32 rate.
    """
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and "Intel" not in str(has.get("cpu_name", ""))))


def onednn_is_fast() -> bool:
    """Whether oneDNN's float32 products are the ones to take: on x86 processors that MKL does not know."""
    return torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available() and not mkl_is_fast()

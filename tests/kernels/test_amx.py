"""Matrix registers are used where the processor has them and the system gives them; what they compute: `test_tiled.py`."""

import pytest
import torch

from unpadded.encoding.engine import tiled
from unpadded.kernels import amx


@pytest.fixture
def asked_anew():
    amx._allowed.cache_clear()
    yield
    amx._allowed.cache_clear()


@pytest.mark.parametrize("refusal", ["the system says no", "torch does not ask"])
def test_without_leave_of_the_system_products_are_in_vector_registers(monkeypatch, asked_anew, refusal):
    monkeypatch.setattr(amx, "features", lambda: {"avx512f", "amx-tile", "amx-int8", "amx-bf16"})
    if refusal == "the system says no":
        monkeypatch.setattr(torch.cpu, "_init_amx", lambda: False, raising=False)
    else:
        monkeypatch.delattr(torch.cpu, "_init_amx", raising=False)
    assert not amx.has_int8_matrices()
    assert not amx.has_bfloat16_matrices()
    assert [tiled._kind(dtype).__name__ for dtype in (torch.int8, torch.bfloat16)] == ["uint8", "uint16"]


def test_a_processor_without_them_is_not_asked(monkeypatch, asked_anew):
    monkeypatch.setattr(amx, "features", lambda: {"avx512f"})
    monkeypatch.setattr(torch.cpu, "_init_amx", lambda: pytest.fail("asked"), raising=False)
    assert not amx.has_int8_matrices()
    assert not amx.has_bfloat16_matrices()


def test_with_leave_the_weights_have_a_sign(monkeypatch, asked_anew):
    monkeypatch.setattr(amx, "features", lambda: {"avx512f", "amx-tile", "amx-int8", "amx-bf16"})
    monkeypatch.setattr(torch.cpu, "_init_amx", lambda: True, raising=False)
    assert [tiled._kind(dtype).__name__ for dtype in (torch.int8, torch.bfloat16)] == ["int8", "int16"]

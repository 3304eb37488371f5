"""Where layers are computed in bfloat16."""

from __future__ import annotations

import pytest
import torch

from jumpset.operators.autocast import computes_half, multiplies_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "faster"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": False, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({}, False),
    ],
)
def test_a_processor_takes_bfloat16_where_it_is_faster(monkeypatch, able, faster):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert multiplies_bfloat16(CPU) is faster
    assert computes_half("auto", CPU) is faster
    assert computes_half("bfloat16", CPU)
    assert not computes_half("float32", CPU)


def test_a_torch_that_does_not_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not computes_half("auto", CPU)

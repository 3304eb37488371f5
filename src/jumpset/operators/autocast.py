"""The precision in which the layers of a network are computed."""

from __future__ import annotations

import torch

PRECISIONS = ("auto", "float32", "bfloat16")


def computes_half(precision: str, device: torch.device) -> bool:
    """Whether the layers are computed in bfloat16 on the device."""
    return precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster than those of float32 on the device.

    On Intel processors they are faster with AMX only: their AVX-512 instructions for bfloat16 have half the
    throughput of those for float32, and a convolution took twice the time in a measurement.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older torch
        return False
    able = torch.cpu.get_capabilities()
    intel = "Intel" in able.get("cpu_name", "")
    return able.get("amx_bf16", False) or (able.get("avx512_bf16", False) and not intel)

"""In which precision the layers of a network are computed."""

from __future__ import annotations

import torch

PRECISIONS = ("auto", "float32", "bfloat16")


def computes_half(precision: str, device: torch.device) -> bool:
    """Whether the layers are computed in bfloat16 on the device."""
    return precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster than those of float32 on the device.

    Intel's processors multiply them fast with AMX alone: their AVX-512 instructions for bfloat16 start half
    as often as those for float32, and a convolution was measured to take twice the time.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older versions do not tell
        return False
    able = torch.cpu.get_capabilities()
    intel = "Intel" in able.get("cpu_name", "")
    return able.get("amx_bf16", False) or (able.get("avx512_bf16", False) and not intel)

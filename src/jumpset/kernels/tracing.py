"""Whether a tensor has values, or stands for the values of a later call."""

from __future__ import annotations

import torch
from torch import Tensor


def is_eager(x: Tensor) -> bool:
    """Return whether ``x`` is a tensor with values, not a placeholder of a tracer or of ``vmap``."""
    return (
        type(x) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
    )

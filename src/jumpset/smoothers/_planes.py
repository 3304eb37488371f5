"""Between tensors on any device and the arrays that the compiled loops of a direct smoother work on."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def planes(image: Tensor) -> np.ndarray:
    """A contiguous copy of a ``(B, C, H, W)`` tensor, to work on in place."""
    return image.detach().to("cpu", copy=True, memory_format=torch.contiguous_format).numpy()


def to_tensor(array: np.ndarray, like: Tensor) -> Tensor:
    """A copy of the array as a tensor on the device of ``like``."""
    return torch.from_numpy(array).to(like.device, copy=True)


def distance(u: np.ndarray, source: Tensor) -> float:
    """Root mean square difference of two batches of pictures."""
    difference = (u - source.detach().cpu().numpy()).ravel()
    return math.sqrt(float(difference @ difference) / u.size)

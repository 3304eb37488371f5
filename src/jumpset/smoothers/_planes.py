"""Between tensors on any device and the arrays that the compiled loops of a smoother work on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.types import Iteration

_CHUNK = 1 << 15  # values whose difference is in memory at a time: more would leave the cache


def planes(image: Tensor) -> np.ndarray:
    """A contiguous copy of a ``(B, C, H, W)`` tensor, to work on in place."""
    return image.detach().to("cpu", copy=True, memory_format=torch.contiguous_format).numpy()


def to_tensor(array: np.ndarray, like: Tensor) -> Tensor:
    """A copy of the array as a tensor on the device of ``like``."""
    return torch.from_numpy(array).to(like.device, copy=True)


def distance(u: np.ndarray, source: Tensor) -> float:
    """Root mean square difference of two batches of pictures."""
    ours, theirs = u.ravel(), source.detach().cpu().contiguous().numpy().ravel()
    total = 0.0
    for first in range(0, u.size, _CHUNK):
        difference = ours[first : first + _CHUNK] - theirs[first : first + _CHUNK]
        total += float(difference @ difference)
    return math.sqrt(total / u.size)


@dataclass(frozen=True)
class GuidedState:
    """The answer of a filter of one step, and the image that guides it."""

    source: Tensor  # (B, C, H, W), the image as given
    guide: np.ndarray  # (B or 1, C, H, W)
    smoothed: np.ndarray  # (B, C, H, W)
    n_steps: int


class NumpyMethod(Iteration[Any]):
    """Image and record of a smoother whose state has ``source``, f, and ``smoothed``, the array u."""

    def image(self, state: Any) -> Tensor:
        """The last u."""
        return to_tensor(state.smoothed, state.source)

    def record(self, state: Any) -> dict[str, float]:
        """Root mean square distance of u from f."""
        return {"distance": distance(state.smoothed, state.source)}

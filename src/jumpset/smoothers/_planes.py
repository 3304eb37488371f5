"""Between tensors on any device and the arrays that the compiled loops of a smoother work on."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from jumpset._core.types import Status

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


class HasPlanes(Protocol):
    """What :class:`NumpyMethod` reads of a state."""

    @property
    def source(self) -> Tensor:
        """``(B, C, H, W)``, f."""
        ...

    @property
    def smoothed(self) -> np.ndarray:
        """``(B, C, H, W)``, u."""
        ...

    @property
    def n_steps(self) -> int:
        """Steps so far."""
        ...


class NumpyMethod:
    """Picture, record and end of a smoother whose answer is an array, after a fixed number of steps."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    batched: ClassVar[bool] = True
    check_every: ClassVar[int] = 1

    @property
    def max_steps(self) -> int:
        """Steps of the schedule."""
        raise NotImplementedError

    def image(self, state: HasPlanes) -> Tensor:
        """The last u."""
        return to_tensor(state.smoothed, state.source)

    def record(self, state: HasPlanes) -> dict[str, float]:
        """Root mean square distance of u from f."""
        return {"distance": distance(state.smoothed, state.source)}

    def finished(self, state: HasPlanes) -> Status | None:
        """After the last step."""
        return Status.CONVERGED if state.n_steps >= self.max_steps else None

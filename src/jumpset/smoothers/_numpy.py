"""The base of the smoothers whose compiled loops work on the NumPy arrays of one image at a time."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.types import Iteration
from jumpset.smoothers._guidance import match_guidance

_CHUNK = 1 << 15  # values whose difference is in memory at a time: more would leave the cache


@dataclass(frozen=True)
class ArrayState:
    """The last u, and the arrays that stay fixed between the steps."""

    source: Tensor  # (B, C, H, W), f
    fixed: tuple[np.ndarray, ...]  # (B or 1, …) each: the guidance image, or the weights of the grid's edges
    smoothed: np.ndarray  # (B, C, H, W), u
    n_steps: int
    iterations: int = 0  # of the linear solver in the last step, the most of any image
    residual: float = 0.0  # relative, of the last step's solves, the worst


class NumpyMethod(Iteration[ArrayState]):
    """A smoother whose step takes one image u, a ``(C, H, W)`` array, to the next; at first u = f.

    A subclass defines ``_smooth(u, f, t, *fixed)``, which writes the answer of step t = 1, 2, … into ``u``,
    and ``_prepare(image)`` where other arrays than the guidance image stay fixed between the steps.
    """

    guidance: Any = None  # of a subclass that has no such field

    def init(self, image: Tensor) -> ArrayState:
        """Start from u = f."""
        return ArrayState(image, self._prepare(image), copy_array(image), n_steps=0)

    def step(self, state: ArrayState) -> ArrayState:
        """One step of the filter on each image."""
        smoothed, solves = state.smoothed.copy(), [(0, 0.0)]
        for k, f in enumerate(as_array(state.source)):
            fixed = (array[k % len(array)] for array in state.fixed)
            solves.append(self._smooth(smoothed[k], f, state.n_steps + 1, *fixed) or (0, 0.0))
        iterations, residual = map(max, *solves)
        return ArrayState(state.source, state.fixed, smoothed, state.n_steps + 1, iterations, residual)

    def image(self, state: ArrayState) -> Tensor:
        """The last u."""
        return torch.from_numpy(state.smoothed).to(state.source.device, copy=True)

    def record(self, state: ArrayState) -> dict[str, float]:
        """Root mean square distance of u from f."""
        return {"distance": _distance(state.smoothed.ravel(), as_array(state.source).ravel())}

    def _prepare(self, image: Tensor) -> tuple[np.ndarray, ...]:
        """The guidance image, if there is one."""
        return () if self.guidance is None else (copy_array(match_guidance(self.guidance, image)),)

    @abstractmethod
    def _smooth(self, u: Any, f: Any, t: int, *fixed: Any) -> tuple[int, float] | None:
        """Replace u; return iterations and residual of the linear solver, if there is one."""


def as_array(image: Tensor) -> np.ndarray:
    """A contiguous array of a ``(B, C, H, W)`` tensor, in the same memory where possible: to be read."""
    return image.detach().cpu().contiguous().numpy()


def copy_array(image: Tensor) -> np.ndarray:
    """A contiguous copy of a ``(B, C, H, W)`` tensor, to work on in place."""
    return image.detach().to("cpu", copy=True, memory_format=torch.contiguous_format).numpy()


def _distance(u: np.ndarray, f: np.ndarray) -> float:
    """Root mean square difference of two vectors."""
    total = 0.0
    for first in range(0, u.size, _CHUNK):
        difference = u[first : first + _CHUNK] - f[first : first + _CHUNK]
        total += float(difference @ difference)
    return math.sqrt(total / u.size)

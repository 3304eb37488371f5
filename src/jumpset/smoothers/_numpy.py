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
from jumpset.operators.pixel_weights import fill_missing
from jumpset.smoothers._guidance import match_guidance

_SEEN = 1e-3  # least share of valid pixels in a weighted mean
_CHUNK = 1 << 15  # values whose difference is in memory at a time: more would leave the cache


@dataclass(frozen=True)
class ArrayState:
    """The last u, and the arrays that stay fixed between the steps."""

    source: Tensor  # (B, C, *spatial), the image; with a mask, its missing pixels are filled
    fixed: tuple[np.ndarray, ...]  # (B or 1, …) each: the guidance image, or the weights of the grid's edges
    data: np.ndarray  # (B, C, *spatial), f; with a mask (B, C + 1, *spatial), m f and m
    smoothed: np.ndarray  # as data, u
    n_steps: int
    iterations: int = 0  # of the linear solver in the last step, the most of any image
    residual: float = 0.0  # relative, of the last step's solves, the worst


class NumpyMethod(Iteration[ArrayState]):
    """A smoother whose step takes one image u, a ``(C, *spatial)`` array, to the next; at first u = f.

    A subclass defines ``_smooth(u, f, t, *fixed)``, which writes the answer of step t = 1, 2, … into ``u``,
    and ``_prepare(image)`` where other arrays than the guidance image stay fixed between the steps.

    A filter F that is linear for a fixed guidance image may have a field ``mask``: the answer is then
    ``F(m f) / F(m)``, F guided by f with its missing pixels filled.
    """

    guidance: Any = None  # of a subclass that has no such field
    mask: Any = None

    def init(self, image: Tensor) -> ArrayState:
        """Start from u = f."""
        if self.mask is not None:
            return self._begin_masked(*fill_missing(image, self.mask))
        return ArrayState(image, self._prepare(image), as_array(image), copy_array(image), n_steps=0)

    def _begin_masked(self, filled: Tensor, weights: np.ndarray) -> ArrayState:
        m = torch.from_numpy(weights)[:, None].to(filled).expand(len(filled), *[-1] * (filled.ndim - 1))
        data = copy_array(torch.cat([m * filled, m], dim=1))
        fixed = self._prepare(filled) or (copy_array(filled),)
        return ArrayState(filled, fixed, data, data.copy(), n_steps=0)

    def step(self, state: ArrayState) -> ArrayState:
        """One step of the filter on each image."""
        smoothed, solves = state.smoothed.copy(), [(0, 0.0)]
        for k, f in enumerate(state.data):
            fixed = (array[k % len(array)] for array in state.fixed)
            solves.append(self._smooth(smoothed[k], f, state.n_steps + 1, *fixed) or (0, 0.0))
        iterations, residual = map(max, *solves)
        n_steps = state.n_steps + 1
        return ArrayState(state.source, state.fixed, state.data, smoothed, n_steps, iterations, residual)

    def image(self, state: ArrayState) -> Tensor:
        """The last u."""
        f, u = state.source, torch.from_numpy(state.smoothed).to(state.source.device, copy=True)
        if u.shape == f.shape:
            return u
        share = u[:, -1:]
        low, high = (x.reshape(*x.shape, *[1] * (f.ndim - 2)) for x in f.flatten(2).aminmax(dim=2))
        # where hardly any valid pixel is seen, the quotient of two small numbers is noise
        return torch.where(share > _SEEN, torch.clamp(u[:, :-1] / share, low, high), f)

    def record(self, state: ArrayState) -> dict[str, float]:
        """Root mean square distance of u from f."""
        return {"distance": _distance(state.smoothed.ravel(), state.data.ravel())}

    def _prepare(self, image: Tensor) -> tuple[np.ndarray, ...]:
        """The guidance image, if there is one."""
        return () if self.guidance is None else (copy_array(match_guidance(self.guidance, image)),)

    @abstractmethod
    def _smooth(self, u: Any, f: Any, t: int, *fixed: Any) -> tuple[int, float] | None:
        """Replace u; return iterations and residual of the linear solver, if there is one."""


def as_array(image: Tensor) -> np.ndarray:
    """A contiguous array of a ``(B, C, *spatial)`` tensor, in the same memory where possible: to be read."""
    return image.detach().cpu().contiguous().numpy()


def copy_array(image: Tensor) -> np.ndarray:
    """A contiguous copy of a ``(B, C, *spatial)`` tensor, to work on in place."""
    return image.detach().to("cpu", copy=True, memory_format=torch.contiguous_format).numpy()


def _distance(u: np.ndarray, f: np.ndarray) -> float:
    """Root mean square difference of two vectors."""
    total = 0.0
    for first in range(0, u.size, _CHUNK):
        difference = u[first : first + _CHUNK] - f[first : first + _CHUNK]
        total += float(difference @ difference)
    return math.sqrt(total / u.size)

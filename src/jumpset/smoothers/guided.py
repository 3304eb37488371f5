"""The guided filter: locally an affine function of the guidance picture (He, Sun, Tang 2013)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.filters.guided import apply_models, box_means, coefficients
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import GuidedState, NumpyMethod, planes


@dataclass(frozen=True)
class Guided(NumpyMethod):
    r"""Guided filter: a fast edge-preserving blur; transfers the edges of another picture.

    In each window ω of (2 radius + 1)² pixels, or the part of it that lies in the picture, the affine model

    .. math:: \min_{a, b} \sum_{q \in \omega} (a \cdot g_q + b - f_q)^2 + |\omega|\, \text{weight}\, \|a\|^2

    is fitted for each band of f; the answer in p is :math:`\bar a_p \cdot g_p + \bar b_p`, with the means
    over all windows that hold p.

    Parameters
    ----------
    weight
        The paper's ε, in squared intensities: windows with a variance below it are averaged; 0.0001 to 0.1.
        Larger is smoother; 0 changes nothing.
    radius
        Of the windows, in pixels.
    guidance
        Picture g, ``(H, W)`` or ``(H, W, C)`` array or ``(B, C, H, W)`` tensor of the same
        height and width, any number of bands; default: f.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    K. He, J. Sun, X. Tang, "Guided image filtering", IEEE TPAMI 2013. Differences from the paper: (1) any
    number of bands; (2) ``weight=0`` returns the picture for any guidance. OpenCV's ``guidedFilter`` mirrors
    the picture at the borders, where here the windows are cut; elsewhere the two are equal.
    """

    weight: float = 0.01
    radius: int = 4
    guidance: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "guided"
    paper: ClassVar[str] = "He, Sun & Tang, IEEE TPAMI 2013"
    aliases: ClassVar[dict[str, str]] = {"eps": "weight"}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.integer("radius", self.radius, at_least=1)

    @property
    def halo(self) -> int:
        """The means of windows, and the models in them."""
        return 2 * self.radius

    def init(self, image: Tensor) -> GuidedState:
        """The picture itself."""
        f = planes(image)
        guide = f if self.guidance is None else planes(match_guidance(self.guidance, image))
        return GuidedState(image, guide, f, n_steps=0)

    def step(self, state: GuidedState) -> GuidedState:
        """Fit all windows, average their models."""
        out = np.empty_like(state.smoothed)
        for k, f in enumerate(state.smoothed):
            # variances are differences of squares, which keep their digits where window means are near 0
            level = f.mean((1, 2), keepdims=True)
            f = f - level
            g = f
            if state.guide is not state.smoothed:
                g = state.guide[k % len(state.guide)]
                g = g - g.mean((1, 2), keepdims=True)
            out[k] = level
            apply_models(self._models(g, f), g, out[k])
        return GuidedState(state.source, state.guide, out, 1)

    def _models(self, g: np.ndarray, f: np.ndarray) -> np.ndarray:
        """The mean a and b of each band; where g is f, no plane or product is averaged twice."""
        bands, channels = len(g), len(f)
        alone = [(k, -1) for k in range(bands)]
        squares = [(i, j) for i in range(bands) for j in range(i + 1)]
        if g is f:
            maps = box_means(f, np.array(alone + squares), self.radius)
            guide = level = maps[:bands]
            second = cross = maps[bands:]
            pairs = [[squares.index((max(c, i), min(c, i))) for i in range(bands)] for c in range(bands)]
        else:
            mixed = [(k, -1) for k in range(bands, bands + channels)]
            mixed += [(bands + c, i) for c in range(channels) for i in range(bands)]
            both = np.concatenate([g, f])
            maps = box_means(both, np.array(alone + squares + mixed), self.radius)
            guide, second, level, cross = np.split(maps, np.cumsum([bands, len(squares), channels]))
            pairs = [[c * bands + i for i in range(bands)] for c in range(channels)]
        models = coefficients(guide, level, second, cross, np.array(pairs), self.weight)
        return box_means(models, np.array([(k, -1) for k in range(len(models))]), self.radius)

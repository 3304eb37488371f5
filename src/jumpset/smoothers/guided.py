"""The guided filter: locally an affine function of the guidance picture (He, Sun, Tang 2013)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset import _checks
from jumpset.kernels.guided import box_means, coefficients
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import OnPlanes, planes


@dataclass(frozen=True)
class State:
    """The answer."""

    source: Tensor  # (B, C, H, W), the picture as given
    guide: np.ndarray  # (B or 1, C, H, W)
    smoothed: np.ndarray  # (B, C, H, W)
    n_steps: int


@dataclass(frozen=True)
class Guided(OnPlanes):
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

    def __post_init__(self) -> None:
        _checks.real("weight", self.weight, at_least=0.0)
        _checks.integer("radius", self.radius, at_least=1)

    @property
    def max_steps(self) -> int:
        """One; none where there is nothing to smooth."""
        return 1 if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """The picture itself."""
        return State(image, planes(match_guidance(self.guidance, image)), planes(image), n_steps=0)

    def step(self, state: State) -> State:
        """Fit all windows, average their models."""
        out = np.empty_like(state.smoothed)
        for k, f in enumerate(state.smoothed):
            g = state.guide[k % len(state.guide)]
            # variances are differences of squares, which keep their digits where window means are near 0
            shift = g.mean((1, 2), keepdims=True)
            level = f.mean((1, 2), keepdims=True)
            out[k] = self._filter(g - shift, f - level) + level
        return State(state.source, state.guide, out, 1)

    def _filter(self, g: np.ndarray, f: np.ndarray) -> np.ndarray:
        bands, channels = len(g), len(f)
        alone = [(k, -1) for k in range(bands + channels)]
        squares = [(i, j) for i in range(bands) for j in range(i + 1)]
        mixed = [(bands + c, i) for c in range(channels) for i in range(bands)]
        maps = box_means(np.concatenate([g, f]), np.array(alone + squares + mixed), self.radius)
        cuts = np.cumsum([bands, channels, len(squares)])
        guide, level, second, cross = np.split(maps, cuts)
        models = coefficients(guide, level, second, cross, self.weight)
        models = box_means(models, np.array([(k, -1) for k in range(len(models))]), self.radius)
        models = models.reshape(channels, bands + 1, *f.shape[1:])
        return (models[:, :-1] * g).sum(axis=1) + models[:, -1]

"""The guided filter: locally an affine function of the guidance image (He, Sun, Tang 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jumpset._core import checks
from jumpset._core.types import image_parameter, parameter
from jumpset.kernels.filters.guided import apply_models, box_means, coefficients
from jumpset.operators.spacing import axis_scales
from jumpset.smoothers._numpy import NumpyMethod

# Where the colours of a window lie on a line or a plane, the ridge alone keeps its system regular: it must be
# far above the rounding of the covariances. These are multiples of the largest square of the guidance.
_LEAST_SINGLE = 1e-5  # below it, all is computed in double precision
_LEAST_DOUBLE = 1e-13  # the least ridge in double precision; it changes the image by less than rounding


@dataclass(frozen=True)
class Guided(NumpyMethod):
    r"""Guided filter: a fast edge-preserving blur; transfers the edges of another image.

    In each window ω of 2 radius + 1 pixels along each axis, cut at the borders, the affine model

    .. math:: \min_{a, b} \sum_{q \in \omega} (a \cdot g_q + b - f_q)^2 + |\omega|\, \text{weight}\, \|a\|^2

    is fitted for each channel of f; the answer at p is :math:`\bar a_p \cdot g_p + \bar b_p`, with the means
    over all windows that contain p.

    Parameters
    ----------
    weight
        The paper's ε, in squared intensities: windows with a variance below it are averaged; 0.0001 to 0.1.
        Larger is smoother; 0 changes nothing.
    radius
        Radius of the windows, in pixels.
    guidance
        Image g of the same height and width, with any number of channels. Default: f.
    mask
        Optional ``(H, W)`` array or tensor, or ``(B, 1, H, W)``: True, or not 0, where a pixel is valid;
        floats from 0 to 1 weight it. The answer fills the other pixels, whatever they hold.
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x;
        the windows have ``radius`` times the smallest distance along every axis, rounded to whole pixels.
        Default: equal.

    Raises
    ------
    InputError
        A parameter out of range, or guidance or a mask of another size.

    Notes
    -----
    K. He, J. Sun, X. Tang, "Guided image filtering", IEEE TPAMI 2013. Differences from the paper: (1) any
    number of channels; (2) ``weight=0`` returns the image for any guidance. OpenCV's ``guidedFilter`` mirrors
    the image at the borders, where here the windows are cut; elsewhere the two are equal.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.Guided()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.01, checks.weight)
    radius: int = parameter(4, checks.integer, at_least=1)
    guidance: Any = image_parameter()
    mask: Any = None
    spacing: tuple[float, ...] | None = parameter(None, checks.spacing)

    name: ClassVar[str] = "guided"
    paper: ClassVar[str] = "He, Sun & Tang, IEEE TPAMI 2013"
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    keeps_mean: ClassVar[bool] = False
    aliases: ClassVar[dict[str, str]] = {"eps": "weight"}

    @property
    def halo(self) -> int:
        """One radius for the models of the windows, one for their means."""
        return 2 * self.radius

    def _smooth(self, u: np.ndarray, f: np.ndarray, t: int, guide: np.ndarray | None = None) -> None:
        shape, radii = f.shape, self._radii(f.ndim - 1)
        f = _as_volume(f)
        guide = None if guide is None else _as_volume(guide)
        # variances are differences of squares, which lose no digits where window means are near 0
        mean = f.mean((1, 2, 3), keepdims=True)
        f = f - mean
        g = f if guide is None else guide - guide.mean((1, 2, 3), keepdims=True)
        largest = float(np.abs(g).max()) ** 2
        if self.weight < _LEAST_SINGLE * largest:
            f = f.astype(np.float64)
            g = f if guide is None else g.astype(np.float64)
        models = self._models(g, f, max(self.weight, _LEAST_DOUBLE * largest), radii)
        out = np.broadcast_to(mean, f.shape).astype(f.dtype)
        apply_models(_as_rows(models), _as_rows(g), _as_rows(out))
        u[:] = out.reshape(shape)

    def _radii(self, ndim: int) -> tuple[int, ...]:
        """The radius of the windows along z, y and x."""
        scales = axis_scales(self.spacing, ndim)
        return (0,) * (3 - ndim) + tuple(round(self.radius * s) for s in scales)

    def _models(self, g: np.ndarray, f: np.ndarray, weight: float, radii: tuple[int, ...]) -> np.ndarray:
        """The mean a and b of each channel; where g is f, no channel or product is averaged twice."""
        bands, channels = len(g), len(f)
        alone = [(k, -1) for k in range(bands)]
        squares = [(i, j) for i in range(bands) for j in range(i + 1)]
        if g is f:
            maps = box_means(f, np.array(alone + squares), radii)
            guide = level = maps[:bands]
            second = cross = maps[bands:]
            pairs = [[squares.index((max(c, i), min(c, i))) for i in range(bands)] for c in range(bands)]
        else:
            mixed = [(k, -1) for k in range(bands, bands + channels)]
            mixed += [(bands + c, i) for c in range(channels) for i in range(bands)]
            both = np.concatenate([g, f])
            maps = box_means(both, np.array(alone + squares + mixed), radii)
            guide, second, level, cross = np.split(maps, np.cumsum([bands, len(squares), channels]))
            pairs = [[c * bands + i for i in range(bands)] for c in range(channels)]
        guide, level, second, cross = (_as_rows(x) for x in (guide, level, second, cross))
        models = coefficients(guide, level, second, cross, np.array(pairs), weight).reshape(-1, *f.shape[1:])
        return box_means(models, np.array([(k, -1) for k in range(len(models))]), radii)


def _as_volume(x: np.ndarray) -> np.ndarray:
    """A view ``(C, D, H, W)`` of ``(C, *spatial)``."""
    return x.reshape(len(x), *(1,) * (4 - x.ndim), *x.shape[1:])


def _as_rows(x: np.ndarray) -> np.ndarray:
    """A view ``(C, D · H, W)`` of ``(C, D, H, W)``."""
    return x.reshape(len(x), -1, x.shape[-1])

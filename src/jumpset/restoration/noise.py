"""The noise of data, by the kind of data that their operator gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.errors import InputError
from jumpset.operators.algebra import Composition, LinearOp, Scaled, Sum
from jumpset.operators.fourier import Fourier
from jumpset.operators.linear import Blur, Identity, Mask
from jumpset.operators.noise import noise_level, robust_level
from jumpset.operators.radon import RaySums
from jumpset.operators.sampling import ColorFilterArray, Downsample

_IMAGES = (Identity, Mask, Blur, Downsample)  # operators whose data have the axes of an image
_FEWEST = 30  # pairs of opposite frequencies
_INNER = 0.3  # of the largest frequency along an axis, below which content dominates
_RING, _RINGS = 60, 12  # least number of samples in a ring of frequencies, most rings
_DECAY = 4  # power of the frequency with which that of edges falls


def data_noise(y: Tensor, operator: LinearOp, counts: Tensor | None = None) -> float:
    """Estimate the standard deviation of white noise in data ``(B, C, …)``, in their units.

    Of images: the least of the lower quartiles of first to third differences, along both axes at once and
    along each, over the 0.3186 of the standard normal distribution; with a mask, of the pixels inside. Of a
    mosaic: of each colour. Of ray sums: along the detectors. Of Fourier samples of real images: from opposite
    frequencies, which are conjugates without noise; with several coils, or where few opposite ones are
    measured, the part of the power that does not fall with the fourth power of the frequency. It is 0 where
    there are less than 30 differences, and where a quarter of them are 0, as in flat images without noise.

    Parameters
    ----------
    y
        ``(B, C, …)`` data.
    operator
        The operator that gives data of this kind; of a product its first factor counts, a mask before that.
    counts
        bool, shaped like ``y``: the values that count besides the operator's masks; None: all.

    Returns
    -------
    float
        σ.

    Raises
    ------
    InputError
        Data of other operators that are no images.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> y = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(js.restoration.data_noise(y, js.operators.Identity()), 2)
    0.1
    """
    y = y.detach().cpu()
    inside = torch.ones(y.shape, dtype=torch.bool) if counts is None else counts.cpu()
    kind, inside = _kind(y, operator, inside)
    if isinstance(kind, Fourier):
        return _fourier_noise(y, kind, inside)
    if isinstance(kind, RaySums):
        return _over_channels(y, (-1,), inside)
    if isinstance(kind, ColorFilterArray):
        rows, columns = len(kind.pattern), len(kind.pattern[0])
        cells = [
            (..., slice(i, None, rows), slice(j, None, columns)) for i in range(rows) for j in range(columns)
        ]
        return _root_mean_square([_over_channels(y[cell], (-2, -1), inside[cell]) for cell in cells])
    if not isinstance(kind, _IMAGES) and y.ndim != 4:
        raise InputError(
            "the noise of these data cannot be estimated",
            given=f"data of shape {tuple(y.shape)} of {type(kind).__name__}",
            do="pass noise=, their standard deviation; 0 for data without noise",
        )
    return _over_channels(y, (-2, -1) if y.ndim > 3 else (-1,), inside)


def _kind(y: Tensor, operator: LinearOp, inside: Tensor) -> tuple[LinearOp, Tensor]:
    """The operator whose data these are, without factors and masks, and the pixels in all the masks."""
    if isinstance(operator, Scaled):
        return _kind(y, operator.operator, inside)
    if isinstance(operator, Sum):
        return _kind(y, operator.first, inside)
    if isinstance(operator, Mask):
        return operator, inside & (operator(torch.ones_like(y)) == 1)
    if isinstance(operator, Composition):
        if isinstance(operator.outer, Mask):
            return _kind(y, operator.inner, inside & (operator.outer(torch.ones_like(y)) == 1))
        return _kind(y, operator.outer, inside)
    return operator, inside


def _over_channels(y: Tensor, axes: tuple[int, ...], inside: Tensor) -> float:
    """The root mean square of the levels of the channels."""
    x, use = y.double().numpy(), inside.numpy()
    whole = bool(use.all())
    places = tuple(axis % y.ndim - 1 for axis in axes)  # of one channel
    return _root_mean_square(
        [noise_level(x[:, k], places, None if whole else use[:, k]) for k in range(x.shape[1])]
    )


def _root_mean_square(levels: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(levels))))


def _fourier_noise(y: Tensor, operator: Fourier, inside: Tensor) -> float:
    z = torch.view_as_complex(y.contiguous()).numpy()
    measured = (operator.mask.cpu().numpy() == 1) & inside[..., 0].numpy().all((0, 1))
    axes = tuple(range(-measured.ndim, 0))
    if operator.coils is None and not operator.is_complex:
        pairs = measured & _opposite(measured, axes)
        own = pairs & (
            np.arange(pairs.size).reshape(pairs.shape)
            < _opposite(np.arange(pairs.size).reshape(pairs.shape), axes)
        )
        if np.count_nonzero(own) >= _FEWEST:
            return robust_level(_parts((z - _opposite(z, axes).conj())[..., own])) / 2**0.5
    frequencies = np.meshgrid(*(2 * np.fft.fftfreq(n) for n in measured.shape), indexing="ij")
    distance = np.sqrt(np.sum(np.square(frequencies), axis=0))
    use = measured & (distance > _INNER)
    order = np.argsort(distance[use])
    if len(order) < 2 * _RING:
        return robust_level(_parts(z[..., use]))
    z, distance = z[..., use][..., order], distance[use][order]
    rings = np.array_split(np.arange(len(order)), min(len(order) // _RING, _RINGS))
    power = np.array([robust_level(_parts(z[..., ring])) ** 2 for ring in rings])
    return _floor(power, np.array([np.median(distance[ring]) for ring in rings]) ** -_DECAY)


def _floor(power: np.ndarray, decay: np.ndarray) -> float:
    """The root of a ≥ 0 in the best fit ``power ≈ a + b decay``, b ≥ 0, by relative errors."""
    if not power.all():
        return 0.0
    from scipy.optimize import nnls

    found, _ = nnls(np.stack([np.ones_like(decay), decay], 1) / power[:, None], np.ones_like(power))
    return float(np.sqrt(found[0]))


def _opposite(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The values at the opposite frequencies."""
    return np.roll(np.flip(x, axes), 1, axes)


def _parts(z: Any) -> np.ndarray:
    """Real and imaginary parts."""
    return np.concatenate([z.real.ravel(), z.imag.ravel()]).astype(np.float64)

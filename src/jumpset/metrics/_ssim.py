"""Structural similarity: per channel, of luma, and of a colour image as a volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import correlate1d

from jumpset._core.errors import InputError
from jumpset.metrics._inputs import channels_last, comparable, span_or

_RADIUS = 5
_TAPS = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / 1.5) ** 2)
_TAPS /= _TAPS.sum()
_K1, _K2 = 0.01, 0.03
_LUMA = np.array([0.299, 0.587, 0.114])


def ssim(
    image: ArrayLike, truth: ArrayLike, *, data_range: float | None = None, channel_axis: int | None = -1
) -> float:
    """Mean structural similarity per channel, averaged over the channels; 1 for identical images.

    ``(2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2))`` at each pixel, with moments under a
    Gaussian window of standard deviation 1.5 and 11 x 11 pixels, ``C1 = (0.01 L)²``, ``C2 = (0.03 L)²``, and
    population (not sample) covariances. The mean excludes the 5 border pixels whose windows would leave the
    image.

    Parameters
    ----------
    image, truth
        Images of the same shape and dtype, (H, W) or with a channel axis (two float dtypes may differ).
    data_range
        ``L``; by default that of the dtype, as in :func:`psnr`.
    channel_axis
        The axis of the channels of a 3-D array; a 2-D array is gray.

    Returns
    -------
    float
        At most 1. Along an axis shorter than 11 pixels no pixels are excluded, and windows extend into the
        image mirrored about its border (``d c b a | a b c d | d c b a``), so that any size has a value.

    Raises
    ------
    InputError
        As in :func:`psnr`, or if the arrays are not images.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity,
    IEEE Transactions on Image Processing 2004.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> js.metrics.ssim(image, truth) < js.metrics.ssim(truth, truth)
    True
    """
    x, y = comparable(image, truth, ("image", "truth"))
    peak = span_or(data_range, x.dtype)
    # Channels first: the filter is fastest on a channel that is one contiguous plane.
    x, y = (channels_last(a, channel_axis, "image").transpose(2, 0, 1) for a in (x, y))
    similarity = _similarity(x, y, peak, axes=(1, 2), mode="reflect")
    return float(similarity[:, _inner(similarity.shape[1]), _inner(similarity.shape[2])].mean())


def ssim_luma(
    image: ArrayLike, truth: ArrayLike, *, data_range: float | None = None, channel_axis: int | None = -1
) -> float:
    """Mean structural similarity of the luma of two images; 1 for identical ones.

    :func:`ssim` of ``0.299 R + 0.587 G + 0.114 B``, not rounded, as in papers that convert colour images to
    gray first. For another number of channels, the mean of the channels replaces luma.

    Parameters
    ----------
    image, truth, data_range, channel_axis
        As in :func:`ssim`.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    InputError
        As in :func:`ssim`.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity,
    IEEE Transactions on Image Processing 2004. The luma is that of ITU-R BT.601.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> js.metrics.ssim_luma(image, truth) < js.metrics.ssim_luma(truth, truth)
    True
    """
    x, y = comparable(image, truth, ("image", "truth"))
    peak = span_or(data_range, x.dtype)
    x, y = (channels_last(a, channel_axis, "image") for a in (x, y))
    shares = _LUMA if x.shape[2] == 3 else np.full(x.shape[2], 1 / x.shape[2])
    return ssim(x @ shares, y @ shares, data_range=peak)


def ssim_volume(image: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> float:
    """Mean structural similarity of an (H, W, C) image as a *volume*; 1 for identical images.

    The formula of :func:`ssim`, with a Gaussian window (1.5, 11 samples wide) over all axes, **colour
    included**, replicated borders along each axis, and the mean over all values. MATLAB's ``ssim`` computes
    this for an M x N x 3 array, and several smoothing papers report it. It is larger than :func:`ssim` for
    most colour images, and the two must not be compared. A gray (H, W) image has the 2-D window.

    Parameters
    ----------
    image, truth
        Images (H, W), or with a third axis anywhere, of the same shape and dtype (two float dtypes may
        differ).
    data_range
        ``L``; by default that of the dtype, as in :func:`psnr`.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    InputError
        As in :func:`psnr`, or if the arrays have neither two nor three axes.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural similarity,
    IEEE Transactions on Image Processing 2004.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> js.metrics.ssim_volume(image, truth) < js.metrics.ssim_volume(truth, truth)
    True
    """
    x, y = comparable(image, truth, ("image", "truth"))
    peak = span_or(data_range, x.dtype)
    if x.ndim not in (2, 3):
        raise InputError(
            "image must have two or three axes", given=f"shape {x.shape}", do="pass one image at a time"
        )
    return float(_similarity(x, y, peak, axes=tuple(range(x.ndim)), mode="nearest").mean())


def _inner(length: int) -> slice:
    """Return the pixels whose window lies inside the image, or all if no window does."""
    return slice(_RADIUS, length - _RADIUS) if length > 2 * _RADIUS else slice(None)


def _similarity(x: np.ndarray, y: np.ndarray, peak: float, axes: tuple[int, ...], mode: str) -> np.ndarray:
    """Compute the map of similarities, with a Gaussian window over ``axes``."""
    x, y = (np.ascontiguousarray(a, dtype=np.float64) for a in (x, y))

    def mean(a: np.ndarray) -> np.ndarray:
        for axis in axes:
            a = correlate1d(a, _TAPS, axis=axis, mode=mode)
        return a

    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    mx, my = mean(x), mean(y)
    mxx, myy, mxy = mx * mx, my * my, mx * my
    covariance = mean(x * y) - mxy
    variances = mean(x * x) - mxx + mean(y * y) - myy
    return (2 * mxy + c1) * (2 * covariance + c2) / ((mxx + myy + c1) * (variances + c2))

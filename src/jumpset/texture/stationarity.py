"""A test whether a smoother's residual is a stationary texture, or detail of the image."""

from __future__ import annotations

import numpy as np

from jumpset.texture.model import Texture

_SIDE = 16  # of a tile, in pixels


def power_nonuniformity(z: np.ndarray, texture: Texture, where: np.ndarray | None = None) -> float:
    r"""Spatial variation of the residual's power, relative to a Gaussian texture's.

    The mean square of a tile of n pixels has, for the autocovariance r of the strongest component, the mean
    r(0) and the variance :math:`2 / n^2 \sum_{p,q} r(p - q)^2`. Returned is the distance from the tiles'
    median to their ninth decile, relative to the median, over 1.28 times the relative deviation: near 1 for a
    texture, far above 1 where a smoother has removed detail such as grass or hair in parts of the image.

    Parameters
    ----------
    z
        ``(C, H, W)``: the texture's components of the residual.
    texture
        The texture's model. 0 is returned for fewer than 8 tiles, too few for an estimate.
    where
        ``(H, W)`` bool: the tiles that count lie in it. Default: all.
    """
    k, variance = strongest(texture)
    rows, columns = (length // _SIDE for length in z.shape[1:])
    shape = rows, _SIDE, columns, _SIDE
    tiles = z[k, : rows * _SIDE, : columns * _SIDE].reshape(shape)
    counts = np.ones((rows, columns), bool)
    if where is not None:
        counts = where[: rows * _SIDE, : columns * _SIDE].reshape(shape).all(axis=(1, 3))
    if counts.sum() < 8 or variance <= 0.0:
        return 0.0
    median, ninth = np.quantile(np.square(tiles).mean(axis=(1, 3))[counts], (0.5, 0.9))
    middle = texture.autocovariance.shape[1] // 2
    lags = np.arange(-middle, middle + 1)
    # probability of each lag between two pixels of a row
    shares = np.maximum(1.0 - np.abs(lags) / _SIDE, 0.0) / _SIDE
    r = texture.autocovariance[k] / variance
    deviation = np.sqrt(2.0 * shares @ np.square(r) @ shares)
    return float((ninth - median) / max(median, 1e-12 * variance) / (1.28 * deviation))


def strongest(texture: Texture) -> tuple[int, float]:
    """Index of the component with the most power in the image, and its variance in its own units."""
    variances = texture.variances
    k = int(np.argmax(variances * np.square(texture.mixing).sum(axis=0)))
    return k, float(variances[k])

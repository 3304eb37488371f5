"""Is what a smoother has taken away a stationary texture, or detail of the picture?"""

from __future__ import annotations

import numpy as np

from jumpset.texture.model import Texture

_SIDE = 16  # of a tile, in pixels


def power_nonuniformity(z: np.ndarray, texture: Texture) -> float:
    r"""How unevenly the residual's power is spread, against what a Gaussian texture's would be.

    The mean square of a tile of n pixels has, for the autocovariance r of the strongest component, the mean
    r(0) and the variance :math:`2 / n^2 \sum_{p,q} r(p - q)^2`. Returned is the distance from the tiles'
    median to their ninth decile, a fraction of the median, over 1.28 times the relative deviation: near 1 for
    a texture, far above it where a smoother has taken grass and hair out of some places.

    Parameters
    ----------
    z
        ``(C, H, W)``: the texture's components of the residual.
    texture
        What the residual is taken for. 0 is returned for fewer than 8 tiles, which tell nothing.
    """
    k, variance = strongest(texture)
    rows, columns = (length // _SIDE for length in z.shape[1:])
    if rows * columns < 8 or variance <= 0.0:
        return 0.0
    tiles = z[k, : rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    median, ninth = np.quantile(np.square(tiles).mean(axis=(1, 3)), (0.5, 0.9))
    middle = texture.autocovariance.shape[1] // 2
    lags = np.arange(-middle, middle + 1)
    shares = np.maximum(1.0 - np.abs(lags) / _SIDE, 0.0) / _SIDE  # how often two pixels of a row have a lag
    r = texture.autocovariance[k] / variance
    deviation = np.sqrt(2.0 * shares @ np.square(r) @ shares)
    return float((ninth - median) / max(median, 1e-12 * variance) / (1.28 * deviation))


def strongest(texture: Texture) -> tuple[int, float]:
    """Index of the component of most power in the picture, and its variance in its own units."""
    variances = texture.variances
    k = int(np.argmax(variances * np.square(texture.mixing).sum(axis=0)))
    return k, float(variances[k])

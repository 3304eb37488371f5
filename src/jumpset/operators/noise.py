"""The level of white noise in data, from differences that hardly see what is smooth."""

from __future__ import annotations

import numpy as np

_QUARTILE = 0.31863936396437514  # of |x|, x standard normal
_FEWEST = 30  # differences from which a level is estimated
_TIES = 1e-2  # of the values, above which they are quantized
_ROUNDING = 1e-6  # relative distance of equal values
_SHARE = 0.25  # of the differences of the commonest kind, below which those of another kind do not count
_WEIGHTS = {1: (1.0, -1.0), 2: (1.0, -2.0, 1.0), 3: (1.0, -3.0, 3.0, -1.0)}


def robust_level(x: np.ndarray) -> float:
    """The standard deviation of normal values by the lower quartile of their sizes; 0 for fewer than 30.

    Up to three quarters of the values may be larger than the noise. It is 0 if a quarter of them are 0.
    Equal values, of quantized data, count as spread evenly to halfway to their neighbours.
    """
    if x.size < _FEWEST:
        return 0.0
    sizes, k = np.abs(x).ravel(), x.size // 4
    middle = np.partition(sizes, k)[k]
    below, above = sizes[sizes < (1 - _ROUNDING) * middle], sizes[sizes > (1 + _ROUNDING) * middle]
    equal = x.size - below.size - above.size
    if middle == 0.0 or equal < _TIES * x.size or not below.size or not above.size:
        return float(middle) / _QUARTILE
    low, high = 0.5 * (below.max() + middle), 0.5 * (middle + above.min())
    return float(low + (high - low) * (k + 0.5 - below.size) / equal) / _QUARTILE


def noise_level(x: np.ndarray, axes: tuple[int, ...], inside: np.ndarray | None = None) -> float:
    """The standard deviation of white noise: the least of the levels of several kinds of differences.

    The kinds are first, second and third differences along all of ``axes`` at once, and second and third ones
    along each. Content raises some kinds more than others: edges the low orders, dense detail the high ones.

    Parameters
    ----------
    x
        An array of floats.
    axes
        The axes along which neighbours are alike.
    inside
        bool, of the shape of ``x``: the pixels that count; all pixels of a difference must.

    Returns
    -------
    float
        The level; 0 where no kind has 30 differences.
    """
    orders = [dict.fromkeys(axes, k) for k in (1, 2, 3)]
    if len(axes) > 1:
        orders += [{axis: k} for axis in axes for k in (2, 3)]
    kinds = [_differences(x, each, inside) for each in orders]
    fewest = max(_FEWEST, _SHARE * max(kind.size for kind in kinds))
    return min((robust_level(kind) for kind in kinds if kind.size >= fewest), default=0.0)


def _differences(x: np.ndarray, orders: dict[int, int], inside: np.ndarray | None) -> np.ndarray:
    """Differences of the given order along each axis, which keep the level of white noise."""
    for axis, order in orders.items():
        n = x.shape[axis] - order
        if n <= 0:
            return np.empty(0)
        parts = [(slice(None),) * axis + (slice(k, n + k),) for k in range(order + 1)]
        weights = np.array(_WEIGHTS[order]) / np.linalg.norm(_WEIGHTS[order])
        x = np.sum([h * x[part] for h, part in zip(weights, parts, strict=True)], axis=0)
        if inside is not None:
            inside = np.logical_and.reduce([inside[part] for part in parts])
    return x.ravel() if inside is None else x[inside]

"""Prediction of the component with the most texture from the others, where it is locally linear in them."""

from __future__ import annotations

import numpy as np

from jumpset.kernels.filters.guided import box_means

_LEADERS = 3  # most predictors: the components of the largest variance
_RADII = (2, 4, 8)  # of the windows
# In units of the variance of the texture in the predicted component.
_RIDGE = 0.05  # penalty of the slopes: the texture that the filter leaves in the predictors
_FLOOR = 0.05  # added to residuals
_TRUST = 0.2  # residual at which half of the difference is added


def predict(z: np.ndarray, follower: int, unit: float) -> np.ndarray:
    r"""Move one component towards its local prediction from the other components.

    Where two or three regions meet, all components are mixtures of two or three values with the same shares,
    so that one is affine in the others, also at an anti-aliased edge. In every window ω of three sizes, with
    predictors g and the component t, all in units of the texture in t,

    .. math:: a, b = \arg\min \mathrm{mean}_\omega (a \cdot g + b - t)^2 + 0.05 \|a\|^2, \qquad
              \rho = \text{residual variance of } t, \qquad w = (\rho + 0.05)^{-2}

    and a pixel's prediction p is the mean of :math:`a \cdot g + b` over all windows that contain it, weighted
    with w. The answer is :math:`t + (p - t) / (1 + (\bar\rho / 0.2)^2)`, for ρ̄ the same mean of ρ: where t
    has edges that no other component has, no window fits, and t is unchanged.

    Parameters
    ----------
    z
        ``(C, H, W)`` float64, C at least 2, nearly without texture.
    follower
        Index of t.
    unit
        Variance of the texture in t.
    """
    t = z[follower] - z[follower].mean()
    rest = np.delete(z, follower, axis=0)
    g = rest[np.argsort(-rest.var(axis=(1, 2)), kind="stable")[:_LEADERS]]
    g = g - g.mean(axis=(1, 2), keepdims=True)  # variances are differences of squares
    n = len(g)
    alone = [(k, -1) for k in range(n + 1)]
    squares = [(i, j) for i in range(n) for j in range(n)]
    mixed = [(n, i) for i in range(n)]
    pairs = np.array([*alone, *squares, *mixed, (n, n)])
    weighted = np.array([*((k, n + 2) for k in range(n + 2)), (n + 2, -1)])
    sums = np.zeros((n + 3, *t.shape))  # of slopes, intercept, residual and weight
    for radius in _RADII:
        maps = box_means(np.concatenate([g, t[None]])[:, None], pairs, (0, radius, radius))[:, 0]
        mean, level, second, cross, square = np.split(maps, [n, n + 1, n + 1 + n * n, len(pairs) - 1])
        within = second.reshape(n, n, *t.shape) - mean[:, None] * mean
        between = cross - level * mean
        system = np.moveaxis(within, (0, 1), (2, 3)) + _RIDGE * unit * np.eye(n)
        slope = np.moveaxis(np.linalg.solve(system, np.moveaxis(between, 0, -1)[..., None])[..., 0], -1, 0)
        start = level - (slope * mean).sum(axis=0)
        left = np.maximum(square - level**2 - (slope * between).sum(axis=0), 0.0)
        weight = (left + _FLOOR * unit) ** -2
        parts = np.concatenate([slope, start, left, weight])[:, None]
        sums += box_means(parts, weighted, (0, radius, radius))[:, 0]
    *slopes, start, left = sums[:-1] / sums[-1]
    prediction = sum(a * x for a, x in zip(slopes, g, strict=True)) + start
    out = z.copy()
    out[follower] += (prediction - t) / (1.0 + (left / (_TRUST * unit)) ** 2)
    return out

"""The definition of :mod:`jumpset.kernels.filters.collaborative` with dense matrices, for tests."""

from __future__ import annotations

import numpy as np

from jumpset.kernels.filters.collaborative import SIZE, cosine_basis


def haar(n: int) -> np.ndarray:
    """Return the ``(n, n)`` orthonormal Haar transform for a power of two, in the order of the loops."""
    out = np.eye(n)
    stride = 1
    while stride < n:
        step = np.eye(n)
        for a in range(0, n, 2 * stride):
            b = a + stride
            step[[a, a, b, b], [a, b, a, b]] = np.array([1, 1, 1, -1]) * np.sqrt(0.5)
        out = step @ out
        stride *= 2
    return out


def functionals(places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return ``(n · 64, H · W)``, each coefficient of a group as a linear functional of the image."""
    n = len(places)
    blocks = np.zeros((n, SIZE, SIZE, *shape))
    for a, (y, x) in enumerate(places):
        for i in range(SIZE):
            for j in range(SIZE):
                blocks[a, i, j, y + i, x + j] = 1.0
    basis = cosine_basis()
    coefficients = np.einsum("ba,iu,jv,auvyx->bijyx", haar(n), basis, basis, blocks, optimize=True)
    return coefficients.reshape(n * SIZE * SIZE, -1)


def noise_covariance(autocovariance: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the ``(H · W, H · W)`` covariance of stationary noise from its ``(2 A + 1, 2 A + 1)`` lags."""
    y, x = (c.ravel() for c in np.mgrid[: shape[0], : shape[1]])
    dy, dx = y[:, None] - y, x[:, None] - x
    reach = len(autocovariance) // 2
    inside = (abs(dy) <= reach) & (abs(dx) <= reach)
    return np.where(
        inside, autocovariance[(reach + dy).clip(0, 2 * reach), (reach + dx).clip(0, 2 * reach)], 0.0
    )


def shrink_plain(
    noisy: np.ndarray,
    pilot: np.ndarray | None,
    found: np.ndarray,
    autocovariance: np.ndarray,
    threshold: float,
    coupling: float,
) -> np.ndarray:
    """Compute :func:`jumpset.kernels.filters.collaborative.shrink` for groups of the full size."""
    channels, height, width = noisy.shape
    covariance = [noise_covariance(a, (height, width)) for a in autocovariance]
    window = np.outer(np.kaiser(SIZE, 2.0), np.kaiser(SIZE, 2.0))
    sums, weights = np.zeros((2, channels, height, width))
    for places in found.reshape(-1, *found.shape[2:]):
        rows = functionals(places, (height, width))
        v = np.stack([np.einsum("kp,pq,kq->k", rows, c, rows, optimize=True) for c in covariance])
        x = noisy.reshape(channels, -1) @ rows.T
        if pilot is None:
            gain = (x**2 > threshold**2 * v).astype(float)
            gain[:, 0] = 1.0
            estimate = gain * x
        else:
            p = pilot.reshape(channels, -1) @ rows.T
            gain = p**2 / (p**2 + v)
            joint = p * (p * x / v).sum(0) / (1.0 + (p**2 / v).sum(0))
            estimate = (1.0 - coupling) * gain * x + coupling * joint
        left = (gain**2 * v).sum(1)
        # The transform is orthonormal, so its transpose is its inverse, block by block.
        back = np.kron(haar(len(places)), np.kron(cosine_basis(), cosine_basis())).T
        blocks = (estimate @ back.T).reshape(channels, len(places), SIZE, SIZE)
        for a, (y, x0) in enumerate(places):
            for c in range(channels):
                sums[c, y : y + SIZE, x0 : x0 + SIZE] += window / left[c] * blocks[c, a]
                weights[c, y : y + SIZE, x0 : x0 + SIZE] += window / left[c]
    return sums / weights

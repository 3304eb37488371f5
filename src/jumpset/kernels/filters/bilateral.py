"""Window means that are weighted by distance and by differences of a guidance image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_LEAST = 1e-15  # of σ: all but equal values have the weight 0 already


def bilateral(
    u: np.ndarray,
    guide: np.ndarray,
    sigma_space: float,
    sigma_range: float,
    scales: Sequence[float] = (),
) -> np.ndarray:
    """Return ``Σ_q w_pq u_q / Σ_q w_pq`` with ``w = exp(−|p − q|² / 2 σ_s² − ‖g_p − g_q‖² / 2 σ_r²)``.

    The sums are over the pixels q of the image within ``3 σ_s`` of p; the exponentials are exact.

    Parameters
    ----------
    u, guide
        ``(C, *spatial)`` and ``(C', *spatial)`` with one to three spatial axes, contiguous, of one dtype.
    sigma_space, sigma_range
        σ_s in pixels and σ_r in intensities; σ_r may be infinite.
    scales
        One over the distance of two neighbours along each axis; default: ones.
    """
    distances = np.array([1.0] * (4 - u.ndim) + [1.0 / s for s in scales or (1.0,) * (u.ndim - 1)])
    radius = min(math.floor(3.0 * sigma_space), math.ceil(max(u.shape[1:]) * distances.max()))
    out = np.empty_like(u)
    widths = (u.dtype.type(_scale(sigma)) for sigma in (sigma_space, sigma_range))
    volume, other, target = (x.reshape(len(x), *(1,) * (4 - x.ndim), *x.shape[1:]) for x in (u, guide, out))
    rows = volume.shape[1] * volume.shape[2]
    parallel_rows(_rows, rows, volume, other, radius, *widths, distances, target)
    return out


def _scale(sigma: float) -> float:
    """1 / 2 σ²; at most what times a squared difference stays finite in float32."""
    return 0.5 / sigma**2 if sigma > _LEAST else 0.5 / _LEAST**2


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc", "afn"})
def _rows(start, stop, u, guide, radius, near, alike, distances, out):
    channels, depth, height, width = u.shape
    exponents, weights = np.empty(width, u.dtype), np.empty(width, u.dtype)
    squares = distances * distances
    deep, tall = int(radius / distances[0]), int(radius / distances[1])
    for row in range(start, stop):
        z, y = divmod(row, height)
        weights[:] = 1
        out[:, z, y] = u[:, z, y]
        for k in range(max(-deep, -z), min(deep, depth - 1 - z) + 1):
            for j in range(max(-tall, -y), min(tall, height - 1 - y) + 1):
                rest = radius * radius - (k * k * squares[0] + j * j * squares[1])
                if rest < 0:
                    continue
                reach = int(math.sqrt(rest) / distances[2])
                for i in range(-reach, reach + 1):
                    if i == 0 and j == 0 and k == 0:
                        continue
                    # pixels x whose neighbour x + i lies in the image
                    low, high = max(0, -i), min(width, width - i)
                    count = high - low
                    if count <= 0:
                        continue
                    part = exponents[:count]
                    part[:] = 0
                    for c in range(len(guide)):
                        here = guide[c, z, y, low:high]
                        there = guide[c, z + k, y + j, low + i : high + i]
                        for x in range(count):
                            part[x] += (here[x] - there[x]) ** 2
                    square = k * k * squares[0] + j * j * squares[1] + i * i * squares[2]
                    away = near * u.dtype.type(square)
                    for x in range(count):
                        part[x] = math.exp(-(alike * part[x] + away))
                    total = weights[low:high]
                    for x in range(count):
                        total[x] += part[x]
                    for c in range(channels):
                        target, there = out[c, z, y, low:high], u[c, z + k, y + j, low + i : high + i]
                        for x in range(count):
                            target[x] += part[x] * there[x]
        for c in range(channels):
            target = out[c, z, y]
            for x in range(width):
                target[x] /= weights[x]

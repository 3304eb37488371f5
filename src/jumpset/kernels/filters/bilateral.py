"""Window means that are weighted by distance and by differences of a guidance image."""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_LEAST = 1e-15  # of σ: all but equal values have the weight 0 already


def bilateral(u: np.ndarray, guide: np.ndarray, sigma_space: float, sigma_range: float) -> np.ndarray:
    """Return ``Σ_q w_pq u_q / Σ_q w_pq`` with ``w = exp(−|p − q|² / 2 σ_s² − ‖g_p − g_q‖² / 2 σ_r²)``.

    The sums are over the pixels q of the image within ``3 σ_s`` of p; the exponentials are exact.

    Parameters
    ----------
    u, guide
        ``(C, H, W)`` and ``(C', H, W)``, contiguous, of one dtype.
    sigma_space, sigma_range
        σ_s in pixels and σ_r in intensities; σ_r may be infinite.
    """
    radius = min(math.floor(3.0 * sigma_space), max(u.shape[1:]))
    out = np.empty_like(u)
    scales = (u.dtype.type(_scale(sigma)) for sigma in (sigma_space, sigma_range))
    parallel_rows(_rows, u.shape[1], u, guide, radius, *scales, out)
    return out


def _scale(sigma: float) -> float:
    """1 / 2 σ²; at most what times a squared difference stays finite in float32."""
    return 0.5 / sigma**2 if sigma > _LEAST else 0.5 / _LEAST**2


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc", "afn"})
def _rows(start, stop, u, guide, radius, near, alike, out):
    channels, height, width = u.shape
    exponents, weights = np.empty(width, u.dtype), np.empty(width, u.dtype)
    for y in range(start, stop):
        weights[:] = 1
        out[:, y] = u[:, y]
        for j in range(max(-radius, -y), min(radius, height - 1 - y) + 1):
            reach = int(math.sqrt(radius * radius - j * j))
            for i in range(-reach, reach + 1):
                if i == 0 and j == 0:
                    continue
                # pixels x whose neighbour x + i lies in the image
                low, high = max(0, -i), min(width, width - i)
                count = high - low
                if count <= 0:
                    continue
                part = exponents[:count]
                part[:] = 0
                for c in range(len(guide)):
                    here, there = guide[c, y, low:high], guide[c, y + j, low + i : high + i]
                    for x in range(count):
                        part[x] += (here[x] - there[x]) ** 2
                away = near * (i * i + j * j)
                for x in range(count):
                    part[x] = math.exp(-(alike * part[x] + away))
                total = weights[low:high]
                for x in range(count):
                    total[x] += part[x]
                for c in range(channels):
                    target, there = out[c, y, low:high], u[c, y + j, low + i : high + i]
                    for x in range(count):
                        target[x] += part[x] * there[x]
        for c in range(channels):
            target = out[c, y]
            for x in range(width):
                target[x] /= weights[x]

"""Weights of iteratively reweighted least squares for truncated Huber penalties over windows.

The difference of two pixels is taken over all bands together, ``x = √(mean_c |u_c − v_c|²)``. With

    h(x) = x² / 2a  (x < a),    x − a / 2  (a ≤ x < b),    b − a / 2  (x ≥ b),

which is concave in x², the quadratic ``w(x₀) x²`` + constant lies above h and touches it at x₀, where
``w = 1 / 2a``, ``1 / 2x`` and 0 on the three parts.
"""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_FLOOR = 1e-7  # least weight, above 0, so that every pixel stays linked to others
_LEAST = 8  # rows per thread at least


def gaussian(offsets: np.ndarray, radius: int) -> np.ndarray:
    """Return a Gaussian of width ``radius`` at the offsets of half a window; its sum over the window is 1."""
    if len(offsets) == 0:
        return np.zeros(0)
    w = np.exp(-(offsets**2).sum(1) / (2.0 * radius**2))
    return w / (2.0 * w.sum())


def guide_weights(
    guide: np.ndarray, offsets: np.ndarray, spatial: np.ndarray, alpha: float, delta: float
) -> np.ndarray:
    """Return ``spatial_k / (delta + mean_c |g_p − g_q|)^alpha`` for edges p → q, ``(K, H, W)``; 0 outside."""
    _, height, width = guide.shape
    out = np.zeros((len(offsets), height, width), guide.dtype)
    parallel_rows(_guide_rows, height, guide, offsets, spatial, alpha, delta, out, least=_LEAST)
    return out


def edge_weights(
    u: np.ndarray, base: np.ndarray, offsets: np.ndarray, a: float, b: float, out: np.ndarray
) -> float:
    """Set ``out = base · w(x_pq)`` for all edges; return Σ base · h(x_pq)."""
    height = u.shape[1]
    energy = np.zeros(height)
    parallel_rows(_edge_rows, height, u, base, offsets, a, b, out, energy, least=_LEAST)
    return float(energy.sum())


def data_weights(
    u: np.ndarray,
    f: np.ndarray,
    mass: np.ndarray,
    offsets: np.ndarray,
    spatial: np.ndarray,
    a: float,
    b: float,
    total: np.ndarray,
    right: np.ndarray,
) -> float:
    """Set ``total_p = Σ_q m_q ω w(x)`` and ``right_p = Σ_q m_q ω w(x) f_q``; return Σ m_q ω h(x).

    x is the difference of u_p and f_q; the sums are over both halves of the window.
    """
    height = u.shape[1]
    energy = np.zeros(height)
    parallel_rows(_data_rows, height, u, f, mass, offsets, spatial, a, b, total, right, energy, least=_LEAST)
    return float(energy.sum())


@njit(cache=True, nogil=True)
def _guide_rows(start, stop, guide, offsets, spatial, alpha, delta, out):
    channels, height, width = guide.shape
    for k in range(len(offsets)):
        dy, dx = offsets[k]
        for y in range(start, min(stop, height - dy)):
            for x in range(max(0, -dx), min(width, width - dx)):
                size = 0.0
                for c in range(channels):
                    size += abs(guide[c, y + dy, x + dx] - guide[c, y, x])
                out[k, y, x] = spatial[k] * (delta + size / channels) ** -alpha


@njit(cache=True, nogil=True, inline="always")
def _penalty(x, a, b):
    """Return w(x) and h(x)."""
    if x < a:
        return 0.5 / a, 0.5 * x * x / a
    if x < b:
        return 0.5 / x, x - 0.5 * a
    return _FLOOR, b - 0.5 * a


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _edge_rows(start, stop, u, base, offsets, a, b, out, energy):
    channels, height, width = u.shape
    squares = np.empty(width)
    for y in range(start, stop):
        total = 0.0
        for k in range(len(offsets)):
            dy, dx = offsets[k]
            if y + dy >= height:
                continue
            low, high = max(0, -dx), min(width, width - dx)
            squares[:] = 0.0
            for c in range(channels):
                here, there = u[c, y], u[c, y + dy]
                for x in range(low, high):
                    squares[x] += (there[x + dx] - here[x]) ** 2
            for x in range(low, high):
                w, h = _penalty(math.sqrt(squares[x] / channels), a, b)
                out[k, y, x] = base[k, y, x] * w
                total += base[k, y, x] * h
        energy[y] = total


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _data_rows(start, stop, u, f, mass, offsets, spatial, a, b, total, right, energy):
    channels, height, width = u.shape
    squares = np.empty(width)
    for y in range(start, stop):
        cost = 0.0
        total[y] = 0.0
        for c in range(channels):
            right[c, y] = 0.0
        for s in range(2 * len(offsets)):
            k = s // 2
            dy, dx = offsets[k, 0], offsets[k, 1]
            if s % 2 == 1:
                dy, dx = -dy, -dx
            if y + dy < 0 or y + dy >= height:
                continue
            low, high = max(0, -dx), min(width, width - dx)
            squares[:] = 0.0
            for c in range(channels):
                here, there = u[c, y], f[c, y + dy]
                for x in range(low, high):
                    squares[x] += (there[x + dx] - here[x]) ** 2
            for x in range(low, high):
                w, h = _penalty(math.sqrt(squares[x] / channels), a, b)
                squares[x] = mass[y + dy, x + dx] * spatial[k] * w
                cost += mass[y + dy, x + dx] * spatial[k] * h
            for x in range(low, high):
                total[y, x] += squares[x]
            for c in range(channels):
                there, sums = f[c, y + dy], right[c, y]
                for x in range(low, high):
                    sums[x] += squares[x] * there[x + dx]
        energy[y] = cost

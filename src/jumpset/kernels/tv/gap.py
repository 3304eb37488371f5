"""Energy and duality gap of total variation, in float64: a bound of the distance from the minimiser.

The sums of each row are stored separately and added at the end, so that no digit depends on the bands of
rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.tv.dual import FAST, gradient_plain, least_rows


def measure(u: Tensor, f: Tensor, p: Tensor, weight: float, isotropic: bool) -> tuple[float, float]:
    """Return the energy and the duality gap of one image ``u = f + div p``, both in float64.

    energy = ½ ‖u - f‖² + weight TV(u), and with p̂, the field p scaled to |p̂| ≤ weight where |p| is larger,

    gap = energy - (½ ‖f‖² - ½ ‖f + div p̂‖²) = Σ weight |grad u| - ⟨grad u, p̂⟩ + ½ ‖u - f - div p̂‖².

    No term of the gap is negative. The last one is the square of a rounding error and is omitted; the others
    need no difference of large numbers. ``energy - gap`` is a lower bound of the least energy.

    Parameters
    ----------
    u, f
        ``(C, H, W)``, contiguous.
    p
        ``(2, C, H, W)``.
    """
    if u.device.type != "cpu":
        return measure_plain(u, f, p, weight, isotropic)
    arrays = [x.detach().numpy() for x in (u, f, p)]
    rows = np.empty((u.shape[1], 3))
    parallel_rows(_measure, u.shape[1], *arrays, float(weight), isotropic, rows, least=least_rows(u))
    squares, length, gap = rows.sum(axis=0)
    return float(0.5 * squares + length), float(gap)


def measure_plain(u: Tensor, f: Tensor, p: Tensor, weight: float, isotropic: bool) -> tuple[float, float]:
    """Compute :func:`measure` by its definition."""
    u, f, p = (x.detach().double() for x in (u, f, p))
    grad = gradient_plain(u[None])[0]
    axes = (0, 1) if isotropic else 1
    length = weight * torch.linalg.vector_norm(grad, dim=axes)
    inside = (weight / torch.linalg.vector_norm(p, dim=axes).clamp_min(weight)).clamp_max(1.0)
    gap = length - (grad * p).sum(axes) * inside
    return float(0.5 * (u - f).square().sum() + length.sum()), float(gap.sum())


@njit(**FAST)
def _measure(first, last, u, f, p, weight, isotropic, rows):
    channels, height, width = f.shape
    # |grad u|², |p|² and ⟨grad u, p⟩ of each pixel, for each direction or, in the first, for both
    sums = np.empty((2, 3, width))
    for row in range(first, last):
        if channels == 1 and isotropic:
            below = u[0, min(row + 1, height - 1)]
            rows[row] = _measure_alone(u[0, row], below, f[0, row], p[0, 0, row], p[1, 0, row], weight)
            continue
        sums[:] = 0
        squares = 0.0
        for c in range(channels):
            squares += _square_distance(u[c, row], f[c, row])
            if row + 1 < height:
                _collect(u[c, row + 1], u[c, row], p[0, c, row], sums[0])
            _collect(u[c, row, 1:], u[c, row, :-1], p[1, c, row], sums[0 if isotropic else 1])
        length, gap = _close(sums[0], weight)
        if not isotropic:
            other_length, other_gap = _close(sums[1], weight)
            length, gap = length + other_length, gap + other_gap
        rows[row, 0], rows[row, 1], rows[row, 2] = squares, length, gap


@njit(**FAST)
def _measure_alone(u, below, f, down, right, weight):
    """Combine the loops below into one, for a single channel and the isotropic norm."""
    over = 1.0 / (weight * weight)
    squares = length = gap = 0.0
    width = len(u)
    for j in range(width):
        x, d, r = np.float64(u[j]), np.float64(down[j]), np.float64(right[j])
        grad_down, grad_right = np.float64(below[j]) - x, np.float64(u[min(j + 1, width - 1)]) - x
        size = weight * np.sqrt(grad_down * grad_down + grad_right * grad_right)
        excess = max((d * d + r * r) * over - 1.0, 0.0)
        difference = x - np.float64(f[j])
        squares += difference * difference
        length += size
        gap += size - (grad_down * d + grad_right * r) * (1.0 - 0.5 * excess)
    return squares, length, gap


@njit(**FAST)
def _square_distance(u, f):
    total = 0.0
    for j in range(len(u)):
        difference = np.float64(u[j]) - np.float64(f[j])
        total += difference * difference
    return total


@njit(**FAST)
def _collect(there, here, p, sums):
    grad, field, product = sums[0], sums[1], sums[2]
    for j in range(len(here)):
        g = np.float64(there[j]) - np.float64(here[j])
        v = np.float64(p[j])
        grad[j] += g * g
        field[j] += v * v
        product[j] += g * v


@njit(**FAST)
def _close(sums, weight):
    """Return Σ weight |g| and Σ weight |g| - ⟨g, p̂⟩; if |p|² = (1 + e) weight², p̂ is (1 - e/2) p, inside."""
    grad, field, product = sums[0], sums[1], sums[2]
    over = 1.0 / (weight * weight)
    length = gap = 0.0
    for j in range(len(grad)):
        size = weight * np.sqrt(grad[j])
        excess = max(field[j] * over - 1.0, 0.0)
        length += size
        gap += size - product[j] * (1.0 - 0.5 * excess)
    return length, gap

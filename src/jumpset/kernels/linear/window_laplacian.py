"""Linear systems (diag(d) + L) u = b, L the Laplacian of a weighted graph that links each pixel to a window.

The systems are solved by conjugate gradients with the diagonal as preconditioner, all bands of an image in
one solve. Products are sums of differences, ``Σ w (u_p − u_q)``, to avoid cancellation: the weights may be
10⁴ times d.
"""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.linear.grid_laplacian import update_direction
from jumpset.kernels.threads import parallel_rows

_LEAST = 16  # rows per thread at least
_MAX_ITERATIONS = 1000
# Weights of edges, over the mean of d, beside which rounding does not lose the data term: above the first,
# the system is solved in double precision; above the second, the answer changes by less than rounding.
_LARGEST_SINGLE, _LARGEST = 1e6, 1e11


def half_window(radius: int) -> np.ndarray:
    """Return the offsets (rows, columns) of half of the (2 radius + 1)² window, without its centre."""
    reach = range(-radius, radius + 1)
    return np.array([(y, x) for y in reach for x in reach if (y, x) > (0, 0)], np.int64).reshape(-1, 2)


def solve(
    u: np.ndarray, d: np.ndarray, edges: np.ndarray, offsets: np.ndarray, b: np.ndarray, tol: float
) -> tuple[int, float]:
    """Solve (diag(d) + L) u = b in place, starting from the given u.

    Parameters
    ----------
    u, b
        ``(C, H, W)``, contiguous, of one dtype.
    d
        ``(H, W)``, positive.
    edges
        ``(K, H, W)``: weight of the edge that leaves each pixel along each offset, at least 0; 0 where the
        edge would leave the image.
    offsets
        ``(K, 2)``, from :func:`half_window`.
    tol
        The iteration stops when the residual is at most this fraction of b, both in the norm √(x⊤ M⁻¹ x) of
        the diagonal M.

    Returns
    -------
    iterations, residual
        Number of products, and the last relative residual.
    """
    height = u.shape[1]
    largest = edges.max(initial=0.0) / d.mean()
    if u.dtype == np.float32 and largest > _LARGEST_SINGLE:
        wide = u.astype(np.float64)
        d, edges, b = d.astype(np.float64), edges.astype(np.float64), b.astype(np.float64)
        result = solve(wide, d, edges, offsets, b, tol)
        u[:] = wide
        return result
    if largest > _LARGEST:
        edges = np.minimum(edges, _LARGEST * d.mean())
    p, q, z, r = (np.empty_like(u) for _ in range(4))
    inverse = np.empty_like(d)
    sums = np.zeros((2, height))
    parallel_rows(_diagonal, height, d, edges, offsets, inverse, least=_LEAST)
    parallel_rows(_product, height, u, d, edges, offsets, q, sums, least=_LEAST)
    parallel_rows(_initialize, height, b, q, inverse, r, p, sums, least=_LEAST)
    rz, size = sums.sum(axis=1)
    iterations = 0
    while rz > tol * tol * size and iterations < _MAX_ITERATIONS:
        parallel_rows(_product, height, p, d, edges, offsets, q, sums, least=_LEAST)
        parallel_rows(
            _advance, height, u.dtype.type(rz / sums[0].sum()), p, q, inverse, u, r, z, sums, least=_LEAST
        )
        before, rz = rz, float(sums[0].sum())
        parallel_rows(update_direction, height, u.dtype.type(rz / before), z, p, least=_LEAST)
        iterations += 1
    # The best constant to add: L of a constant is 0, so it needs no product; for d = 1 it makes the mean
    # exact.
    u += (r.sum(axis=(1, 2), dtype=np.float64) / d.sum(dtype=np.float64))[:, None, None].astype(u.dtype)
    return iterations, math.sqrt(rz / size) if size > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _diagonal(start, stop, d, edges, offsets, inverse):
    width = d.shape[1]
    for y in range(start, stop):
        row = inverse[y]
        row[:] = d[y]
        for k in range(len(offsets)):
            dy, dx = offsets[k]
            row += edges[k, y]
            if y >= dy:
                there = edges[k, y - dy]
                for x in range(max(0, dx), min(width, width + dx)):
                    row[x] += there[x - dx]
        for x in range(width):
            row[x] = 1 / row[x]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _product(start, stop, x, d, edges, offsets, out, sums):
    """Set out = (diag(d) + L) x; sums[0] is x⊤ out per row."""
    channels, height, width = x.shape
    for y in range(start, stop):
        total = 0.0
        for c in range(channels):
            row, target, diagonal = x[c, y], out[c, y], d[y]
            for i in range(width):
                target[i] = diagonal[i] * row[i]
            for k in range(len(offsets)):
                dy, dx = offsets[k]
                if y + dy < height:
                    low, high = max(0, -dx), min(width, width - dx)
                    here, there, w = row[low:high], x[c, y + dy, low + dx : high + dx], edges[k, y, low:high]
                    part = target[low:high]
                    for i in range(high - low):
                        part[i] += w[i] * (here[i] - there[i])
                if y >= dy:
                    low, high = max(0, dx), min(width, width + dx)
                    here, there = row[low:high], x[c, y - dy, low - dx : high - dx]
                    w, part = edges[k, y - dy, low - dx : high - dx], target[low:high]
                    for i in range(high - low):
                        part[i] += w[i] * (here[i] - there[i])
            for i in range(width):
                total += row[i] * target[i]
        sums[0, y] = total


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _initialize(start, stop, b, q, inverse, r, p, sums):
    """Set r = b − q and p = M⁻¹ r; sums are r⊤ M⁻¹ r and b⊤ M⁻¹ b per row."""
    channels, _, width = b.shape
    for y in range(start, stop):
        rz, size = 0.0, 0.0
        m = inverse[y]
        for c in range(channels):
            right, product, residual, direction = b[c, y], q[c, y], r[c, y], p[c, y]
            for i in range(width):
                residual[i] = right[i] - product[i]
                direction[i] = m[i] * residual[i]
                rz += residual[i] * direction[i]
                size += right[i] * m[i] * right[i]
        sums[0, y], sums[1, y] = rz, size


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _advance(start, stop, step, p, q, inverse, u, r, z, sums):
    """Set u += step p, r −= step q and z = M⁻¹ r; sums[0] is r⊤ z per row."""
    channels, _, width = u.shape
    for y in range(start, stop):
        rz = 0.0
        m = inverse[y]
        for c in range(channels):
            direction, product, answer = p[c, y], q[c, y], u[c, y]
            residual, scaled = r[c, y], z[c, y]
            for i in range(width):
                answer[i] += step * direction[i]
                residual[i] -= step * product[i]
                scaled[i] = m[i] * residual[i]
                rz += residual[i] * scaled[i]
        sums[0, y] = rz

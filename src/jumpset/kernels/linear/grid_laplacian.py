"""Linear systems (I + L) u = b, L the weighted Laplacian of the grid of nearest neighbours: for WLS and RTV.

A volume is a list of rows, those of the next slice ``stride`` rows below: its edges to the next slice are a
third set of weights, and the edges down from the last row of a slice have the weight 0.

Conjugate gradients with a modified incomplete Cholesky factor (Gustafsson 1978), which keeps the row sums:
the condition number is 10⁵ where the weights are 10⁴ and the data term is 1. The bands of an image share the
matrix and the factor, and are preconditioned at the same time.
"""

from __future__ import annotations

import math

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

_LEAST = 16  # rows per thread at least
_MAX_ITERATIONS = 2000
# Weights beside which rounding does not lose the data term, whose weight is 1: above the first, the system is
# solved in double precision; above the second, a larger weight changes the answer by less than rounding.
_LARGEST_SINGLE, _LARGEST = 1e6, 1e11


def solve(
    u: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    b: np.ndarray,
    tol: float,
    deep: np.ndarray | None = None,
    stride: int = 1,
) -> tuple[int, float]:
    """Solve (I + L) u = b in place, starting from the given u; the mean of u is the mean of b.

    Parameters
    ----------
    u, b
        ``(C, H, W)``, contiguous, of one dtype; all bands in one solve.
    right, down
        ``(H, W)``: weights, at least 0, of the edges to the right and down; 0 in the last column and row.
    tol
        The iteration stops when the residual b − (I + L) u, in the norm √(r⊤ M⁻¹ r) of the incomplete
        factorisation M, is at most this fraction of ‖b‖. The norm is about √(e⊤ (I + L) e) ≥ ‖e‖ of the error
        e.
    deep, stride
        Of a volume ``(C, D · stride, W)``: weights of the edges to the row ``stride`` below, ``(D · stride,
        W)``, 0 in the last slice.

    Returns
    -------
    iterations, residual
        Number of products, and the last relative residual of the recursion; the residual of u itself may be
        larger because of the rounding to its dtype.
    """
    channels, height, width = u.shape
    if deep is None:
        deep, stride = np.empty((0, width), u.dtype), height
    edges = right, down, deep
    largest = max(w.max(initial=0.0) for w in edges)
    if u.dtype == np.float32 and largest > _LARGEST_SINGLE:
        wide = u.astype(np.float64)
        right, down, deep, b = (x.astype(np.float64) for x in (*edges, b))
        result = solve(wide, right, down, b, tol, deep if len(deep) else None, stride)
        u[:] = wide
        return result
    if largest > _LARGEST:
        edges = tuple(np.minimum(w, _LARGEST) for w in edges)
    p, q, z, r = (np.empty_like(u) for _ in range(4))
    factors = tuple(np.empty(right.shape, u.dtype) for _ in range(5))
    factors += tuple(np.empty(deep.shape, u.dtype) for _ in range(2))
    _factor(*edges, stride, *factors)
    sums = np.zeros((2, height))
    parallel_rows(_product, height, u, *edges, stride, q, sums, least=_LEAST)
    parallel_rows(_initialize, height, b, q, r, sums, least=_LEAST)
    size, iterations, before = float(sums[1].sum()), 0, math.inf
    while True:
        parallel_rows(_precondition, channels, r, *factors, stride, z)
        parallel_rows(_dot, height, r, z, sums, least=_LEAST)
        rz = float(sums[0].sum())
        if rz <= tol * tol * size or iterations == _MAX_ITERATIONS:
            break
        parallel_rows(update_direction, height, u.dtype.type(rz / before), z, p, least=_LEAST)
        parallel_rows(_product, height, p, *edges, stride, q, sums, least=_LEAST)
        parallel_rows(_advance, height, u.dtype.type(rz / sums[0].sum()), p, q, u, r, least=_LEAST)
        before = rz
        iterations += 1
    if iterations:  # L of a constant is 0: this removes the residual's mean, and drift by rounding
        gap = b.mean(axis=(1, 2), dtype=np.float64) - u.mean(axis=(1, 2), dtype=np.float64)
        u += gap.astype(u.dtype)[:, None, None]
    return iterations, math.sqrt(rz / size) if size > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _factor(right, down, deep, stride, inverse, left, up, forth, below, back, ahead):
    """Factor M = (E − F) E⁻¹ (E − F)⊤, E diagonal, with the strictly lower part −F and the row sums of I + L.

    ``inverse`` is 1/E, the others are the entries of F and F⊤ divided by E: to the left, up, right, down,
    and to the slices before and after.
    """
    height, width = right.shape
    is_volume = len(deep) > 0
    for y in range(height):
        for x in range(width):
            pivot = 1.0 + right[y, x] + down[y, x]
            if is_volume:
                pivot += deep[y, x]
            if x > 0:
                w, others = right[y, x - 1], down[y, x - 1]
                if is_volume:
                    others += deep[y, x - 1]
                pivot += w - w * inverse[y, x - 1] * (w + others)
            if y > 0:
                w, others = down[y - 1, x], right[y - 1, x]
                if is_volume:
                    others += deep[y - 1, x]
                pivot += w - w * inverse[y - 1, x] * (w + others)
            if is_volume and y >= stride:
                w = deep[y - stride, x]
                others = right[y - stride, x] + down[y - stride, x]
                pivot += w - w * inverse[y - stride, x] * (w + others)
                back[y, x] = w / pivot
            elif is_volume:
                back[y, x] = 0.0
            if is_volume:
                ahead[y, x] = deep[y, x] / pivot
            inverse[y, x] = 1.0 / pivot
            left[y, x] = right[y, x - 1] / pivot if x > 0 else 0.0
            up[y, x] = down[y - 1, x] / pivot if y > 0 else 0.0
            forth[y, x] = right[y, x] / pivot
            below[y, x] = down[y, x] / pivot


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _precondition(start, stop, r, inverse, left, up, forth, below, back, ahead, stride, z):
    """Set z to M⁻¹ r for some bands; the last loop over a row is a recursion, the others are vectorised."""
    _, height, width = r.shape
    for c in range(start, stop):
        for y in range(height):
            out, source, scale = z[c, y], r[c, y], inverse[y]
            for x in range(width):
                out[x] = source[x] * scale[x]
            if y > 0:
                before, factor = z[c, y - 1], up[y]
                for x in range(width):
                    out[x] += factor[x] * before[x]
            if len(back) > 0 and y >= stride:
                before, factor = z[c, y - stride], back[y]
                for x in range(width):
                    out[x] += factor[x] * before[x]
            factor, value = left[y], out[0]
            for x in range(1, width):
                value = out[x] + factor[x] * value
                out[x] = value
        for y in range(height - 1, -1, -1):
            out = z[c, y]
            if y + 1 < height:
                after, factor = z[c, y + 1], below[y]
                for x in range(width):
                    out[x] += factor[x] * after[x]
            if len(ahead) > 0 and y + stride < height:
                after, factor = z[c, y + stride], ahead[y]
                for x in range(width):
                    out[x] += factor[x] * after[x]
            factor, value = forth[y], out[width - 1]
            for x in range(width - 2, -1, -1):
                value = out[x] + factor[x] * value
                out[x] = value


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _product(start, stop, x, right, down, deep, stride, out, sums):
    """Set out = (I + L) x, by differences to avoid cancellation; sums[0] is x⊤ out per row."""
    channels, height, width = x.shape
    for y in range(start, stop):
        total = 0.0
        across, below = right[y], down[y]
        for c in range(channels):
            row, target = x[c, y], out[c, y]
            target[:] = row
            for i in range(width - 1):
                target[i] += across[i] * (row[i] - row[i + 1])
            for i in range(1, width):
                target[i] += across[i - 1] * (row[i] - row[i - 1])
            if y + 1 < height:
                other = x[c, y + 1]
                for i in range(width):
                    target[i] += below[i] * (row[i] - other[i])
            if y > 0:
                other, weights = x[c, y - 1], down[y - 1]
                for i in range(width):
                    target[i] += weights[i] * (row[i] - other[i])
            if len(deep) > 0 and y + stride < height:
                other, weights = x[c, y + stride], deep[y]
                for i in range(width):
                    target[i] += weights[i] * (row[i] - other[i])
            if len(deep) > 0 and y >= stride:
                other, weights = x[c, y - stride], deep[y - stride]
                for i in range(width):
                    target[i] += weights[i] * (row[i] - other[i])
            for i in range(width):
                total += row[i] * target[i]
        sums[0, y] = total


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _initialize(start, stop, b, q, r, sums):
    """Set r to b − q; sums[1] is ‖b‖² per row."""
    channels, _, width = b.shape
    for y in range(start, stop):
        size = 0.0
        for c in range(channels):
            right, product, residual = b[c, y], q[c, y], r[c, y]
            for i in range(width):
                residual[i] = right[i] - product[i]
                size += right[i] * right[i]
        sums[1, y] = size


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _dot(start, stop, r, z, sums):
    """Set sums[0] to r⊤ z per row."""
    channels, _, width = r.shape
    for y in range(start, stop):
        total = 0.0
        for c in range(channels):
            a, b = r[c, y], z[c, y]
            for i in range(width):
                total += a[i] * b[i]
        sums[0, y] = total


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def update_direction(start, stop, beta, z, p):
    """Set p to z + beta p; p is not read for beta = 0."""
    channels, _, width = p.shape
    for y in range(start, stop):
        for c in range(channels):
            source, direction = z[c, y], p[c, y]
            if beta == 0:
                direction[:] = source
            else:
                for i in range(width):
                    direction[i] = source[i] + beta * direction[i]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _advance(start, stop, step, p, q, u, r):
    """Add step p to u, and −step q to r."""
    channels, _, width = u.shape
    for y in range(start, stop):
        for c in range(channels):
            direction, product, answer, residual = p[c, y], q[c, y], u[c, y], r[c, y]
            for i in range(width):
                answer[i] += step * direction[i]
                residual[i] -= step * product[i]

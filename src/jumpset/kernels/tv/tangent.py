"""The derivative of the prox of total variation and L1: flat regions stay flat, zeros stay zero.

For an image u in the dual range, the regions are the components of the pixels that flat edges join, and the
tangent space holds the images that are constant on every region and 0 on the entries that are zero. With Π
the projection onto it, the derivative of the prox is ``J = (Π (I + tau ∇²TV(u)) Π)⁺``. In the basis of the
regions this is the system

    (M + tau Σ_e B_eᵀ (I − n_e n_eᵀ) B_e / ‖B_e u‖) x = sums of g over the regions,

with M the numbers of pixels, e over the terms of TV that are not flat, B_e the differences of such a term and
n_e their direction. It is solved by conjugate gradients with a diagonal preconditioner; for separate terms of
one number each, ``I − n nᵀ`` is 0, and x is the mean of g.
"""

from __future__ import annotations

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows

EXACT = {"cache": True, "nogil": True, "error_model": "numpy"}


def neighbors(shape: tuple[int, ...]) -> np.ndarray:
    """Return ``(D, N)`` int32: the next pixel along each axis, -1 across the border."""
    places = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    there = np.full((len(shape), *shape), -1, np.int32)
    for axis in range(len(shape)):
        inner = [slice(None)] * len(shape)
        inner[axis] = slice(None, -1)
        there[(axis, *inner)] = np.take(places, range(1, shape[axis]), axis)
    return there.reshape(len(shape), -1)


def derivative(
    u: np.ndarray,
    p: np.ndarray,
    g: np.ndarray,
    there: np.ndarray,
    weights: np.ndarray,
    flats: np.ndarray,
    zeros: np.ndarray,
    *,
    isotropic: bool,
    tol: float = 1e-6,
    max_steps: int = 500,
) -> np.ndarray:
    """Compute J g of each image.

    Parameters
    ----------
    u, g
        ``(P, C, N)`` float64, flattened images with coupled channels, and the vectors to be multiplied.
    p
        ``(P, D, C, N)``, the dual field for weight 1: where it is shorter than 1, the edge is flat.
    there
        From :func:`neighbors`.
    weights
        ``(P,)``, of total variation.
    flats, zeros
        ``(P,)``: differences up to ``flats`` are flat; means of regions up to ``zeros`` are zero, none if it
        is negative.
    isotropic
        Whether a term contains all directions of a pixel, or one.
    tol, max_steps
        Of the conjugate gradients: residual relative to that of zero.
    """
    out = np.empty_like(g)
    arguments = (u, p, g, there, weights, flats, zeros, isotropic, tol, max_steps, out)
    parallel_rows(_derivative, len(u), *arguments)
    return out


@njit(**EXACT)
def _derivative(first, last, u, p, g, there, weights, flats, zeros, isotropic, tol, max_steps, out):
    channels, n = u.shape[1:]
    label, is_flat = np.empty(n, np.int32), np.empty((len(there), n), np.bool_)
    for k in range(first, last):
        _find_flat(u[k], p[k], there, flats[k], isotropic, is_flat)
        count = _label(there, is_flat, label)
        size, mean, x = np.zeros(count), np.zeros((count, channels)), np.zeros((count, channels))
        for j in range(n):
            size[label[j]] += 1.0
            for c in range(channels):
                mean[label[j], c] += u[k, c, j]
                x[label[j], c] += g[k, c, j]
        free = np.ones((count, channels))
        for i in range(count):
            for c in range(channels):
                mean[i, c] /= size[i]
                if abs(mean[i, c]) <= zeros[k]:
                    free[i, c] = mean[i, c] = x[i, c] = 0.0
        nodes, normal, bend = _curvature(mean, label, there, is_flat, weights[k], isotropic)
        if len(nodes):
            _solve(size, free, nodes, normal, bend, x, tol, max_steps)
        else:
            for i in range(count):
                x[i] /= size[i]
        for c in range(channels):
            for j in range(n):
                out[k, c, j] = x[label[j], c]


@njit(**EXACT)
def _find_flat(u, p, there, flat, isotropic, is_flat):
    directions, n = there.shape
    channels = len(u)
    limit = (1.0 - 1e-5) ** 2
    for j in range(n):
        largest = squares = 0.0
        for d in range(directions):
            if not isotropic:
                largest = squares = 0.0
            for c in range(channels):
                if there[d, j] >= 0:
                    largest = max(largest, abs(u[c, there[d, j]] - u[c, j]))
                squares += p[d, c, j] * p[d, c, j]
            is_flat[d, j] = largest <= flat or squares < limit
        if isotropic:
            for d in range(directions):
                is_flat[d, j] = is_flat[directions - 1, j]


@njit(**EXACT)
def _label(there, is_flat, label):
    """Number the components; return their number."""
    directions, n = there.shape
    root = np.arange(n, dtype=np.int32)
    for d in range(directions):
        for j in range(n):
            if is_flat[d, j] and there[d, j] >= 0:
                a, b = _root(root, j), _root(root, there[d, j])
                if a < b:
                    root[b] = a
                elif b < a:
                    root[a] = b
    count = 0
    for j in range(n):
        a = _root(root, j)
        if a == j:
            label[j] = count
            count += 1
        else:
            label[j] = label[a]  # the root is the first pixel of its component
    return count


@njit(**EXACT)
def _root(root, j):
    while root[j] != j:
        root[j] = root[root[j]]
        j = root[j]
    return j


@njit(**EXACT)
def _curvature(u, label, there, is_flat, weight, isotropic):
    """Return the terms with a curvature: their regions, the own first, directions n and ``tau / ‖B u‖``."""
    directions, n = there.shape
    channels = u.shape[1]
    per_term = directions if isotropic else 1
    if per_term * channels == 1:
        return np.empty((0, 2), np.int32), np.empty((0, 1, 1)), np.empty(0)
    most = 0
    for j in range(n):
        for d in range(0, directions, per_term):
            most += not is_flat[d, j]
    nodes = np.full((most, per_term + 1), -1, np.int32)
    normal, bend = np.zeros((most, per_term, channels)), np.empty(most)
    m = 0
    for j in range(n):
        for d in range(0, directions, per_term):
            if is_flat[d, j]:
                continue
            squares = 0.0
            nodes[m, 0] = label[j]
            for e in range(per_term):
                other = there[d + e, j]
                nodes[m, e + 1] = label[other] if other >= 0 else label[j]
                for c in range(channels):
                    difference = u[nodes[m, e + 1], c] - u[label[j], c]
                    normal[m, e, c] = difference
                    squares += difference * difference
            if squares > 0.0:
                length = np.sqrt(squares)
                normal[m] /= length
                bend[m] = weight / length
                m += 1
    return nodes[:m], normal[:m], bend[:m]


@njit(**EXACT)
def _solve(size, free, nodes, normal, bend, x, tol, max_steps):
    """Replace the sums x by the solution."""
    count, channels = x.shape
    diagonal = np.empty((count, channels))
    for i in range(count):
        diagonal[i] = size[i]
    terms, directions = len(nodes), normal.shape[1]
    for m in range(terms):
        for c in range(channels):
            total = 0.0
            loose = 0
            for e in range(directions):
                if nodes[m, e + 1] != nodes[m, 0]:
                    loose += 1
                    total += normal[m, e, c]
                    diagonal[nodes[m, e + 1], c] += bend[m] * (1.0 - normal[m, e, c] ** 2)
            diagonal[nodes[m, 0], c] += bend[m] * max(0.0, loose - total * total)
    b = x.copy()
    r = b.copy()
    for i in range(count):  # starts at the mean
        for c in range(channels):
            x[i, c] = b[i, c] / size[i]
    q = np.empty_like(x)
    _multiply(size, free, nodes, normal, bend, x, q)
    z = np.empty_like(x)
    start = rho = 0.0
    for i in range(count):
        for c in range(channels):
            r[i, c] = b[i, c] - q[i, c]
            z[i, c] = r[i, c] / diagonal[i, c]
            rho += r[i, c] * z[i, c]
            start += b[i, c] * b[i, c] / diagonal[i, c]
    s = z.copy()
    for _ in range(max_steps):
        if not rho > tol * tol * start:
            break
        _multiply(size, free, nodes, normal, bend, s, q)
        curvature = 0.0
        for i in range(count):
            for c in range(channels):
                curvature += s[i, c] * q[i, c]
        alpha = rho / curvature
        new = 0.0
        for i in range(count):
            for c in range(channels):
                x[i, c] += alpha * s[i, c]
                r[i, c] -= alpha * q[i, c]
                z[i, c] = r[i, c] / diagonal[i, c]
                new += r[i, c] * z[i, c]
        beta = new / rho
        rho = new
        for i in range(count):
            for c in range(channels):
                s[i, c] = z[i, c] + beta * s[i, c]


@njit(**EXACT)
def _multiply(size, free, nodes, normal, bend, x, out):
    count, channels = x.shape
    directions = normal.shape[1]
    for i in range(count):
        for c in range(channels):
            out[i, c] = size[i] * x[i, c]
    if directions == 2 and channels == 1:
        _add_bending(nodes, normal[:, :, 0], bend, x[:, 0], out[:, 0])
        for i in range(count):
            out[i, 0] *= free[i, 0]
        return
    for m in range(len(nodes)):
        own = nodes[m, 0]
        along = 0.0
        for e in range(directions):
            for c in range(channels):
                along += normal[m, e, c] * (x[nodes[m, e + 1], c] - x[own, c])
        for e in range(directions):
            other = nodes[m, e + 1]
            for c in range(channels):
                force = bend[m] * (x[other, c] - x[own, c] - along * normal[m, e, c])
                out[other, c] += force
                out[own, c] -= force
    for i in range(count):
        for c in range(channels):
            out[i, c] *= free[i, c]


@njit(**EXACT)
def _add_bending(nodes, normal, bend, x, out):
    """The general loop, without inner loops: gray images with two directions."""
    for m in range(len(nodes)):
        own, down, right = nodes[m, 0], nodes[m, 1], nodes[m, 2]
        a, b = x[down] - x[own], x[right] - x[own]
        # (I − n nᵀ)(a, b) is the part along the tangent (−n₂, n₁)
        along = bend[m] * (normal[m, 0] * b - normal[m, 1] * a)
        out[down] -= along * normal[m, 1]
        out[right] += along * normal[m, 0]
        out[own] += along * (normal[m, 1] - normal[m, 0])

"""The dual iteration of total variation for batches of small images: all steps of one image in one call.

The iteration is that of :mod:`jumpset.kernels.tv.dual`, with the primal image ``u = soft(f + div p)`` where
L1 is part of the objective. An image and its fields stay in the core's cache, and images run on threads.
Every loop runs over slices of flattened planes: the field is zero where it points out of the image, so that
the left neighbour of a row's first pixel may be the last entry of the row above.
"""

from __future__ import annotations

import numpy as np

from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.tv.dual import FAST

CHECK_EVERY = 10
_LAG = 4.0  # of the momentum, as in the iteration for large images


def solve(
    f: np.ndarray,
    p: np.ndarray,
    weights: np.ndarray,
    softs: np.ndarray,
    *,
    isotropic: bool,
    tol: float,
    max_steps: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Iterate each image until its relative duality gap is at most ``tol``.

    Parameters
    ----------
    f
        ``(P, C, H, W)``, contiguous, float32 or float64; the channels are coupled.
    p
        ``(P, 2, C, H, W)``, the start; overwritten by the final fields.
    weights, softs
        ``(P,)``, of the dtype of f: the weight of total variation, above 0, and that of L1.
    isotropic
        Whether the norm is taken over both directions.
    tol, max_steps
        Largest gap as a part of the energy, and limit of the steps.

    Returns
    -------
    The images, ``(P,)`` gaps relative to the energy, and ``(P,)`` numbers of steps
    """
    u, gaps, n_steps = np.empty_like(f), np.zeros(len(f)), np.zeros(len(f), np.int64)
    arguments = (f, p, weights, softs, isotropic, tol, max_steps, u, gaps, n_steps)
    parallel_rows(_solve, len(f), *arguments)
    return u, gaps, n_steps


@njit(**FAST)
def _solve(first, last, f, p, weights, softs, isotropic, tol, max_steps, images, gaps, n_steps):
    channels, height, width = f.shape[1:]
    n = height * width
    inside = np.ones((height, width), f.dtype)  # 0 where the edge to the right leaves the image
    inside[:, width - 1] = 0
    edges = inside.reshape(n)
    step = np.full(1, 0.25 / max(1, int(height > 1) + int(width > 1)), f.dtype)  # 1 / ‖grad‖²
    momentum = np.empty(1, f.dtype)
    size = np.empty(n, f.dtype)
    for k in range(first, last):
        image, u = f[k].reshape(channels, n), images[k].reshape(channels, n)
        field = p[k].reshape(2, channels, n)
        now, old = field.copy(), field.copy()
        weight, soft = weights[k], softs[k]
        since, bound = 0, -np.inf
        for done in range(max_steps + 1):
            if done % CHECK_EVERY == 0 or done == max_steps:
                for c in range(channels):
                    _primal(image[c], now[0, c], now[1, c], width, soft, u[c])
                energy, gap = _measure(image, u, now, height, width, weight, soft, isotropic)
                gaps[k] = gap / energy if energy > 0 else gap
                n_steps[k] = done
                if not gap > tol * energy:
                    break
                if energy - gap < bound:
                    since = 0
                bound = energy - gap
                if done == max_steps:
                    break
            momentum[0] = max(since - 1, 0) / (since + _LAG)
            for c in range(channels):
                for d in range(2):
                    _extrapolate(now[d, c], old[d, c], momentum[0])
                _primal(image[c], old[0, c], old[1, c], width, soft, u[c])
            _project(old, u, edges, width, step[0], weight, isotropic, size)
            now, old = old, now
            since += 1
        field[:] = now


@njit(**FAST)
def _extrapolate(p, old, momentum):
    for j in range(len(p)):
        old[j] = p[j] + momentum * (p[j] - old[j])


@njit(**FAST)
def _primal(f, down, right, width, soft, u):
    """Compute ``soft(f + div p)`` of one plane."""
    n = len(f)
    for j in range(n):
        u[j] = f[j] + down[j] + right[j]
    _subtract(u[1:], right[: n - 1])
    if n > width:
        _subtract(u[width:], down[: n - width])
    if soft > 0:
        for j in range(n):
            u[j] -= min(max(u[j], -soft), soft)


@njit(**FAST)
def _subtract(u, x):
    for j in range(len(u)):
        u[j] -= x[j]


@njit(**FAST)
def _project(q, u, edges, width, step, weight, isotropic, size):
    """Ascend along the gradient of u, then project; q is changed in place."""
    channels, n = u.shape
    inner = n - width  # entries above the last row
    if channels == 1:
        down, right, x = q[0, 0], q[1, 0], u[0]
        if isotropic:
            _both(
                down[:inner],
                right[:inner],
                x[:inner],
                x[width:],
                x[1 : inner + 1],
                edges[:inner],
                step,
                weight,
            )
            _one(right[inner : n - 1], x[inner : n - 1], x[inner + 1 :], edges[inner : n - 1], step, weight)
        else:
            _one(down[:inner], x[:inner], x[width:], edges[:0], step, weight)
            _one(right[: n - 1], x[: n - 1], x[1:], edges[: n - 1], step, weight)
        return
    for d in range(2):
        if d == 0 or not isotropic:
            size[:] = 0
        for c in range(channels):
            if d == 0:
                _ascend(q[0, c, :inner], u[c, :inner], u[c, width:], edges[:0], step, size[:inner])
            else:
                _ascend(q[1, c, : n - 1], u[c, : n - 1], u[c, 1:], edges[: n - 1], step, size[: n - 1])
        if d == 1 or not isotropic:
            _shrinkage(size, weight)
            for c in range(channels):
                _multiply(q[d, c], size)
                if isotropic:
                    _multiply(q[0, c], size)


@njit(**FAST)
def _both(down, right, u, below, beside, edges, step, weight):
    square = weight * weight
    for j in range(len(u)):
        a = down[j] + step * (below[j] - u[j])
        b = right[j] + step * edges[j] * (beside[j] - u[j])
        scale = weight / np.sqrt(max(a * a + b * b, square))
        down[j] = a * scale
        right[j] = b * scale


@njit(**FAST)
def _one(q, u, there, edges, step, weight):
    if len(edges) == len(q):
        for j in range(len(q)):
            q[j] = min(max(q[j] + step * edges[j] * (there[j] - u[j]), -weight), weight)
    else:
        for j in range(len(q)):
            q[j] = min(max(q[j] + step * (there[j] - u[j]), -weight), weight)


@njit(**FAST)
def _ascend(q, u, there, edges, step, size):
    if len(edges) == len(q):
        for j in range(len(q)):
            q[j] += step * edges[j] * (there[j] - u[j])
            size[j] += q[j] * q[j]
    else:
        for j in range(len(q)):
            q[j] += step * (there[j] - u[j])
            size[j] += q[j] * q[j]


@njit(**FAST)
def _shrinkage(size, weight):
    square = weight * weight
    for j in range(len(size)):
        size[j] = weight / np.sqrt(max(size[j], square))


@njit(**FAST)
def _multiply(q, scale):
    for j in range(len(q)):
        q[j] *= scale[j]


@njit(**FAST)
def _measure(f, u, p, height, width, weight, soft, isotropic):
    """Return energy and duality gap ``Σ weight |grad u| − ⟨grad u, p⟩`` in float64; p is feasible."""
    channels = len(f)
    energy = gap = 0.0
    for i in range(height):
        for j in range(width):
            k = i * width + j
            squares = other = product = 0.0
            for c in range(channels):
                x = np.float64(u[c, k])
                difference = x - np.float64(f[c, k])
                energy += 0.5 * difference * difference + soft * abs(x)
                down = np.float64(u[c, k + width]) - x if i + 1 < height else 0.0
                right = np.float64(u[c, k + 1]) - x if j + 1 < width else 0.0
                squares += down * down
                other += right * right
                product += down * p[0, c, k] + right * p[1, c, k]
            length = np.sqrt(squares + other) if isotropic else np.sqrt(squares) + np.sqrt(other)
            energy += weight * length
            gap += weight * length - product
    return energy, gap

"""The dual iteration of total variation in its general form: any norm, one to three axes, Huber, sparsity.

As in :mod:`jumpset.kernels.tv.dual`, with u the minimiser for a given field,

    u = soft(f + div p, soft)                              (the primal image)
    y = p + momentum (p - old)                             (extrapolation)
    q = keep (y + step grad(soft(f + div y, soft)))
    p = projection of q onto the dual ball of size weight  (:mod:`jumpset.kernels.tv.norms`)

where the differences along axis d are multiplied by ``scales[d]``, 1 where all axes have the same spacing.
``keep`` is 1 / (1 + step delta / weight), below 1 for Huber's function. The loops pass over an image twice,
first to u and then to p. The last axis is a row; the others are flattened to a list of rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jumpset.kernels.buffers import Pool
from jumpset.kernels.jit import njit
from jumpset.kernels.threads import parallel_rows
from jumpset.kernels.tv.dual import FAST, LEAST_BAND, has_loops
from jumpset.kernels.tv.norms import NEWTON_STEPS, NORMS, Norm, dual_norm_of, norm_of, pair_axis, project


def advance(
    f: Tensor,
    p: Tensor,
    old: Tensor,
    pool: Pool,
    *,
    momentum: list[float],
    weight: float,
    step: float,
    keep: float,
    soft: float,
    norm: Norm,
    scales: tuple[float, ...] = (),
) -> Tensor:
    """Compute one iteration for each image of a batch.

    Parameters
    ----------
    f
        ``(B, C, *spatial)``, contiguous, one to three spatial axes.
    p, old
        ``(B, D, C, *spatial)``, the dual field and the previous one.
    pool
        Memory for the result of the loops.
    momentum
        One entry per image.
    weight, step, keep, soft, norm, scales
        As in the formulas above, no scales being ones; ``step`` is at most 1 / ‖grad‖², and ``weight`` above
        0.

    Returns
    -------
    Tensor
        The new dual field.
    """
    if not has_loops(f):
        column = (-1, *[1] * (p.ndim - 1))
        y = p + torch.tensor(momentum, dtype=f.dtype, device=f.device).reshape(column) * (p - old)
        return project(keep * (y + step * gradient(primal_plain(f, y, soft, scales), scales)), norm, weight)
    channels, width = f.shape[1], f.shape[-1]
    outer = np.array(f.shape[2:-1] or (1,), dtype=np.int64)
    rows = int(outer.prod())
    sort = pair_axis(p.shape[1], channels) if norm == "nuclear" else 0
    least = -(-LEAST_BAND // (width * channels * 4))
    new = pool.array(p.shape, p.numpy().dtype)
    number = new.dtype.type  # Python floats would lift the loops to float64
    factors = np.array(scales or [1.0] * p.shape[1], dtype=new.dtype)
    for k in range(len(f)):
        x = f[k].numpy().reshape(channels, rows, width)
        fields = [t[k].reshape(-1, channels, rows, width) for t in (p.numpy(), old.numpy(), new)]
        u = np.empty_like(x)
        scalars = (number(momentum[k]), number(soft))
        parallel_rows(_descend, rows, x, *fields, u, outer, factors, *scalars, least=least)
        scalars = (number(step), number(keep), number(weight))
        settings = (*scalars, NORMS.index(norm), sort)
        parallel_rows(_project, rows, u, fields[2], outer, factors, *settings, least=least)
    return torch.from_numpy(new)


def primal_plain(f: Tensor, p: Tensor, soft: float = 0.0, scales: tuple[float, ...] = ()) -> Tensor:
    """Return ``soft(f + div p, soft)``, the adjoint of :func:`gradient`."""
    u = f
    for d in range(p.shape[1]):
        axis = d + 2
        flow = p[:, d].narrow(axis, 0, f.shape[axis] - 1)
        border = torch.zeros_like(f.narrow(axis, 0, 1))
        change = flow.diff(dim=axis, prepend=border, append=border)
        u = u + (change.mul_(scales[d]) if scales else change)
    return torch.sign(u) * (u.abs() - soft).clamp_min(0.0) if soft > 0 else u


def gradient(u: Tensor, scales: tuple[float, ...] = ()) -> Tensor:
    """Return ``(B, D, C, *spatial)`` scaled forward differences, zero at the end of each axis."""
    each = [u.diff(dim=a, append=u.narrow(a, -1, 1)) for a in range(2, u.ndim)]
    return torch.stack([d.mul_(s) for d, s in zip(each, scales, strict=True)] if scales else each, dim=1)


def measure(
    u: Tensor,
    f: Tensor,
    p: Tensor,
    *,
    weight: float,
    delta: float,
    soft: float,
    norm: Norm,
    scales: tuple[float, ...] = (),
) -> tuple[float, float]:
    """Return the energy and the duality gap of one image ``u = soft(f + div p)``, both in float64.

    With h Huber's function (|t| where delta is 0) and p̂ the field p, scaled into the dual ball where
    rounding has left it outside, ``energy = ½ ‖u − f‖² + weight Σ h(|grad u|) + soft Σ |u|`` and

    gap = Σ weight h(|grad u|) − ⟨grad u, p̂⟩ + delta / (2 weight) ‖p̂‖².

    No term is negative; the omitted term is the square of a rounding error.

    Parameters
    ----------
    u, f, p
        ``(C, *spatial)`` and ``(D, C, *spatial)``.
    """
    u, f, p = (x.detach().double()[None] for x in (u, f, p))
    slope = gradient(u, scales)
    length = norm_of(slope, norm)
    p = p * (weight / dual_norm_of(p, norm).clamp_min(weight))
    if delta > 0:
        length = torch.where(length <= delta, length.square() / (2 * delta), length - delta / 2)
    variation = weight * length.sum()
    gap = variation - (slope * p).sum() + delta / (2 * weight) * p.square().sum()
    return float(0.5 * (u - f).square().sum() + variation + soft * u.abs().sum()), max(float(gap), 0.0)


@njit(**FAST)
def _descend(first, last, f, p, old, y, u, outer, scales, momentum, soft):
    """Compute the extrapolated ``y``, and ``u`` from it."""
    directions, channels, _, width = p.shape
    for row in range(first, last):
        for c in range(channels):
            out = u[c, row]
            x, q, before, ahead = f[c, row], p[-1, c, row], old[-1, c, row], y[-1, c, row]
            scale = scales[-1]
            ahead[0] = q[0] + momentum * (q[0] - before[0])
            out[0] = x[0] + scale * ahead[0]
            for j in range(1, width):
                left = q[j - 1] + momentum * (q[j - 1] - before[j - 1])
                ahead[j] = q[j] + momentum * (q[j] - before[j])
                out[j] = x[j] + scale * (ahead[j] - left)
            stride = 1
            for d in range(directions - 2, -1, -1):
                q, before, ahead, scale = p[d, c, row], old[d, c, row], y[d, c, row], scales[d]
                for j in range(width):
                    ahead[j] = q[j] + momentum * (q[j] - before[j])
                    out[j] += scale * ahead[j]
                if row // stride % outer[d] > 0:
                    q, before = p[d, c, row - stride], old[d, c, row - stride]
                    for j in range(width):
                        out[j] -= scale * (q[j] + momentum * (q[j] - before[j]))
                stride *= outer[d]
            if soft > 0:
                for j in range(width):
                    out[j] -= min(max(out[j], -soft), soft)


@njit(**FAST)
def _project(first, last, u, p, outer, scales, step, keep, weight, norm, pair):
    """Replace y, which ``p`` contains, by the new field."""
    directions, channels, _, width = p.shape
    size = np.empty(width, u.dtype)
    matrix = np.empty((directions, channels), u.dtype)
    for row in range(first, last):
        for c in range(channels):
            here, q, stretch = u[c, row], p[-1, c, row], step * scales[-1]
            for j in range(width - 1):
                q[j] = keep * (q[j] + stretch * (here[j + 1] - here[j]))
            q[width - 1] *= keep
            stride = 1
            for d in range(directions - 2, -1, -1):
                q, stretch = p[d, c, row], step * scales[d]
                there = u[c, row + stride] if row // stride % outer[d] < outer[d] - 1 else here
                for j in range(width):
                    q[j] = keep * (q[j] + stretch * (there[j] - here[j]))
                stride *= outer[d]
        if norm == 0:
            _scale(p[:, :, row], size, weight)
        elif norm == 1:
            for d in range(directions):
                _scale(p[d : d + 1, :, row], size, weight)
        else:
            for j in range(width):
                if norm == 2:
                    _shrink_together(p[:, :, row, j], matrix, weight)
                elif norm == 3:
                    for d in range(directions):
                        _shrink(p[d, :, row, j], matrix[d], weight)
                elif pair == 1:
                    _clip(p[:, :, row, j], weight)
                else:
                    _clip(p[:, :, row, j].T, weight)


@njit(**FAST)
def _scale(q, size, weight):
    """Scale each column of ``(D, C, width)`` to length ``weight`` where it is longer."""
    size[:] = 0
    for d in range(q.shape[0]):
        for c in range(q.shape[1]):
            for j in range(len(size)):
                size[j] += q[d, c, j] * q[d, c, j]
    one = weight / weight  # of the image's dtype
    for j in range(len(size)):
        size[j] = weight / np.sqrt(size[j]) if size[j] > weight * weight else one
    for d in range(q.shape[0]):
        for c in range(q.shape[1]):
            for j in range(len(size)):
                q[d, c, j] *= size[j]


@njit(**FAST)
def _sort(q, sums):
    """Compute partial sums of the magnitudes, the largest first."""
    for c in range(len(q)):
        x, place = abs(q[c]), c
        while place > 0 and sums[place - 1] < x:
            sums[place] = sums[place - 1]
            place -= 1
        sums[place] = x
    for c in range(1, len(q)):
        sums[c] += sums[c - 1]


@njit(**FAST)
def _soften(q, threshold):
    for c in range(len(q)):
        q[c] -= min(max(q[c], -threshold), threshold)


@njit(**FAST)
def _shrink(q, sums, weight):
    _sort(q, sums)
    if sums[-1] > weight:
        threshold = sums[0] - weight
        for c in range(1, len(q)):
            threshold = max(threshold, (sums[c] - weight) / (c + 1))
        _soften(q, threshold)


@njit(**FAST)
def _shrink_together(q, sums, weight):
    """Shrink as the plain ``_shrink_channels`` of :mod:`jumpset.kernels.tv.norms`."""
    bound, total = np.float64(weight), 0.0
    for d in range(len(q)):
        side = 0.0
        for c in range(q.shape[1]):
            side += np.float64(abs(q[d, c]))
        total += side * side
    if total <= bound * bound:
        return
    for d in range(len(q)):
        _sort(q[d], sums[d])
    mu = 0.0
    for _ in range(NEWTON_STEPS):
        square = slope = 0.0
        for d in range(len(q)):
            left, count = _left(sums[d], mu)
            square += left * left
            slope += count * left * left / (1.0 + count * mu)
        if square <= bound * bound * (1.0 + 1e-12):
            break
        size = np.sqrt(square)
        grow = (size / bound - 1.0) * square / slope
        if mu + grow == mu:
            break
        mu += grow
    if mu > 0.0:
        for d in range(len(q)):
            _soften(q[d], sums.dtype.type(mu * _left(sums[d], mu)[0]))


@njit(**FAST)
def _left(sums, mu):
    best, count = 0.0, 1
    for c in range(len(sums)):
        value = np.float64(sums[c]) / (1.0 + (c + 1) * mu)
        if value > best:
            best, count = value, c + 1
    return best, count


@njit(**FAST)
def _clip(q, weight):
    """Clip the singular values of ``(2, n)`` or ``(1, n)``, as the plain ``_clip_singular_values`` does."""
    a = b = c = 0.0
    x, y = q[0], q[-1]
    for k in range(len(x)):
        a += np.float64(x[k]) * x[k]
        b += np.float64(y[k]) * y[k]
        c += np.float64(x[k]) * y[k]
    if len(q) == 1:
        b = c = 0.0
    half = 0.5 * (a - b)
    radius = np.sqrt(half * half + c * c)
    largest = 0.5 * (a + b) + radius
    if largest <= weight * weight:
        return
    first = weight / np.sqrt(largest)
    second = min(1.0, weight / np.sqrt(max((a * b - c * c) / largest, 1e-300)))
    mean, turn = 0.5 * (first + second), 0.5 * (first - second) / max(radius, 1e-300)
    along, across, other = mean + turn * half, turn * c, mean - turn * half
    for k in range(len(x)):
        s, t = x[k], y[k]
        x[k] = along * s + across * t
        if len(q) > 1:
            y[k] = across * s + other * t

"""The proximal operators of total variation for batches of small images, and their derivative."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from jumpset.kernels.tv import dual_batches, tangent
from jumpset.kernels.tv.norms import Norm
from jumpset.operators.images import spread
from jumpset.prox.tv_dual import weight_of_mean

_MOST = 1 << 15  # values per image: an image, its fields and those of the last step fit into the core's cache
_NEGLIGIBLE = 1e-20  # weights below this part of the largest value change none of its digits


def applies(v: Tensor, norm: Norm, delta: float) -> bool:
    """Return whether :func:`solve_batch` takes the images ``(P, C, H, W)``, channels coupled."""
    return applies_to(v, joint=True) and norm in ("l2", "l2-each") and delta == 0.0


def applies_to(v: Tensor, joint: bool) -> bool:
    """Return whether :func:`applies` for images ``(B, C, H, W)``, with channels coupled or apart."""
    size = math.prod(v.shape[1 if joint else 2 :])
    return v.ndim == 4 and v.device.type == "cpu" and v.shape[0] > 0 and 0 < size <= _MOST


def solve_batch(
    v: Tensor,
    taus: Tensor,
    norm: Norm,
    ratio: float,
    tol: float,
    max_steps: int,
    dual: Tensor | None,
) -> tuple[Tensor, Tensor, int, Tensor]:
    """Return images, relative duality gaps, steps of the slowest image, and dual fields for weight 1.

    Parameters
    ----------
    v
        ``(P, C, H, W)`` float32 or float64, finite. Float32 images are computed in float64 if float32 might
        not reach ``tol``.
    taus
        ``(P,)`` float64, not negative.
    norm, ratio
        Of the gradient, and the weight of L1 relative to total variation.
    tol, max_steps
        Largest gap, and limit of the steps.
    dual
        Start ``(P, 2, C, H, W)``, or None.
    """
    u, duals = v.clone(), torch.zeros(len(v), 2, *v.shape[1:], dtype=v.dtype)
    gaps, n_steps = torch.zeros(len(v), dtype=torch.float64), 0
    is_open = _is_open(v, taus, norm, u)
    if ratio > 0.0:  # the weight may be infinite
        u[~is_open] = _soften(u[~is_open], ratio * taus[~is_open])
    is_fine = torch.tensor(v.dtype == torch.float64) | _is_rough(v, taus, ratio, tol)
    for dtype, is_used in ((torch.float32, is_open & ~is_fine), (torch.float64, is_open & is_fine)):
        where = torch.nonzero(is_used).flatten()
        if not len(where):
            continue
        f, w = v[where].to(dtype).contiguous(), taus[where].to(dtype)
        p = duals[where].to(dtype) if dual is None else (spread(w, f[:, None]) * dual[where]).to(dtype)
        arrays = f.numpy(), p.numpy(), w.numpy(), (ratio * w).numpy()
        found = dual_batches.solve(*arrays, isotropic=norm == "l2", tol=tol, max_steps=max_steps)
        u[where], gaps[where] = torch.from_numpy(found[0]).to(u), torch.from_numpy(found[1])
        duals[where] = (p / spread(w, p)).to(duals)
        n_steps = max(n_steps, int(found[2].max()))
    return u, gaps, n_steps, duals


def batch_derivative(
    u: Tensor, duals: Tensor, g: Tensor, taus: Tensor, norm: Norm, flat: Tensor, zero: Tensor, tol: float
) -> Tensor:
    """Compute J g for images and dual fields of :func:`solve_batch`; see :mod:`jumpset.kernels.tv.tangent`.

    Parameters
    ----------
    u, duals, taus, norm
        As there; tau above 0.
    g
        ``(P, C, H, W)``.
    flat, zero
        ``(P,)`` float64: differences that count as flat, and means that count as zero; -1 for none.
    tol
        Relative residual of the conjugate gradients.
    """
    image, field, vector = (
        x.double().contiguous().numpy() for x in (u.flatten(2), duals.flatten(3), g.flatten(2))
    )
    weights, flats, zeros = (x.double().numpy() for x in (taus, flat, zero))
    there = tangent.neighbors(tuple(u.shape[2:]))
    moved = tangent.derivative(
        image, field, vector, there, weights, flats, zeros, isotropic=norm == "l2", tol=tol
    )
    return torch.from_numpy(moved).reshape(g.shape)


def _is_open(v: Tensor, taus: Tensor, norm: Norm, u: Tensor) -> Tensor:
    """Return which images need an iteration; write the solution without L1 of the others to u."""
    spread_ = (v.flatten(2).amax(2) - v.flatten(2).amin(2)).amax(1).double()
    is_open = (taus > _NEGLIGIBLE * v.flatten(1).abs().amax(1)) & (spread_ > 0)
    # a field of size w has a divergence of at most 4 w: usual weights skip this test
    for k in torch.nonzero(is_open & (8.0 * taus >= spread_)).flatten().tolist():
        mean = v[k : k + 1].mean(dim=(2, 3), keepdim=True, dtype=torch.float64)
        if float(taus[k]) >= weight_of_mean(v[k : k + 1], mean, norm):
            is_open[k] = False
            u[k] = mean[0].to(u)
    return is_open


def _is_rough(v: Tensor, taus: Tensor, ratio: float, tol: float) -> Tensor:
    """Return for which images float32 might not reach ``tol``: rounding adds total variation to flat regions.

    The energies of the image itself, of its mean and of zero bound the least energy.
    """
    x = v.double().flatten(2)
    n = x.shape[1] * x.shape[2]
    size = x.abs().amax((1, 2))
    variation = sum(v.double().diff(dim=d).abs().flatten(1).sum(1) for d in (2, 3))
    itself = taus * (variation + ratio * x.abs().sum((1, 2)))
    other = (x if ratio > 0 else x - x.mean(2, keepdim=True)).square().sum((1, 2)) / 2
    rough = taus * n * torch.finfo(torch.float32).eps * (size + taus)
    return (rough > tol * torch.minimum(itself, other)) | (size < 1e-12) | (size > 1e12)


def _soften(u: Tensor, threshold: Tensor) -> Tensor:
    threshold = spread(threshold.to(u), u)
    return torch.sign(u) * (u.abs() - threshold).clamp_min(0.0)

"""Exact solves with Neumann borders: the cosine transform diagonalises the Laplacian of a reflected image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import scipy.fft
import torch
from torch import Tensor

from jumpset._core.types import Images

_WORKERS = 2  # more are not faster at the sizes of images


def dct(x: Images) -> Images:
    """Compute the orthonormal DCT-II over all axes in space, of float32 or float64, on any device."""
    if x.device.type == "cpu":
        last = tuple(range(2, x.ndim))
        return torch.from_numpy(scipy.fft.dctn(x.numpy(), axes=last, norm="ortho", workers=_WORKERS))
    return _over_axes(_dct, x)


def idct(x: Images) -> Images:
    """Compute the inverse of :func:`dct`."""
    if x.device.type == "cpu":
        last = tuple(range(2, x.ndim))
        return torch.from_numpy(scipy.fft.idctn(x.numpy(), axes=last, norm="ortho", workers=_WORKERS))
    return _over_axes(_idct, x)


def laplacian_eigenvalues(*sizes: int, like: Tensor, scales: Sequence[float] = ()) -> Tensor:
    """Return the eigenvalues of D⊤D, shaped ``sizes``; D: forward differences with Neumann borders.

    ``Σ_d s_d² (2 − 2 cos(π i_d / n_d))``, for the basis of :func:`dct`, with ``scales`` s, default 1.
    """
    total = torch.zeros(1, dtype=torch.float64, device=like.device)
    for axis, (n, scale) in enumerate(zip(sizes, scales or (1.0,) * len(sizes), strict=True)):
        index = torch.arange(n, dtype=torch.float64, device=like.device)
        own = scale**2 * (2.0 - 2.0 * torch.cos(math.pi * index / n))
        total = total + own.reshape([-1 if a == axis else 1 for a in range(len(sizes))])
    return total.to(like.dtype)


def smooth_solve(v: Images, tau: float | Tensor, scales: Sequence[float] = ()) -> Images:
    """Compute ``argmin_u ½‖u − v‖² + tau ‖∇u‖²`` over all spatial axes of ``(B, C, *spatial)``.

    Differences along axis d are multiplied by ``scales[d]``, default 1. ``tau`` is not negative: a number,
    or a tensor that broadcasts to v.
    """
    if v.numel() == 0:
        return v
    x = v if v.dtype in (torch.float32, torch.float64) else v.float()
    x = _over_axes(_dct, x)
    x = x / (1.0 + 2.0 * tau * laplacian_eigenvalues(*v.shape[2:], like=x, scales=scales))
    return _over_axes(_idct, x).to(v.dtype)


def _over_axes(transform: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    for axis in range(2, x.ndim):
        x = transform(x.movedim(axis, -1)).movedim(-1, axis)
    return x


def _dct(x: Tensor) -> Tensor:
    """Compute the DCT-II of the last axis by one complex FFT (Makhoul 1980)."""
    n = x.shape[-1]
    reordered = torch.cat([x[..., ::2], x[..., 1::2].flip(-1)], dim=-1)
    out = (torch.fft.fft(reordered) * _twiddle(n, x, -1.0)).real * math.sqrt(2.0 / n)
    out[..., 0] *= math.sqrt(0.5)
    return out


def _idct(x: Tensor) -> Tensor:
    """Compute the inverse of :func:`_dct`."""
    n = x.shape[-1]
    x = x * math.sqrt(n / 2.0)
    x[..., 0] *= math.sqrt(2.0)
    mirrored = torch.cat([torch.zeros_like(x[..., :1]), x[..., 1:].flip(-1)], dim=-1)
    reordered = torch.fft.ifft(torch.complex(x, -mirrored) * _twiddle(n, x, 1.0)).real
    out = torch.empty_like(x)
    out[..., ::2] = reordered[..., : (n + 1) // 2]
    out[..., 1::2] = reordered[..., (n + 1) // 2 :].flip(-1)
    return out


def _twiddle(n: int, like: Tensor, sign: float) -> Tensor:
    # not by ``conj``, which torch does lazily, and forgets inside an operator while it compiles
    angle = sign * math.pi * torch.arange(n, dtype=torch.float64, device=like.device) / (2 * n)
    return torch.polar(torch.ones_like(angle), angle).to(
        torch.complex64 if like.dtype == torch.float32 else torch.complex128
    )

"""A stationary Gaussian texture: colours, autocovariance, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError

_FLOOR = 1e-3  # least spectral density of a component, whose total is about 1: keeps the inverse finite


@dataclass(frozen=True)
class Texture:
    r"""A stationary texture of zero mean: an image minus its structure.

    A pixel of the texture is :math:`T_p = M z_p`, a mixture of C uncorrelated components,

    .. math:: \mathrm{Cov}(z_{k,p}, z_{k,q}) = r_k(p - q), \qquad
              \mathrm{Cov}(T_p, T_q) = M \operatorname{diag}(r_k(p - q)) M^\top,

    so that a texture of any number of channels has one array of lags for each component. Intensities are in
    units of the range [0, 1].

    Parameters
    ----------
    mixing
        ``(C, C)``, M: one component a column, linearly independent, in intensities.
    autocovariance
        ``(C, 2 A + 1, 2 A + 1)``, r, with lag (0, 0) in the middle and 0 beyond; symmetric under a change of
        sign of the lag. The scales of r_k(0) and of M's columns are free: only their product matters.

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, or a column of M that is zero.

    Examples
    --------
    >>> import jumpset as js
    >>> image, _ = js.datasets.textured(96, 128, seed=4)
    >>> texture = js.estimate_texture(image)
    >>> texture.sample(32, 48, seed=0).shape
    (32, 48, 3)
    """

    mixing: np.ndarray = field(repr=False)
    autocovariance: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        mixing, lags = np.asarray(self.mixing, float), np.asarray(self.autocovariance, float)
        channels = len(mixing) if mixing.ndim == 2 else 0
        fits = mixing.shape == (channels, channels) and lags.ndim == 3 and len(lags) == channels > 0
        if not fits or lags.shape[1] != lags.shape[2] or lags.shape[1] % 2 == 0:
            raise InputError(
                "a texture is a (C, C) mixing and a (C, 2 A + 1, 2 A + 1) autocovariance",
                given=f"shapes {mixing.shape} and {lags.shape}",
                do="pass arrays of these shapes",
            )
        if not (np.isfinite(mixing).all() and np.isfinite(lags).all() and (mixing**2).sum(0).all()):
            raise InputError(
                "a texture must be finite, without a zero column in its mixing",
                given="NaN, infinity, or a zero column",
                do="give a component that is absent a zero autocovariance instead",
            )
        object.__setattr__(self, "mixing", mixing)
        object.__setattr__(self, "autocovariance", lags)

    def check_loaded(self, template: Texture) -> None:
        """Raise ``ValueError`` unless this texture, read from a file, has the channels of the template."""
        if self.mixing.shape != template.mixing.shape:
            raise ValueError("a texture of another number of channels")

    @property
    def variances(self) -> np.ndarray:
        """``(C,)``: variance r_k(0) of each component, in its own units."""
        middle = self.autocovariance.shape[1] // 2
        return self.autocovariance[:, middle, middle]

    @property
    def covariance(self) -> np.ndarray:
        """``(C, C)``: covariance of the channels of one pixel."""
        return (self.mixing * self.variances) @ self.mixing.T

    @property
    def strength(self) -> np.ndarray:
        """``(C,)``: standard deviation of each channel, in intensities."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def correlation_lengths(self) -> np.ndarray:
        """``(C, 2)``: pixels along rows and along columns at which each channel's correlation is down to 1/2.

        1/2 for white noise, 0 for a channel without texture, at most A.
        """
        lags = np.einsum("ck,kyx->cyx", self.mixing**2, self.autocovariance)
        middle = lags.shape[1] // 2
        return np.array([[_half(a[middle:, middle]), _half(a[middle, middle:])] for a in lags])

    def spectrum(self, height: int, width: int) -> np.ndarray:
        """``(C, height, width)``: power of each component at the frequencies of ``numpy.fft.fft2``.

        Negative values are set to 0; except for these, the mean over the frequencies is r_k(0).
        """
        for name, length in (("height", height), ("width", width)):
            checks.integer(name, length, at_least=1)
        lags = _wrap(_wrap(self.autocovariance, height, 1), width, 2)
        return np.maximum(np.fft.fft2(lags).real, 0.0)

    def sample(self, height: int, width: int, *, seed: int = 0) -> np.ndarray:
        """A sample of the texture: ``(height, width, C)`` float32 around 0, periodic at its borders.

        A Gaussian field with this spectrum; the same seed gives the same field.
        """
        checks.integer("seed", seed, at_least=0)
        power = self.spectrum(height, width)
        white = np.random.default_rng(seed).standard_normal(power.shape)
        components = np.fft.ifft2(np.sqrt(power) * np.fft.fft2(white)).real
        return np.einsum("ck,kyx->yxc", self.mixing, components).astype(np.float32)

    def image(self, height: int = 128, width: int = 128, *, seed: int = 0) -> np.ndarray:
        """A sample on middle gray, for viewing: ``(height, width, C)`` float32 in [0, 1].

        ``(height, width)`` for one channel.
        """
        shown = np.clip(0.5 + self.sample(height, width, seed=seed), 0.0, 1.0)
        return shown[..., 0] if shown.shape[2] == 1 else shown

    def whiten(self, x: Tensor) -> Tensor:
        """Components M⁻¹ x of a ``(B, C, H, W)`` image."""
        self._check(x)
        return torch.einsum("kc,bchw->bkhw", torch.as_tensor(np.linalg.inv(self.mixing)).to(x), x)

    def unwhiten(self, z: Tensor) -> Tensor:
        """The image M z of components; inverse of :meth:`whiten`."""
        self._check(z)
        return torch.einsum("ck,bkhw->bchw", torch.as_tensor(self.mixing).to(z), z)

    def energy(self, residual: Tensor) -> Tensor:
        r"""Squared Mahalanobis norm of a residual, :math:`x^\top \Sigma^{-1} x`, ``(B,)``, differentiable.

        Σ is the texture's covariance between all pixels and channels, with periodic borders. The expected
        value of a sample is its number of values; for white noise of variance σ² the norm is ``‖x‖² / σ²``.

        Parameters
        ----------
        residual
            ``(B, C, H, W)``, image minus structure.
        """
        components = torch.fft.fft2(self.whiten(residual))
        power = self._density(residual)
        return (components.abs().square() / power).sum(dim=(1, 2, 3)) / residual[0, 0].numel()

    def fit(self, image: Tensor, near: Tensor, rho: float) -> Tensor:
        r"""The data step of any splitting with the whitened fidelity: one linear solve, by FFT.

        .. math:: \arg\min_u\; (u - f)^\top \Sigma^{-1} (u - f) + \rho \|M^{-1} (u - v)\|^2

        Parameters
        ----------
        image, near
            f and v, ``(B, C, H, W)``.
        rho
            Above 0, without unit. Larger stays nearer to v.
        """
        checks.real("rho", rho, above=0.0)
        gain = 1.0 / (1.0 + rho * self._density(image))
        step = torch.fft.ifft2(gain * torch.fft.fft2(self.whiten(image - near))).real
        return near + self.unwhiten(step)

    def scaled(self, factor: float) -> Texture:
        """The same texture with ``factor`` times the variance; at least 0."""
        checks.real("factor", factor, at_least=0.0)
        return Texture(self.mixing, factor * self.autocovariance)

    def _density(self, like: Tensor) -> Tensor:
        height, width = like.shape[-2:]
        return torch.as_tensor(np.maximum(self.spectrum(height, width), _FLOOR)).to(like)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != len(self.mixing):
            raise InputError(
                f"the texture has {len(self.mixing)} channels",
                given=f"a tensor of shape {tuple(x.shape)}",
                do="pass (B, C, H, W) with as many channels",
            )


def _wrap(lags: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Lags −A … A summed modulo ``length``, lag 0 first."""
    lags = np.moveaxis(lags, axis, -1)
    reach = lags.shape[-1] // 2
    circle = np.zeros((*lags.shape[:-1], length))
    for lag in range(-reach, reach + 1):
        circle[..., lag % length] += lags[..., reach + lag]
    return np.moveaxis(circle, -1, axis)


def _half(lags: np.ndarray) -> float:
    """The lag at which correlation falls below 1/2, by linear interpolation."""
    if lags[0] <= 0.0 or len(lags) == 1:
        return 0.0
    low = np.flatnonzero(lags < 0.5 * lags[0])
    if len(low) == 0:
        return float(len(lags) - 1)
    k, a, b = int(low[0]), lags[low[0] - 1] / lags[0], lags[low[0]] / lags[0]
    return float(k - 1 + (a - 0.5) / (a - b))

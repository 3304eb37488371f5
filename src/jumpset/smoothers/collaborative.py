"""Collaborative filtering of correlated noise of a known spectrum: joint shrinkage of similar blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration, parameter
from jumpset.kernels.filters import collaborative as kernel
from jumpset.texture import Texture
from jumpset.texture.noise import noise_or_texture, white_noise

GROUPS = (1, 2, 4, 8, 16, 32, 64)
_REACH = 16  # displacement in pixels beyond which blocks are taken as uncorrelated
_CORRELATED = 0.1  # least correlation of neighbours in a texture that is not white
_ROUNDING = 1e-6  # intensity: a component with less variation is constant


def check_texture(name: str, value: object) -> None:
    """Raise unless ``value`` is a texture or ``None``."""
    if value is not None and not isinstance(value, Texture):
        raise InputError(
            f"{name} must be a jumpset.texture.Texture",
            given=type(value).__name__,
            do="make one with jumpset.estimate_texture, or leave it out",
        )


@dataclass(frozen=True)
class State:
    """The texture of each image, and the answer of the last step."""

    source: Tensor  # (B, C, H, W), f
    textures: tuple[Texture, ...]  # the noise
    smoothed: Tensor  # (B, C, H, W), u
    n_steps: int


@dataclass(frozen=True)
class Collaborative(Iteration[State]):
    r"""Collaborative filter: removes noise or texture of known or estimated spectrum, keeps repeated detail.

    The noise T of :math:`f = u + T` is stationary with the covariance Σ of a
    :class:`~jumpset.texture.Texture`. The filter estimates u from groups of similar 8×8 blocks: a cosine
    transform of each block and a Haar transform across the group give coefficients x, whose variances v are
    exact for Σ, for any overlap of the blocks. The first step sets coefficients with
    :math:`x^2 \le \text{threshold}^2\, v` to 0. The second step finds the groups again in the first answer,
    whose coefficients are p; its answer, for the components k of the texture, is between a separate and a
    joint Wiener filter:

    .. math:: \hat x_k = (1 - c)\, \frac{p_k^2}{p_k^2 + v_k}\, x_k
              + c\, p_k \frac{\sum_j p_j x_j / v_j}{1 + \sum_j p_j^2 / v_j}, \qquad c = \text{coupling}.

    Parameters
    ----------
    weight
        Factor on the variance of the noise. Larger is smoother; 0 changes nothing.
    texture
        A ``Texture`` with the channels of the image. Default: estimated from each image; where the estimate
        holds detail of a photograph, or is nearly white, white noise of its estimated level instead.
    sigma
        Alternative to ``texture``: standard deviation of white noise, in intensities.
    threshold
        In standard deviations of a coefficient.
    coupling
        From 0 (separate components) to 1 (joint: a component without noise decides for all).
    group
        Number of blocks in a group, a power of two up to 64.
    radius
        Blocks are searched up to this distance in rows and columns: in steps of 3 pixels, so that a texture
        differs between them; for white noise at all displacements up to 0.3 of it, beyond in steps of 6.
    stride
        Pixels between reference blocks, 1 to 8; smaller is slower.

    Raises
    ------
    InputError
        A parameter out of range, ``texture`` and ``sigma`` together, or a texture of other channels.

    Notes
    -----
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse 3-D transform-domain
    collaborative filtering", IEEE TIP 2007 (groups, thresholding, Wiener filter); Y. Mäkinen, L. Azzari,
    A. Foi, "Collaborative filtering of correlated noise: exact transform-domain variance for improved
    shrinkage and patch matching", IEEE TIP 2020 (variances of correlated noise). Differences from both: (1)
    colours are the components of the texture (of white noise, the principal axes of the image's
    colours), and blocks are matched in all of them, in units of the texture's deviation, not on luma;
    (2) the joint Wiener filter; (3) cosine transforms in both steps; (4) always ``group`` blocks, without a
    limit on their distance; (5) scattered candidates among equal ones; (6) no correction of the variances for
    the matching; (7) the mean of each channel is restored.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.Collaborative()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(1.0, checks.weight)
    texture: Any = parameter(None, check_texture)
    sigma: float | None = None
    threshold: float = parameter(2.7, checks.real, at_least=0.0)
    coupling: float = parameter(0.6, checks.real, at_least=0.0, at_most=1.0)
    group: int = parameter(16, checks.one_of, allowed=GROUPS)
    radius: int = parameter(24, checks.integer, at_least=0)
    stride: int = parameter(4, checks.integer, at_least=1, at_most=kernel.SIZE)

    name: ClassVar[str] = "collaborative"
    paper: ClassVar[str] = "Dabov, Foi, Katkovnik & Egiazarian, IEEE TIP 2007"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma is not None:
            checks.real("sigma", self.sigma, above=0.0)
            if self.texture is not None:
                raise InputError("texture and sigma exclude each other", given="both", do="pass one of them")

    @property
    def max_steps(self) -> int:
        """Thresholding, then the Wiener filter; none for weight 0."""
        return 2 if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """Estimate the texture where it is not given."""
        textures = tuple(self._texture(f) for f in image.split(1)) if self.weight > 0.0 else ()
        return State(image, textures, image, n_steps=0)

    def step(self, state: State) -> State:
        """Threshold the coefficients in the first step, apply the Wiener filter in the second."""
        images = zip(state.source.split(1), state.smoothed.split(1), state.textures, strict=True)
        smoothed = [
            self.shrink(f, u if state.n_steps > 0 else None, texture.scaled(self.weight))
            for f, u, texture in images
        ]
        return replace(state, smoothed=torch.cat(smoothed), n_steps=state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The last u."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of f − u."""
        return {"removed": float((state.source - state.smoothed).double().square().mean().sqrt())}

    def shrink(self, image: Tensor, pilot: Tensor | None, texture: Texture) -> Tensor:
        """Shrink the groups of a ``(1, C, H, W)`` image by the threshold, with a pilot by the Wiener filter.

        Groups are found in the pilot, or in the image itself. A texture of strength 0 changes nothing.
        """
        if not texture.strength.any():
            return image
        z = texture.whiten(image.detach().cpu().double())
        used = varies(z, texture)  # a constant component says nothing of the others, and stays as it is
        if not (used & (texture.variances > 0.0)).any():
            return image
        f_wide = _mirrored(z, used)
        guide = None if pilot is None else _mirrored(texture.whiten(pilot.detach().cpu().double()), used)
        rows, columns = (kernel.grid(length, self.stride) for length in f_wide.shape[1:])
        offsets = kernel.search_offsets(self.radius, dense=_is_white(texture))
        found = kernel.match(f_wide if guide is None else guide, rows, columns, offsets, self.group)
        table = kernel.covariance_table(texture.autocovariance[used], _REACH)
        wide = kernel.shrink(f_wide, guide, found, table, self.threshold, self.coupling)
        height, width = image.shape[-2:]
        z[0, used] = torch.from_numpy(wide[:, :height, :width].astype(np.float64))
        out = texture.unwhiten(z).to(image)
        lost = (image.double() - out.double()).mean(dim=(-2, -1), keepdim=True)
        return (out.double() + lost).to(image.dtype)

    def _texture(self, f: Tensor) -> Texture:
        if self.sigma is not None:
            return white_noise(f, self.sigma**2 * np.eye(f.shape[1]))
        return noise_or_texture(f) if self.texture is None else self.texture


def _is_white(texture: Texture) -> bool:
    """Whether neighbouring pixels of the texture are uncorrelated."""
    lags, middle = texture.autocovariance, texture.autocovariance.shape[1] // 2
    near = np.abs(lags[:, middle : middle + 2, middle : middle + 2]).reshape(len(lags), -1)
    return bool((near[:, 1:] <= _CORRELATED * near[:, :1]).all())


def varies(z: Tensor, texture: Texture) -> np.ndarray:
    """``(C,)`` bool: which components ``(1, C, H, W)`` of an image are not constant, but for rounding."""
    return np.ptp(z[0].numpy(), axis=(1, 2)) * np.linalg.norm(texture.mixing, axis=0) > _ROUNDING


def _mirrored(z: Tensor, used: np.ndarray) -> np.ndarray:
    """Some of the components as ``(C, H, W)`` float32, mirrored to sides of at least one block."""
    x = z[0].numpy()[used].astype(np.float32)
    lacking = [(0, max(0, kernel.SIZE - length)) for length in x.shape[1:]]
    return np.ascontiguousarray(np.pad(x, [(0, 0), *lacking], mode="symmetric"))

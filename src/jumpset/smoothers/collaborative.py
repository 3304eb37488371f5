"""Collaborative filtering of coloured noise: similar blocks are shrunk together, against a known spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration
from jumpset.kernels.filters import collaborative as kernel
from jumpset.texture import Texture
from jumpset.texture.estimate import alternate

_REACH = 16  # displacement in pixels beyond which blocks are taken as uncorrelated


@dataclass(frozen=True)
class State:
    """One texture a picture, and the answer of the last stage."""

    source: Tensor  # (B, C, H, W), the picture
    textures: tuple[Texture, ...]  # what is taken for noise
    answer: Tensor  # (B, C, H, W)
    n_steps: int  # stages done


@dataclass(frozen=True)
class Collaborative(Iteration[State]):
    r"""Collaborative filter: removes noise or texture of a known or estimated spectrum, keeps what repeats.

    Takes the noise as stationary, :math:`f = u + T`, T of the covariance Σ of a :class:`~jumpset.texture.Texture`,
    and estimates u from groups of similar 8×8 blocks: a cosine transform of each block and a Haar transform
    across the group make coefficients x of variance v, where v is exact for Σ, for any overlap of the blocks.
    In the first step, those with :math:`x^2 \le \text{threshold}^2\, v` are set to 0; in the second, the
    groups are found anew in the first answer, and with its coefficients p, over the components k of the
    texture, the answer is between a separate and a joint Wiener filter:

    .. math:: \hat x_k = (1 - c)\, \frac{p_k^2}{p_k^2 + v_k}\, x_k
              + c\, p_k \frac{\sum_j p_j x_j / v_j}{1 + \sum_j p_j^2 / v_j}, \qquad c = \text{coupling}.

    Parameters
    ----------
    weight
        Factor of the noise's variance. Larger is smoother, 0 changes nothing.
    texture
        A ``Texture`` of the picture's number of channels. Default: estimated from each picture.
    sigma
        Instead: standard deviation of white noise, in intensities.
    threshold
        In standard deviations of a coefficient.
    coupling
        From 0 (components apart) to 1 (a component without noise decides for all).
    group
        Blocks in a group, a power of two.
    radius
        Blocks are searched up to this distance in rows and columns, every third.
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
    colours are the texture's own components, and blocks are matched in all of them, in units of the texture's
    deviation, not on luma; (2) the coupled Wiener filter; (3) cosine transforms in both steps; (4) always
    ``group`` blocks, without a limit on their distance; (5) among equal candidates, scattered ones; (6) no
    correction of the variances for the matching; (7) the mean of each channel is put back.
    """

    weight: float = 1.0
    texture: Any = None
    sigma: float | None = None
    threshold: float = 2.7
    coupling: float = 0.6
    group: int = 16
    radius: int = 24
    stride: int = 4

    name: ClassVar[str] = "collaborative"
    paper: ClassVar[str] = "Dabov, Foi, Katkovnik & Egiazarian, IEEE TIP 2007"

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        check_texture(self.texture)
        if self.sigma is not None:
            checks.real("sigma", self.sigma, above=0.0)
            if self.texture is not None:
                raise InputError("texture and sigma exclude each other", given="both", do="pass one of them")
        checks.real("threshold", self.threshold, at_least=0.0)
        check_groups(self.coupling, self.group, self.radius, self.stride)

    @property
    def max_steps(self) -> int:
        """Thresholding, then the Wiener filter; nothing without weight."""
        return 2 if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """Know the texture."""
        textures = [self._texture(picture[None]) for picture in image] if self.weight > 0.0 else []
        return State(image, tuple(textures), image, n_steps=0)

    def step(self, state: State) -> State:
        """One stage."""
        answers = []
        for k, texture in enumerate(state.textures):
            f, answer = state.source[k : k + 1], state.answer[k : k + 1]
            pilot = answer if state.n_steps > 0 else None
            answers.append(
                shrink(f, pilot, texture.scaled(self.weight), self.coupling, self.group, self.radius,
                       self.stride, self.threshold)
            )  # fmt: skip
        return State(state.source, state.textures, torch.cat(answers), state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The last stage's answer."""
        return state.answer

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of what has been removed."""
        return {"removed": float((state.source - state.answer).double().square().mean().sqrt())}

    def _texture(self, picture: Tensor) -> Texture:
        if self.sigma is not None:
            channels = picture.shape[1]
            return Texture(self.sigma * np.eye(channels), np.ones((channels, 1, 1)))
        return alternate(picture)[0] if self.texture is None else self.texture


def shrink(
    picture: Tensor,
    pilot: Tensor | None,
    texture: Texture,
    coupling: float,
    group: int,
    radius: int,
    stride: int,
    threshold: float = 2.7,
) -> Tensor:
    """One stage of the filter on a ``(1, C, H, W)`` picture: thresholding without a pilot, Wiener with one.

    Groups are found in the pilot, or in the picture itself. A texture of strength 0 changes nothing.
    """
    if not texture.strength.any():
        return picture
    f, f_wide = _components(picture, texture)
    guide = None if pilot is None else _components(pilot, texture)[1]
    rows, columns = (kernel.grid(length, stride) for length in f_wide.shape[1:])
    offsets = kernel.search_offsets(radius, 3)
    found = kernel.match(f_wide if guide is None else guide, rows, columns, offsets, group)
    table = kernel.covariance_table(texture.autocovariance, _REACH)
    wide = kernel.shrink(f_wide, guide, found, table, threshold, coupling)
    z = torch.from_numpy(wide[None, :, : f.shape[1], : f.shape[2]].astype(np.float64))
    out = texture.unwhiten(z).to(picture)
    lost = (picture.double() - out.double()).mean(dim=(-2, -1), keepdim=True)
    return (out.double() + lost).to(picture.dtype)


def _components(picture: Tensor, texture: Texture) -> tuple[np.ndarray, np.ndarray]:
    """The texture's components ``(C, H, W)``, and the same mirrored to sides of at least a block."""
    z = texture.whiten(picture.detach().cpu().double())[0].numpy().astype(np.float32)
    lacking = [(0, max(0, kernel.SIZE - length)) for length in z.shape[1:]]
    return z, np.ascontiguousarray(np.pad(z, [(0, 0), *lacking], mode="symmetric"))


def check_texture(texture: object) -> None:
    """Raise unless it is a texture or ``None``."""
    if texture is not None and not isinstance(texture, Texture):
        raise InputError(
            "texture must be a jumpset.texture.Texture",
            given=type(texture).__name__,
            do="make one with jumpset.estimate_texture, or leave it out",
        )


def check_groups(coupling: float, group: int, radius: int, stride: int) -> None:
    """Raise unless the filter can run with these."""
    checks.real("coupling", coupling, at_least=0.0, at_most=1.0)
    checks.one_of("group", group, (1, 2, 4, 8, 16, 32, 64))
    checks.integer("radius", radius, at_least=0)
    checks.integer("stride", stride, at_least=1, at_most=kernel.SIZE)

"""Detectors with fewer samples than the image has pixels: coarser pixels, one colour a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.algebra import LinearOperator

KERNELS = ("box", "linear", "cubic", "lanczos")
_HALF_WIDTHS = {"linear": 1.0, "cubic": 2.0, "lanczos": 3.0}  # in pixels of the data


@dataclass(frozen=True)
class Downsample(LinearOperator):
    r"""A coarser detector: along each axis, weighted means of ``factor`` times fewer samples.

    .. math:: (A u)_k = \sum_i h_{k i} u_i, \qquad
              h_{k i} \propto \varphi\bigl((i + \tfrac12) / \text{factor} - (k + \tfrac12)\bigr),
              \qquad \sum_i h_{k i} = 1

    Parameters
    ----------
    factor
        Pixels of the image along each axis to one of the data.
    shape
        Spatial shape of the image; the last blocks are cut where it is no multiple.
    kernel
        φ: ``"box"``, means over blocks; ``"linear"``; ``"cubic"`` (Keys, a = −½), as common resizing
        programs with antialiasing; ``"lanczos"`` (three lobes); or the standard deviation of a Gaussian in
        pixels of the image. Beyond the border the image is mirrored at its outer edge.

    Raises
    ------
    InputError
        A factor below 1, an empty shape, or an unknown kernel.

    Notes
    -----
    R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981. A is a
    Kronecker product of small matrices, whose singular vectors solve ``(AᵀA + ρ) u = b`` exactly.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.operators.Downsample(2, (2, 4))(torch.tensor([[[[0.0, 2, 4, 6], [0, 2, 4, 6]]]])).tolist()
    [[[[1.0, 5.0]]]]
    """

    factor: int
    shape: tuple[int, ...]
    kernel: str | float = "box"

    def __post_init__(self) -> None:
        checks.integer("factor", self.factor, at_least=1)
        for n in self.shape:
            checks.integer("shape", n, at_least=1)
        if isinstance(self.kernel, str):
            checks.one_of("kernel", self.kernel, KERNELS)
        else:
            checks.real("kernel", self.kernel, above=0.0)

    @cached_property
    def norm(self) -> float:
        """The product of the norms of the matrices."""
        norms = (torch.linalg.matrix_norm(_matrix(n, self.factor, self.kernel), 2) for n in self.shape)
        return math.prod(float(x) for x in norms)

    def __call__(self, u: Tensor) -> Tensor:
        """The samples of the detector."""
        if tuple(u.shape[2:]) != tuple(self.shape):
            raise InputError(
                "the operator was made for another size of image",
                given=f"shape {tuple(u.shape)} for spatial shape {tuple(self.shape)}",
                do=f"pass Downsample({self.factor}, {tuple(u.shape[2:])})",
            )
        for axis, n in enumerate(self.shape, start=2):
            u = _along(_matrix(n, self.factor, self.kernel), u, axis)
        return u

    def adjoint(self, y: Tensor) -> Tensor:
        """The transposed matrices along each axis."""
        expected = tuple(-(-n // self.factor) for n in self.shape)
        if tuple(y.shape[2:]) != expected:
            raise InputError(
                "the data do not have the shape that the operator gives",
                given=f"shape {tuple(y.shape)} for spatial shape {expected}",
                do="pass data of this shape, or an operator for another shape of image",
            )
        for axis, n in enumerate(self.shape, start=2):
            y = _along(_matrix(n, self.factor, self.kernel).mT, y, axis)
        return y

    def is_direct(self, u: Tensor) -> bool:
        """For images of the operator's shape."""
        return tuple(u.shape[2:]) == tuple(self.shape)

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """In the basis of the right singular vectors."""
        gain = torch.ones((), dtype=b.dtype, device=b.device)
        for axis, n in enumerate(self.shape, start=2):
            values, vectors = _gram(n, self.factor, self.kernel)
            b = _along(vectors.mT, b, axis)
            own = values.to(b).reshape([-1 if k == axis else 1 for k in range(2, b.ndim)])
            gain = gain * own
        b = b / (gain + rho)
        for axis, n in enumerate(self.shape, start=2):
            b = _along(_gram(n, self.factor, self.kernel)[1], b, axis)
        return b


@dataclass(frozen=True)
class ColorFilterArray(LinearOperator):
    """One colour for each pixel, as behind the filter array of a camera: demosaicking.

    Parameters
    ----------
    pattern
        Rows of a tile that is repeated over the image, of the letters R, G and B:
        ``("RG", "GB")`` is the usual Bayer pattern.

    Raises
    ------
    InputError
        Other letters or rows of different lengths; at the first use, an image of other than three channels.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.operators.ColorFilterArray()(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 1, 4, 4])
    """

    pattern: tuple[str, ...] = ("RG", "GB")

    norm: float = field(default=1.0, init=False)

    def __post_init__(self) -> None:
        rows = tuple(self.pattern)
        if (
            not rows
            or not rows[0]
            or {len(r) for r in rows} != {len(rows[0])}
            or set("".join(rows)) - set("RGB")
        ):
            raise InputError(
                "a pattern has rows of one length, of the letters R, G and B",
                given=repr(self.pattern),
                do='pass e.g. ("RG", "GB")',
            )
        object.__setattr__(self, "pattern", rows)

    def __call__(self, u: Tensor) -> Tensor:
        """The mosaic, ``(B, 1, H, W)``, of ``(B, 3, H, W)``."""
        if u.ndim != 4 or u.shape[1] != 3:
            raise InputError(
                "a colour filter array needs colour images",
                given=f"shape {tuple(u.shape)}",
                do="pass (B, 3, H, W)",
            )
        return (u * self.mask(u)).sum(1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """Each value in its colour, 0 in the others."""
        return y * self.mask(y)

    def is_direct(self, u: Tensor) -> bool:
        """Always: AᵀA is a mask."""
        return u.ndim == 4

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """A division."""
        return b / (self.mask(b) + rho)

    def mask(self, like: Tensor) -> Tensor:
        """Where each colour is measured, ``(1, 3, H, W)`` of 0 and 1."""
        height, width = like.shape[-2:]
        tile = torch.tensor([["RGB".index(c) for c in row] for row in self.pattern], device=like.device)
        rows = torch.arange(height, device=like.device) % len(self.pattern)
        columns = torch.arange(width, device=like.device) % len(self.pattern[0])
        colours = tile[rows[:, None], columns]
        return torch.stack([colours == k for k in range(3)])[None].to(like)


def _along(matrix: Tensor, u: Tensor, axis: int) -> Tensor:
    """Multiply by a matrix along an axis."""
    matrix = matrix.to(u)
    if axis == u.ndim - 1:
        return u @ matrix.mT
    return (matrix @ u.movedim(axis, -2)).movedim(-2, axis)


@lru_cache(maxsize=32)
def _matrix(n: int, factor: int, kernel: str | float) -> Tensor:
    """The ``(⌈n / factor⌉, n)`` matrix of one axis."""
    centres = torch.arange(-(-n // factor), dtype=torch.float64) + 0.5
    if kernel == "box":
        h = (torch.arange(n) // factor == torch.arange(len(centres))[:, None]).double()
        return h / h.sum(1, keepdim=True)
    reach = _HALF_WIDTHS[kernel] * factor if isinstance(kernel, str) else 4.0 * kernel
    places = torch.arange(-math.ceil(reach) - factor, n + math.ceil(reach) + factor)
    distance = (places + 0.5) / factor - centres[:, None]
    h = _profile(kernel, distance, factor)
    folded = places % (2 * n)  # mirrored at the outer edges
    index = torch.where(folded < n, folded, 2 * n - 1 - folded)
    h = torch.zeros(len(centres), n, dtype=torch.float64).index_add(1, index, h)
    return h / h.sum(1, keepdim=True)


def _profile(kernel: str | float, x: Tensor, factor: int) -> Tensor:
    x = x.abs()
    if kernel == "linear":
        return (1 - x).clamp_min(0.0)
    if kernel == "cubic":
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))
    if kernel == "lanczos":
        return torch.where(x < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)
    sigma = float(kernel) / factor
    return torch.where(x <= 4 * sigma, torch.exp(-0.5 * (x / sigma) ** 2), 0.0)


@lru_cache(maxsize=32)
def _gram(n: int, factor: int, kernel: str | float) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of ``hᵀ h`` for the matrix of one axis."""
    h = _matrix(n, factor, kernel)
    values, vectors = torch.linalg.eigh(h.mT @ h)
    return values.clamp_min(0.0), vectors

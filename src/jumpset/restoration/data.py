"""The data of a restoration: in units in which the operator has norm 1, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.arrays import fill_nearest
from jumpset._core.errors import InputError
from jumpset.jpeg import JPEGTables, QuantizationConstraint
from jumpset.operators.algebra import LinearOp, is_direct, operator_norm
from jumpset.operators.conjugate_gradient import conjugate_gradient
from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.linear import Mask
from jumpset.operators.sampling import ColorFilterArray
from jumpset.restoration.noise import data_noise
from jumpset.solvers.quadratic import ConjugateGradient

_LEAST_NOISE = 2e-3  # of the root mean square of the data
_CONJUGATE = ConjugateGradient(1e-3, 15)  # the outer iteration corrects what is left
_START_RHO, _ROUGHNESS = 1e-2, 1e-3  # of the first image


@dataclass(frozen=True)
class LinearData:
    """y = A u + noise, divided by ‖A‖."""

    y: Tensor
    back: Tensor  # Aᵀ y
    operator: LinearOp
    scale: float  # ‖A‖, by which y and A are divided
    counts: Tensor  # bool, shaped like y: the values that the image has an influence on
    noise: float  # standard deviation, in the units of y here

    @classmethod
    def of(cls, y: Tensor, operator: LinearOp, noise: float | None) -> LinearData:
        """The data of an operator; ``noise`` in the units of the data as given."""
        image = operator.adjoint(y)
        scale = operator_norm(operator, image, tol=1e-2)
        if not scale > 0.0:
            raise InputError("the operator maps every image to 0", given="norm 0", do="pass another operator")
        generator = torch.Generator().manual_seed(0)
        test = torch.rand(image.shape, generator=generator, dtype=torch.float64).to(image)
        counts = operator(test) != 0
        if counts.shape != y.shape:
            raise InputError(
                "the data do not have the shape that the operator gives",
                given=f"{tuple(y.shape)} for {tuple(counts.shape)}",
                do="pass operator(image), or an operator for this shape",
            )
        given = data_noise(y, operator, counts) if noise is None else noise
        rms = float(y[counts].double().square().mean().sqrt()) if bool(counts.any()) else 0.0
        level = max(given, _LEAST_NOISE * rms, 1e-12)
        return cls(y / scale, image / scale**2, operator, scale, counts, level / scale)

    def start(self) -> Tensor:
        """A smooth image that nearly agrees with the data."""
        back = self.back
        if is_direct(self.operator, back) and not isinstance(self.operator, Mask | ColorFilterArray):
            ahead = self.operator(back) / self.scale
            size = float(ahead.square().sum()) or 1.0
            near = back * (float((ahead * self.y).sum()) / size)
            return self.solve(near, _START_RHO, near)
        squared = self.scale**2
        normal = lambda u: (  # noqa: E731
            self.operator.adjoint(self.operator(u)) / squared - _ROUGHNESS * divergence(gradient(u))
        )
        near = torch.zeros_like(back)
        if isinstance(self.operator, Mask | ColorFilterArray):
            near = _nearest(back, self.operator)
        return conjugate_gradient(normal, back, near, 1e-3, 100)

    def solve(self, target: Tensor, rho: float, near: Tensor) -> Tensor:
        """``argmin_u ‖A u − y‖² + ρ ‖u − target‖²``."""
        spread = torch.full((len(target),) + (1,) * (target.ndim - 1), rho * self.scale**2)
        spread = spread.to(target)
        if is_direct(self.operator, target):  # of (AᵀA + ρ s²) u = s² (Aᵀy + ρ t), for A as given
            return self.operator.solve((self.back + rho * target) * self.scale**2, spread)  # type: ignore
        # the change from the target, whose accuracy is relative to it
        rest = self.operator.adjoint(self.y * self.scale - self.operator(target))
        return target + _CONJUGATE.solve(self.operator, rest, spread, near - target)

    def misfit(self, u: Tensor) -> float:
        """The root mean square of A u − y over the data that count."""
        rest = torch.where(self.counts, self.operator(u) / self.scale - self.y, 0.0)
        return float((rest.double().square().sum() / self.counts.sum().clamp_min(1)).sqrt())


def _nearest(back: Tensor, operator: LinearOp) -> Tensor:
    """The value of the nearest measured pixel, for each channel, where a mask is not 0."""
    known = (operator.adjoint(operator(torch.ones_like(back))) != 0).cpu().numpy()
    channels = [
        fill_nearest(back[:, k : k + 1], known[:, k : k + 1]) if known[:, k].any() else back[:, k : k + 1]
        for k in range(back.shape[1])
    ]
    return torch.cat(channels, dim=1)


@dataclass(frozen=True)
class JPEGData:
    """The images that a JPEG file allows: solving is a projection."""

    f: Tensor
    constraint: QuantizationConstraint
    noise: float  # of the quantization, as a rough level

    @classmethod
    def of(cls, f: Tensor, tables: JPEGTables) -> JPEGData:
        """The data of an image as it was read from a file with these tables."""
        steps = np.sort(tables.luma.ravel())[:16]  # those that most of an image's coefficients meet
        level = float(np.sqrt(np.mean(np.square(steps) / 12))) / 255
        return cls(f, QuantizationConstraint.of(f, tables), level)

    def start(self) -> Tensor:
        """The decoded image."""
        return self.f

    def solve(self, target: Tensor, rho: float, near: Tensor) -> Tensor:  # noqa: ARG002
        """The image nearest to the target that the file allows."""
        return self.constraint.project(target)

    def misfit(self, u: Tensor) -> float:
        """The root mean square distance from the images that the file allows."""
        return float((u - self.constraint.project(u)).double().square().mean().sqrt())


def make_data(f: Tensor, operator: Any, noise: float | None) -> LinearData | JPEGData:
    """The data of an operator, or of the tables of a JPEG file."""
    if isinstance(operator, JPEGTables):
        return JPEGData.of(f, operator)
    return LinearData.of(f, operator, noise)

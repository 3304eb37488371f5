"""The data of a restoration: in units in which the operator has norm 1, which of them count, their noise."""

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
from jumpset.operators.fourier import Fourier
from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.linear import Mask
from jumpset.operators.radon import RaySums
from jumpset.operators.sampling import ColorFilterArray
from jumpset.solvers.quadratic import ConjugateGradient

_LEAST_NOISE = 2e-3  # of the root mean square of the data
_CONJUGATE = ConjugateGradient(1e-3, 15)  # the outer iteration corrects what is left
_START_RHO, _ROUGHNESS = 1e-2, 1e-3  # of the first image
_FEWEST = 30  # differences from which a noise level is estimated
_QUARTER = 0.31863936396437514  # lower quartile of |x|, x standard normal


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
        given = data_noise(y, operator) if noise is None else noise
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


def data_noise(y: Tensor, operator: LinearOp) -> float:
    """Estimate the standard deviation of white noise in data ``(B, C, …)``, in their units.

    The lower quartile of the finest differences, ``|x − x_right − x_below + x_diagonal| / 2``, over 0.3186:
    of a mosaic, of each colour; with a mask, of the pixels inside; of ray sums, second differences
    along the detectors; of Fourier samples, the values of the highest frequencies. 0 where there are less
    than 30 of them, and where a quarter are 0, as in a flat image without noise.

    Parameters
    ----------
    y
        ``(B, C, …)`` data.
    operator
        The operator that gives data of this kind.

    Returns
    -------
    float
        σ.

    Raises
    ------
    InputError
        Data of other operators that are no images.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> y = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(js.restoration.data_noise(y, js.operators.Identity()), 2)
    0.1
    """
    y = y.detach().cpu()
    if isinstance(operator, Mask):
        return _masked_noise(y, operator)
    if isinstance(operator, RaySums):
        if y.shape[-1] < 3:
            return 0.0
        return _level((y[..., 2:] - 2 * y[..., 1:-1] + y[..., :-2]) / 6**0.5)
    if isinstance(operator, Fourier):
        return _level(_high_frequencies(y, operator))
    if isinstance(operator, ColorFilterArray):
        rows, columns = len(operator.pattern), len(operator.pattern[0])
        cells = [y[..., i::rows, j::columns] for i in range(rows) for j in range(columns)]
        return float(np.sqrt(np.mean([_image_noise(c) ** 2 for c in cells])))
    if y.ndim != 4:
        raise InputError(
            "the noise of these data cannot be estimated",
            given=f"data of shape {tuple(y.shape)} of {type(operator).__name__}",
            do="pass noise=, their standard deviation; 0 for data without noise",
        )
    return _image_noise(y)


def _image_noise(y: Tensor, inside: Tensor | None = None) -> float:
    """The level of white noise in ``(B, C, H, W)``: the root mean square of those of the channels."""
    x = y if inside is None else torch.where(inside, y, torch.nan)
    cells = (x[..., 1:, 1:] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., :-1, :-1]) / 2
    levels = [_level(c[torch.isfinite(c)]) for c in cells.movedim(1, 0)]
    return float(np.sqrt(np.mean(np.square(levels))))


def _masked_noise(y: Tensor, operator: Mask) -> float:
    return _image_noise(y, operator(torch.ones_like(y)) == 1) if y.ndim == 4 else 0.0


def _high_frequencies(y: Tensor, operator: Fourier) -> Tensor:
    """The samples of the twentieth of the frequencies that are farthest from 0, where the mask is 1."""
    far = torch.zeros(operator.mask.shape, dtype=torch.float64)
    for axis, n in enumerate(operator.mask.shape):
        shape = [-1 if k == axis else 1 for k in range(operator.mask.ndim)]
        far = far + (torch.fft.fftfreq(n, dtype=torch.float64).square() * 4).reshape(shape)
    use = (operator.mask.cpu() == 1) & (far >= float(np.quantile(far.numpy(), 0.95)))
    return torch.view_as_complex(y.contiguous())[..., use].real if bool(use.any()) else y.new_zeros(0)


def _level(x: Tensor) -> float:
    """The robust standard deviation."""
    size = x.abs().double().flatten()
    return float(size.kthvalue(1 + size.numel() // 4).values) / _QUARTER if len(size) >= _FEWEST else 0.0


def make_data(f: Tensor, operator: Any, noise: float | None) -> LinearData | JPEGData:
    """The data of an operator, or of the tables of a JPEG file."""
    if isinstance(operator, JPEGTables):
        return JPEGData.of(f, operator)
    return LinearData.of(f, operator, noise)

"""Sums of an image along straight lines: X-ray tomography with parallel rays, a fan, or any lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.operators.algebra import LinearOperator, with_gradient


@dataclass(frozen=True)
class RaySums(LinearOperator):
    """Line integrals along any lines, in units of intensity times pixels, by Joseph's interpolation.

    Parameters
    ----------
    lines
        ``(*data, 4)`` array: y and x of a point of each line, dy and dx of its direction, in pixels; the
        centre of pixel (i, j) is at y = i, x = j. The data have the shape ``(B, C, *data)``.
    shape
        ``(H, W)`` of the image.

    Raises
    ------
    InputError
        Lines without direction, or an empty shape; at the first use, an image of another shape.

    Notes
    -----
    P. Joseph, "An improved algorithm for reprojecting rays through pixel images", IEEE TMI 1982. The adjoint
    is the exact transpose. The sums are computed on the CPU.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import jumpset as js
    >>> row = np.array([[1.0, 0.0, 0.0, 1.0]])  # along the second row
    >>> js.operators.RaySums(row, (3, 5))(torch.ones(1, 1, 3, 5)).tolist()
    [[[5.0]]]
    """

    lines: np.ndarray
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        lines = np.asarray(self.lines, np.float64)
        good = lines.ndim >= 2 and lines.shape[-1] == 4 and lines.size > 0 and np.isfinite(lines).all()
        if not good or not np.abs(lines[..., 2:]).max(-1).min() > 0.0:
            raise InputError(
                "a line is a point and a direction, four finite numbers",
                given=f"shape {lines.shape}",
                do="pass (*data, 4): y, x, dy, dx with dy or dx not 0",
            )
        _check_shape(self.shape)
        object.__setattr__(self, "lines", lines)

    def __call__(self, u: Tensor) -> Tensor:
        """The sums, ``(B, C, *data)``."""
        if tuple(u.shape[2:]) != tuple(self.shape):
            raise InputError(
                "the operator was made for another size of image",
                given=f"shape {tuple(u.shape)} for (B, C, {self.shape[0]}, {self.shape[1]})",
                do="make an operator for this shape",
            )
        return with_gradient(self._project, self._back_project, u)

    def _project(self, u: Tensor) -> Tensor:
        from jumpset.kernels.linear import ray_sums  # it loads the compiler

        planes = np.ascontiguousarray(u.detach().cpu().numpy().reshape(-1, *self.shape))
        sums = ray_sums.project(planes, self._flat)
        return torch.from_numpy(sums).to(u).reshape(*u.shape[:2], *self.lines.shape[:-1])

    def adjoint(self, y: Tensor) -> Tensor:
        """The back-projection, ``(B, C, H, W)``."""
        if tuple(y.shape[2:]) != self.lines.shape[:-1]:
            raise InputError(
                "the data do not have the shape of the lines",
                given=f"shape {tuple(y.shape)} for (B, C, *{self.lines.shape[:-1]})",
                do="transpose them, or make an operator with as many angles and detectors",
            )
        return with_gradient(self._back_project, self._project, y)

    def _back_project(self, y: Tensor) -> Tensor:
        from jumpset.kernels.linear import ray_sums

        sums = np.ascontiguousarray(y.detach().cpu().numpy().reshape(-1, len(self._flat)))
        out = ray_sums.back_project(sums, self._flat, *self.shape)
        return torch.from_numpy(out).to(y).reshape(*y.shape[:2], *self.shape)

    @cached_property
    def _flat(self) -> np.ndarray:
        return np.ascontiguousarray(self.lines.reshape(-1, 4))


class Radon(RaySums):
    """The Radon transform: parallel rays at many angles, data ``(B, C, angles, detectors)``.

    Parameters
    ----------
    angles
        Degrees, or a number of angles, evenly spaced over 180°.
    shape
        ``(H, W)`` of the image.
    detectors
        Number of detectors, one pixel apart, centred; default: as many as the diagonal of the image has
        pixels.

    Raises
    ------
    InputError
        No angle, angles that are not finite, no detector, or an empty shape.

    Notes
    -----
    With ``detectors = H = W`` the data are about those of ``skimage.transform.radon(image, angles).T``, which
    turns the image instead.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> rays = js.operators.Radon([0.0, 90.0], (4, 4), detectors=4)
    >>> rays(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 2, 4])
    """

    def __init__(self, angles: Any, shape: tuple[int, int], detectors: int | None = None) -> None:
        _check_shape(shape)
        turns = _angles(angles, 180.0)
        count = _detectors(detectors, shape)
        s = np.arange(count) - count // 2
        cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
        y = shape[0] // 2 - s * sin
        x = shape[1] // 2 + s * cos
        lines = np.stack(np.broadcast_arrays(y, x, cos, sin), axis=-1)
        super().__init__(lines, (int(shape[0]), int(shape[1])))


class FanBeam(RaySums):
    """Rays from a source that turns around the image, onto a flat row of detectors.

    Data are ``(B, C, angles, detectors)``.

    Parameters
    ----------
    angles
        Degrees, or a number of angles, evenly spaced over 360°.
    shape
        ``(H, W)`` of the image.
    source, detector
        Distances of the source and of the row of detectors from the centre of the image, in pixels; the image
        must lie between them.
    detectors
        Number of detectors; default: enough for the whole image.
    spacing
        Distance of two detectors in pixels.

    Raises
    ------
    InputError
        No angle, angles that are not finite, distances within the image, no detector, or an empty shape.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> fan = js.operators.FanBeam(8, (16, 16), source=40.0, detector=40.0)
    >>> fan(torch.ones(1, 1, 16, 16)).shape[:3]
    torch.Size([1, 1, 8])
    """

    def __init__(
        self,
        angles: Any,
        shape: tuple[int, int],
        source: float,
        detector: float,
        detectors: int | None = None,
        spacing: float = 1.0,
    ) -> None:
        _check_shape(shape)
        turns = _angles(angles, 360.0)
        radius = 0.5 * math.hypot(*shape)
        checks.real("source", source, above=radius)
        checks.real("detector", detector, at_least=0.0)
        checks.real("spacing", spacing, above=0.0)
        if detectors is None:  # the shadow of the circle around the image
            half = radius * (source + detector) / math.sqrt(source**2 - radius**2)
            detectors = 2 * math.ceil(half / spacing) + 1
        count = _detectors(detectors, shape)
        s = (np.arange(count) - (count - 1) / 2) * spacing
        cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
        centre = (shape[0] - 1) / 2, (shape[1] - 1) / 2
        from_y, from_x = centre[0] + source * cos, centre[1] + source * sin
        to_y, to_x = centre[0] - detector * cos - s * sin, centre[1] - detector * sin + s * cos
        lines = np.stack(np.broadcast_arrays(from_y, from_x, to_y - from_y, to_x - from_x), axis=-1)
        super().__init__(lines, (int(shape[0]), int(shape[1])))


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(tuple(shape)) != 2:
        raise InputError("an image has two axes here", given=f"shape={shape}", do="pass (H, W)")
    for n in shape:
        checks.integer("shape", n, at_least=1)


def _angles(angles: Any, circle: float) -> np.ndarray:
    """Angles in radians."""
    if np.ndim(angles) == 0:
        checks.integer("angles", angles, at_least=1)
        return np.deg2rad(np.arange(int(angles)) * (circle / int(angles)))
    turns = np.asarray(angles, np.float64)
    if turns.ndim != 1 or turns.size == 0 or not np.isfinite(turns).all():
        raise InputError(
            "angles must be a list of degrees, or a number of angles",
            given=f"shape {turns.shape}",
            do="pass e.g. np.arange(0, 180, 6)",
        )
    return np.deg2rad(turns)


def _detectors(detectors: int | None, shape: tuple[int, int]) -> int:
    if detectors is None:
        return math.ceil(math.hypot(*shape)) + 1
    checks.integer("detectors", detectors, at_least=1)
    return int(detectors)

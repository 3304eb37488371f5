"""The distances between pixels along each axis, relative to the finest axis."""

from __future__ import annotations

from collections.abc import Sequence

from jumpset._core import checks
from jumpset._core.errors import InputError


def axis_scales(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the factor of the differences along each axis: the smallest spacing over that of the axis.

    A difference per length is the difference of neighbours times this factor, in (0, 1]. The unit of length is
    the distance of neighbours along the finest axis, so that weights and radii have the same meaning for every
    unit of ``spacing``, and equal numbers are the same as None.

    Parameters
    ----------
    spacing
        One number above 0 for each spatial axis, or None for equal ones.
    ndim
        Number of spatial axes.

    Raises
    ------
    InputError
        Another number of numbers, or one that is not above 0.
    """
    checks.spacing("spacing", spacing)
    if spacing is None:
        return (1.0,) * ndim
    if len(spacing) != ndim:
        raise InputError(
            "spacing has one number for each spatial axis of the image",
            given=f"{len(spacing)} numbers for {ndim} axes",
            do="pass them in the order z, y, x of the axes that the image has",
        )
    finest = min(spacing)
    return tuple(finest / length for length in spacing)

"""Target area: supports of known area, with a short outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.operators.masks import all_pixels
from jumpset.operators.namespaces import namespace
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single
from jumpset.penalties._masks import inside_like, keep_inside
from jumpset.penalties.base import Channels, Penalty, coupling
from jumpset.penalties.total_variation import TotalVariation


@dataclass(frozen=True)
class TargetArea(Penalty):
    r"""Target area: for supports that cover a known fraction of the image, with a short perimeter.

    With a soft support m in [0, 1] of N pixels,

    .. math:: R(x) = N \Bigl(\frac1N \sum_p m_p - \text{fraction}\Bigr)^2
              + \text{perimeter} \cdot \mathrm{TV}(m), \qquad
              m = x \ \text{ or } \ m = \frac{x^2}{x^2 + s^2}

    so that the mean over pixels, the default of losses, is the squared error of the area plus the length of
    the outline per pixel.

    Parameters
    ----------
    fraction
        Area of the support divided by that of the image (or of its mask), from 0 to 1.
    perimeter
        Weight of the isotropic total variation of m, which for a binary m is the length of its outline.
    scale
        s, above 0 and at least 1e-12: pixels well above it count as support. ``None``: x itself is a mask in
        [0, 1], such as an attribution mask; values outside that range are not clipped.
    channels
        ``"separate"``, the default, unlike for other penalties: each channel has its own support.
        ``"joint"``: one support, from the sum of squares of the channels; requires ``scale``.

    Raises
    ------
    InputError
        A parameter out of range, or joint channels without a scale.

    Notes
    -----
    After R. Fong, M. Patrick, A. Vedaldi, "Understanding deep networks via extremal perturbations and smooth
    masks", ICCV 2019, who compare the sorted mask with a step function of the target area. (1) Here the mean
    of the mask is compared with the fraction, which alone does not make the mask binary: the perimeter and
    the loss of the task do. With a ``scale``, the derivative of m at x = 0 is 0, so that an empty image has
    no gradient.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.TargetArea(fraction=0.25)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [0.7]
    """

    fraction: float = parameter(0.1, checks.real, at_least=0.0, at_most=1.0)
    perimeter: float = parameter(0.1, checks.real, at_least=0.0)
    scale: float | None = None
    channels: Channels = coupling("separate")

    name: ClassVar[str] = "target-area"
    paper: ClassVar[str] = "Fong, Patrick, Vedaldi, ICCV 2019"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale is not None:
            checks.real("scale", self.scale, at_least=1e-12)
        if self.channels == "joint":
            checks.real("scale, which joint channels need,", self.scale, at_least=1e-12)

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether R is convex: as a function of a mask it is."""
        return self.scale is None

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the squared error of the area at every pixel, plus the terms of the outline."""
        xp = namespace(x)
        support = self._support(at_least_single(keep_inside(x, mask)))
        axes = tuple(range(2, len(x.shape)))
        if mask is None:
            inside, pixels = xp.ones_like(support), all_pixels(x)
        else:
            inside = inside_like(mask, x if self.scale is None else at_least_single(x), self.channels)
            inside = xp.astype(inside, support.dtype)
            counted = xp.sum(inside, axis=axes, keepdims=True)
            pixels = xp.maximum(counted, xp.ones_like(counted))  # an empty mask has no error
        error = xp.sum(support * inside, axis=axes, keepdims=True) / pixels - self.fraction
        outline = TotalVariation(channels=self.channels).terms(support, inside > 0)
        return xp.astype(error * error * inside + self.perimeter * outline, x.dtype)

    def _support(self, x: Any) -> Any:
        if self.scale is None:
            return x
        squares = over_channels(x * x, self.channels)
        return squares / (squares + self.scale * self.scale)

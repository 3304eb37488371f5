"""The base class of all penalties: a frozen dataclass of hyper-parameters with one formula."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError, NoProx
from jumpset._core.types import Checked, ComplexImages, PerImage, parameter
from jumpset.operators.images import as_images, channels_back
from jumpset.operators.masks import all_pixels, as_edge_weights, as_mask, as_weight_map, count_pixels
from jumpset.operators.namespaces import namespace
from jumpset.operators.precision import at_least_single
from jumpset.penalties import complex_images

if TYPE_CHECKING:
    from jumpset.penalties.weighted_sum import WeightedSum

Channels = Literal["joint", "separate"]
Normalize = Literal["sum", "mean"]
Reduction = Literal["none", "mean", "sum"]


def coupling(default: Channels = "joint") -> Any:
    """The field ``channels`` of a penalty."""
    return parameter(default, checks.one_of, allowed=("joint", "separate"))


class Penalty(Checked, ABC):
    """R(x): small for images that are flat, or empty, in large contiguous regions.

    A subclass is a frozen dataclass that defines one method, :meth:`terms`; this class derives value, loss,
    sums and multiples from it. Arrays are ``(B, C, *spatial)`` with one to three spatial axes: torch tensors,
    or NumPy, JAX, CuPy or TensorFlow arrays, for which the same formula is evaluated.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> penalty = 0.7 * js.TotalVariation() + 0.3 * js.L1()  # sums and multiples are penalties
    >>> isinstance(penalty, js.Penalty), penalty.convex
    (True, True)
    >>> float(penalty(torch.ones(1, 1, 4, 4)))
    0.30000001192092896
    """

    name: ClassVar[str]
    """Short name, for tables."""
    paper: ClassVar[str]
    """Authors, venue, year."""
    convex: ClassVar[bool] = True
    """Whether R is convex."""
    separable: ClassVar[bool] = False
    """Whether R is a sum over the entries, ``Σ ρ(x_{c, p})``: the prox then maps entries independently."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "prox" in cls.__dict__:
            cls.prox = _with_complex(cls.prox)

    @property
    def has_prox(self) -> bool:
        """Whether :meth:`prox` is defined for these settings, whatever the shape of the images."""
        return type(self).prox is not Penalty.prox

    @abstractmethod
    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the terms of R(x): a map ≥ 0 that sums to it, broadcastable to ``(B, C, *spatial)``.

        Terms that involve a pixel outside ``mask`` (bool, broadcastable to x) are zero, as if the outline of
        the mask were the border of the image.
        """

    def value(
        self,
        x: Any,
        *,
        mask: Any = None,
        weight_map: Any = None,
        edge_weights: Any = None,
        channel_axis: int | None = None,
    ) -> PerImage:
        """Compute R(x) of each image, the sum exactly as in the formula of the class.

        Parameters
        ----------
        x
            ``(B, C, *spatial)``, floats. Integers of NumPy, JAX and TensorFlow become floats. In
            complex images, except of TensorFlow, real and imaginary part are two channels that share their
            edges and groups; functions of single entries take the modulus.
        mask
            Optional array that broadcasts to x, of bools or numbers, of any library: pixels where it is 0
            have no influence.
        weight_map
            Optional non-negative array that broadcasts to x; multiplies the term of each pixel.
        edge_weights
            Optional non-negative array ``(D, *spatial)`` or ``(B, D, *spatial)``, for penalties of forward
            differences: entry d multiplies the difference of each pixel to the next one along axis d.
        channel_axis
            The axis of the channels, where it is not 1: -1 for ``(B, *spatial, C)``; 0 for one image
            ``(C, *spatial)``. ``mask`` and ``weight_map`` then have that layout, too. With ``None``, shapes
            that look like another layout are refused; 1 accepts them as ``(B, C, *spatial)``.

        Returns
        -------
        array ``(B,)``, in float32 where x is in half precision; NaN or infinite for an image that has such a
        value inside the mask

        Raises
        ------
        InputError
            Arrays that do not have these shapes or values; an array that looks like one image ``(C, H, W)``
            or like channels last, if ``channel_axis`` is not given.
        """
        x, mask, weight_map = arranged(x, mask, weight_map, channel_axis)
        return _real_or_complex(self.on_edges(as_edge_weights(edge_weights, x)), x, mask, weight_map)

    def _value(self, x: Any, mask: Any, weight_map: Any) -> Any:
        """Compute R(x) for arguments in the layout and library of x; the mask is bool, with all axes."""
        if mask is None and weight_map is None and isinstance(x, Tensor):
            fused = self._fused(x, 1.0)
            if fused is not None:
                return fused
        terms = at_least_single(self.terms(x, mask))  # a sum in half precision would overflow
        if weight_map is not None:
            terms = terms * weight_map
        xp = namespace(x)
        return xp.sum(terms, axis=tuple(range(1, len(terms.shape))))

    has_edges: ClassVar[bool] = False
    """Whether R is a function of forward differences, which ``edge_weights`` multiplies."""

    def on_edges(self, edge_weights: Any) -> Penalty:
        """Return the penalty of the differences times weights ``(B or 1, D, 1, *spatial)``; None for 1."""
        if edge_weights is None:
            return self
        raise InputError(
            "edge_weights are for penalties of forward differences",
            given=type(self).__name__,
            do="pass weight_map, or use a penalty such as TotalVariation",
        )

    def complex_parts(self) -> tuple[tuple[float, Penalty], ...]:
        """Return the parts of a sum of which one is a function of moduli, for complex images; () for none."""
        return ()

    def prox(self, v: ComplexImages, tau: float | Tensor) -> ComplexImages:  # noqa: ARG002
        """Compute ``argmin_u ½‖u − v‖² + tau R(u)`` of each image.

        Parameters
        ----------
        v
            ``(B, C, *spatial)``, a torch tensor, real or complex. A value that is not finite stays so, and
            makes every pixel that depends on it NaN.
        tau
            At least 0: a number, or a tensor with one number or one per image, ``(B,)`` or ``(B, 1, …)``.
            Closed forms have its derivative; :class:`jumpset.Prox` has that of every prox.

        Raises
        ------
        NoProx
            If the package cannot compute it.
        """
        raise NoProx(
            f"{type(self).__name__} has no proximal operator; use its gradient, or a penalty that has one"
        )

    def __call__(
        self,
        x: Any,
        *,
        mask: Any = None,
        weight_map: Any = None,
        edge_weights: Any = None,
        channel_axis: int | None = None,
        normalize: Normalize = "mean",
        reduction: Reduction = "mean",
    ) -> Any:
        """Compute the loss for training.

        Parameters
        ----------
        x, mask, weight_map, edge_weights, channel_axis
            As in :meth:`value`.
        normalize
            ``"mean"``: R divided by the number of pixels (of the mask, if one is given), so that the loss
            does not depend on the resolution. ``"sum"``: R itself.
        reduction
            Over the batch: ``"mean"``, ``"sum"``, or ``"none"`` for one number an image. The loss of an empty
            batch is 0.

        Returns
        -------
        array, scalar or ``(B,)``
        """
        checks.one_of("normalize", normalize, ("sum", "mean"))
        checks.one_of("reduction", reduction, ("none", "mean", "sum"))
        x, mask, weight_map = arranged(x, mask, weight_map, channel_axis)
        penalty = self.on_edges(as_edge_weights(edge_weights, x))
        if mask is None and weight_map is None and isinstance(x, Tensor) and not x.is_complex():
            # the kernel multiplies the gradient by this factor; a division would need another pass over it
            factor = 1.0 / all_pixels(x) if normalize == "mean" else 1.0
            fused = penalty._fused(x, factor / max(x.shape[0], 1) if reduction == "mean" else factor)
            if fused is not None:
                return fused if reduction == "none" else fused.sum()
        value = _real_or_complex(penalty, x, mask, weight_map)
        x = x.real if complex_images.is_complex(x) else x
        xp = namespace(x)
        if normalize == "mean":
            value = value / (all_pixels(x) if mask is None else count_pixels(mask, x))
        if reduction == "none":
            return value
        return xp.mean(value) if reduction == "mean" and x.shape[0] != 0 else xp.sum(value)

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:  # noqa: ARG002
        """Compute ``factor · R(x)`` of each image by a fused kernel; None if no kernel takes ``x``."""
        return None

    def __mul__(self, factor: float) -> WeightedSum:
        """``factor * self``."""
        checks.real("factor", factor, at_least=0.0)
        return _weighted_sum(tuple((float(factor) * w, p) for w, p in self._parts()))

    __rmul__ = __mul__

    def __add__(self, other: Penalty) -> WeightedSum:
        """``self + other``."""
        if not isinstance(other, Penalty):
            return NotImplemented
        return _weighted_sum((*self._parts(), *other._parts()))

    def _parts(self) -> tuple[tuple[float, Penalty], ...]:
        """Return the weights and penalties of the sum that the penalty is."""
        return ((1.0, self),)


def arranged(x: Any, mask: Any, weight_map: Any, channel_axis: int | None) -> tuple[Any, Any, Any]:
    """Return the arguments of a penalty in the layout ``(B, C, *spatial)`` and the library of ``x``."""
    x = as_images(x, channel_axis, is_complex=complex_images.is_complex(x))
    return x, as_mask(mask, x, channel_axis), as_weight_map(weight_map, x, channel_axis)


def _real_or_complex(penalty: Penalty, x: Any, mask: Any, weight_map: Any) -> Any:
    """Compute R(x) for arguments of :func:`arranged`."""
    of = complex_images.value if complex_images.is_complex(x) else type(penalty)._value
    return of(penalty, x, mask, weight_map)


def _with_complex(prox: Any) -> Any:
    """Return a prox of real images that takes complex ones, too."""

    @functools.wraps(prox)
    def of_both(self: Any, v: Any, tau: Any, **options: Any) -> Any:
        if not isinstance(v, Tensor) or not v.is_complex():
            return prox(self, v, tau, **options)
        axis = options.pop("channel_axis", None)
        front = as_images(v, axis, is_complex=True)
        found = complex_images.prox(self, front, tau, lambda p, x, t, **more: p.prox(x, t, **more), **options)
        return found if axis is None else channels_back(found, axis)

    return of_both


def _weighted_sum(parts: tuple[tuple[float, Penalty], ...]) -> WeightedSum:
    from jumpset.penalties.weighted_sum import WeightedSum  # it imports penalties, which import this module

    return WeightedSum(parts)


def fused_sum(parts: Iterable[tuple[float, Penalty]], x: Tensor, factor: float) -> Tensor:
    """Compute ``factor · Σ_k w_k R_k(x)`` of each image, each part by its fused kernel if it takes ``x``."""
    total: Any = 0.0
    for weight, part in parts:
        fused = part._fused(x, weight * factor)
        total = total + (weight * factor * part._value(x, None, None) if fused is None else fused)
    return total

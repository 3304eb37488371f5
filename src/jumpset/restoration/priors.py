"""The priors of a plug-and-play iteration, penalties and methods, and the denoising steps they make."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.iterate import solve
from jumpset._core.types import Iteration
from jumpset.dip.base import DeepImagePrior
from jumpset.jpeg import JPEGTables
from jumpset.operators.algebra import Composition, Scaled
from jumpset.operators.linear import Identity, Mask
from jumpset.operators.sampling import ColorFilterArray, Downsample
from jumpset.penalties import TGV2, Penalty, SlidingGroups, SparseTV, TotalVariation
from jumpset.penalties.solved_prox import SolvedProx
from jumpset.running.registry import method, methods
from jumpset.smoothers import L0Smoothing, RegionFusion

_TV_STEPS, _TGV_STEPS = 1000, 20  # of a proximal step at most; each starts at the dual fields of the last one

PRIORS = ("auto", "potts", "l0", "tv", "sparse-tv", "groups", "tgv", "dip", "dip-l0")
"""The names that :func:`jumpset.restore` takes besides those of :func:`jumpset.methods`."""


_FLAT = 0.65  # share of equal neighbours above which an image is flat in regions
_NOISY = 0.03  # of the range: noise with which few gradients lose to total variation
_EQUAL = 5e-3  # of the range: differences below it count as none


@dataclass(frozen=True)
class Automatic:
    """Total variation; or few gradients, for data that mix pixels of an image that is flat in regions.

    The choice is made once, after the warm-up with total variation, by its image. With noise of more than 3 %
    of the range it is total variation.

    Parameters
    ----------
    first
        The penalty of the warm-up.
    flat
        The method for images that are flat in regions.

    Examples
    --------
    >>> import jumpset as js
    >>> js.restoration.Automatic().first.channels
    'joint'
    """

    first: TotalVariation = field(default_factory=lambda: TotalVariation(channels="joint"))
    flat: L0Smoothing = field(default_factory=L0Smoothing)

    def choose(self, image: Tensor, operator: Any, noise: float) -> Penalty | Iteration[Any]:
        """The prior for an operator whose data gave ``(1, C, *spatial)`` with :attr:`first`."""
        if image.ndim != 4 or not _mixes(operator):
            return self.first
        is_noisy = noise > _NOISY * float(image.amax() - image.amin())
        return self.first if is_noisy or _flat_share(image) <= _FLAT else self.flat


def _mixes(operator: Any) -> bool:
    """Whether each value of the data depends on many pixels: blur, sums along rays, Fourier transforms."""
    if isinstance(operator, Composition):
        return _mixes(operator.outer) or _mixes(operator.inner)
    if isinstance(operator, Scaled):
        return _mixes(operator.operator)
    return not isinstance(operator, Identity | Mask | ColorFilterArray | Downsample | JPEGTables)


def _flat_share(image: Tensor) -> float:
    """The share of neighbours that are nearly equal in all channels."""
    least = _EQUAL * float(image.amax() - image.amin())
    steps = [image.diff(dim=axis).abs().amax(1).flatten() for axis in (-1, -2)]
    return float((torch.cat(steps) <= least).double().mean()) if image[0, 0].numel() > 1 else 0.0


def named_prior(name: str) -> Penalty | Iteration[Any] | Automatic:
    """Return the penalty or the method of a name, of :data:`PRIORS` or :func:`jumpset.methods`."""
    made: dict[str, Any] = {
        "auto": Automatic(),
        "potts": RegionFusion(levels=10),
        "l0": L0Smoothing(),
        "tv": TotalVariation(channels="joint"),
        "sparse-tv": SparseTV(),
        "groups": SlidingGroups(),
        "tgv": TGV2(),
    }
    if name in made:
        return made[name]
    checks.one_of("prior", name, [*PRIORS, *methods()])
    return method(name)


def check_prior(name: str, value: object) -> None:
    """Raise unless ``value`` is automatic, a penalty with a prox, or a method with a weight or a sigma."""
    if isinstance(value, Automatic):
        return
    if isinstance(value, Penalty):
        if not value.has_prox:
            raise InputError(
                f"the penalty of the {name} has no proximal operator",
                given=type(value).__name__,
                do="pass a penalty with has_prox, such as js.TotalVariation()",
            )
        return
    has_strength = isinstance(value, Iteration) and (hasattr(value, "weight") or hasattr(value, "sigma"))
    if not has_strength or isinstance(value, DeepImagePrior):
        raise InputError(
            f"the {name} must be a penalty, or a method with a weight or a sigma",
            given=getattr(value, "name", repr(value)),
            do="pass e.g. js.TotalVariation() or js.method('potts'); js.restore also takes a name",
        )


def is_penalty(prior: Any) -> bool:
    """Whether the denoising step is a proximal operator."""
    return isinstance(prior, Penalty)


@dataclass(frozen=True)
class Denoised:
    """The answer of a denoising step, and where the next one starts."""

    image: Tensor
    dual: Any = None


def denoise(
    prior: Any, v: Tensor, strength: float, sigma: float, dual: Any, turn: int, tol: float
) -> Denoised:
    """Take one denoising step.

    Parameters
    ----------
    prior
        A penalty, or a method whose ``weight`` is replaced by ``strength``, or else its ``sigma`` by
        ``sigma``.
    v
        ``(1, C, H, W)``.
    strength
        The weight of the objective, divided by ρ.
    sigma
        The standard deviation of the errors of ``v``.
    dual
        That of the last step, or None.
    turn
        A method is given the image mirrored along some of its axes, in turn, so that the directions in which
        it visits the pixels leave no trace.
    tol
        Relative duality gap of the proximal points of the total variation family.
    """
    if isinstance(prior, SolvedProx | TGV2):
        with warnings.catch_warnings():  # that a limit was reached: the outer iteration goes on
            warnings.simplefilter("ignore", RuntimeWarning)
            most = _TGV_STEPS if isinstance(prior, TGV2) else _TV_STEPS
            found = prior.prox_solution(v, strength, tol=tol, max_steps=most, dual=dual)
        return Denoised(found.image, found.dual)
    if isinstance(prior, Penalty):
        return Denoised(prior.prox(v, strength))
    set_to = {"weight": strength} if hasattr(prior, "weight") else {"sigma": sigma}
    axes = [axis for axis in range(2, v.ndim) if turn >> (axis - 2) & 1]
    return Denoised(solve(replace(prior, **set_to), v.flip(axes)).flip(axes))

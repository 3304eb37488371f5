"""Jumps, counted by the hard count or by a surrogate that has a gradient, and the base of their penalties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import NoProx
from jumpset._core.types import parameter
from jumpset.kernels.regions.potts_1d import potts_lines
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.namespaces import namespace
from jumpset.operators.precision import at_least_single
from jumpset.penalties.base import Channels, Penalty

Surrogate = Literal["gaussian", "rational"]
_Same = TypeVar("_Same", bound="JumpPenalty")


def check_scale(name: str, value: object) -> None:
    """Raise unless the scale is 0, or so large that its square is a float32."""
    checks.real(name, value, at_least=0.0)
    if value != 0.0:
        checks.real(name, value, at_least=1e-12)


def count(size: Any) -> Any:
    """Return 1 where ``size`` is not 0, and NaN where it is NaN or infinite.

    The gradient is 0, not none: a sum with other penalties trains.
    """
    xp = namespace(size)
    return xp.where(size != 0, xp.ones_like(size), xp.zeros_like(size)) + 0 * size


def height(d: Any, scale: float) -> Any:
    """Return the argument of :func:`jumps` for a difference; it may be summed over channels and directions.

    This is the square, or for the hard count the magnitude, since the square of a small difference may
    vanish.
    """
    return namespace(d).abs(d) if scale == 0.0 else d * d


def jumps(heights: Any, scale: float, surrogate: str) -> Any:
    """Return 1 where the height is not 0; with a scale above 0, a smooth function that rises from 0 to 1."""
    if scale == 0.0:
        return count(heights)
    if surrogate == "gaussian":
        # the multiple of 0 is NaN for an infinite height, which is no jump but an error
        return -namespace(heights).expm1(-heights / (2 * scale * scale)) + 0 * heights
    return heights / (heights + scale * scale)


@dataclass(frozen=True)
class JumpPenalty(Penalty):
    """A penalty whose terms are :func:`jumps` of heights; a subclass has the field ``channels``."""

    scale: float = parameter(0.0, check_scale)
    surrogate: Surrogate = parameter("gaussian", checks.one_of, allowed=("gaussian", "rational"))

    channels: ClassVar[Channels]
    convex: ClassVar[bool] = False

    @property
    def has_prox(self) -> bool:
        """False: :meth:`prox` is defined for lines only."""
        return False

    def annealed(self: _Same, step: int, n_steps: int, start: float = 0.5, stop: float = 0.02) -> _Same:
        """Return the penalty at a step of the continuation: ``s = start (stop/start)^(step/(n_steps−1))``.

        Examples
        --------
        >>> potts = js.Potts()
        >>> loss = js.PenaltyLoss(lambda step: potts.annealed(step, 1000), weight=1e-2)
        """
        checks.integer("step", step, at_least=0)
        checks.integer("n_steps", n_steps, at_least=1)
        checks.real("start", start, above=0.0)
        checks.real("stop", stop, above=0.0)
        return replace(self, scale=start * (stop / start) ** min(1.0, step / max(1, n_steps - 1)))

    def prox(self, v: Tensor, tau: float | Tensor) -> Tensor:
        """Compute the exact minimiser, for images with one spatial axis longer than 1; no derivative.

        Dynamic programming over all segmentations.

        Raises
        ------
        NoProx
            For images with two or three such axes, where the problem is NP-hard, and for the surrogates.
        """
        check_tensor(v)
        if self.scale != 0.0:
            raise NoProx(
                f"{type(self).__name__} has a proximal operator for the hard count only; pass scale=0"
            )
        if sum(n > 1 for n in v.shape[2:]) > 1:
            raise NoProx(
                f"{type(self).__name__} has a proximal operator in one dimension only: in more it is NP-hard;"
                " js.smooth(image, 'region-fusion') approximates it"
            )
        taus = per_image(tau, v)
        weight = 2.0 * torch.as_tensor(taus, dtype=torch.float64).detach().reshape(-1)  # the kernel has no ½
        weight = weight.expand(len(v)).cpu()
        lines = at_least_single(v.detach()).flatten(2).cpu()  # (B, C, n)
        unknown = ~torch.isfinite(lines).all(2, keepdim=True)
        if self.channels == "joint":
            unknown = unknown.any(1, keepdim=True)
        lines = torch.where(unknown, 0.0, lines)
        if self.channels == "joint":
            answer = potts_lines(lines.mT.numpy(), weight.numpy())
            answer = torch.from_numpy(answer).mT
        else:
            each = weight.repeat_interleave(v.shape[1]).numpy()
            answer = torch.from_numpy(potts_lines(lines.flatten(0, 1)[..., None].numpy(), each))
        return torch.where(unknown, torch.nan, answer.reshape(lines.shape)).reshape(v.shape).to(v)

"""How an image was seen: the data, and what they say about the image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core.errors import InputError
from jumpset._core.types import Images
from jumpset.operators.algebra import LinearOp
from jumpset.operators.conjugate_gradient import conjugate_gradient
from jumpset.operators.gradient import divergence, gradient
from jumpset.operators.linear import Identity

_ROUGHNESS = 1e-3  # small beside the data term; it determines the pixels without data
_MAX_STEPS = 200
_TOLERANCE = 1e-6  # of the residual, which is small from the beginning where data are missing


@dataclass(frozen=True)
class Observation(ABC):
    """Data f of an unknown image u, and the model that relates them.

    The fidelity of u is ``misfit(u).square().sum()``. A model may work in coordinates z of its own; then all
    images here are z, and :meth:`to_image` gives u.
    """

    f: Tensor
    """The data."""

    is_constrained: ClassVar[bool] = False
    """Whether :meth:`project` changes anything."""

    @property
    def scale(self) -> float:
        """The fidelity here, as a multiple of the fidelity in intensities."""
        return 1.0

    @abstractmethod
    def initial(self) -> Images:
        """An image that agrees with the data."""

    @abstractmethod
    def misfit(self, u: Images) -> Tensor:
        """A u − f, in units in which all its values have the same variance; differentiable."""

    def project(self, u: Images) -> Images:
        """An image near u that the data allow."""
        return u

    def to_image(self, z: Tensor) -> Tensor:
        """The image of coordinates z."""
        return z

    def state_dict(self) -> dict[str, Any]:
        """Nothing: a checkpoint belongs to an image and a method, from which the observation follows."""
        return {}

    def load_state_dict(self, saved: dict[str, Any]) -> None:  # noqa: B027
        """Nothing to load."""


@dataclass(frozen=True)
class LinearObservation(Observation):
    """f = A u + noise.

    Parameters
    ----------
    f
        ``(B, C, *spatial)``, in the range of A.
    operator
        A.
    """

    operator: LinearOp
    """A."""

    def initial(self) -> Tensor:
        """:func:`tikhonov_estimate`; f itself for the identity."""
        return self.f if isinstance(self.operator, Identity) else tikhonov_estimate(self.f, self.operator)

    def misfit(self, u: Tensor) -> Tensor:
        """A u − f."""
        return self.operator(u) - self.f


def observe(f: Tensor, operator: LinearOp | None = None) -> Observation:
    """F as the data of an operator; None: of the identity."""
    return LinearObservation(f, Identity() if operator is None else operator)


def tikhonov_estimate(f: Tensor, operator: LinearOp) -> Images:
    r"""A smooth image that agrees with the data: argmin ‖A u − f‖² + 0.001 ‖∇u‖², by conjugate gradients.

    Holes are filled smoothly, blur is half undone, missing pixels are interpolated; values stay within those
    of f and [0, 1].
    """
    b = operator.adjoint(f)
    normal = lambda u: operator.adjoint(operator(u)) - _ROUGHNESS * divergence(gradient(u))  # noqa: E731
    u = conjugate_gradient(normal, b, torch.zeros_like(b), _TOLERANCE, _MAX_STEPS)
    return u.clamp(f.amin().clamp(max=0.0), f.amax().clamp(min=1.0))


def check_operator(name: str, value: object) -> None:
    """Raise unless ``value`` is None, or can be applied and has an adjoint."""
    if value is not None and not isinstance(value, LinearOp):
        raise InputError(
            f"{name} must be a linear operator, or None",
            given=repr(value),
            do="pass one of jumpset.operators.linear, or an object with __call__ and adjoint",
        )

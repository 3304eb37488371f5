"""What linear operators share: the adjoint, sums, products, multiples, norms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.text import Brief

_POWER_STEPS = 100


@runtime_checkable
class LinearOp(Protocol):
    """A linear map A of images. An attribute ``norm``, the largest singular value, is used where present.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> isinstance(js.operators.Mask(torch.ones(1, 1, 4, 4)), js.operators.LinearOp)
    True
    """

    def __call__(self, u: Tensor) -> Tensor:
        """A u."""
        ...

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y, of the shape of an image."""
        ...


class LinearOperator(Brief):
    """Base of the operators: ``A @ B``, ``A + B``, ``A - B``, ``2 * A``, ``A / 2``, ``-A`` and ``A.T``.

    A subclass defines ``__call__`` and ``adjoint``. Where ``(AᵀA + ρ)⁻¹`` has a formula, it also defines
    :meth:`is_direct` and :meth:`solve`.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> mask = js.operators.Mask(torch.tensor([[1.0, 0.0]]))
    >>> ((2 * mask) @ mask.T)(torch.ones(1, 1, 1, 2)).tolist()
    [[[[2.0, 0.0]]]]
    """

    norm: Any = None
    """The largest singular value; None: :func:`operator_norm` finds it by power iteration."""
    __array_ufunc__: ClassVar[None] = None  # a number of NumPy leaves the product to this class

    def __call__(self, u: Tensor) -> Tensor:
        """A u."""
        raise NotImplementedError

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y, of the shape of an image."""
        raise NotImplementedError

    def is_direct(self, u: Tensor) -> bool:  # noqa: ARG002
        """Whether :meth:`solve` works for images like ``u``."""
        return False

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """``(AᵀA + ρ)⁻¹ b`` for one ρ > 0 per image, ``(B, 1, …)``."""
        raise NotImplementedError

    def precondition(self, b: Tensor, rho: Tensor) -> Tensor:  # noqa: ARG002
        """A cheap approximation of :meth:`solve`, symmetric and positive, up to a constant factor."""
        return b

    @property
    def T(self) -> LinearOperator:  # noqa: N802
        """The adjoint as an operator."""
        return Transposed(self)

    def __matmul__(self, other: LinearOp) -> LinearOperator:
        """``(self @ other)(u) = self(other(u))``."""
        return Composition(self, other) if _is_operator(other) else NotImplemented

    def __rmatmul__(self, other: LinearOp) -> LinearOperator:
        """``other @ self``."""
        return Composition(other, self) if _is_operator(other) else NotImplemented

    def __add__(self, other: LinearOp) -> LinearOperator:
        """``(self + other)(u) = self(u) + other(u)``."""
        return Sum(self, other) if _is_operator(other) else NotImplemented

    def __sub__(self, other: LinearOp) -> LinearOperator:
        """``self + (-1) * other``."""
        return Sum(self, Scaled(-1.0, other)) if _is_operator(other) else NotImplemented

    def __mul__(self, factor: float) -> LinearOperator:
        """``factor * self``."""
        checks.real("factor", factor)
        return Scaled(float(factor), self)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> LinearOperator:
        """``(1 / divisor) * self``."""
        checks.real("divisor", divisor)
        if divisor == 0:
            raise InputError("an operator cannot be divided by 0", given=divisor, do="pass another number")
        return Scaled(1.0 / float(divisor), self)

    def __neg__(self) -> LinearOperator:
        """``-1 * self``."""
        return Scaled(-1.0, self)


@dataclass(frozen=True)
class Composition(LinearOperator):
    """``outer(inner(u))``, written ``outer @ inner``."""

    outer: LinearOp
    inner: LinearOp

    def __call__(self, u: Tensor) -> Tensor:
        """``outer(inner(u))``."""
        return self.outer(self.inner(u))

    def adjoint(self, y: Tensor) -> Tensor:
        """``innerᵀ(outerᵀ(y))``."""
        return self.inner.adjoint(self.outer.adjoint(y))


@dataclass(frozen=True)
class Sum(LinearOperator):
    """``first(u) + second(u)``, written ``first + second``; both have data of one shape."""

    first: LinearOp
    second: LinearOp

    def __call__(self, u: Tensor) -> Tensor:
        """``first(u) + second(u)``."""
        a, b = self.first(u), self.second(u)
        if a.shape != b.shape:
            raise InputError(
                "only operators with data of one shape can be added",
                given=f"{tuple(a.shape)} and {tuple(b.shape)}",
                do="restore from one of them, or compose them with @",
            )
        return a + b

    def adjoint(self, y: Tensor) -> Tensor:
        """``firstᵀ(y) + secondᵀ(y)``."""
        return self.first.adjoint(y) + self.second.adjoint(y)


@dataclass(frozen=True)
class Scaled(LinearOperator):
    """``factor · operator(u)``, written ``factor * operator``."""

    factor: float
    operator: LinearOp

    @property
    def norm(self) -> float | None:
        """``|factor|`` times the norm of the operator, where that is known."""
        known = getattr(self.operator, "norm", None)
        return None if known is None else abs(self.factor) * float(known)

    def __call__(self, u: Tensor) -> Tensor:
        """``factor · operator(u)``."""
        return self.factor * self.operator(u)

    def adjoint(self, y: Tensor) -> Tensor:
        """``factor · operatorᵀ(y)``."""
        return self.factor * self.operator.adjoint(y)

    def is_direct(self, u: Tensor) -> bool:
        """As the operator; not for the factor 0."""
        return self.factor != 0.0 and is_direct(self.operator, u)

    def solve(self, b: Tensor, rho: Tensor) -> Tensor:
        """``(c² AᵀA + ρ)⁻¹ b = c⁻² (AᵀA + ρ / c²)⁻¹ b``."""
        squared = self.factor**2
        return self.operator.solve(b, rho / squared) / squared  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Transposed(LinearOperator):
    """The adjoint of an operator, written ``operator.T``."""

    operator: LinearOp

    @property
    def norm(self) -> float | None:
        """The norm of the operator, where that is known."""
        return getattr(self.operator, "norm", None)

    @property
    def T(self) -> LinearOperator:  # noqa: N802
        """The operator itself."""
        return self.operator  # type: ignore[return-value]

    def __call__(self, u: Tensor) -> Tensor:
        """``operatorᵀ(u)``."""
        return self.operator.adjoint(u)

    def adjoint(self, y: Tensor) -> Tensor:
        """``operator(y)``."""
        return self.operator(y)


@dataclass(frozen=True)
class Pair(LinearOperator):
    """A map and its adjoint as functions of the user.

    Parameters
    ----------
    forward, backward
        Functions of a tensor; ``⟨forward(u), y⟩ = ⟨u, backward(y)⟩`` is assumed, and
        :func:`adjoint_error` checks it.
    norm
        The largest singular value; ``None``: estimated by power iteration where needed.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> flip = js.operators.Pair(lambda u: u.flip(-1), lambda y: y.flip(-1), norm=1.0)
    >>> flip(torch.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[2.0, 1.0]]]]
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor], Tensor]
    norm: float | None = None

    def __call__(self, u: Tensor) -> Tensor:
        """``forward(u)``."""
        return self.forward(u)

    def adjoint(self, y: Tensor) -> Tensor:
        """``backward(y)``."""
        return self.backward(y)


def with_gradient(
    forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor], Tensor], u: Tensor
) -> Tensor:
    """``forward(u)``, computed outside torch, with the derivative ``backward``."""
    return _Outside.apply(u, forward, backward)  # type: ignore[no-any-return]


class _Outside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, forward: Any, backward: Any) -> Tensor:
        ctx.functions = backward, forward
        return forward(u)

    @staticmethod
    def backward(ctx: Any, y: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        backward, forward = ctx.functions
        return with_gradient(backward, forward, y), None, None


def is_direct(operator: LinearOp, u: Tensor) -> bool:
    """Whether ``(AᵀA + ρ)⁻¹`` has a formula for images like ``u``."""
    return isinstance(operator, LinearOperator) and operator.is_direct(u)


def operator_norm(operator: LinearOp, like: Tensor, *, seed: int = 0, tol: float = 1e-6) -> float:
    """The largest singular value: the operator's ``norm``, else by power iteration on one image.

    Parameters
    ----------
    operator
        A.
    like
        An image ``(B, C, *spatial)``; its shape, dtype and device are used.
    seed
        Seed of the first vector.
    tol
        Power iteration ends when the estimate of the squared norm grows by less than this part of it.

    Returns
    -------
    float
        Power iteration converges from below; 1 % is added.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> js.operators.operator_norm(js.operators.Mask(torch.ones(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4))
    1.0
    """
    known = getattr(operator, "norm", None)
    if known is not None:
        return float(known)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(like[:1].shape, generator=generator, dtype=torch.float64).to(like)
    size = 0.0
    for _ in range(_POWER_STEPS):
        x = x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)
        x = operator.adjoint(operator(x))
        before, size = size, float(x.norm())
        if size == 0.0:
            return 0.0
        if abs(size - before) <= tol * size:
            break
    return 1.01 * math.sqrt(size)


def adjoint_error(operator: LinearOp, like: Tensor, *, seed: int = 0) -> float:
    """``|⟨A u, y⟩ − ⟨u, Aᵀ y⟩| / (‖A u‖ ‖y‖)`` for random u and y: rounding for a correct adjoint.

    Parameters
    ----------
    operator
        A.
    like
        An image ``(B, C, *spatial)``; its shape, dtype and device are used.
    seed
        Seed of u and y.

    Returns
    -------
    float
        About 1e-7 in float32 for a correct adjoint.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> blur = js.operators.Blur(torch.ones(3, 3) / 9)
    >>> js.operators.adjoint_error(blur, torch.zeros(1, 1, 8, 8)) < 1e-5
    True
    """
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)
    image = operator(u)
    y = torch.randn(image.shape, generator=generator, dtype=torch.float64).to(image)
    left, right = float((image * y).sum()), float((u * operator.adjoint(y)).sum())
    return abs(left - right) / max(float(image.norm() * y.norm()), 1e-300)


def _is_operator(value: Any) -> bool:
    return isinstance(value, LinearOp) and not isinstance(value, Tensor)

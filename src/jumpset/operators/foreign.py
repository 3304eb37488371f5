"""Operators of other libraries: scipy, PyLops, deepinv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core.errors import InputError
from jumpset.operators.algebra import LinearOp, LinearOperator, Pair, with_gradient


@dataclass(frozen=True)
class FlatOperator(LinearOperator):
    """A matrix of vectors as an operator on images: a ``LinearOperator`` of scipy or PyLops, or a matrix.

    Parameters
    ----------
    matrix
        What has ``shape``, ``matvec`` and ``rmatvec``, as ``LinearOperator`` of scipy and PyLops have; or an
        array or sparse matrix of two axes. Where it returns complex vectors, the data have a last axis of
        real and imaginary parts.
    shape
        ``(*spatial)``: each channel is a vector of its own; or ``(C, *spatial)`` with ``joint=True``.
        None: ``dims`` of a PyLops operator.
    data_shape
        Shape of the data of one vector; None: ``dimsd`` of a PyLops operator, or one axis.
    joint
        Whether a vector holds all channels.

    Raises
    ------
    InputError
        Something else, or shapes that the matrix does not have.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> sums = js.operators.FlatOperator(torch.ones(1, 4).numpy(), shape=(2, 2))
    >>> sums(torch.ones(1, 1, 2, 2)).tolist()
    [[[4.0]]]
    """

    matrix: Any
    shape: Sequence[int] | None = None
    data_shape: Sequence[int] | None = None
    joint: bool = False

    def __post_init__(self) -> None:
        given = self.matrix
        if not hasattr(given, "matvec"):
            from scipy.sparse.linalg import aslinearoperator

            try:
                given = aslinearoperator(given)
            except (TypeError, ValueError):
                raise InputError(
                    "a linear operator has shape, matvec and rmatvec",
                    given=type(given).__name__,
                    do="pass a scipy or PyLops LinearOperator, a matrix, or Pair(forward, backward)",
                ) from None
        shape = self.shape or getattr(given, "dims", None)
        data_shape = self.data_shape or getattr(given, "dimsd", None) or (given.shape[0],)
        if shape is None or prod(shape) != given.shape[1] or prod(data_shape) != given.shape[0]:
            raise InputError(
                "the shapes do not fit the matrix",
                given=f"image {shape} and data {data_shape} for a matrix of shape {given.shape}",
                do="pass shape=(H, W), with H · W columns, and data_shape with as many entries as rows",
            )
        object.__setattr__(self, "matrix", given)
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))
        object.__setattr__(self, "data_shape", tuple(int(n) for n in data_shape))

    def __call__(self, u: Tensor) -> Tensor:
        """``matrix @ vector`` of each channel."""
        shape = tuple(self.shape or ())
        if tuple(u.shape[1 if self.joint else 2 :]) != shape:
            raise InputError(
                "the image does not have the shape of the operator",
                given=f"{tuple(u.shape)} for {shape}",
                do="pass (B, C, *shape), or joint=True where the channels are part of the vector",
            )
        return with_gradient(self._forward, self._backward, u)

    def _forward(self, u: Tensor) -> Tensor:
        shape = tuple(self.shape or ())
        first = u.shape[: 1 if self.joint else 2]
        y = self._each(self.matrix.matvec, u.reshape(-1, prod(shape)), u)
        data = tuple(self.data_shape or ())
        return y.reshape(*first, *([1] if self.joint and len(data) == 1 else []), *data, *y.shape[2:])

    def adjoint(self, y: Tensor) -> Tensor:
        """``matrixᴴ @ vector``; its real part."""
        return with_gradient(self._backward, self._forward, y)

    def _backward(self, y: Tensor) -> Tensor:
        shape, data = tuple(self.shape or ()), tuple(self.data_shape or ())
        if self._returns_complex:
            y = y if y.is_complex() else torch.view_as_complex(y.contiguous())
        first = y.shape[: 1 if self.joint else 2]
        u = self._each(self.matrix.rmatvec, y.reshape(-1, prod(data)), y, real=True)
        return u.reshape(*first, *shape)

    @property
    def _returns_complex(self) -> bool:
        return np.dtype(self.matrix.dtype or float).kind == "c"

    def _each(self, function: Any, vectors: Tensor, like: Tensor, *, real: bool = False) -> Tensor:
        rows: list[Any] = [np.asarray(function(v)) for v in vectors.detach().cpu().numpy()]
        out = torch.from_numpy(np.stack([r.real.copy() if real else r for r in rows]))
        if out.is_complex():
            out = torch.view_as_real(out)
        return out.to(like.device, like.real.dtype if like.is_complex() else like.dtype)


def from_deepinv(physics: Any) -> LinearOperator:
    """A ``LinearPhysics`` of deepinv, without its noise: ``physics.A`` and ``physics.A_adjoint``.

    Parameters
    ----------
    physics
        An object with the methods ``A`` and ``A_adjoint``.

    Returns
    -------
    LinearOperator
        The operator.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> class Doubled:
    ...     def A(self, u):
    ...         return 2 * u
    ...
    ...     def A_adjoint(self, y):
    ...         return 2 * y
    >>> js.operators.from_deepinv(Doubled())(torch.ones(1, 1, 1, 2)).tolist()
    [[[[2.0, 2.0]]]]
    """
    if not callable(getattr(physics, "A", None)) or not callable(getattr(physics, "A_adjoint", None)):
        raise InputError(
            "a linear physics has A and A_adjoint", given=type(physics).__name__, do="pass a LinearPhysics"
        )

    def real(x: Tensor) -> Tensor:
        return torch.view_as_real(x) if x.is_complex() else x

    return Pair(lambda u: real(physics.A(u)), lambda y: real(physics.A_adjoint(y)))


def as_operator(given: Any) -> LinearOp:
    """An operator of this package or of the user; one of PyLops or deepinv is converted.

    Raises
    ------
    InputError
        Something else, or an operator of scipy, whose image has no shape.
    """
    if hasattr(given, "A_adjoint"):
        return from_deepinv(given)
    if hasattr(given, "rmatvec"):
        return FlatOperator(given)
    if isinstance(given, LinearOp) and not isinstance(given, Tensor | type):
        return given
    raise InputError(
        "no linear operator",
        given=repr(given),
        do="pass one of jumpset.operators, Pair(forward, backward), or an object with __call__ and adjoint",
    )

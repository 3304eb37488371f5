"""Proximal operators that are solved by iteration, as torch operators with a derivative.

``jumpset::solved_prox`` and ``jumpset::solved_prox_derivative`` appear in graphs of ``torch.compile`` and
``torch.export``, and have a rule for ``vmap``. A graph holds the penalty as a text; the text of a penalty of
this package is enough to load the graph in another process that has imported jumpset.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from jumpset import penalties
from jumpset._core.errors import InputError
from jumpset.kernels.tracing import is_eager
from jumpset.nn import small_tv
from jumpset.nn.manifolds import derivative
from jumpset.operators.images import spread
from jumpset.operators.precision import to_float64
from jumpset.penalties.base import Penalty
from jumpset.penalties.weighted_sum import WeightedSum

_FLAT = 1e-4  # neighbours that differ by this part of the range of v belong to one flat region
_KNOWN: WeakValueDictionary[str, Penalty] = WeakValueDictionary()


def text_of(penalty: Penalty) -> str:
    """Return a text under which the operators find the penalty, for as long as the penalty exists."""
    text = name = repr(penalty)
    number = 1
    while not _equal(_KNOWN.setdefault(name, penalty), penalty):  # a class of the user may have the same name
        number += 1
        name = f"{text} #{number}"
    return name


def _equal(a: Penalty, b: Penalty) -> bool:
    """Return whether two penalties are equal; those whose fields cannot be compared are not."""
    try:
        return a is b or bool(a == b)
    except RuntimeError:  # fields that are tensors
        return False


def penalty_of(text: str) -> Penalty:
    """Return the penalty of :func:`text_of`; a penalty of this package also in another process."""
    found = _KNOWN.get(text)
    if found is None:
        try:
            found = _read(ast.parse(text, mode="eval").body)
        except (SyntaxError, ValueError):
            raise InputError(
                "the graph holds a penalty of another process", given=text, do="construct it before"
            ) from None
    return found


def _read(node: ast.expr) -> Any:
    """Read a ``repr`` that consists of penalties of this package, tuples and numbers."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        kind = getattr(penalties, node.func.id, None) or {"WeightedSum": WeightedSum}.get(node.func.id)
        if isinstance(kind, type) and issubclass(kind, Penalty):
            return kind(**{str(k.arg): _read(k.value) for k in node.keywords})
    if isinstance(node, ast.Tuple):
        return tuple(_read(part) for part in node.elts)
    return ast.literal_eval(node)


def prox(
    v: Tensor, taus: Tensor, text: str, flat: float | None, tol: float, dual: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Compute the proximal point, with derivatives in v and ``taus``, and the dual variable.

    Parameters
    ----------
    v, taus
        ``(B, C, *spatial)`` and ``(B,)``.
    text
        The penalty, by :func:`text_of`.
    flat, tol
        As for :class:`jumpset.Prox`.
    dual
        Start, of an earlier call for images of this shape. It is used and returned where
        :mod:`jumpset.nn.small_tv` applies; otherwise it is empty.
    """
    return _Prox.apply(v, taus, text, flat, tol, dual)


def _solve(v: Tensor, taus: Tensor, text: str, tol: float, dual: Tensor | None) -> tuple[Tensor, Tensor]:
    penalty = penalty_of(text)
    terms = small_tv.terms_of(penalty, v)
    if terms is None:
        return _fresh(penalty.prox(v.detach(), taus.detach()), v), v.new_empty(0)
    fits = dual is not None and tuple(dual.shape) == small_tv.shape_of_dual(v, terms)
    found = small_tv.solve(v, taus.detach(), terms, tol, dual if fits else None)
    return _fresh(found.image, v), found.dual


@torch.no_grad()
def _differentiate(
    v: Tensor, taus: Tensor, u: Tensor, dual: Tensor, g: Tensor, text: str, flat: float | None, tol: float
) -> tuple[Tensor, Tensor]:
    """Return J g and the derivative in ``taus``: ``−⟨J g, v − u⟩ / tau``."""
    penalty = penalty_of(text)
    terms = small_tv.terms_of(penalty, v)
    x, solved, gradient, weights = (to_float64(a) for a in (v, u, g, taus))
    if terms is None:
        moved = derivative(penalty, x, solved, weights, gradient, _FLAT if flat is None else flat)
    else:
        moved = small_tv.derivative(v, taus, u, dual, g, terms, flat, tol)
    tau = spread(weights, x)
    moved = torch.where(tau > 0, moved, gradient)  # at tau = 0 the prox is the identity
    force = torch.where(tau > 0, (x - solved) / torch.where(tau > 0, tau, 1.0), 0.0)
    by_tau = -(moved * force).flatten(1).sum(1)
    return _fresh(moved.to(g.dtype), g), by_tau.to(taus.dtype)


def _fresh(result: Tensor, given: Tensor) -> Tensor:
    """Return ``result`` in memory of its own: an operator must not return its argument."""
    result = result.contiguous()
    return result.clone() if result.data_ptr() == given.data_ptr() else result


def _apart(*arguments: Any) -> tuple[Tensor, Tensor]:
    """Call :func:`_differentiate` in another thread: inside an operator, torch records no derivatives."""
    values: list[Any] = [a.detach() if isinstance(a, Tensor) else a for a in arguments]
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_differentiate, *values).result()


# -------------------------------------------------------------------------------------------- torch operators


@torch.library.custom_op("jumpset::solved_prox", mutates_args=())
def _solved_prox(
    v: Tensor, taus: Tensor, text: str, tol: float, dual: Tensor | None
) -> tuple[Tensor, Tensor]:
    return _solve(v, taus, text, tol, dual)


@_solved_prox.register_fake
def _(v, taus, text, tol, dual):  # noqa: ARG001
    terms = small_tv.terms_of(penalty_of(text), v)
    if terms is None:
        return v.new_empty(v.shape), v.new_empty(0)
    dtype = v.dtype if v.dtype in (torch.float32, torch.float64) else torch.float32
    return v.new_empty(v.shape), v.new_empty(small_tv.shape_of_dual(v, terms), dtype=dtype)


@torch.library.custom_op("jumpset::solved_prox_derivative", mutates_args=())
def _solved_prox_derivative(
    v: Tensor, taus: Tensor, u: Tensor, dual: Tensor, g: Tensor, text: str, flat: float | None, tol: float
) -> tuple[Tensor, Tensor]:
    return _apart(v, taus, u, dual, g, text, flat, tol)


@_solved_prox_derivative.register_fake
def _(v, taus, u, dual, g, text, flat, tol):  # noqa: ARG001
    return g.new_empty(g.shape), taus.new_empty(taus.shape)


def _joined(operator: Any) -> Callable[..., Any]:
    """Return the rule for ``vmap``: one call for the images of all batches."""

    def rule(info: Any, in_dims: Any, *arguments: Any) -> tuple[Any, Any]:
        n = info.batch_size
        joined = list(arguments)
        for k, (a, d) in enumerate(zip(arguments, in_dims, strict=True)):
            if isinstance(a, Tensor):
                several = a.expand(n, *a.shape) if d is None else a.movedim(d, 0)
                joined[k] = several.flatten(0, 1)
        found = operator(*joined)
        # the empty dual variable belongs to no image
        parts = tuple(x.reshape(n, -1, *x.shape[1:]) if x.numel() else x.expand(n, *x.shape) for x in found)
        return parts, (0,) * len(parts)

    return rule


for _operator in (_solved_prox, _solved_prox_derivative):
    _operator.register_vmap(_joined(_operator))


class _Prox(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        v: Tensor,
        taus: Tensor,
        text: str,
        flat: float | None,  # noqa: ARG004
        tol: float,
        dual: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        # the first call of an operator loads torch's compiler for seconds
        return (_solve if is_eager(v) else _solved_prox)(v, taus, text, tol, dual)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        v, taus, ctx.text, ctx.flat, ctx.tol, _ = inputs
        u, dual = output
        ctx.mark_non_differentiable(dual)
        ctx.save_for_backward(v, taus, u, dual)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore
        arguments: Any = (*ctx.saved_tensors, gradient, ctx.text, ctx.flat, ctx.tol)
        traced = torch.compiler.is_compiling()
        moved, by_tau = _solved_prox_derivative(*arguments) if traced else _Derivative.apply(*arguments)
        return moved, by_tau, None, None, None, None


class _Derivative(torch.autograd.Function):
    """The derivative, without one of its own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, Tensor]:
        eager = all(is_eager(a) for a in arguments if isinstance(a, Tensor))
        compute = _differentiate if eager else cast(Any, _solved_prox_derivative)
        return compute(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Save nothing."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:  # noqa: ARG004
        raise RuntimeError("a prox that is solved by iteration has first derivatives only")

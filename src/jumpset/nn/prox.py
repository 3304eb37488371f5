"""A proximal operator as a layer of a network, with derivatives."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import ComplexImages
from jumpset.nn import solved_prox
from jumpset.nn.manifolds import active_manifold
from jumpset.nn.positive import logarithm, set_logarithm
from jumpset.operators.images import channels_back, channels_to_front, check_tensor, per_image
from jumpset.operators.precision import at_least_single
from jumpset.penalties.base import Penalty
from jumpset.penalties.complex_images import prox as complex_prox
from jumpset.penalties.sparse_tv import SparseTV
from jumpset.penalties.weighted_sum import WeightedSum
from jumpset.prox.tv import TOL


class Prox(nn.Module):
    r"""Prox layer: exact zeros or flat regions inside a network, with derivatives for training.

    .. math:: \operatorname{prox}_{\tau R}(v) = \operatorname{argmin}_u \tfrac12 \|u - v\|^2 + \tau R(u)

    Parameters
    ----------
    penalty
        R; it must have a prox.
    tau
        At least 0: a number, or a tensor with one number or one per image; a buffer. Above 0 if
        ``learnable``.
    learnable
        Whether tau is trained: the parameter ``log_tau`` is its logarithm, which keeps it positive.
    flat
        For penalties of differences: neighbours that differ by at most this part of the range of v belong to
        one flat region. ``None``: 1e-4, or 0 for anisotropic total variation of small images, whose dual
        field shows the regions.
    tol
        For total variation and sparse TV of small images (see below): relative duality gap of the proximal
        point. The larger it is, the faster the layer and the rougher its derivative.
    warm_start
        As ``tol``: start at the dual variable of the last call of the same shape. It
        saves steps where a call contains the images of the last one, as in full-batch training or a deep
        image prior; otherwise it costs some. It is no part of ``state_dict``.
    channel_axis
        The axis of the channels of all inputs, as in :meth:`Penalty.value`.

    Raises
    ------
    InputError
        A parameter out of range.
    NoProx
        When called, if the penalty has no prox.

    Notes
    -----
    Autograd differentiates closed forms, in v and in tau. Iterative proxes have a symmetric derivative J
    almost everywhere, and ``∂u/∂tau = −J (v − u) / tau``, taken as follows (implicit differentiation on the
    active manifold; S. Vaiter, C. Deledalle, J. Fadili, G. Peyré, C. Dossal, "The degrees of freedom of
    partly smooth regularizers", Ann. Inst. Stat. Math. 2017; no second derivatives):

    - Total variation and sparse TV of small images on the CPU (at most 2¹⁵ values per image): as in the next
      item, with the flat regions that the dual field shows, in compiled loops.
    - Total variation, sparse TV, VectorialTV with coupling l2, AITV: with Π the mean over each flat region (0
      on regions of zeros), ``J = (Π (I + tau ∇²R) Π)⁺`` by conjugate gradients; for anisotropic TV of
      separate channels this is Π, exactly. Potts and L0Gradient in one dimension: Π.
    - Sliding groups: the same with Π zero where u is. Huber TV, and the exponent 2: Π = I.
    - TGV2, LatentGroups, other TVs: a central difference of the prox along the incoming gradient, with a
      small ``tol`` and in double precision; its error is about one percent.

    In graphs of ``torch.compile`` and ``torch.export`` an iterative prox is the operator
    ``jumpset::solved_prox``; a process that loads such a program imports jumpset before. Only closed forms
    are ONNX graphs.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> layer = js.Prox(js.L1(), 0.1, learnable=True)
    >>> layer(torch.tensor([[[0.5, -0.05]]]))
    tensor([[[0.4000, -0.0000]]], grad_fn=<MulBackward0>)
    >>> round(float(layer.tau.detach()), 3)
    0.1
    """

    def __init__(
        self,
        penalty: Penalty,
        tau: float | Tensor,
        *,
        learnable: bool = False,
        flat: float | None = None,
        tol: float = 1e-5,
        warm_start: bool = False,
        channel_axis: int | None = None,
    ) -> None:
        super().__init__()
        checks.flag("learnable", learnable)
        checks.flag("warm_start", warm_start)
        checks.real("tol", tol, above=0.0, below=1.0)
        if flat is not None:
            checks.real("flat", flat, at_least=0.0)
        self._function = DifferentiableProx(penalty)
        self.flat, self.tol, self.warm_start, self.channel_axis = flat, tol, warm_start, channel_axis
        self._start = Start()
        start = torch.as_tensor(tau, dtype=torch.get_default_dtype()).detach().clone()
        per_image(start, torch.zeros(max(start.numel(), 1)))  # checks its values
        self.log_tau = logarithm("tau", start) if learnable else None
        if not learnable:
            self._buffers["tau"] = start  # as register_buffer, which takes no name of a property

    @property
    def penalty(self) -> Penalty:
        """R."""
        return self._function.penalty

    @penalty.setter
    def penalty(self, penalty: Penalty) -> None:
        self._function = DifferentiableProx(penalty)

    @property
    def tau(self) -> Tensor:
        """The weight: a buffer, or the exponential of the parameter ``log_tau``."""
        if self.log_tau is None:
            return cast(Tensor, self._buffers["tau"])
        tau = self.log_tau.exp()
        return (
            tau.sum() if tau.numel() == 1 else tau
        )  # the sum of one number: without an axis, also if sharded

    @tau.setter
    def tau(self, tau: float | Tensor) -> None:
        if self.log_tau is None:
            new = torch.as_tensor(tau).to(self.tau)
            per_image(new, new.new_zeros(max(new.numel(), 1)))  # checks its values
            self._buffers["tau"] = new
        else:
            set_logarithm("tau", self.log_tau, tau)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "tau":  # that of a module refuses numbers
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        old = state_dict.get(f"{prefix}tau")
        if self.log_tau is not None and old is not None:  # the parameter of version 0.1.0
            state_dict.pop(f"{prefix}tau")
            state_dict[f"{prefix}log_tau"] = old.clamp_min(1e-30).log().reshape(self.log_tau.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, v: Tensor, tau: float | Tensor | None = None) -> Tensor:
        """Compute ``prox(v)``, for ``tau`` of this call if it is given."""
        given = self.tau if tau is None else tau
        start, axis = self._start if self.warm_start else None, self.channel_axis
        if axis is None:
            return self._function(v, given, self.flat, self.tol, start)
        front = channels_to_front(v, axis)
        return channels_back(self._function(front, given, self.flat, self.tol, start, may_be=False), axis)

    def extra_repr(self) -> str:
        """Return the penalty, for ``repr``."""
        return repr(self.penalty)


class Start:
    """The dual variable of the last call, the start of the next; copies and saved modules begin without."""

    def __init__(self) -> None:
        self.dual: Tensor | None = None

    def __getstate__(self) -> dict[str, None]:
        """Return nothing to be saved: the dual variable belongs to images, not to the network."""
        return {"dual": None}


class DifferentiableProx:
    """``penalty.prox(v, tau)`` with derivatives in v and tau; see :class:`Prox`."""

    def __init__(self, penalty: Penalty) -> None:
        merged = penalty.merged() if isinstance(penalty, WeightedSum) else None
        self.penalty = penalty
        self._factor, self._merged = merged or (1.0, penalty)
        self.is_closed = active_manifold(self._merged) == "closed"
        """Whether the prox is a closed form, which autograd differentiates and a graph contains."""
        self._text = solved_prox.text_of(self._merged)

    def __reduce__(self) -> Any:
        """Return how a copy is made, also in another process: by the penalty."""
        return DifferentiableProx, (self.penalty,)

    def __call__(
        self,
        v: ComplexImages,
        tau: float | Tensor,
        flat: float | None = None,
        tol: float = TOL,
        start: Start | None = None,
        *,
        may_be: bool = True,
    ) -> ComplexImages:
        """Compute the proximal point.

        ``start`` holds the dual variable from call to call; ``may_be`` is whether to refuse shapes that look
        like another layout.
        """
        if isinstance(v, Tensor) and v.is_complex():
            if isinstance(self._merged, SparseTV):
                raise InputError(
                    "the layer has no derivative of SparseTV for complex images",
                    given=str(v.dtype),
                    do="use its prox, TotalVariation or L1",
                )
            each = lambda p, x, t: DifferentiableProx(p)(x, t, flat, tol, may_be=may_be)  # noqa: E731
            return complex_prox(self.penalty, v, tau, each)
        check_tensor(v, may_be=may_be and not self._merged.separable)
        if not isinstance(tau, Tensor):
            checks.real("tau", tau, at_least=0.0)
            tau = torch.tensor(tau, dtype=at_least_single(v).dtype)
        else:
            per_image(cast(Tensor, tau).detach(), v)
        taus = cast(Tensor, tau).to(v.device).reshape(-1).expand(v.shape[0])
        if self._factor != 1.0:
            taus = self._factor * taus
        if self.is_closed:
            return self._merged.prox(v, taus)
        image, dual = solved_prox.prox(v, taus, self._text, flat, tol, None if start is None else start.dual)
        if start is not None and not torch._C._are_functorch_transforms_active():
            start.dual = dual.detach()
        return image

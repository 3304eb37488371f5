"""Total variation with its exponent, order, isotropy and channel coupling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError, NoProx
from jumpset._core.types import parameter
from jumpset.kernels.values import total_variation as kernel
from jumpset.operators.differences import second, shifted_difference, spatial_axes
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.neighborhoods import LENGTHS, OFFSETS
from jumpset.operators.norms import over_channels, power
from jumpset.operators.precision import at_least_single
from jumpset.operators.spacing import axis_scales
from jumpset.operators.spectral import smooth_solve
from jumpset.penalties.base import Channels, coupling
from jumpset.penalties.solved_prox import SolvedProx
from jumpset.prox.tv import MAX_STEPS, TOL, ProxSolution, Terms, exactly, tv_prox

Scheme = Literal["forward", "upwind", "8-neighbor"]


@dataclass(frozen=True)
class TotalVariation(SolvedProx):
    r"""Total variation: small for images with few and short edges.

    With the differences :math:`d_k x` along the spatial axes k, zero across the border,

    .. math:: R(x) = \sum_p \Bigl(\sum_k (d_k x_p)^2\Bigr)^{\beta / 2} \text{ (isotropic)}, \qquad
              R(x) = \sum_p \sum_k |d_k x_p|^\beta \text{ (anisotropic)}.

    Parameters
    ----------
    beta
        Exponent, above 0. 1 is total variation; 2 is the squared variation, which blurs edges; below 1 is
        nonconvex and favours few, strong edges.
    order
        1: first differences. 2: second differences, :math:`(d_{kk}, \sqrt 2\, d_{kl})`, which are zero on
        ramps.
    isotropic
        Whether the directions share one root.
    channels
        ``"joint"``: the squares of all channels share the root. ``"separate"``: the sum over the channels.
    scheme
        ``"forward"`` differences; ``"upwind"``: at each pixel the differences to all lower neighbours, so
        that isolated peaks count fully and rotated edges equally (order 1); ``"8-neighbor"``: axes and
        diagonals with the weights √2−1 and 1−√½ (order 1, two spatial axes, anisotropic).
    spacing
        Distances between pixels along each spatial axis, in the order z, y, x. A difference along an axis is
        divided by its distance relative to the smallest one. Default: equal; not for ``"8-neighbor"``.
    periodic
        Whether the first pixel of a line is the neighbour of the last one; order 1, forward differences.

    Raises
    ------
    InputError
        A parameter out of range, or a combination that is excluded above.

    Notes
    -----
    L. Rudin, S. Osher, E. Fatemi, Physica D 1992; exponent: A. Mahendran, A. Vedaldi, CVPR 2015 (their β);
    upwind: A. Chambolle, S. Levine, B. Lucier, SIIMS 2011; grid weights: M. Storath, A. Weinmann, SIIMS 2014.
    No ε is added anywhere: at a flat pixel the gradient is the subgradient of least norm, 0. A fused kernel
    computes order 1 with forward differences for float32 and float64 images; the formula of :meth:`terms`
    computes everything else, half precision in float32.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.TotalVariation()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [2.0]
    >>> penalty.prox(x, 0.1).shape
    torch.Size([1, 1, 2, 4])
    """

    beta: float = parameter(1.0, checks.real, above=0.0)
    order: int = parameter(1, checks.one_of, allowed=(1, 2))
    isotropic: bool = parameter(True, checks.flag)
    channels: Channels = coupling()
    scheme: Scheme = parameter("forward", checks.one_of, allowed=("forward", "upwind", "8-neighbor"))

    name: ClassVar[str] = "total-variation"
    paper: ClassVar[str] = "Rudin, Osher, Fatemi, Physica D 1992"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheme != "forward" and self.order == 2:
            raise InputError(
                "second differences have one scheme",
                given=f"scheme={self.scheme!r}, order=2",
                do="use scheme='forward'",
            )
        if self.periodic and (self.order == 2 or self.scheme != "forward"):
            raise InputError(
                "periodic borders are for first forward differences",
                given=f"order={self.order}, scheme={self.scheme!r}",
                do="use order=1 and scheme='forward'",
            )
        if self.scheme == "8-neighbor" and self.isotropic:
            raise InputError(
                "the 8-neighbor scheme sums over directions",
                given="isotropic=True",
                do="pass isotropic=False",
            )
        if self.scheme == "8-neighbor" and self.spacing is not None:
            raise InputError(
                "the lengths of the 8-neighbor scheme are those of square pixels",
                given=f"spacing={self.spacing}",
                do="use scheme='forward', or leave spacing out",
            )

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether R is convex."""
        return self.beta >= 1.0

    @property
    def has_prox(self) -> bool:
        """Whether :meth:`prox` is defined for any number of channels."""
        if self.order != 1:
            return False
        if self.beta == 2.0:
            return self.scheme != "8-neighbor" and self.has_plain_edges
        separate = not self.isotropic and self.channels == "separate"
        return self.beta == 1.0 and (self.scheme == "forward" or separate)

    def prox_solution(
        self,
        v: Tensor,
        tau: float | Tensor,
        *,
        tol: float = TOL,
        max_steps: int = MAX_STEPS,
        dual: Tensor | None = None,
        **conditions: Any,
    ) -> ProxSolution:
        """Compute the proximal point and its gap, of exponents 1 and 2; see :meth:`SolvedProx.prox_solution`.

        Exponent 2, without conditions: a cosine transform, exact.
        """
        is_free = self.has_plain_edges and all(c is None for c in conditions.values())
        if self.beta == 2.0 and self.order == 1 and self.scheme != "8-neighbor" and is_free:
            checks.real("tol", tol, above=0.0, below=1.0)
            check_tensor(v)
            # every edge counts once, for every scheme, isotropy and coupling
            with torch.no_grad():
                return exactly(v, smooth_solve(v, per_image(tau, v), self._scales(v)))
        if is_free:
            return tv_prox(v, tau, self.prox_terms(v), tol=tol, max_steps=max_steps, dual=dual)
        return super().prox_solution(v, tau, tol=tol, max_steps=max_steps, dual=dual, **conditions)

    def prox_terms(self, v: Tensor) -> Terms:
        """Return what the solver of the prox of exponent 1 minimises; raise ``NoProx`` if there is none."""
        coupled = self.channels == "joint" and v.ndim > 2 and v.shape[1] > 1
        is_plain = self.scheme == "forward" or not (self.isotropic or coupled)
        if self.beta != 1.0 or self.order != 1 or not is_plain:
            raise NoProx(
                f"{self!r} has no proximal operator; use its gradient, or beta=1 with order=1 and"
                " scheme='forward', or beta=2 without conditions and periodic borders"
            )
        directions = None
        if self.scheme == "8-neighbor":
            check_tensor(v)
            self._differences(v[:0], None)  # raises unless there are two axes
            directions = (OFFSETS[8], LENGTHS[8])
        norm = "l2" if self.isotropic else "l2-each"
        return Terms(norm, coupled, directions=directions, scales=self._scales(v))

    def _scales(self, x: Any) -> tuple[float, ...]:
        """The factors of the differences along each axis; none where all are 1."""
        return () if self.spacing is None else axis_scales(self.spacing, len(x.shape) - 2)

    def on_edges(self, edge_weights: Any) -> TotalVariation:
        """Return the penalty of the differences times weights; for first forward differences."""
        if edge_weights is not None and (self.order == 2 or self.scheme != "forward"):
            raise InputError(
                "edge_weights are for first forward differences",
                given=f"order={self.order}, scheme={self.scheme!r}",
                do="use order=1 and scheme='forward'",
            )
        return super().on_edges(edge_weights)

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        if self.order != 1 or self.scheme != "forward" or not self.is_plain or not kernel.applies(x):
            return None
        return kernel.total_variation(x, float(self.beta), self.isotropic, self.channels == "joint", factor)

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the terms of the formula above."""
        differences = self._differences(at_least_single(x), mask)
        squares = [over_channels(w * d * d, self.channels) for w, d in differences]
        if self.isotropic:
            return power(sum(squares), self.beta / 2)
        return sum(power(s, self.beta / 2) for s in squares)

    def _differences(self, x: Any, mask: Any) -> list[tuple[float, Any]]:
        """Return each direction's difference, with the weight of its square."""
        axes = list(spatial_axes(x))
        square = {k: s * s for k, s in zip(axes, axis_scales(self.spacing, len(axes)), strict=True)}
        if self.order == 2:
            pure = [(square[k] ** 2, second(x, k, k, mask)) for k in axes]
            # the Hessian contains each mixed difference twice
            pairs = [(k, j) for k in axes for j in axes if k < j]
            return pure + [(2.0 * square[k] * square[j], second(x, k, j, mask)) for k, j in pairs]
        if self.scheme == "upwind":
            falls = [(k, -shifted_difference(x, {k: s}, mask)) for k in axes for s in (1, -1)]
            return [(square[k], (f + abs(f)) / 2) for k, f in falls]
        if self.scheme == "8-neighbor":
            if len(axes) != 2:
                raise InputError(
                    "the 8-neighbor scheme needs two spatial axes",
                    given=tuple(x.shape),
                    do="use scheme='forward'",
                )
            shifts = [{a: o for a, o in zip(axes, offset, strict=True) if o} for offset in OFFSETS[8]]
            # the weight multiplies |d|^β, so its 2/β-th power multiplies d²
            return [
                (w ** (2 / self.beta), shifted_difference(x, s, mask))
                for w, s in zip(LENGTHS[8], shifts, strict=True)
            ]
        return [(1.0, d) for d in self.differences(x, mask)]

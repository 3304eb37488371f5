"""Sliding-window group sparsity: empty regions instead of scattered zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import NoProx
from jumpset._core.types import parameter
from jumpset.kernels.values import sliding_groups as kernel
from jumpset.operators.images import check_tensor, per_image
from jumpset.operators.namespaces import namespace
from jumpset.operators.norms import over_channels, power, root
from jumpset.operators.precision import at_least_single
from jumpset.operators.windows import box_sums, check_sizes, sizes_per_axis
from jumpset.penalties._masks import inside_like, keep_inside
from jumpset.penalties.base import Channels, Penalty, coupling
from jumpset.prox.overlapping_groups import overlapping_shrinkage


@dataclass(frozen=True)
class SlidingGroups(Penalty):
    r"""Sliding-window groups: supports of few connected regions, which need not be flat.

    .. math:: R(x) = \sum_i \varphi\Bigl(\|x_{W(i)}\|_2\Bigr)

    over all pixels i, with the window W(i) centred on i and cut at the border. An isolated pixel is charged
    once per window that contains it; a pixel next to other nonzero pixels adds little.

    Parameters
    ----------
    window
        Pixels along each spatial axis: one number, or one per axis. A window of n pixels extends
        (n − 1) // 2 pixels back and n // 2 ahead. Zeros form regions of about this size; the computing time
        hardly depends on it.
    phi
        ``"identity"``: t, convex. The others shrink large norms less, which preserves contrast:
        ``"log"``: s log(1 + t / s). ``"mcp"``: t − t² / 2s up to t = s, then constant s / 2.
        ``"lp"``: t^p.
    scale
        s of ``"log"`` and ``"mcp"``, above 0, in the unit of the norm of a window.
    p
        Exponent of ``"lp"``, above 0 and at most 1.
    channels
        ``"joint"``: a group holds all channels of its window. ``"separate"``: the sum over the channels.

    Raises
    ------
    InputError
        A parameter out of range, or a window that does not fit the number of spatial axes.

    Notes
    -----
    P.-Y. Chen, I. Selesnick, "Translation-invariant shrinkage/thresholding of group sparse signals", Signal
    Processing 2014 (overlapping group shrinkage, 2012); the nonconvex φ: P.-Y. Chen, I. Selesnick, IEEE TSP
    2014. (1) Windows are centred and cut at the border, so that pixels there lie in fewer of them. (2) The
    gradient at an empty window is 0, the subgradient of least norm; no ε is added. On the CPU, a fused kernel
    computes float32 and float64 images; the formula of :meth:`terms` computes everything else.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.SlidingGroups(window=3)
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [10.828]
    >>> penalty.prox(x, 0.1).shape
    torch.Size([1, 1, 2, 4])
    """

    window: int | tuple[int, ...] = parameter(5, check_sizes)
    phi: Literal["identity", "log", "mcp", "lp"] = parameter(
        "identity", checks.one_of, allowed=("identity", "log", "mcp", "lp")
    )
    scale: float = parameter(1.0, checks.real, above=0.0)
    p: float = parameter(0.5, checks.real, above=0.0, at_most=1.0)
    channels: Channels = coupling()

    name: ClassVar[str] = "sliding-groups"
    paper: ClassVar[str] = "Chen, Selesnick, Signal Processing 2014"

    @property
    def convex(self) -> bool:  # type: ignore[override]
        """Whether R is convex."""
        return self.phi == "identity" or (self.phi == "lp" and self.p == 1.0)

    @property
    def has_prox(self) -> bool:
        """Whether :meth:`prox` is defined."""
        return self.phi == "identity"

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return φ of the norm of each window, at its centre."""
        xp = namespace(x)
        wide = at_least_single(keep_inside(x, mask))
        window = sizes_per_axis("window", self.window, len(x.shape) - 2)
        profile = self._profile(box_sums(over_channels(wide * wide, self.channels), window))
        if mask is not None:
            profile = profile * inside_like(mask, wide, self.channels)
        return xp.astype(profile, x.dtype)

    def _profile(self, squares: Any) -> Any:
        xp = namespace(squares)
        if self.phi == "lp":
            return power(root(squares), self.p)
        norm = root(squares)
        if self.phi == "log":
            return self.scale * xp.log1p(norm / self.scale)
        if self.phi == "mcp":
            # the multiple of 0 is NaN for NaN and infinity, so that neither looks like a large norm
            capped = xp.where(norm < self.scale, norm, 0 * norm + self.scale)
            return capped - capped * capped / (2 * self.scale)
        return norm

    def _fused(self, x: Tensor, factor: float) -> Tensor | None:
        window = list(sizes_per_axis("window", self.window, x.ndim - 2))
        if not kernel.applies(x, window):
            return None
        parameter = self.p if self.phi == "lp" else self.scale
        return kernel.sliding_groups(x, window, self.phi, float(parameter), self.channels == "joint", factor)

    def prox(self, v: Tensor, tau: float | Tensor, *, tol: float = 1e-4, max_steps: int = 10_000) -> Tensor:
        """Compute overlapping group shrinkage, for ``phi="identity"``; exact zeros, no derivative.

        Repeats ``u ← v / (1 + tau Σ_{i : p ∈ W(i)} 1 / ‖u_W(i)‖)`` from u = v, the majorisation-minimisation
        of Chen and Selesnick, in double precision. Each image stops separately when its duality gap proves
        ``‖u − prox‖₂ ≤ tol ‖v‖₂``. Overlapping groups decay towards zero without reaching it, in the exact
        solution as well. So the pixels that are smallest relative to v are set to zero, as far as that bound
        allows.

        Parameters
        ----------
        v
            ``(B, C, *spatial)``.
        tau
            A number, or one number per image.
        tol
            Relative distance to the exact solution.
        max_steps
            Limit; a ``RuntimeWarning`` reports that an image has reached it.

        Raises
        ------
        NoProx
            For another ``phi``, whose objective has many local minima.
        """
        if self.phi != "identity":
            raise NoProx(
                f"SlidingGroups has a proximal operator for phi='identity' only, not for phi={self.phi!r};"
                " use its gradient"
            )
        checks.real("tol", tol, above=0.0)
        checks.integer("max_steps", max_steps, at_least=1)
        check_tensor(v)
        window = sizes_per_axis("window", self.window, v.ndim - 2)

        coupled = self.channels == "joint"

        def box(u: Tensor, transposed: bool) -> Tensor:
            return box_sums(over_channels(u, self.channels), window, transposed=transposed)

        def pull(u: Tensor) -> Tensor:
            if kernel.applies(u, window):
                return kernel.value_and_gradient(u, list(window), "charbonnier", 1.0, coupled, 1.0, True)[1]
            return u * box((1 + box(u.square(), False)).rsqrt(), True)

        return overlapping_shrinkage(v, per_image(tau, v), box, pull, tol, max_steps)

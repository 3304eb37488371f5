"""Semi-global weighted least squares: exact solves on overlapping strips (Liu et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset.kernels.linear.strips import smooth_strips
from jumpset.smoothers._guidance import match_guidance
from jumpset.smoothers._planes import NumpyMethod, planes


@dataclass(frozen=True)
class State:
    """The answers so far."""

    source: Tensor  # (B, C, H, W), the picture as given
    guide: np.ndarray | None  # (B or 1, C, H, W); None: u itself
    smoothed: np.ndarray  # (B, C, H, W), u
    n_steps: int


@dataclass(frozen=True)
class SGWLS(NumpyMethod):
    r"""Semi-global weighted least squares: sharp texture removal by exact solves on narrow strips.

    Approaches the minimiser of

    .. math:: \|u - f\|^2 + \text{weight} \sum_p \sum_{q \in N(p)} w_{pq} \|u_p - u_q\|^2, \qquad
              w_{pq} = \frac{\exp(-|p - q|^2 / 2 r^2)}{(255 \|g_p - g_q\|)^{\text{exponent}} + \delta},

    distances being in pixels. A step solves it exactly on all strips of 2 r + 1 columns, one every r + 1
    columns, and averages them where two meet; then the same for rows. In a strip, pixels are numbered row by
    row, to and fro, and each is linked to the next r.

    Parameters
    ----------
    weight
        λ; 100 to 30 000. Larger is smoother; 0 changes nothing.
    exponent
        Larger keeps edges sharper.
    radius
        r.
    n_steps
        Number of steps.
    guidance
        Picture g whose edges are kept, ``(H, W)`` or ``(H, W, C)`` array or ``(B, C, H, W)`` tensor of the
        same height and width, any number of bands; default: the answer of the step before, f at first.

    Raises
    ------
    InputError
        A parameter out of range, or guidance of another size.

    Notes
    -----
    W. Liu, X. Chen, C. Shen, Z. Liu, J. Yang, "Semi-global weighted least squares in image filtering", ICCV
    2017. Differences from the paper: (1) bands of the guidance count together, by the norm of their
    differences; (2) without ``guidance``, steps after the first are guided by the last answer, which removes
    texture better; (3) δ = 10⁻² bounds the weight of equal neighbours. The mean is not kept exactly, since
    pixels in two strips are averaged.
    """

    weight: float = 2000.0
    exponent: float = 2.5
    radius: int = 1
    n_steps: int = 4
    guidance: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str] = "sg-wls"
    paper: ClassVar[str] = "Liu, Chen, Shen, Liu & Yang, ICCV 2017"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"weight": 900.0, "exponent": 2.0, "n_steps": 2}}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.real("exponent", self.exponent, at_least=0.0)
        checks.integer("radius", self.radius, at_least=1)
        checks.integer("n_steps", self.n_steps, at_least=1)

    def init(self, image: Tensor) -> State:
        """Start from u = f."""
        guide = None if self.guidance is None else planes(match_guidance(self.guidance, image))
        return State(image, guide, planes(image), n_steps=0)

    def step(self, state: State) -> State:
        """All strips of columns, then all strips of rows."""
        settings = self.radius, self.weight, self.exponent, _DELTA
        smoothed = np.empty_like(state.smoothed)
        for k, u in enumerate(state.smoothed):
            guide = _LEVELS * (u if state.guide is None else state.guide[k % len(state.guide)])
            u = _turned(smooth_strips(_turned(u), _turned(guide), *settings))
            smoothed[k] = smooth_strips(u, guide, *settings)
        return State(state.source, state.guide, smoothed, state.n_steps + 1)


_LEVELS = 255.0  # the paper's intensities
_DELTA = 1e-2  # δ: bounds the weight of equal neighbours


def _turned(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.swapaxes(-2, -1))

"""The number of pixels at which the image changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jumpset.operators.differences import forward, spatial_axes
from jumpset.operators.namespaces import namespace
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single
from jumpset.penalties._jumps import JumpPenalty, height, jumps
from jumpset.penalties.base import Channels, coupling


@dataclass(frozen=True)
class L0Gradient(JumpPenalty):
    r"""L0 gradient: the number of pixels whose gradient is not zero.

    .. math:: R(x) = \sum_p \psi(\|\nabla x_p\|_2), \qquad \psi(d) = [d \ne 0], \quad
              1 - e^{-d^2 / 2 s^2}, \quad \text{or} \quad \frac{d^2}{d^2 + s^2}

    with forward differences, zero across the border.

    Parameters
    ----------
    scale
        s, in intensities, 0 or at least 1e-12. 0: the hard count, whose gradient is 0.
    surrogate
        ``"gaussian"``, the exponential above, or ``"rational"``.
    channels
        ``"joint"``: the channels share the gradient. ``"separate"``: the sum over the channels.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    L. Xu, C. Lu, Y. Xu, J. Jia, "Image smoothing via L0 gradient minimization", SIGGRAPH Asia 2011. Unlike
    :class:`Potts`, a corner pixel that changes in two directions counts once. Continuation as for Potts.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.L0Gradient()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [2.0]
    """

    channels: Channels = coupling()

    name: ClassVar[str] = "l0-gradient"
    paper: ClassVar[str] = "Xu, Lu, Xu, Jia, SIGGRAPH Asia 2011"

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return ψ of the gradient at each pixel."""
        xp = namespace(x)
        wide = at_least_single(x)
        heights = None
        for axis in spatial_axes(x):
            d = forward(wide, axis, mask)
            step = over_channels(height(d, self.scale), self.channels)
            heights = step if heights is None else heights + step
        return xp.astype(jumps(heights, self.scale, self.surrogate), x.dtype)

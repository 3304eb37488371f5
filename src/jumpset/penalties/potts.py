"""The Potts functional: the length of the jump set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import parameter
from jumpset.operators.differences import shifted_difference, spatial_axes
from jumpset.operators.namespaces import namespace
from jumpset.operators.neighborhoods import LENGTHS, OFFSETS
from jumpset.operators.norms import over_channels
from jumpset.operators.precision import at_least_single
from jumpset.penalties._jumps import JumpPenalty, height, jumps
from jumpset.penalties.base import Channels, coupling


@dataclass(frozen=True)
class Potts(JumpPenalty):
    r"""Potts: the number, or length, of jumps between neighbours, independent of their height.

    .. math:: R(x) = \sum_{(p, q)} \omega_{pq}\, \psi(\|x_p - x_q\|), \qquad \psi(d) = [d \ne 0], \quad
              1 - e^{-d^2 / 2 s^2}, \quad \text{or} \quad \frac{d^2}{d^2 + s^2}

    over pairs of neighbours. The hard count has the gradient 0; the surrogates have one, and tend to the
    count as s → 0.

    Parameters
    ----------
    scale
        s, in intensities, 0 or at least 1e-12. 0: the hard count.
    surrogate
        ``"gaussian"``, the exponential above, or ``"rational"``, whose gradient decays more slowly with
        height.
    channels
        ``"joint"``: one jump for all channels. ``"separate"``: the sum over the channels.
    neighbors
        4: neighbours along the axes, each pair with weight 1 (in 1-D and 3-D too). 8: diagonals as well, with
        the weights √2−1 and 1−√½, which make the length nearly isotropic; two spatial axes.

    Raises
    ------
    InputError
        A parameter out of range, or 8 neighbours without exactly two spatial axes.

    Notes
    -----
    R. Potts, 1952; S. Geman, D. Geman, PAMI 1984; surrogates: Geman, McClure 1987 (rational) and Leclerc,
    IJCV 1989 (Gaussian); grid weights: M. Storath, A. Weinmann, SIIMS 2014. Continuation (:meth:`annealed`):
    a surrogate is nearly quadratic for d ≪ s and nearly constant for d ≫ s. Begin with s at the height of the
    edges and lower it to about the standard deviation of the noise; below that, noise counts as edges.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.Potts()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [2.0]
    """

    neighbors: int = parameter(4, checks.one_of, allowed=(4, 8))
    channels: Channels = coupling()

    name: ClassVar[str] = "potts"
    paper: ClassVar[str] = "Geman, Geman, PAMI 1984"

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the weighted jumps from each pixel to its forward neighbours."""
        xp = namespace(x)
        wide = at_least_single(x)
        total = None
        for weight, shift in self._edges(x):
            d = shifted_difference(wide, shift, mask)
            term = weight * jumps(
                over_channels(height(d, self.scale), self.channels), self.scale, self.surrogate
            )
            total = term if total is None else total + term
        return xp.astype(total, x.dtype)

    def _edges(self, x: Any) -> list[tuple[float, dict[int, int]]]:
        axes = list(spatial_axes(x))
        if self.neighbors == 4:
            return [(1.0, {k: 1}) for k in axes]
        if len(axes) != 2:
            raise InputError("8 neighbours need two spatial axes", given=tuple(x.shape), do="use neighbors=4")
        return [
            (length, {axis: o for axis, o in zip(axes, offset, strict=True) if o})
            for length, offset in zip(LENGTHS[8], OFFSETS[8], strict=True)
        ]

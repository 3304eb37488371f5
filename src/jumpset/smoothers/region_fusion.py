"""Region fusion: merge neighbouring regions, strongest agreement first (Nguyen & Brown 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, parameter
from jumpset.kernels.regions import fusion as kernel
from jumpset.regions.fusion import paint, start


@dataclass(frozen=True)
class State:
    """The regions of each image; each step merges them in place."""

    source: Tensor  # (B, C, *spatial), f
    regions: tuple[kernel.Regions, ...]
    n_steps: int  # levels done


@dataclass(frozen=True)
class RegionFusion(Iteration[State]):
    r"""Region fusion: sharp, exactly flat regions, the fastest way to a low l0 energy.

    Looks for a small value of

    .. math:: \sum_p \|u_p - f_p\|^2 + \text{weight} \sum_{(p,q)} \omega_{pq} [u_p \ne u_q]

    (no ½; all channels jump together): single pixels at first, neighbouring regions i, j merge where

    .. math:: \frac{w_i w_j}{w_i + w_j} \|Y_i - Y_j\|^2 \le \beta_k c_{ij}, \qquad
              \beta_k = (k / \text{levels})^\gamma \text{weight}, \quad k = 0 … \text{levels}.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.001 (grain) to 0.3 (poster). Larger is flatter.
    levels
        How gradually the threshold β rises; more is slower and slightly lower in energy.
    gamma
        Exponent of β: 1 rises linearly, above 1 slowly at first.
    neighbors
        4, or 8 with the diagonals, which makes boundaries nearly isotropic and regions rounder. In a volume,
        4 stands for the 6 neighbours along the axes, and 8 for all 26.
    edge_weights
        Optional ``(D, H, W)`` tensor or array that multiplies ω of the edges from each pixel to the right and
        down (D = 2), and to the lower right and lower left (D = 4, with ``neighbors=8``); 0 cuts an edge. For
        volumes ``(D, Z, H, W)``: those of a slice, then the edge to the next slice (D = 3), or nine of them,
        to the nearest pixels first and otherwise in raster order (D = 13).
    mask
        Optional ``(H, W)`` array or tensor, or ``(B, 1, H, W)``: True, or not 0, where a pixel is valid;
        floats from 0 to 1 weight its error. The answer fills the other pixels, whatever they hold: each
        starts in the region of the nearest valid pixel. For volumes and signals with their axes.
    spacing
        Optional distances of pixels along each spatial axis, e.g. ``(2.0, 0.5, 0.5)``: ω of an edge is then
        inversely proportional to its length; the finest axis has the ω of None.

    Raises
    ------
    InputError
        A parameter out of range, or ``edge_weights`` or a ``mask`` of a wrong shape.

    Notes
    -----
    R. M. H. Nguyen, M. S. Brown, "Fast and effective L0 gradient minimization by region fusion", ICCV 2015.
    Differences from the paper: (1) any number of channels, no rounding to 8 bits; (2) the smaller region is
    merged into the larger, and a region is visited again only after it may have become mergeable, which
    changes the order of merges, not the rule; (3) weighted and 8-neighbour grids; (4) images above 16
    megapixels are stored in float32.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.RegionFusion()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.025, checks.real, at_least=0.0)
    levels: int = parameter(100, checks.integer, at_least=1)
    gamma: float = parameter(1.0, checks.real, above=0.0)
    neighbors: int = parameter(4, checks.one_of, allowed=(4, 8))
    edge_weights: Any = None
    mask: Any = None
    spacing: Any = parameter(None, checks.spacing)

    name: ClassVar[str] = "region-fusion"
    paper: ClassVar[str] = "Nguyen & Brown, ICCV 2015"
    is_symmetric: ClassVar[bool] = False
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"dip-l0": {"levels": 50}, "clip-art": {"weight": 0.015}}
    in_place: ClassVar[bool] = True  # a copy of all regions at each level would take longer than the merges
    check_every: ClassVar[int] = 10

    @property
    def max_steps(self) -> int:
        """One step for each level, level 0 included."""
        return self.levels + 1

    def init(self, image: Tensor) -> State:
        """Start from one region for each pixel."""
        return State(
            image, start(image, self.neighbors, self.edge_weights, self.mask, self.spacing), n_steps=0
        )

    def step(self, state: State) -> State:
        """Sweep once over all regions at the next level."""
        beta = self.weight * (state.n_steps / self.levels) ** self.gamma
        for regions in state.regions:
            kernel.sweep(regions, beta)
        return State(state.source, state.regions, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The mean of each region in its pixels."""
        return paint(state.regions, state.source)

    def record(self, state: State) -> dict[str, float]:
        """The energy and the number of regions, summed over the batch."""
        squares, boundary = (sum(float(r.totals[k]) for r in state.regions) for k in (0, 1))
        numbers = np.arange(len(state.regions[0].parent), dtype=np.int32)
        count = sum(int(np.count_nonzero(r.parent == numbers)) for r in state.regions)
        return {"energy": squares + self.weight * boundary, "regions": count}

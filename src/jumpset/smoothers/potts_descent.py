"""Descent on the Potts energy: region fusion, then moves, merges and splits of regions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.iterate import final_state
from jumpset._core.types import Iteration, Status, parameter
from jumpset.kernels.regions import fusion, partitions
from jumpset.kernels.regions.fusion import Offsets
from jumpset.kernels.regions.partitions import Grid, Partition
from jumpset.kernels.regions.potts_moves import move_lines
from jumpset.kernels.regions.potts_splits import split
from jumpset.operators.neighborhoods import edge_weights, grid_offsets
from jumpset.operators.pixel_weights import fill_missing
from jumpset.regions.bound import Dual, ascend, equal_shares, mean_minimizer
from jumpset.smoothers.potts import PottsADMM

_STARTS = ("region-fusion", "dual", "potts")
_LEVELS = 10  # of the initial region fusion: more levels do not improve the result of the descent
_DUAL_ASCENTS = 20  # before the start "dual": more take longer and do not end lower
_DUAL_SHARE = 0.3  # of the weight, for the region fusion of the mean minimiser, which is nearly flat already
_ASCENTS = 10  # of the lower bound, in one step
_MOST_ASCENTS = 1000


@dataclass(frozen=True)
class Descent:
    """The partition of one image."""

    turned: tuple[Grid, ...]  # the grid, with each axis as the last one: the last axis first
    partition: Partition
    energy: float
    splitting: bool = False  # whether the next step splits regions
    finished: bool = False
    dual: Dual | None = None  # of the lower bound


@dataclass(frozen=True)
class State:
    """One descent for each image."""

    source: Tensor  # (B, C, *spatial), f
    descents: tuple[Descent, ...]
    n_steps: int = 0


@dataclass(frozen=True)
class PottsDescent(Iteration[State]):
    r"""Descent on the Potts energy: flat regions with smooth boundaries, the lowest energy for its time.

    Looks for a small value of

    .. math:: \sum_p m_p \|u_p - f_p\|^2 + \text{weight} \sum_{(p,q)} \omega_{pq} [u_p \ne u_q]

    (no ½; all channels jump together). It starts from the partition of another method; each step makes moves
    that never raise this energy, until they lower it too little:

    - *boundaries*: dynamic programming finds the optimal labels of a whole line of pixels along an axis, each
      among the labels around its pixel; the means are fitted after all lines of an axis;
    - *merges*: regions merge where that lowers the energy, computed exactly;
    - *splits*, when boundaries and merges gain too little: a cut between two means inside each region, kept
      where it lowers the energy.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.001 (grain) to 0.3 (poster). Larger is flatter; 0 changes
        nothing.
    neighbors
        4, or 8 with the diagonals, which makes boundaries nearly isotropic and regions rounder. In a volume,
        4 stands for the 6 neighbours along the axes, and 8 for all 26.
    start
        ``"region-fusion"``, quick; ``"dual"``, from the minimisers of the lower bound, which takes about five
        times as long and mostly ends lower, by one to two percent; or ``"potts"``, whose ADMM takes slightly
        longer still and ends slightly lower.
    tol
        An image is finished when a step with splits lowers its energy by less than this fraction.
    n_steps
        Step limit, at least 1. The first step gains most: preset ``"fast"`` takes only this one.
    certify
        After the descent, compute a lower bound of the least energy, as :func:`jumpset.regions.lower_bound`
        does. ``result.gap`` is then the relative difference of energy and bound, the largest of the batch: no
        image has an energy that is lower by a larger fraction.
    mask
        As for :class:`PottsADMM`.
    edge_weights
        Optional ``(D, H, W)`` tensor or array that multiplies ω, as for region fusion; 0 cuts an edge.
    spacing
        Optional distances of pixels along each spatial axis, as for region fusion.

    Raises
    ------
    InputError
        A parameter out of range, or ``mask`` or ``edge_weights`` of another shape or with negative values.

    Notes
    -----
    The method is ours. Its parts: region fusion, R. M. H. Nguyen, M. S. Brown, ICCV 2015; dynamic programming
    on lines of pixels, as in M. Storath, A. Weinmann, SIAM J. Imaging Sci. 2014, there inside ADMM; cuts of
    regions, as in L. Landrieu, G. Obozinski, "Cut pursuit", SIAM J. Imaging Sci. 2017, there by maximal flow.
    The start ``"dual"`` rounds the relaxation of :func:`jumpset.regions.lower_bound`. A step that does not
    lower the energy is undone. The start ``"potts"`` ignores ``edge_weights`` and ``spacing``, the descent
    that follows uses them.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.PottsDescent()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.025, checks.real, at_least=0.0)
    neighbors: int = parameter(4, checks.one_of, allowed=(4, 8))
    start: Literal["region-fusion", "dual", "potts"] = parameter(
        "region-fusion", checks.one_of, allowed=_STARTS
    )
    tol: float = parameter(5e-3, checks.real, at_least=0.0, below=1.0)
    n_steps: int = parameter(200, checks.integer, at_least=1)
    certify: bool = parameter(False, checks.flag)
    mask: Any = None
    edge_weights: Any = None
    spacing: Any = parameter(None, checks.spacing)

    name: ClassVar[str] = "potts-descent"
    paper: ClassVar[str] = "jumpset, after Landrieu, Obozinski, SIAM J. Imaging Sci. 2017"
    is_symmetric: ClassVar[bool] = False
    spatial_ndims: ClassVar[tuple[int, ...]] = (1, 2, 3)
    aliases: ClassVar[dict[str, str]] = {"gamma": "weight"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"n_steps": 1},
        "low": {"start": "dual"},
        "lowest": {"start": "potts", "tol": 1e-4},
    }

    @property
    def max_steps(self) -> int:
        """The step limit of the descent; with ``certify``, further steps for the bound."""
        ascents = _MOST_ASCENTS // _ASCENTS if self.certify else 0
        return self.n_steps + ascents if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """Start from the partition of the method ``start``."""
        shape = image.shape[2:]
        filled, masses = fill_missing(image, self.mask)
        edges = edge_weights(self.neighbors, shape, self.edge_weights, self.spacing)
        offsets = grid_offsets(self.neighbors, len(shape))
        pixels = filled.detach().cpu().movedim(1, -1).numpy()
        descents = []
        for k, f in enumerate(pixels):
            mass = masses[k % len(masses)]
            grid = partitions.make_grid(f, mass, self.weight * edges, offsets)
            if self.weight == 0.0:
                label = np.arange(mass.size, dtype=np.int32).reshape(mass.shape)
            elif self.start == "potts":
                label = self._potts(filled[k : k + 1], mass)
            else:
                label = _fuse(f, grid, offsets)
                if self.start == "dual":
                    label = _from_dual(grid, label, offsets)
            partition = partitions.fitted(grid, *partitions.components(grid, label))
            turned = (grid, *(partitions.lying_along(grid, axis) for axis in range(len(shape) - 2, -1, -1)))
            descents.append(Descent(turned, partition, partitions.energy(grid, partition)))
        return State(image, tuple(descents))

    def _potts(self, image: Tensor, mass: np.ndarray) -> np.ndarray:
        method = PottsADMM(weight=self.weight, neighbors=self.neighbors, mask=mass)
        regions = final_state(method, image).splittings[0].regions
        return regions.astype(np.int32) if regions.size else np.zeros(image.shape[2:], np.int32)

    def step(self, state: State) -> State:
        """Move and merge, and split if the last step gained too little, in images that are not finished.

        With ``certify``, the bounds of finished images rise instead.
        """
        now = []
        for d in state.descents:
            if not d.finished and state.n_steps < self.n_steps:
                d = self._step(d)
            elif self.certify:
                d = _raise_bound(d)
            now.append(d)
        return State(state.source, tuple(now), state.n_steps + 1)

    def _step(self, now: Descent) -> Descent:
        grid = now.turned[0]
        partition = _move(now.turned, now.partition)
        if now.splitting:
            partition = _move(now.turned, split(now.turned, _merge(grid, partition)))
        partition = _merge(grid, partition)
        energy = partitions.energy(grid, partition)
        small = energy >= (1.0 - self.tol) * now.energy
        if energy > now.energy:  # by rounding only
            partition, energy = now.partition, now.energy
        finished = small and now.splitting
        return replace(now, partition=partition, energy=energy, splitting=small, finished=finished)

    def image(self, state: State) -> Tensor:
        """The mean of each region in its pixels."""
        if self.weight == 0.0:
            return state.source
        batch, channels, *shape = state.source.shape
        out = np.empty((batch, *shape, channels))
        for pixels, descent in zip(out, state.descents, strict=True):
            partitions.paint(descent.partition, pixels)
        return torch.from_numpy(out).movedim(-1, 1).to(state.source).contiguous()

    def record(self, state: State) -> dict[str, float]:
        """The energy and the number of regions, summed over the batch; with ``certify`` the largest gap."""
        gap = {"gap": max(map(_gap, state.descents))} if self.certify else {}
        return {
            "energy": sum(d.energy for d in state.descents),
            "regions": sum(len(d.partition.mass) for d in state.descents),
            **gap,
        }

    def finished(self, state: State) -> Status | None:
        """When every image, and with ``certify`` every bound, is finished."""
        descended = self.weight == 0.0 or all(d.finished for d in state.descents)
        if self.certify and self.weight > 0.0:
            if not all(d.dual is not None and d.dual.finished for d in state.descents):
                return None
            return Status.CONVERGED if descended else Status.MAX_STEPS
        return Status.CONVERGED if descended else None


def _gap(descent: Descent) -> float:
    """Return the largest fraction by which an energy may be below that of the partition."""
    bound = 0.0 if descent.dual is None else descent.dual.bound
    return max(1.0 - bound / descent.energy, 0.0) if descent.energy > 0.0 else 0.0


def _raise_bound(now: Descent) -> Descent:
    grid = now.turned[0]
    dual = equal_shares(grid) if now.dual is None else now.dual
    return replace(now, dual=_ascended(grid, dual, now.energy, _ASCENTS))


def _ascended(grid: Grid, dual: Dual, energy: float, steps: int) -> Dual:
    """The dual variables after ascents towards an energy, unless they are finished before."""
    for _ in range(steps):
        if not dual.finished:
            dual = ascend(grid, dual, energy)
    return dual


def _from_dual(grid: Grid, label: np.ndarray, offsets: Offsets) -> np.ndarray:
    """The labels of region fusion of the mean minimiser, after ascents of the bound towards ``label``."""
    energy = partitions.energy(grid, partitions.fitted(grid, *partitions.components(grid, label)))
    dual = _ascended(grid, equal_shares(grid), energy, _DUAL_ASCENTS)
    less = grid._replace(edges=_DUAL_SHARE * grid.edges)
    return _fuse(mean_minimizer(grid, dual), less, offsets)


def _fuse(pixels: np.ndarray, grid: Grid, offsets: Offsets) -> np.ndarray:
    """The labels of region fusion of an image with the jumps of a grid."""
    regions = fusion.make_regions(pixels, grid.edges, offsets, mass=grid.mass)
    for k in range(_LEVELS + 1):
        fusion.sweep(regions, k / _LEVELS)
    return fusion.roots(regions).reshape(grid.mass.shape)


def _move(turned: tuple[Grid, ...], partition: Partition) -> Partition:
    """Two rounds of all lines along each axis; the means are fitted after each axis."""
    label, count = partition.label, len(partition.mass)
    for _ in range(2):
        for grid, axis in zip(turned, range(label.ndim - 1, -1, -1), strict=True):
            lying = np.array(np.moveaxis(label, axis, -1), order="C")  # a copy, which the moves change
            move_lines(grid, lying, partition.mean)
            label = np.ascontiguousarray(np.moveaxis(lying, -1, axis))
            partition = partitions.fitted(turned[0], label, count)
    return partition


def _merge(grid: Grid, partition: Partition) -> Partition:
    """Split regions into connected parts; then merge neighbours as long as that lowers the energy."""
    partition = partitions.fitted(grid, *partitions.components(grid, partition.label))
    regions = partitions.region_graph(grid, partition)
    while fusion.sweep(regions, 1.0):
        pass
    return partitions.merged(grid, partition.label, regions)

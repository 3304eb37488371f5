"""Descent of the Potts energy: region fusion, then moves, merges and splits that each lower it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.iterate import final_state
from jumpset._core.types import Iteration, Status
from jumpset.kernels.regions import fusion, partitions
from jumpset.kernels.regions.fusion import Offsets
from jumpset.kernels.regions.partitions import Grid, Partition
from jumpset.kernels.regions.potts_moves import move_rows
from jumpset.kernels.regions.potts_splits import split
from jumpset.operators.neighborhoods import OFFSETS, edge_weights
from jumpset.operators.pixel_weights import pixel_weights
from jumpset.smoothers.potts import PottsADMM

_LEVELS = 10  # of the region fusion at the start


@dataclass(frozen=True)
class Descent:
    """One picture on its way down."""

    rows: Grid
    columns: Grid  # the same, transposed
    partition: Partition
    energy: float
    cutting: bool = False  # the next step tries to cut regions
    finished: bool = False


@dataclass(frozen=True)
class State:
    """One entry of ``descents`` a picture."""

    source: Tensor  # (B, C, H, W), the picture
    descents: tuple[Descent, ...]


@dataclass(frozen=True)
class PottsDescent(Iteration[State]):
    r"""Descent of the Potts energy: flat regions with smooth boundaries, the lowest energy for its time.

    Looks for a small value of

    .. math:: \sum_p m_p \|u_p - f_p\|^2 + \text{weight} \sum_{(p,q)} \omega_{pq} [u_p \ne u_q]

    (no ½; all channels jump together). From another method's answer on, each step makes moves that never
    raise this energy, until they gain too little:

    - *boundaries*: all labels of a row of pixels are chosen anew at once, each out of those around the pixel,
      exactly, by dynamic programming; then those of a column; then the means;
    - *merges*: regions merge where that pays, the sum of squares being exact;
    - *splits*, when the others are exhausted: a cut between two means inside each region, kept where it pays.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.001 (grain) to 0.3 (poster). Larger is flatter.
    neighbors
        4 or 8 neighbours; 8 makes boundaries nearly isotropic and regions rounder.
    start
        ``"region-fusion"``, quick; or ``"potts"``, whose ADMM takes many times as long as all the rest, and
        ends about one percent lower.
    tol
        A picture is finished when a step with splits lowers its energy by less than this fraction.
    n_steps
        At most so many steps, at least 1. The first one gains most: preset ``"fast"`` takes no other.
    mask
        Optional ``(H, W)`` tensor or array of m, or bool; pixels of weight 0 are filled in.
    edge_weights
        Optional ``(D, H, W)`` tensor or array that multiplies ω, as for region fusion; 0 cuts an edge.

    Raises
    ------
    InputError
        A parameter out of range, or ``mask`` or ``edge_weights`` of a wrong shape or negative.

    Notes
    -----
    The package's own. Its parts: region fusion, R. M. H. Nguyen, M. S. Brown, ICCV 2015; lines of pixels by
    dynamic programming inside a descent, as M. Storath, A. Weinmann, SIAM J. Imaging Sci. 2014 have them
    inside ADMM; cuts of regions, L. Landrieu, G. Obozinski, "Cut pursuit", SIAM J. Imaging Sci. 2017 (there
    by a maximal flow, here by the same lines). ``record`` gives the energy; a step that did not lower it
    would be undone. The start by ``"potts"`` does not know ``edge_weights``, the descent from there does.
    """

    weight: float = 0.025
    neighbors: int = 4
    start: Literal["region-fusion", "potts"] = "region-fusion"
    tol: float = 5e-3
    n_steps: int = 200
    mask: Any = None
    edge_weights: Any = None

    name: ClassVar[str] = "potts-descent"
    paper: ClassVar[str] = "jumpset, after Landrieu, Obozinski, SIAM J. Imaging Sci. 2017"
    aliases: ClassVar[dict[str, str]] = {"gamma": "weight"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "fast": {"n_steps": 1},
        "lowest": {"start": "potts", "tol": 1e-4},
    }

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.one_of("neighbors", self.neighbors, (4, 8))
        checks.one_of("start", self.start, ("region-fusion", "potts"))
        checks.real("tol", self.tol, at_least=0.0, below=1.0)
        checks.integer("n_steps", self.n_steps, at_least=1)

    def init(self, image: Tensor) -> State:
        """The answer of the method to start from."""
        height, width = image.shape[-2:]
        mass = pixel_weights(height, width, self.mask)
        edges = edge_weights(self.neighbors, height, width, self.edge_weights)
        offsets = OFFSETS[self.neighbors]
        pixels = image.detach().cpu().permute(0, 2, 3, 1).numpy()
        descents = []
        for k, f in enumerate(pixels):
            rows = partitions.make_grid(f, mass, self.weight * edges, offsets)
            if self.weight == 0.0:
                label, count = np.arange(mass.size, dtype=np.int32).reshape(mass.shape), mass.size
            elif self.start == "potts":
                label, count = partitions.components(rows, self._potts(image[k : k + 1]))
            else:
                label, count = partitions.components(rows, _fuse(f, rows, offsets))
            partition = partitions.fitted(rows, label, count)
            energy = partitions.energy(rows, partition)
            descents.append(Descent(rows, partitions.transposed(rows), partition, energy))
        return State(image, tuple(descents))

    def _potts(self, image: Tensor) -> np.ndarray:
        method = PottsADMM(weight=self.weight, neighbors=self.neighbors, mask=self.mask)
        regions = final_state(method, image).splittings[0].regions
        return np.zeros(image.shape[-2:], np.int32) if regions is None else regions.astype(np.int32)

    def step(self, state: State) -> State:
        """Moves and merges, and splits where the last step asked for them; of pictures that still gain."""
        return State(state.source, tuple(d if d.finished else self._step(d) for d in state.descents))

    def _step(self, now: Descent) -> Descent:
        partition = _move(now.rows, now.columns, now.partition)
        if now.cutting:
            partition = split(now.rows, now.columns, _merge(now.rows, partition))
            partition = _move(now.rows, now.columns, partition)
        partition = _merge(now.rows, partition)
        energy = partitions.energy(now.rows, partition)
        dry = energy >= (1.0 - self.tol) * now.energy
        if energy > now.energy:  # by rounding only
            partition, energy = now.partition, now.energy
        return replace(now, partition=partition, energy=energy, cutting=dry, finished=dry and now.cutting)

    def image(self, state: State) -> Tensor:
        """Each pixel in the mean colour of its region."""
        if self.weight == 0.0:
            return state.source
        batch, channels, height, width = state.source.shape
        out = np.empty((batch, height, width, channels))
        for picture, descent in zip(out, state.descents, strict=True):
            partitions.paint(descent.partition, picture)
        return torch.from_numpy(out).permute(0, 3, 1, 2).to(state.source).contiguous()

    def record(self, state: State) -> dict[str, float]:
        """The energy above, summed over the batch, and the number of regions."""
        return {
            "energy": sum(d.energy for d in state.descents),
            "regions": sum(len(d.partition.mass) for d in state.descents),
        }

    def finished(self, state: State) -> Status | None:
        """When no picture gains any more."""
        done = self.weight == 0.0 or all(d.finished for d in state.descents)
        return Status.CONVERGED if done else None


def _fuse(pixels: np.ndarray, grid: Grid, offsets: Offsets) -> np.ndarray:
    """Region fusion in few levels: after the descent, more are no better."""
    regions = fusion.make_regions(pixels, grid.edges, offsets, mass=grid.mass)
    for k in range(_LEVELS + 1):
        fusion.sweep(regions, k / _LEVELS)
    return fusion.roots(regions).reshape(grid.mass.shape)


def _move(rows: Grid, columns: Grid, partition: Partition) -> Partition:
    """Two rounds of all rows and all columns, the means fitted after each."""
    label, count = partition.label.copy(), len(partition.mass)
    for _ in range(2):
        move_rows(rows, label, partition.mean)
        partition = partitions.fitted(rows, label, count)
        across = np.ascontiguousarray(label.T)
        move_rows(columns, across, partition.mean)
        label = np.ascontiguousarray(across.T)
        partition = partitions.fitted(rows, label, count)
    return partition


def _merge(grid: Grid, partition: Partition) -> Partition:
    """Connected parts become regions of their own; then neighbours merge as long as that pays."""
    partition = partitions.fitted(grid, *partitions.components(grid, partition.label))
    regions = partitions.region_graph(grid, partition)
    while fusion.sweep(regions, 1.0):
        pass
    return partitions.merged(grid, partition.label, regions)

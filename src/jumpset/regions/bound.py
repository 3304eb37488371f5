"""A lower bound of the Potts energy, which proves how far a partition is from the optimum at most."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset._core.arrays import ValueRange
from jumpset.kernels.regions import fusion, partitions
from jumpset.kernels.regions.partitions import Grid
from jumpset.kernels.regions.potts_bound import Lines, grid_lines, line_minima
from jumpset.operators.neighborhoods import edge_weights as grid_weights
from jumpset.operators.neighborhoods import grid_offsets
from jumpset.operators.pixel_weights import pixel_weights
from jumpset.regions.inputs import read_pixels

_LEAST_SHARE = 0.02  # of a pixel's weight, for each direction: a share of 0 would leave a minimum unbounded
_PATIENCE = 10  # ascents without progress before the step is shortened
_SHORTER = 0.7
_SHORTEST = 1e-3  # at a step shortened so far the bound hardly rises any more
_LEVELS = 10  # of the region fusion whose energy is the first target


@dataclass(frozen=True)
class Dual:
    """The best lower bound so far, and the shares and slopes of the next one."""

    lines: tuple[tuple[int, Lines], ...]
    shares: np.ndarray  # (S, N), A
    slopes: np.ndarray  # (S, N, C), B
    bound: float = 0.0
    factor: float = 1.0  # of Polyak's step
    idle: int = 0  # ascents without progress

    @property
    def finished(self) -> bool:
        """Whether the bound hardly rises any more."""
        return self.factor < _SHORTEST


def equal_shares(grid: Grid) -> Dual:
    """Return the dual variables that divide the data term equally among the directions."""
    lines = grid_lines(grid)
    mass, bands = grid.mass.ravel(), grid.pixels.shape[-1]
    return Dual(lines, np.tile(mass / len(lines), (len(lines), 1)), np.zeros((len(lines), mass.size, bands)))


def ascend(grid: Grid, dual: Dual, energy: float) -> Dual:
    """Return the dual variables after one step along a supergradient, with the step length of Polyak.

    Parameters
    ----------
    grid, dual
        The image and the jumps; the variables so far, which are not changed.
    energy
        An upper bound of the least energy, for the step length.
    """
    mass = grid.mass.ravel()
    value, u = _minimizers(grid, dual)
    progress = value > dual.bound + 1e-3 * (energy - dual.bound)
    idle = 0 if progress else dual.idle + 1
    factor = dual.factor
    if idle > _PATIENCE:
        factor, idle = factor * _SHORTER, 0
    for_shares = np.einsum("snc,snc->sn", u, u)
    for_shares -= for_shares.mean(0)
    for_slopes = -2.0 * (u - u.mean(0))
    # the inverse of a squared intensity, which makes the steps of both variables independent of its unit
    scale = 0.5 * mass.sum() / energy if energy > 0.0 else 0.0
    squares = float((for_slopes**2).sum() + scale * (for_shares**2).sum())
    if squares == 0.0:  # the minimisers agree: their common image has the least energy
        return replace(dual, bound=max(value, dual.bound), factor=0.0)
    step = factor * max(energy - value, 0.0) / squares
    free = np.maximum(dual.shares + step * scale * for_shares - _LEAST_SHARE * mass, 0.0)
    total = free.sum(0)
    rest = (1.0 - len(free) * _LEAST_SHARE) * mass
    shares = _LEAST_SHARE * mass + free * np.divide(rest, total, out=np.zeros_like(rest), where=total > 0.0)
    slopes = dual.slopes + step * for_slopes
    return replace(dual, shares=shares, slopes=slopes, bound=max(value, dual.bound), factor=factor, idle=idle)


def mean_minimizer(grid: Grid, dual: Dual) -> np.ndarray:
    """Return ``(*S, C)``, the mean of the minimisers of all directions: nearly flat after some ascents."""
    return grid.pixels + _minimizers(grid, dual)[1].mean(0).reshape(grid.pixels.shape)


def _minimizers(grid: Grid, dual: Dual) -> tuple[float, np.ndarray]:
    """Return the bound, and the minimisers of all directions minus f, ``(S, N, C)``."""
    u = np.empty_like(dual.slopes)
    value = sum(
        line_minima(grid, d, lines, dual.shares[s], dual.slopes[s], u[s])
        for s, (d, lines) in enumerate(dual.lines)
    )
    u *= (grid.mass.ravel() > 0.0)[:, None]  # a missing pixel has neither share nor slope
    return value, u


def lower_bound(
    image: Any,
    *,
    weight: float,
    neighbors: int = 4,
    edge_weights: Any = None,
    spacing: Sequence[float] | None = None,
    mask: Any = None,
    n_steps: int = 500,
    max_seconds: float | None = None,
    channel_axis: int | None = -1,
    axes: str | None = None,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> float:
    r"""Return a number that the least Potts energy of an image is not below.

    No image u has a smaller energy

    .. math:: E = \sum_p m_p \|u_p - f_p\|^2 + \text{weight} \sum_{(p,q)} \omega_{pq} [u_p \ne u_q]

    than this number, but for rounding errors of about 1e-12 E: a partition of energy E, from any method, is
    within ``(E - bound) / E`` of the optimum. For one row or column the bound is the least energy.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` NumPy array of any bool, integer or float dtype, or a signal or volume
        with ``axes``; integers are scaled by their dtype's range. The energy is that of intensities from 0
        to 1.
    weight
        λ, in squared intensities, at least 0.
    neighbors
        4 or 8; in a volume 4 stands for the 6 neighbours along the axes, 8 for all 26.
    edge_weights
        Optional ``(D, H, W)`` of ω, as for region fusion; 0 cuts an edge.
    spacing
        Optional distances of pixels along each spatial axis, as for region fusion.
    mask
        Optional ``(H, W)``: True, or not 0, where a pixel is valid; floats from 0 to 1 are m.
    n_steps
        Largest number of supergradient steps; the bound rises most in the first hundred.
    max_seconds
        Time limit, checked between steps.
    channel_axis, axes, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    float
        The bound, at least 0.

    Raises
    ------
    InputError
        The image or an option cannot be used.

    Notes
    -----
    The energy is divided among the directions of the grid. Lagrange multipliers of the first and
    second moments of u make the minimisers of the parts agree; every part is solved exactly on all its lines
    (M. Storath, A. Weinmann, SIAM J. Imaging Sci. 2014 solve the same lines inside ADMM, which has no bound).
    Such a decomposition is that of N. Komodakis, N. Paragios, G. Tziritas, "MRF energy minimization and
    beyond via dual decomposition", PAMI 2011; the step length is that of B. T. Polyak, USSR Comput. Math.
    1969. The gap of the relaxation itself remains: noisy flat images reach .1 to 9 percent of the
    energy in ten seconds, photographs 4 to 9.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.shapes(32, 32, seed=0)
    >>> result = js.run(image, js.smoothers.PottsDescent(weight=0.02))
    >>> js.regions.lower_bound(image, weight=0.02) <= result.history["energy"][-1]
    True
    """
    checks.real("weight", weight, at_least=0.0)
    checks.integer("n_steps", n_steps, at_least=1)
    if max_seconds is not None:
        checks.real("max_seconds", max_seconds, above=0.0)
    pixels, _ = read_pixels(image, channel_axis, alpha, value_range, mask, axes)
    *shape, bands = pixels.shape
    costs = weight * grid_weights(neighbors, shape, edge_weights, spacing)
    offsets = grid_offsets(neighbors, len(shape))
    mass = pixel_weights((1, bands, *shape), mask)[0]
    if weight == 0.0:
        return 0.0
    grid = partitions.make_grid(pixels.astype(np.float64), mass, costs, offsets)
    regions = fusion.make_regions(grid.pixels, grid.edges, offsets, mass=mass)
    for level in range(_LEVELS + 1):
        fusion.sweep(regions, level / _LEVELS)
    energy = float(regions.totals[0] + regions.totals[1])
    dual, began = equal_shares(grid), time.monotonic()
    for _ in range(n_steps):
        dual = ascend(grid, dual, energy)
        if dual.finished or (max_seconds is not None and time.monotonic() - began > max_seconds):
            break
    return dual.bound

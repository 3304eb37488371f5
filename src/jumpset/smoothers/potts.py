"""The Potts model by alternating exact solutions of all lines (Storath & Weinmann 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import Iteration, Status
from jumpset.kernels.regions.potts_1d import potts_lines
from jumpset.operators.pixel_lines import DIRECTIONS, PixelLines, pixel_lines
from jumpset.operators.pixel_weights import pixel_weights
from jumpset.regions.partition import joined_regions, refit


@dataclass(frozen=True)
class Splitting:
    """One picture f, split into copies that the constraint x_s = x_t holds together."""

    source: np.ndarray  # (H, W, C) float64, f; missing pixels hold the mean of the others
    copies: tuple[np.ndarray, ...]  # x_s of each direction; with absolute errors, also one for the data
    multipliers: dict[tuple[int, int], np.ndarray]  # of x_s − x_t, s < t
    coupling: float  # μ
    residual: float  # largest ‖x_s − x_t‖ / ‖f‖
    energy: float  # of the copies: errors of their mean, jumps of each along its own direction
    regions: np.ndarray | None  # (H, W) labels when finished


@dataclass(frozen=True)
class State:
    """One entry of ``splittings`` a picture."""

    source: Tensor  # (B, C, H, W), the picture
    lines: tuple[PixelLines, ...]  # of each direction
    mass: np.ndarray  # (H, W), w
    splittings: tuple[Splitting, ...]


@dataclass(frozen=True)
class PottsADMM(Iteration[State]):
    r"""Potts model by ADMM: flat regions out of noisy, incomplete or spiky pictures.

    Looks for a small value of

    .. math:: \sum_p w_p \|u_p - f_p\|_q^q + \text{weight} \sum_s \omega_s
              \#\{p : u_p \ne u_{p + s}\}, \qquad q = 2 \text{ or } 1

    (no ½; all channels jump together, for q = 1 errors are sums of absolute values) over the directions s of
    the neighbourhood. Every direction has a copy of u, which is solved exactly on all lines at once; a
    coupling of growing weight μ makes the copies agree. The means (medians) of the regions are fitted at
    the end. For a picture of one row or column the answer is exact.

    Parameters
    ----------
    weight
        γ, in squared intensities (q = 1: in intensities); 0.01 to 0.1 for texture, 0.4 to 2 for strong noise
        in colour. Larger is flatter.
    neighbors
        4; 8, nearly isotropic; or 16, with the knight's moves, more so, and slower.
    data
        ``"l2"``: squared errors. ``"l1"``: absolute errors, which spikes do not move.
    mask
        Optional ``(H, W)`` tensor or array of w, or bool; pixels of weight 0 are filled in.
    coupling
        The first μ over weight.
    growth
        Of μ in each step, above 1; 1.2 is lower in energy and three times slower.
    tol
        Finished when ‖u − v‖ ≤ tol ‖f‖ for all copies u, v.

    Raises
    ------
    InputError
        A parameter out of range, or a ``mask`` of a wrong shape or negative.

    Notes
    -----
    M. Storath, A. Weinmann, "Fast partitioning of vector-valued images", SIAM J. Imaging Sci. 2014; q = 1:
    M. Storath, A. Weinmann, M. Unser, "Jump-penalized least absolute values estimation of scalar or
    circle-valued signals", Information and Inference 2017. Differences from the papers: (1) for q = 1 the
    data have a copy of their own, whose step is a soft threshold; (2) the means (medians) of connected
    regions are fitted at the end; (3) before the end, the picture so far is the mean of the copies.
    """

    weight: float = 0.035
    neighbors: int = 4
    data: Literal["l2", "l1"] = "l2"
    mask: Any = None
    coupling: float = 0.01
    growth: float = 2.0
    tol: float = 1e-5

    name: ClassVar[str] = "potts"
    paper: ClassVar[str] = "Storath, Weinmann, SIAM J. Imaging Sci. 2014"
    aliases: ClassVar[dict[str, str]] = {"gamma": "weight"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {"precise": {"growth": 1.2}, "spikes": {"data": "l1"}}

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.one_of("neighbors", self.neighbors, DIRECTIONS)
        checks.one_of("data", self.data, ("l2", "l1"))
        checks.real("coupling", self.coupling, above=0.0)
        checks.real("growth", self.growth, above=1.0)
        checks.real("tol", self.tol, above=0.0, below=1.0)

    @property
    def max_steps(self) -> int:
        """Steps until μ has grown by e⁶⁰; the copies agree long before."""
        return math.ceil(60.0 / math.log(self.growth)) if self.weight > 0.0 else 0

    def init(self, image: Tensor) -> State:
        """All copies are f."""
        height, width = image.shape[-2:]
        mass = pixel_weights(height, width, self.mask)
        lines = pixel_lines(height, width, self.neighbors)
        pixels = image.detach().to("cpu", torch.float64).permute(0, 2, 3, 1).numpy()
        return State(image, lines, mass, tuple(self._begin(f.copy(), mass, len(lines)) for f in pixels))

    def _begin(self, f: np.ndarray, mass: np.ndarray, directions: int) -> Splitting:
        f[mass == 0.0] = np.average(f, axis=(0, 1), weights=mass[..., None].repeat(f.shape[2], 2))
        # one direction needs no copy for the data: its lines are solved exactly, whatever the errors are
        copies = directions + (self.data == "l1" and directions > 1)
        multipliers = {pair: np.zeros_like(f) for pair in combinations(range(copies), 2)}
        return Splitting(f, (f,) * copies, multipliers, self.coupling * self.weight, 1.0, 0.0, None)

    def step(self, state: State) -> State:
        """Each copy in turn, given the others; then multipliers and μ. Pictures that agree stay."""
        now = tuple(s if s.regions is not None else self._step(state, s) for s in state.splittings)
        return replace(state, splittings=now)

    def _step(self, state: State, now: Splitting) -> Splitting:
        f, mu, lines = now.source, now.coupling, state.lines
        copies = list(now.copies)
        for s, direction in enumerate(lines):
            target, total = _pull(copies, now.multipliers, mu, s)
            copies[s] = self._solve(f, state.mass, direction, len(lines), target, total)
        if len(copies) > len(lines):  # min over z of w |z − f| + total/2 (z − target/total)²
            target, total = _pull(copies, now.multipliers, mu, len(lines))
            difference = target / total - f
            threshold = state.mass[..., None] / total
            copies[-1] = f + np.sign(difference) * np.maximum(np.abs(difference) - threshold, 0.0)
        multipliers = {(s, t): m + mu * (copies[s] - copies[t]) for (s, t), m in now.multipliers.items()}
        apart = max((_norm(copies[s] - copies[t]) for s, t in multipliers), default=0.0)
        size = _norm(f)
        regions = joined_regions(copies, lines) if apart <= self.tol * size else None
        energy = self._energy(f, state.mass, lines, copies)
        residual = apart / size if size > 0.0 else 0.0
        return Splitting(f, tuple(copies), multipliers, self.growth * mu, residual, energy, regions)

    def _solve(
        self,
        f: np.ndarray,
        mass: np.ndarray,
        lines: PixelLines,
        directions: int,
        target: np.ndarray,
        total: float,
    ) -> np.ndarray:
        """The copy of one direction: ``target / total`` is where the others are, ``total`` their pull."""
        price = self.weight * lines.length
        if directions == 1:
            solved = potts_lines(lines.gather(f), price, lines.gather_mass(mass), data=self.data)
        elif self.data == "l2":
            half = 0.5 * directions
            weights = mass + half * total
            value = (mass[..., None] * f + half * target) / weights[..., None]
            solved = potts_lines(lines.gather(value), directions * price, lines.gather_mass(weights))
        else:
            weights = np.full(mass.shape, 0.5 * total)
            solved = potts_lines(lines.gather(target / total), price, lines.gather_mass(weights))
        return lines.scatter(solved)

    def _energy(
        self, f: np.ndarray, mass: np.ndarray, lines: tuple[PixelLines, ...], copies: list[np.ndarray]
    ) -> float:
        errors = np.abs(np.mean(copies[: len(lines)], axis=0) - f) ** (2 if self.data == "l2" else 1)
        jumps = sum(d.length * np.count_nonzero(d.jumps(x)) for d, x in zip(lines, copies, strict=False))
        return float(np.sum(mass[..., None] * errors) + self.weight * jumps)

    def image(self, state: State) -> Tensor:
        """The mean of the copies; of finished pictures, each region in its mean or median."""
        if self.weight == 0.0:
            return state.source
        answers = []
        for s in state.splittings:
            mean = np.mean(s.copies[: len(state.lines)], axis=0)
            if s.regions is not None:
                mean = refit(s.regions, s.source, state.mass, self.data, otherwise=mean)
            answers.append(mean)
        out = torch.from_numpy(np.stack(answers)).permute(0, 3, 1, 2)
        return out.to(state.source).contiguous()

    def record(self, state: State) -> dict[str, float]:
        """The energy with each direction's jumps in its own copy (sum), and the residual (largest)."""
        return {
            "energy": sum(s.energy for s in state.splittings),
            "residual": max(s.residual for s in state.splittings),
        }

    def finished(self, state: State) -> Status | None:
        """When the copies of all pictures agree."""
        done = self.weight == 0.0 or all(s.regions is not None for s in state.splittings)
        return Status.CONVERGED if done else None


def _pull(
    copies: list[np.ndarray], multipliers: dict[tuple[int, int], np.ndarray], mu: float, s: int
) -> tuple[np.ndarray, float]:
    """``Σ_t μ x_t ∓ λ_st`` and ``Σ_t μ`` over the other copies: minus the multiplier where s < t."""
    total = np.zeros_like(copies[s])
    for t, x in enumerate(copies):
        if t > s:
            total += mu * x - multipliers[s, t]
        elif t < s:
            total += mu * x + multipliers[t, s]
    return total, mu * (len(copies) - 1)


def _norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(x.ravel()))

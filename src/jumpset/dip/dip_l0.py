"""The deep image prior with an l0 gradient term, by ADMM (Tran, Bui & Xin 2026)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset import _checks
from jumpset._types import Status
from jumpset.dip.fitting import PRECISIONS, Fit, blend, single
from jumpset.dip.networks import ARCHITECTURES
from jumpset.smoothers.region_fusion import fuse


@dataclass(frozen=True)
class State:
    """``fit`` is changed in place by a step, the tensors never are."""

    source: Tensor  # (1, C, H, W), the picture as given
    f: Tensor  # the picture in float32
    fit: Fit
    v: Tensor  # the piecewise constant copy of the output
    w: Tensor  # the multipliers of v = g
    flat: Tensor  # region fusion of f, where it has a share in anything; else f
    average: Tensor  # the answer, a running average of the outputs
    loss: Tensor  # fidelity plus coupling, before the last Adam step
    residual: Tensor  # root mean square of v - g after the last outer iteration
    n_steps: int  # Adam steps done


_PAPER: dict[str, Any] = {
    "feed": "noise",
    "start": "random",
    "outer_steps": 100,
    "inner_steps": 25,
    "step_size": 0.001,
    "levels": 50,
    "anchor": 0.0,
    "precision": "float32",
}


@dataclass(frozen=True)
class DIPl0:
    r"""Deep image prior with an l0 gradient term: a network's picture that wants to be piecewise constant.

    Looks for weights θ of a network g of a fixed input z, and a picture v, with a small value of

    .. math:: \| g_\theta(z) - f \|^2 + \text{weight} \, \| \nabla v \|_0
              \quad \text{subject to} \quad v = g_\theta(z)

    (no ½; sums over pixels and channels; ‖∇v‖₀ counts the pairs of neighbours that differ in any channel) by
    ADMM with multipliers w. One outer iteration is

    .. math:: \theta &\leftarrow \text{some Adam steps down } \| g - f \|^2 + \langle w, v - g \rangle
              + \tfrac{\rho}{2} \| v - g \|^2 \\
              v &\leftarrow \text{region fusion of } g - w / \rho
              \text{ with penalty } 2 \, \text{weight} / \rho \\
              w &\leftarrow w + \rho (v - g) \\
              \text{answer} &\leftarrow \text{average} \cdot \text{answer} + (1 - \text{average}) \cdot g

    The answer, of which region fusion of f may have a share, is smooth to the eye, not exactly flat.

    Parameters
    ----------
    weight
        λ, in squared intensities; useful from 0.005 (grain) to 0.1 (poster). Larger is flatter.
    rho
        The paper's β, the coupling of v to the network's picture, the same in all iterations.
    network
        ``"full"`` (2.2 million weights, the paper's), ``"jpeg"`` (0.57 million) or ``"thin"`` (0.26 million,
        few of them at full resolution: about 20 times faster on a CPU).
    feed
        The input z: ``"noise"``, or ``"picture"``, which is f beside its region fusion.
    start
        ``"random"``: v and w uniform in [0, 1), the answer starts at f. ``"region-fusion"``: v and the
        answer start at region fusion of f with penalty ``weight``, w at 0.
    outer_steps
        Outer iterations.
    inner_steps
        Adam steps in each; one step of this method is one Adam step.
    step_size
        Adam's learning rate. One Adam serves the whole run.
    average
        How much of the answer each outer iteration keeps; 0 takes the last picture.
    anchor
        Share of region fusion of f, with penalty ``weight``, in the answer. Its errors and those of the
        network's pictures are nearly independent, so the mix is better than both.
    levels
        Levels of region fusion; more is slower and slightly lower in energy.
    precision
        Of the network's layers: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device has
        instructions for it, which takes a third of the time with the full network and two thirds with the
        thin one. Weights, loss and Adam stay in float32.
    seed
        Of weights, noise and random starts; the same seed repeats the run bit for bit on one machine and
        device.

    Raises
    ------
    InputError
        A parameter out of range, or more than one picture.

    Notes
    -----
    Tran, Bui & Xin, deep image prior with l0 gradient regularisation, 2026. ``preset="paper"`` and
    ``preset="paper-jpeg"`` (JPEG artifacts) are the paper's method. Differences of the default from it:
    (1) the network is thin, with zeros at the borders of its layers; (2) it is fed with the picture and its
    region fusion, not with noise: by far the largest gain, as edges need not grow from noise; (3) v and the
    answer start at region fusion, w at 0; (4) 2 Adam steps an outer iteration, not 25; (5) step size 0.02,
    not 0.001; (6) 20 levels in region fusion, not 50; (7) ``anchor``. Of all settings: (8) the merge order of
    :class:`RegionFusion`; (9) a picture smaller than 64 pixels gets a network with fewer scales; (10) the
    picture is padded once and cropped.
    """

    weight: float = 0.025
    rho: float = 2.25
    network: str = "thin"
    feed: str = "picture"
    start: str = "region-fusion"
    outer_steps: int = 120
    inner_steps: int = 2
    step_size: float = 0.02
    average: float = 0.9
    anchor: float = 0.4
    levels: int = 20
    precision: str = "auto"
    seed: int = 0

    name: ClassVar[str] = "dip-l0"
    paper: ClassVar[str] = "Tran, Bui & Xin, 2026"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"network": "full", **_PAPER},
        "paper-jpeg": {"network": "jpeg", "rho": 2.0, **_PAPER},
        "fast": {"outer_steps": 50},
    }
    batched: ClassVar[bool] = False
    check_every: ClassVar[int] = 25

    def __post_init__(self) -> None:
        _checks.real("weight", self.weight, at_least=0.0)
        _checks.real("rho", self.rho, above=0.0)
        _checks.one_of("network", self.network, ARCHITECTURES)
        _checks.one_of("feed", self.feed, ("picture", "noise"))
        _checks.one_of("start", self.start, ("region-fusion", "random"))
        _checks.integer("outer_steps", self.outer_steps, at_least=0)
        _checks.integer("inner_steps", self.inner_steps, at_least=1)
        _checks.real("step_size", self.step_size, above=0.0, at_most=10.0)
        _checks.real("average", self.average, at_least=0.0, below=1.0)
        _checks.real("anchor", self.anchor, at_least=0.0, at_most=1.0)
        _checks.integer("levels", self.levels, at_least=1)
        _checks.one_of("precision", self.precision, PRECISIONS)
        _checks.integer("seed", self.seed, at_least=0)

    @property
    def max_steps(self) -> int:
        """Adam steps of the whole schedule."""
        return self.outer_steps * self.inner_steps

    def init(self, image: Tensor) -> State:
        """A fresh network, and v, w and the answer as ``start`` says."""
        f = single(image)
        plain = self.start == "random" and self.feed == "noise" and self.anchor == 0.0
        flat = f if plain else fuse(f, self.weight, self.levels)
        feed = (flat, f) if self.feed == "picture" else ()
        fit = Fit(
            f,
            network=self.network,
            step_size=self.step_size,
            seed=self.seed,
            feed=feed,
            precision=self.precision,
        )
        if self.start == "random":
            generator = torch.Generator().manual_seed(self.seed)
            v, w = (torch.rand(f.shape, generator=generator).to(f) for _ in range(2))
            answer = f
        else:
            v, w, answer = flat, torch.zeros_like(f), flat
        g = fit.output()
        loss, residual = self.objective(g, f, v, w), _rms(v - g)
        return State(image, f, fit, v, w, flat, answer, loss, residual, n_steps=0)

    def step(self, state: State) -> State:
        """One Adam step; every ``inner_steps``-th also completes an outer iteration."""
        _, loss = state.fit.step(lambda g: self.objective(g, state.f, state.v, state.w))
        state = replace(state, loss=loss, n_steps=state.n_steps + 1)
        return self._outer(state) if state.n_steps % self.inner_steps == 0 else state

    def _outer(self, state: State) -> State:
        g = state.fit.output()
        residual = _rms(state.v - g)
        if not torch.isfinite(residual):  # region fusion is for numbers; the record shows that they are gone
            return replace(state, residual=residual)
        v = fuse(g - state.w / self.rho, 2 * self.weight / self.rho, self.levels)
        w = state.w + self.rho * (v - g)
        average = blend(state.average, g, self.average, residual)
        return replace(state, v=v, w=w, average=average, residual=_rms(v - g))

    def objective(self, g: Tensor, f: Tensor, v: Tensor, w: Tensor) -> Tensor:
        """What the Adam steps lower: ‖g − f‖² + ⟨w, v − g⟩ + (ρ/2) ‖v − g‖²."""
        fidelity = (g - f).square()
        coupling = w * (v - g) + self.rho / 2 * (v - g).square()
        return (fidelity + coupling).sum()

    def image(self, state: State) -> Tensor:
        """The running average of the outputs, with region fusion's share."""
        return torch.lerp(state.average, state.flat, self.anchor).to(state.source.dtype)

    def record(self, state: State) -> dict[str, float]:
        """The objective of the last Adam step, and the root mean square of v − g."""
        return {"loss": state.loss.item(), "residual": state.residual.item()}

    def finished(self, state: State) -> Status | None:
        """At the end of the schedule."""
        return Status.CONVERGED if state.n_steps >= self.max_steps else None


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()

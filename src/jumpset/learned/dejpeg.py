"""JPEG artifacts: a filter and a network, each followed by projection onto the quantization constraints."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.iterate import Moment, iterate, solve
from jumpset._core.types import Iteration, Status, component, parameter
from jumpset.dip.dip_l0 import DIPl0
from jumpset.dip.initialize import check_start, starting_image
from jumpset.jpeg.constraint import QuantizationConstraint
from jumpset.jpeg.estimate import estimate_tables
from jumpset.jpeg.tables import as_tables
from jumpset.learned._deblocking import Deblocking, is_flat_art
from jumpset.learned._unet import UNet, peak_channels, receptive_radius
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned
from jumpset.smoothers.l0 import L0Smoothing

_PASSES = 2  # of the filter
# Mean of luma's first 3 × 3 steps above which one, two, three or four steps of the network are best, measured
# on 14 drawings: at quality 90 the second step loses PSNR, at 35 to 80 the third, at 10 to 20 the fifth
_COARSE = (0.0, 4.0, 25.0, 30.0)


@dataclass(frozen=True)
class Inner:
    """The state of a method that runs inside this one."""

    state: Any
    n_steps: int
    is_done: bool


@dataclass(frozen=True)
class Coded:
    """One image that was a JPEG."""

    f: Tensor  # (1, C, H, W), one band of a gray image
    constraint: QuantizationConstraint
    deblocking: Inner
    start: Inner | None
    is_started: bool
    is_flat: bool  # False until the image is deblocked
    n_refined: int  # steps of the network
    u: Tensor  # of f's shape, the iterate


@dataclass(frozen=True)
class State:
    """The images, and the change by the last step."""

    source: Tensor  # (B, C, H, W), as given
    coded: tuple[Coded | None, ...]  # one per image; None if it was never a JPEG
    change: float  # root mean square
    n_steps: int


class DeJPEGNetwork(Network):
    """A U-Net on 2 × 2 blocks of pixels that predicts a correction of the image; no batch norm.

    Parameters
    ----------
    widths, blocks
        As of the second U-Net of :class:`~jumpset.learned.jumpset_net.JumpsetNetwork`.
    """

    name = "dejpeg"
    small: ClassVar = {"widths": [16, 32, 64], "blocks": [1, 1, 2]}
    predicts_mean = True  # ringing at black or white is clipped, which changes the means

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (2, 2, 3)) -> None:
        super().__init__()
        self.size_divisor = 2 ** len(widths)
        self.first = UNet(12, widths, blocks, 0)
        self.receptive_radius = receptive_radius(blocks)
        self.peak_channels = peak_channels(widths)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same, both in [0, 1]; sides are multiples of :attr:`size_divisor`."""
        return image + self.first(image - 0.5, None)


@dataclass(frozen=True)
class _Denoiser(Learned):
    """One pass of the network."""

    network = DeJPEGNetwork


@dataclass(frozen=True)
class DeJPEG(Iteration[State]):
    r"""JPEG artifact removal: filters and a network, each followed by projection onto the file's constraints.

    A JPEG file holds the cosine transform of its blocks in whole steps q, so that the original image lies in
    a box around the decoded f. First, f is filtered and projected onto the box,

    .. math:: u \leftarrow \Pi(B(f)), \qquad
              \Pi: \text{ to } \{u : |C P u - C P f| \le \text{width} \cdot q\}

    with B :class:`~jumpset.smoothers.Collaborative` at the noise level of q, C the cosine transform of 8 × 8
    blocks and P the planes of luma and subsampled chroma (:class:`~jumpset.jpeg.QuantizationConstraint`).
    This is the answer for a photograph. Flat art, which the flat model explains, then takes steps

    .. math:: u \leftarrow \Pi(D(\Pi(S(u))))

    with S :class:`~jumpset.smoothers.L0Smoothing` of weight ``flatness`` and D a network trained on synthetic
    pairs of drawings. D alone either leaves artifacts or removes detail; with Π it can be strong, as Π
    restores what the file determines. A gray image in RGB stays gray. An image in which no grid of JPEG
    blocks is found is not changed, and a ``RuntimeWarning`` says so.

    Parameters
    ----------
    weight
        Share of the corrections by B and D, 0 to 1. Larger is smoother; 0 changes nothing.
    tables
        The steps q: a ``JPEGTables``, or the JPEG file, whose tables are read: the best choice. Default:
        estimated from the image (:func:`jumpset.jpeg.estimate_tables`), whose blocks must start in
        its corner.
    start
        Where flat art starts, instead of Π(B(f)): the result of a method, or an image of f's shape. A method
        that takes ``tables`` is given those of the file: :class:`~jumpset.dip.DIPl0` (the preset ``best``)
        takes half a minute.
    width
        Half the side of a box, in steps: ½ allows all images with this file, less only the likelier ones.
    flatness
        Weight of S, in squared intensities. Larger is flatter; 0 omits S.
    n_steps
        Number of steps on flat art; 0 for Π(B(f)) alone. Default: 1 to 4, more for coarser tables, since
        further steps remove detail.
    kind
        ``"flat"`` or ``"photograph"``, or ``"auto"``: measured on each image.
    weights
        Weights of D: ``"shipped"``, or a ``.safetensors`` file of ``js.training.train("dejpeg", …)``.

    Raises
    ------
    InputError
        A parameter out of range, or a start of another shape.
    FileError
        ``tables`` is a file without tables, or weights are missing, damaged, or of another network.

    Notes
    -----
    Ours. The boxes are those of A. Zakhor, "Iterative procedures for reduction of blocking effects in
    transform image coding", IEEE TCSVT 1992; the alternation is the plug-and-play scheme of S. V.
    Venkatakrishnan, C. A. Bouman, B. Wohlberg, GlobalSIP 2013, with a convex set as its data term; B is after
    A. Foi, V. Katkovnik, K. Egiazarian, IEEE TIP 2007.

    Examples
    --------
    >>> import jumpset as js
    >>> truth = js.datasets.shapes(64, 96, seed=1)
    >>> image = js.datasets.jpeg(truth, quality=15)
    >>> clean = js.run(image, js.learned.DeJPEG()).image
    >>> bool(js.metrics.psnr(clean, truth) > js.metrics.psnr(image, truth) + 1)
    True
    """

    weight: float = 1.0
    tables: Any = None
    start: Any = component(None, check=check_start, is_image=True)
    width: float = parameter(0.35, checks.real, at_least=0.0)
    flatness: float = parameter(0.001, checks.real, at_least=0.0)
    n_steps: int | None = None
    kind: str = parameter("auto", checks.one_of, allowed=("auto", "flat", "photograph"))
    weights: str = "shipped"

    name: ClassVar[str] = "dejpeg"
    paper: ClassVar[str] = "jumpset, after Zakhor, IEEE TCSVT 1992"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"best": {"start": DIPl0()}}

    def __post_init__(self) -> None:
        self._denoiser()  # checks weight and weights
        if self.n_steps is not None:
            checks.integer("n_steps", self.n_steps, at_least=0)
        object.__setattr__(self, "tables", as_tables(self.tables))
        super().__post_init__()

    @property
    def max_steps(self) -> int:
        """Two passes of the filter, the start's steps, and those on flat art."""
        if self.weight == 0.0:
            return 0
        n = len(_COARSE) if self.n_steps is None else self.n_steps
        if n == 0 or self.start is None:
            return _PASSES + n
        return _PASSES + n + (self.start.max_steps if isinstance(self.start, Iteration) else 1)

    def init(self, image: Tensor) -> State:
        """The image itself; constraints and weights are read here, so that bad files raise at once."""
        coded: list[Coded | None] = [None] * len(image)
        if self.max_steps:
            self._denoiser().init(image)
            starts: Any = [None] * len(image)
            if self.start is not None and not isinstance(self.start, Iteration):
                starts = starting_image(self.start, image).split(1)
            coded = [self._coded(f, start) for f, start in zip(image.split(1), starts, strict=True)]
            self._warn(coded)
        return State(image, tuple(coded), 0.0, n_steps=0)

    def step(self, state: State) -> State:
        """A pass of the filter; then, on flat art, a step of the start, or of S and D."""
        coded = tuple(x and self._advance(x) for x in state.coded)
        new = replace(state, coded=coded, n_steps=state.n_steps + 1)
        change = (self.image(new) - self.image(state)).square().mean().sqrt().item()
        return replace(new, change=change)

    def image(self, state: State) -> Tensor:
        """The iterate: f until it is deblocked."""
        pairs = zip(state.source.split(1), state.coded, strict=True)
        return torch.cat([x.u.expand_as(f) if x else f for f, x in pairs])

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of the last step's change."""
        return {"change": state.change}

    def finished(self, state: State) -> Status | None:
        """When the last image is; at once where none was a JPEG."""
        return Status.CONVERGED if all(x is None or self._is_done(x) for x in state.coded) else None

    def _coded(self, f: Tensor, start: Tensor | None) -> Coded | None:
        if f.shape[1] == 3 and bool((f == f[:, :1]).all()):  # a gray file has no chroma to restore
            f = f[:, :1]
        tables = self.tables or estimate_tables(f)
        if tables.is_trivial:
            return None
        c, inner = QuantizationConstraint.of(f, tables), None
        if start is not None:
            inner = Inner(start if start.shape == f.shape else start.mean(1, keepdim=True), 0, is_done=True)
        elif self.start is not None and self.n_steps != 0:
            inner = Inner(self._start(c).init(f), 0, is_done=False)
        deblocking = Inner(Deblocking(tables).init(f), 0, is_done=False)
        return Coded(f, c, deblocking, inner, inner is None, is_flat=False, n_refined=0, u=f)

    def _advance(self, x: Coded) -> Coded:
        c = x.constraint
        if not x.deblocking.is_done:
            method = Deblocking(c.tables)
            inner = _stepped(method, x.deblocking)
            if not inner.is_done:
                return replace(x, deblocking=inner)
            u = self._corrected(x, method.image(inner.state))
            is_flat = self.kind == "flat" or (self.kind == "auto" and is_flat_art(u, c))
            return replace(x, deblocking=inner, u=u, is_flat=is_flat)
        if self._is_done(x):
            return x
        if x.is_started or x.start is None:
            u = x.u
            if self.flatness > 0.0:
                u = c.project(solve(L0Smoothing(weight=self.flatness, beta_max=100.0), u), width=self.width)
            u = c.project(solve(self._denoiser(), u), width=self.width)
            return replace(x, u=u, n_refined=x.n_refined + 1)
        if not isinstance(self.start, Iteration):
            return replace(x, is_started=True, u=self._corrected(x, x.start.state))
        method, inner = self._start(c), x.start
        inner = _stepped(method, inner)
        u = self._corrected(x, method.image(inner.state)) if inner.is_done else x.u
        return replace(x, start=inner, is_started=inner.is_done, u=u)

    def _is_done(self, x: Coded) -> bool:
        if not x.deblocking.is_done or not x.is_flat:
            return x.deblocking.is_done
        n = self.n_steps
        if n is None:
            mean = x.constraint.tables.luma[:3, :3].mean()
            n = sum(mean > coarse for coarse in _COARSE)
        return x.n_refined >= n

    def _corrected(self, x: Coded, v: Tensor) -> Tensor:
        return x.constraint.project(torch.lerp(x.f, v, self.weight), width=self.width)

    def _denoiser(self) -> _Denoiser:
        return _Denoiser(weight=self.weight, weights=self.weights)

    def _start(self, c: QuantizationConstraint) -> Iteration[Any]:
        takes_tables = getattr(self.start, "tables", 0) is None and getattr(self.start, "reads_tables", True)
        return replace(self.start, tables=c.tables) if takes_tables else self.start

    def _warn(self, coded: list[Coded | None]) -> None:
        """Say where no grid was found, whose images or chroma stay as they are."""
        if self.tables is not None:
            return
        if None in coded:
            which = "the image" if len(coded) == 1 else f"{coded.count(None)} of {len(coded)} images"
            warnings.warn(
                f"no JPEG grid was found in {which}, left unchanged: never a JPEG, or cropped, resized or "
                "turned since, or of the highest quality; use the method gsf with its preset clip-art for "
                "drawings, collaborative for photographs",
                RuntimeWarning,
                stacklevel=2,
            )
        if any(x and x.f.shape[1] == 3 and (x.constraint.tables.chroma == 1).all() for x in coded):
            warnings.warn(
                "no JPEG grid was found in the chroma of the image, of which only luma is corrected: chroma "
                "is subsampled in an unusual way, or finely quantized",
                RuntimeWarning,
                stacklevel=2,
            )


def _stepped(method: Iteration[Any], inner: Inner) -> Inner:
    """One step further, with the readings and limits that the method has outside."""
    moments = iterate(method, torch.empty(0), start=Moment(inner.n_steps, inner.state))
    moment = next(moments)
    if moment.status is None:
        moment = next(moments)
    return Inner(moment.state, moment.n_steps, is_done=moment.status is not None)

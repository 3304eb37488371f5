"""JPEG artifacts: alternates a denoising network with projection onto the quantization constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.iterate import solve
from jumpset._core.types import Iteration, component, parameter
from jumpset.dip.dip_l0 import DIPl0
from jumpset.dip.initialize import check_start, starting_image
from jumpset.jpeg.constraint import QuantizationConstraint
from jumpset.jpeg.tables import as_tables, estimate_tables
from jumpset.learned._unet import UNet, peak_channels, receptive_radius
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned
from jumpset.smoothers.gsf import GSF
from jumpset.smoothers.l0 import L0Smoothing


@dataclass(frozen=True)
class State:
    """The iterate and its constraints."""

    source: Tensor  # (B, C, H, W), f as given
    constraints: tuple[QuantizationConstraint | None, ...]  # one per image; None if it was never a JPEG
    u: Tensor  # (B, C, H, W)
    change: float  # root mean square of the last step's change
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
    r"""JPEG artifact removal: alternates smoothing and a network with projection onto the file's constraints.

    A JPEG file holds the cosine transform of its blocks in whole steps q, so that the original image lies in
    a box around the decoded f. From an image smoothed by :class:`~jumpset.smoothers.GSF`,

    .. math:: u \leftarrow \Pi(D(\Pi(S(u)))), \qquad
              \Pi: \text{ to } \{u : |C P u - C P f| \le \text{width} \cdot q\}

    with S :class:`~jumpset.smoothers.L0Smoothing` of weight ``flatness``, D a network trained on synthetic
    pairs, C the cosine transform of 8 × 8 blocks and P the planes of luma and subsampled chroma
    (:class:`~jumpset.jpeg.QuantizationConstraint`). D alone either leaves artifacts or removes detail; with Π
    it can be strong, as Π restores what the file determines; the errors of S and D differ. The method is for
    flat images: a photograph loses its grain with the blocks. An image that was never a JPEG is not changed.

    Parameters
    ----------
    weight
        Share of D's correction, 0 to 1. Larger is smoother; 0 changes nothing.
    tables
        The steps q: a ``JPEGTables``, or the JPEG file, whose tables are read: the best choice. Default:
        estimated from the image (:func:`jumpset.jpeg.estimate_tables`), whose blocks must start in
        its corner; the estimate is poor where much of the image is pure black and white.
    start
        The initial image: the result of a method; an image of f's shape; or None, f itself. A method that
        takes ``tables`` is given those of the file: :class:`~jumpset.dip.DIPl0` (the preset ``best``) takes
        half a minute.
    width
        Half the side of a box, in steps: ½ allows all images with this file, less only the likelier ones.
    flatness
        Weight of S, in squared intensities. Larger is flatter; 0 omits S.
    n_steps
        Number of steps. Many steps slowly remove detail.
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
    Venkatakrishnan, C. A. Bouman, B. Wohlberg, GlobalSIP 2013, with a convex set as its data term.
    """

    weight: float = 1.0
    tables: Any = None
    start: Any = component(GSF(**GSF.presets["clip-art"]), check=check_start)
    width: float = parameter(0.5, checks.real, at_least=0.0)
    flatness: float = parameter(0.004, checks.real, at_least=0.0)
    n_steps: int = parameter(8, checks.integer, at_least=0)
    weights: str = "shipped"

    name: ClassVar[str] = "dejpeg"
    paper: ClassVar[str] = "jumpset, after Zakhor, IEEE TCSVT 1992"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"best": {"start": DIPl0()}}

    def __post_init__(self) -> None:
        self._denoiser()  # checks weight and weights
        object.__setattr__(self, "tables", as_tables(self.tables))
        super().__post_init__()

    def init(self, image: Tensor) -> State:
        """The image itself; constraints and weights are read here, so that bad files raise at once."""
        constraints = []
        if self.max_steps:
            self._denoiser().init(image)
            for f in image.split(1):
                tables = self.tables or estimate_tables(f)
                constraints.append(None if tables.is_trivial else QuantizationConstraint.of(f, tables))
        return State(image, tuple(constraints), image, 0.0, n_steps=0)

    def step(self, state: State) -> State:
        """Smooth and project, denoise and project; the first step projects the initial image before."""
        constraints = {k: c for k, c in enumerate(state.constraints) if c is not None}
        result, change = state.u, 0.0
        if constraints:
            coded = list(constraints)
            u = state.u[coded]
            if state.n_steps == 0:
                u = self._project(constraints, self._initial(state.source, constraints))
            if self.flatness > 0.0:
                u = self._project(constraints, solve(L0Smoothing(weight=self.flatness, beta_max=100.0), u))
            result = result.clone()
            result[coded] = self._project(constraints, solve(self._denoiser(), u))
            change = (result - state.u).square().mean().sqrt().item()
        return State(state.source, state.constraints, result, change, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The iterate."""
        return state.u

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of the last step's change."""
        return {"change": state.change}

    def _denoiser(self) -> _Denoiser:
        return _Denoiser(weight=self.weight, weights=self.weights)

    def _initial(self, source: Tensor, constraints: dict[int, QuantizationConstraint]) -> Tensor:
        if self.start is None:
            return source[list(constraints)]
        if not isinstance(self.start, Iteration):
            return starting_image(self.start, source)[list(constraints)]
        takes_tables = getattr(self.start, "tables", 0) is None and getattr(self.start, "reads_tables", True)
        images = []
        for k, c in constraints.items():
            start = replace(self.start, tables=c.tables) if takes_tables else self.start  # type: ignore[type-var]
            images.append(solve(start, source[k : k + 1]))
        return torch.cat(images)

    def _project(self, constraints: dict[int, QuantizationConstraint], u: Tensor) -> Tensor:
        pairs = zip(constraints.values(), u.split(1), strict=True)
        return torch.cat([c.project(x, width=self.width) for c, x in pairs])

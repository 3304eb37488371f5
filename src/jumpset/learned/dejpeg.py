"""JPEG artifacts: a network for clean pictures, and the pictures that the file may stand for, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.iterate import solve
from jumpset._core.types import Iteration, component
from jumpset.dip.dip_l0 import DIPl0
from jumpset.dip.initialize import check_start, read_tables, starting_image
from jumpset.jpeg.constraint import QuantizationConstraint, estimate_tables
from jumpset.learned._unet import UNet, peak_channels, receptive_radius
from jumpset.learned.architectures import Network
from jumpset.learned.base import Learned
from jumpset.smoothers.gsf import GSF
from jumpset.smoothers.l0 import L0Smoothing


@dataclass(frozen=True)
class State:
    """The answer, and what it may be."""

    source: Tensor  # (B, C, H, W), f as given
    cells: tuple[QuantizationConstraint | None, ...]  # one a picture; None for what was never a JPEG
    u: Tensor  # (B, C, H, W)
    change: float  # root mean square of the last step
    n_steps: int


class DeJPEGNetwork(Network):
    """A U-Net on 2 × 2 blocks of pixels that says what to add to a picture; no batch norm.

    Parameters
    ----------
    widths
        Channels at half the size, a quarter, an eighth, and so on.
    blocks
        Residual blocks of two convolutions at each scale, on the way down and again on the way up; the
        coarsest has them once.
    """

    name = "dejpeg"
    small: ClassVar = {"widths": [16, 32, 64], "blocks": [1, 1, 2]}
    predicts_mean = True  # rings in black or white are clipped, which changes the means

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (2, 2, 3)) -> None:
        super().__init__()
        self.size_divisor = 2 ** len(widths)
        self.first = UNet(12, widths, blocks, 0)
        self.receptive_radius = receptive_radius(blocks)
        self.peak_channels = peak_channels(widths)

    def forward(self, picture: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same, sides by :attr:`size_divisor`, both in [0, 1]."""
        return picture + self.first(picture - 0.5, None)


@dataclass(frozen=True)
class _Denoiser(Learned):
    """One pass of the network."""

    network = DeJPEGNetwork


@dataclass(frozen=True)
class DeJPEG(Iteration[State]):
    r"""JPEG artifacts out: smoothed again and again, each time back to a picture that the file may stand for.

    A JPEG file holds the cosine transform of its blocks in whole steps q, so that the picture it was made
    from lies in a box around the decoded f. From a picture smoothed by :class:`~jumpset.smoothers.GSF`,

    .. math:: u \leftarrow \Pi(D(\Pi(S(u)))), \qquad
              \Pi: \text{ to } \{u : |C P u - C P f| \le \text{width} \cdot q\}

    with S :class:`~jumpset.smoothers.L0Smoothing` of weight ``flatness``, D a network trained on synthetic pairs,
    C the cosine transform of 8 × 8 blocks and P the planes of luma and subsampled chroma
    (:class:`~jumpset.jpeg.constraint.JPEGTables`). D alone must either leave artifacts or take detail away;
    with Π it can be strong, as Π puts back what the file knows; S and D err differently. Made for flat
    pictures: a photograph loses its grain with the blocks. A picture that was never a JPEG is left as it is.

    Parameters
    ----------
    weight
        Share of D's correction, 0 to 1. Larger is smoother; 0 changes nothing.
    tables
        The steps: a ``JPEGTables``, or the JPEG file, whose tables are read: the best choice. Default: told
        from the picture (:func:`jumpset.jpeg.constraint.estimate_tables`), whose blocks must start in its corner; that
        tells little where much of it is pure black and white.
    start
        The first image: a method, for its answer; an image of f's shape; or None, f itself. A method that
        takes ``tables`` has those of the file: :class:`~jumpset.dip.DIPl0` (the preset ``best``) takes half
        a minute.
    width
        Half the side of a box, in steps: ½ for all that the file may stand for, less for what is likelier.
    flatness
        Weight of S, in squared intensities. Larger is flatter; 0 leaves S out.
    n_steps
        Steps. Many slowly take detail away.
    weights
        Of D: ``"shipped"``, or a ``.safetensors`` file of your own training, ``js.training.train("dejpeg", …)``.

    Raises
    ------
    InputError
        A parameter out of range, or a start of another shape.
    FileError
        ``tables`` is a file that holds none, or weights that are missing, damaged, or of another network.

    Notes
    -----
    Our own. The boxes are those of A. Zakhor, "Iterative procedures for reduction of blocking effects in
    transform image coding", IEEE TCSVT 1992; the alternation is the plug-and-play scheme of S. V.
    Venkatakrishnan, C. A. Bouman, B. Wohlberg, GlobalSIP 2013, with one set for a data term.
    """

    weight: float = 1.0
    tables: Any = None
    start: Any = component(GSF(**GSF.presets["clip-art"]))
    width: float = 0.5
    flatness: float = 0.004
    n_steps: int = 8
    weights: str = "shipped"

    name: ClassVar[str] = "dejpeg"
    paper: ClassVar[str] = "jumpset, after Zakhor, IEEE TCSVT 1992"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"best": {"start": DIPl0()}}

    def __post_init__(self) -> None:
        self._denoiser()  # checks weight and weights
        object.__setattr__(self, "tables", read_tables(self.tables))
        check_start(self.start)
        checks.real("width", self.width, at_least=0.0)
        checks.real("flatness", self.flatness, at_least=0.0)
        checks.integer("n_steps", self.n_steps, at_least=0)

    def init(self, image: Tensor) -> State:
        """Know the cells and the weights, so that bad files are known before any work; the picture itself."""
        cells = []
        if self.max_steps:
            self._denoiser().init(image)
            for f in image.split(1):
                tables = self.tables or estimate_tables(f)
                cells.append(None if tables.is_trivial else tables.cells(f))
        return State(image, tuple(cells), image, 0.0, n_steps=0)

    def step(self, state: State) -> State:
        """Smooth and project, twice; at first, project the start."""
        cells = {k: c for k, c in enumerate(state.cells) if c is not None}
        after, change = state.u, 0.0
        if cells:
            live = list(cells)
            u = state.u[live] if state.n_steps else self._projected(cells, self._first(state.source, cells))
            after = after.clone()
            if self.flatness > 0.0:
                u = self._projected(cells, solve(L0Smoothing(weight=self.flatness), u))
            after[live] = self._projected(cells, solve(self._denoiser(), u))
            change = (after - state.u).square().mean().sqrt().item()
        return State(state.source, state.cells, after, change, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The answer."""
        return state.u

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of what the last step has changed."""
        return {"change": state.change}

    def _denoiser(self) -> _Denoiser:
        return _Denoiser(weight=self.weight, weights=self.weights)

    def _first(self, source: Tensor, cells: dict[int, QuantizationConstraint]) -> Tensor:
        if self.start is None:
            return source[list(cells)]
        if not isinstance(self.start, Iteration):
            return starting_image(self.start, source)[list(cells)]
        takes = getattr(self.start, "tables", 0) is None and getattr(self.start, "reads_tables", True)
        answers = []
        for k, c in cells.items():
            start = replace(self.start, tables=c.tables) if takes else self.start
            answers.append(solve(start, source[k : k + 1]))
        return torch.cat(answers)

    def _projected(self, cells: dict[int, QuantizationConstraint], u: Tensor) -> Tensor:
        pairs = zip(cells.values(), u.split(1), strict=True)
        return torch.cat([c.project(x, width=self.width) for c, x in pairs])

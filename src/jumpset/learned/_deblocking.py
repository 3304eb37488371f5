"""What DeJPEG does first on any image: a collaborative filter, and the question whether it is flat art."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core.iterate import solve
from jumpset._core.types import Iteration
from jumpset.jpeg.blocks import block_dct, pad_to_blocks
from jumpset.jpeg.chroma import rgb_to_ycbcr, ycbcr_to_rgb
from jumpset.jpeg.constraint import QuantizationConstraint
from jumpset.jpeg.tables import JPEGTables
from jumpset.smoothers.collaborative import Collaborative
from jumpset.smoothers.collaborative import State as Filtered
from jumpset.smoothers.l0 import L0Smoothing
from jumpset.texture import Texture

_LUMA_FACTOR = 1.4  # on the deviation for luma; chosen on photographs at qualities 30 to 90
_CONSTANT = 1e-6  # range of a plane that is constant but for rounding
# Chosen on 20 photographs and 26 drawings at qualities 5 to 85
_SAME = 0.5 / 255  # difference of neighbours that belong to a flat region
_FLATNESS = 0.004  # weight of L0Smoothing
_MISSED_FACTOR = 1.4
_LEAST_SCORE = 0.05
# Coarse tables flatten photographs too: for a mean m of the first steps, .005 (m − 20) more, up to .4
_COARSE, _PER_STEP, _MOST_MORE = 20.0, 0.005, 0.4


@dataclass(frozen=True)
class State:
    """The planes that the filter leaves unchanged, and its state on the others."""

    planes: Tensor  # (1, C, H, W), luma and chroma
    varying: np.ndarray  # (C,) bool, planes that are not constant
    filtered: Filtered  # of the varying planes
    n_steps: int


@dataclass(frozen=True)
class Deblocking(Iteration[State]):
    """The collaborative filter of luma and chroma, at the noise level of a JPEG file's tables.

    Quantization is taken as white noise, whose variance is .69 m^1.3 for the mean m of a table's first 3 × 3
    steps (A. Foi, V. Katkovnik, K. Egiazarian, "Pointwise shape-adaptive DCT for high-quality denoising and
    deblocking of grayscale and color images", IEEE TIP 2007).
    """

    tables: JPEGTables

    name: ClassVar[str] = "deblocking"
    paper: ClassVar[str] = "Foi, Katkovnik & Egiazarian, IEEE TIP 2007"

    @property
    def max_steps(self) -> int:
        """Those of the filter."""
        return 2

    def init(self, image: Tensor) -> State:
        """The planes of a ``(1, C, H, W)`` image."""
        planes = rgb_to_ycbcr(image) if image.shape[1] == 3 else image
        flat = planes[0].flatten(1)
        varying = (flat.amax(1) - flat.amin(1) > _CONSTANT).cpu().numpy()
        used = planes[:, np.flatnonzero(varying)]
        return State(planes, varying, self._filter(varying).init(used), 0)

    def step(self, state: State) -> State:
        """One pass of the filter."""
        filtered = state.filtered
        if state.varying.any():
            filtered = self._filter(state.varying).step(filtered)
        return replace(state, filtered=filtered, n_steps=state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The filtered planes as an image."""
        planes = state.planes.clone()
        planes[:, np.flatnonzero(state.varying)] = state.filtered.smoothed
        return ycbcr_to_rgb(planes) if planes.shape[1] == 3 else planes

    def record(self, state: State) -> dict[str, float]:
        """Nothing."""
        del state
        return {}

    def _filter(self, varying: np.ndarray) -> Collaborative:
        luma, chroma = (_deviation(table) for table in (self.tables.luma, self.tables.chroma))
        sigma = np.full(len(varying), _LUMA_FACTOR * luma)
        if len(varying) == 3:
            sigma[1:] = chroma
        sigma = sigma[varying] if varying.any() else sigma
        return Collaborative(texture=Texture(np.diag(sigma), np.ones((len(sigma), 1, 1))))


def is_flat_art(u: Tensor, constraint: QuantizationConstraint) -> bool:
    """Whether the flat model explains a deblocked ``(1, C, H, W)`` image: drawings, text, no photographs.

    The score is the share of neighbours in luma without a visible difference, less 1.4 times the share of
    the file's nonzero coefficients that l0 smoothing moves out of their cells. Coarse tables need more.
    """
    luma = constraint.tables.subsampling.planes(u)[0]
    same = [((luma.diff(dim=axis)).abs() < _SAME).double().flatten() for axis in (-2, -1)]
    smooth = constraint.tables.subsampling.planes(solve(L0Smoothing(weight=_FLATNESS), u))[0]
    steps = torch.as_tensor(constraint.tables.luma / 255).to(u)
    centres = constraint.centres[0]
    present = (centres / steps).round() != 0
    present[..., 0, 0] = False
    missed = (block_dct(pad_to_blocks(smooth)) - centres).abs() > 0.5 * steps + 1 / 255
    share = (missed & present).sum().item() / max(1, int(present.sum()))
    score = torch.cat(same).mean().item() - _MISSED_FACTOR * share if any(map(len, same)) else 1.0
    more = _PER_STEP * (constraint.tables.luma[:3, :3].mean() - _COARSE)
    return bool(score > _LEAST_SCORE + min(max(more, 0.0), _MOST_MORE))


def _deviation(table: np.ndarray) -> float:
    return float(np.sqrt(0.69 * table[:3, :3].mean() ** 1.3)) / 255

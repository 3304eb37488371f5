"""Pixel-level non-local smoothing: similar pixels of similar patches are averaged (Xu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration
from jumpset.kernels.filters.pnls import smooth_pass
from jumpset.operators.lab import lab_to_rgb, rgb_to_lab


@dataclass(frozen=True)
class State:
    """The picture in the space where it is smoothed."""

    source: Tensor  # (B, C, H, W), the picture as given
    u: Tensor  # (B, C, H, W), the answer so far: Lab / 255 of three channels, others as they are
    change: float  # root mean square of the last step's change
    n_steps: int


@dataclass(frozen=True)
class PNLS(Iteration[State]):
    r"""Pixel-level non-local smoothing: removes texture and keeps edges of any shape; no model of regions.

    Each step searches, for a grid of reference patches, the ``matches`` patches most like it, joins to each
    pixel of the patch the ``pixels`` − 1 pixels whose values in all of those patches are most like its own,
    and thresholds the Haar coefficients of these groups,

    .. math:: \hat Y = H_q^\top\, T(H_q\, Y\, H_n)\, H_n^\top, \qquad
              T(c) = c \text{ where } \|c\| \ge \text{weight, else } 0,

    with ‖c‖ the root mean square over channels and the mean always kept. Where estimates overlap they are
    averaged with weights 1 / number of coefficients kept.

    Parameters
    ----------
    weight
        Threshold, in intensities, of CIELAB / 255 for colour pictures. Larger is smoother; 0 changes nothing.
    n_steps
        Number of passes.
    patch, stride
        Side of the patches and distance of the reference patches, in pixels.
    window
        Side of the square of patch positions that are searched around each reference patch; odd.
    matches, pixels
        How many patches, and how many pixels of each, make a group; powers of two.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    J. Xu, Z.-A. Liu, Y.-K. Hou, X.-T. Zhen, L. Shao, M.-M. Cheng, "Pixel-level non-local image smoothing
    with objective evaluation", IEEE TMM 2020. The paper's core step has no public source; ours follows the
    filter it builds on (Hou et al., "NLH", IEEE TIP 2020). Differences: (1) the groups' thresholds and
    distances join all channels; (2) the coefficients between single pixels are zeroed except for the
    patches' mean, and only coefficients that reach the pixel itself are counted in its weight; (3) pictures
    that are not of three channels are smoothed as they are, without a colour space; (4) threshold, patch
    and group sizes and number of passes were chosen by us, on textured vector pictures; (5) ``weight=0``
    returns the picture.
    """

    weight: float = 0.015
    n_steps: int = 3
    patch: int = 6
    stride: int = 4
    window: int = 11
    matches: int = 64
    pixels: int = 2

    name: ClassVar[str] = "pnls"
    paper: ClassVar[str] = "Xu, Liu, Hou, Zhen, Shao & Cheng, IEEE TMM 2020"

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0)
        checks.integer("n_steps", self.n_steps, at_least=0)
        for name in ("patch", "stride"):
            checks.integer(name, getattr(self, name), at_least=1)
        checks.integer("window", self.window, at_least=1)
        if self.window % 2 == 0:
            raise InputError("window must be odd", given=repr(self.window), do=f"pass {self.window + 1}")
        for name in ("matches", "pixels"):
            count = getattr(self, name)
            checks.integer(name, count, at_least=1)
            if count & (count - 1):
                raise InputError(f"{name} must be a power of two", given=repr(count), do="pass 2, 4, 8 or 16")

    def init(self, image: Tensor) -> State:
        """The picture in the space where it is smoothed."""
        u = rgb_to_lab(image) / 255.0 if image.shape[1] == 3 else image
        return State(image, u, change=0.0, n_steps=0)

    def step(self, state: State) -> State:
        """One pass over each picture."""
        pictures = state.u.detach().cpu().contiguous().numpy()
        passed = [
            smooth_pass(
                picture,
                patch=self.patch,
                step=self.stride,
                window=self.window,
                matches=self.matches,
                pixels=self.pixels,
                threshold=self.weight,
            )
            for picture in pictures
        ]
        u = torch.from_numpy(np.stack(passed)).to(state.u.device)
        change = (u - state.u).square().mean(dtype=torch.float64).sqrt().item()
        return State(state.source, u, change, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The picture in the caller's space."""
        if state.n_steps == 0:
            return state.source
        return lab_to_rgb(state.u * 255.0) if state.u.shape[1] == 3 else state.u

    def record(self, state: State) -> dict[str, float]:
        """Root mean square of what the last pass changed."""
        return {"change": state.change}

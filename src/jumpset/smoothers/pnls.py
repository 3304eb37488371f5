"""Pixel-level non-local smoothing: similar pixels of similar patches are averaged (Xu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration, parameter
from jumpset.kernels.filters.pnls import smooth_pass
from jumpset.operators.lab import lab_to_rgb, rgb_to_lab
from jumpset.smoothers._numpy import as_array


@dataclass(frozen=True)
class State:
    """The last u in the colour space of the filter."""

    source: Tensor  # (B, C, H, W), f
    u: Tensor  # (B, C, H, W): Lab / 255 for three channels, otherwise in the space of f
    change: float  # root mean square change in the last step
    n_steps: int


@dataclass(frozen=True)
class PNLS(Iteration[State]):
    r"""Pixel-level non-local smoothing: removes texture, keeps edges of any shape; no model of regions.

    Each step searches, for each patch of a grid of reference patches, the ``matches`` most similar patches,
    groups each pixel of the patch with the ``pixels`` − 1 pixels whose values in all of those patches are
    most similar to its own, and thresholds the Haar coefficients of these groups,

    .. math:: \hat Y = H_q^\top\, T(H_q\, Y\, H_n)\, H_n^\top, \qquad
              T(c) = c \text{ where } \|c\| \ge \text{weight, else } 0,

    with ‖c‖ the root mean square over channels; the mean of a group is always kept. Overlapping estimates are
    averaged with weights 1 / number of coefficients kept.

    Parameters
    ----------
    weight
        Threshold, in intensities; for three channels in units of CIELAB / 255. Larger is smoother; 0 changes
        nothing.
    n_steps
        Number of passes.
    patch, stride
        Side of the patches and distance of the reference patches, in pixels.
    window
        Side, in pixels, of the square of patch positions searched around each reference patch; odd.
    matches, pixels
        Number of patches, and of pixels of each, in a group; powers of two.

    Raises
    ------
    InputError
        A parameter out of range.

    Notes
    -----
    J. Xu, Z.-A. Liu, Y.-K. Hou, X.-T. Zhen, L. Shao, M.-M. Cheng, "Pixel-level non-local image smoothing
    with objective evaluation", IEEE TMM 2020. The paper's core step has no public source; ours follows the
    filter that it extends (Hou et al., "NLH", IEEE TIP 2020). Differences: (1) thresholds and distances of
    groups join all channels; (2) the coefficients between single pixels are zeroed except for the patches'
    mean, and only coefficients that affect the pixel itself count in its weight; (3) images of other than
    three channels are smoothed in their own space; (4) threshold, patch and group sizes and number of passes
    are ours, chosen on textured vector graphics; (5) ``weight=0`` returns the image.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(96, 128, seed=4)
    >>> flat = js.run(image, js.smoothers.PNLS()).image
    >>> bool(js.metrics.psnr(flat, truth) > js.metrics.psnr(image, truth))
    True
    """

    weight: float = parameter(0.015, checks.weight)
    n_steps: int = parameter(3, checks.integer, at_least=0)
    patch: int = parameter(6, checks.integer, at_least=1)
    stride: int = parameter(4, checks.integer, at_least=1)
    window: int = parameter(11, checks.integer, at_least=1)
    matches: int = parameter(64, checks.integer, at_least=1)
    pixels: int = parameter(2, checks.integer, at_least=1)

    name: ClassVar[str] = "pnls"
    paper: ClassVar[str] = "Xu, Liu, Hou, Zhen, Shao & Cheng, IEEE TMM 2020"
    keeps_mean: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 2 == 0:
            raise InputError("window must be odd", given=repr(self.window), do=f"pass {self.window + 1}")
        if self.stride > self.patch:
            raise InputError(
                "stride must be at most patch, or pixels lie in no patch",
                given=f"stride={self.stride}, patch={self.patch}",
                do=f"pass stride={self.patch}, or a larger patch",
            )
        for name in ("matches", "pixels"):
            count = getattr(self, name)
            if count & (count - 1):
                raise InputError(f"{name} must be a power of two", given=repr(count), do="pass 2, 4, 8 or 16")

    def init(self, image: Tensor) -> State:
        """Convert three channels from RGB to Lab / 255."""
        u = _to_lab(image) if image.shape[1] == 3 else image
        return State(image, u, change=0.0, n_steps=0)

    def step(self, state: State) -> State:
        """One pass over each image."""
        sizes = {name: getattr(self, name) for name in ("patch", "window", "matches", "pixels")}
        passes = [smooth_pass(u, step=self.stride, threshold=self.weight, **sizes) for u in as_array(state.u)]
        u = torch.from_numpy(np.stack(passes)).to(state.u.device)
        change = (u - state.u).square().mean(dtype=torch.float64).sqrt().item()
        return State(state.source, u, change, state.n_steps + 1)

    def image(self, state: State) -> Tensor:
        """The last u in the colour space of f."""
        if state.n_steps == 0:
            return state.source
        return _to_rgb(state.u) if state.u.shape[1] == 3 else state.u

    def record(self, state: State) -> dict[str, float]:
        """Root mean square change in the last pass."""
        return {"change": state.change}


def _to_lab(image: Tensor) -> Tensor:
    """RGB to Lab / 255, in double precision, since float32 rounds otherwise in another memory layout."""
    return (rgb_to_lab(image.double()) / 255.0).to(image.dtype)


def _to_rgb(u: Tensor) -> Tensor:
    return lab_to_rgb(u.double() * 255.0).to(u.dtype)

"""The "skip" network of the deep image prior (Ulyanov, Vedaldi, Lempitsky 2018), at any width and size."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.errors import InputError

_seeding = threading.Lock()  # of torch's global generator


def _after_fork() -> None:
    """Renew the lock in a forked child, which does not inherit the thread that may hold it."""
    global _seeding
    _seeding = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True)
class Architecture:
    """The widths of a skip network, from the finest scale to the coarsest.

    Examples
    --------
    >>> import jumpset as js
    >>> js.dip.Architecture(inputs=8, widths=(8, 16), skips=(4, 4)).widths
    (8, 16)
    """

    inputs: int
    """Channels of the fixed input where it is noise."""
    widths: tuple[int, ...]
    """Channels of each scale, on the way down and on the way up."""
    skips: tuple[int, ...]
    """Channels of the skip connection at each scale; 0: none."""
    reflect: bool = True
    """Reflection at the border of every convolution, as in the paper; otherwise zeros, which is faster."""


FULL = Architecture(32, (128,) * 5, (4,) * 5)  # the paper's denoiser: 2 217 831 parameters for RGB
SMALL = Architecture(3, (8, 16, 32, 64, 128), (0, 0, 0, 4, 4))  # the paper's for JPEG: 572 827
THIN = Architecture(8, (8, 16, 32, 64, 64), (4,) * 5, reflect=False)  # 264 863, for a CPU
ARCHITECTURES: dict[str, Architecture] = {"full": FULL, "jpeg": SMALL, "thin": THIN}


def architecture(name: str) -> Architecture:
    """The architecture of a name: ``"full"``, ``"jpeg"`` or ``"thin"``, as in :class:`DIP`.

    Parameters
    ----------
    name
        ``"full"``, ``"jpeg"`` or ``"thin"``.

    Returns
    -------
    Architecture
        Inputs, widths and skip connections.

    Raises
    ------
    InputError
        Another name.

    Examples
    --------
    >>> import jumpset as js
    >>> js.dip.architecture("thin").widths
    (8, 16, 32, 64, 64)
    """
    checks.one_of("network", name, ARCHITECTURES)
    return ARCHITECTURES[name]


def check_network(name: str, value: object) -> None:
    """Raise unless ``value`` is an architecture."""
    if not isinstance(value, Architecture):
        raise InputError(
            f"{name} must be an Architecture",
            given=repr(value),
            do="pass jumpset.dip.architecture('thin'), or network='thin' to jumpset.method",
        )


class SkipNet(nn.Module):
    """An encoder and decoder with skip connections at each scale.

    Batch norm (with the statistics of the one image) and leaky ReLU with slope 0.2 follow every convolution;
    a sigmoid ends the network. The input's sides must be multiples of ``2 ** len(widths)``, see
    :func:`canvas`.

    Parameters
    ----------
    architecture
        The widths. Scales beyond ``n_scales`` are left out.
    outputs
        Channels of the image.
    n_scales
        Scales to build; default: all.
    """

    def __init__(self, architecture: Architecture, outputs: int, n_scales: int | None = None) -> None:
        super().__init__()
        widths = architecture.widths[:n_scales]
        skips, reflect = architecture.skips, architecture.reflect
        above = (architecture.inputs, *widths[:-1])  # channels from the finer scale
        below = (*widths[1:], widths[-1])  # channels from the coarser scale
        scales = zip(above, widths, below, skips, strict=False)
        self.scales: Any = nn.ModuleList(_Scale(*channels, reflect) for channels in scales)
        self.last = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(1, inputs, H, W)`` to ``(1, outputs, H, W)`` in (0, 1)."""
        skips = []
        for scale in self.scales:
            skips.append(scale.skip(x) if scale.skip is not None else None)
            x = scale.down(x)
        for scale, skip in zip(reversed(self.scales), reversed(skips), strict=True):
            x = double(x)
            x = scale.up(x if skip is None else torch.cat([skip, x], dim=1))
        return torch.sigmoid(self.last(x))


class _Scale(nn.Module):
    def __init__(self, above: int, width: int, below: int, skip: int, reflect: bool) -> None:
        super().__init__()
        self.skip = _conv(above, skip, 1, reflect=reflect) if skip else None
        self.down = nn.Sequential(
            _conv(above, width, 3, stride=2, reflect=reflect), _conv(width, width, 3, reflect=reflect)
        )
        self.up = nn.Sequential(
            _norm(below + skip),
            _conv(below + skip, width, 3, reflect=reflect),
            _conv(width, width, 1, reflect=reflect),
        )


def _conv(inputs: int, outputs: int, size: int, *, reflect: bool, stride: int = 1) -> nn.Sequential:
    pad = size // 2
    border = [_Reflect()] if pad and reflect else []
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=0 if border else pad)
    return nn.Sequential(*border, conv, _norm(outputs), nn.LeakyReLU(0.2, inplace=True))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, track_running_stats=False)


class _Reflect(nn.Module):
    """Reflection by one pixel, by slices: the gradient of torch's own is not repeatable on GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[:, :, 1:2], x, x[:, :, -2:-1]], dim=2)
        return torch.cat([x[..., 1:2], x, x[..., -2:-1]], dim=3)


def double(x: Tensor) -> Tensor:
    """Bilinear interpolation to twice the size, with the border pixels repeated."""
    if x.device.type == "cpu":
        return nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return double_by_slices(x)


def double_by_slices(x: Tensor) -> Tensor:
    """:func:`double` by slices: the gradient of torch's own is not repeatable on GPUs."""
    for dim in (2, 3):
        n = x.shape[dim]
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, n - 1)], dim)
        after = torch.cat([x.narrow(dim, 1, n - 1), x.narrow(dim, n - 1, 1)], dim)
        x = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim + 1).flatten(dim, dim + 1)
    return x


def canvas(height: int, width: int, n_scales: int) -> tuple[int, int, int]:
    """Number of scales for an image, and the size to pad it to: ``(n_scales, height, width)``.

    A small image gets fewer scales, so that its coarsest layer is not mostly padding; every layer
    keeps at least 2 × 2 pixels, the least for which reflection and batch norm are defined.
    """
    fitting = max(1, min(height, width).bit_length() - 2)
    n = min(n_scales, fitting)
    unit = 2**n
    rows, columns = (max(2, -(-side // unit)) * unit for side in (height, width))
    return n, rows, columns


def build(
    architecture: Architecture, height: int, width: int, *, inputs: int, outputs: int, seed: int
) -> tuple[SkipNet, tuple[int, int]]:
    """The network for one image with weights drawn from ``seed``, and the canvas it works on.

    torch draws weights from its global CPU generator, whose state is restored afterwards; one
    thread at a time.
    """
    n_scales, rows, columns = canvas(height, width, len(architecture.widths))
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs' generators
        network = SkipNet(replace(architecture, inputs=inputs), outputs, n_scales)
    return network, (rows, columns)

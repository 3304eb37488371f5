"""The memory that a fit needs, the memory that is free, and the tile size that follows."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.dip.networks import Architecture, build, check_network
from jumpset.dip.tiling import LEAST_TILE, tiles
from jumpset.operators.autocast import PRECISIONS, computes_half

_PROBE = 64  # side of the small image on which the bytes are counted
_IMAGES = 24  # images in float32 that a method holds, region fusion's regions among them
_SIDES = (2048, 1536, 1024, 768, 512, 384, 256, 128)  # sides of tiles to choose from, in pixels
_SHARE = 0.8  # share of the free memory that a fit may take


def fit_memory(
    network: Architecture,
    height: int,
    width: int,
    channels: int = 3,
    *,
    precision: str = "auto",
    tile: int = 0,
    device: str | torch.device = "cpu",
) -> int:
    """Estimate the bytes that a deep image prior needs at its peak for one image.

    The estimate counts the activations that a step keeps for its gradients (measured on a small image, since
    they grow with the number of pixels), the gradients of the largest of them, the weights with Adam's two
    moments, and the method's images.

    Parameters
    ----------
    network
        As in :class:`DIP`.
    height, width, channels
        Size of the image.
    precision
        Precision of the layers, as in :class:`DIP`.
    tile
        Side of the tiles; 0: one network for the whole image.
    device
        The device of the run.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    InputError
        A parameter out of range.

    Examples
    --------
    >>> from jumpset.dip import architecture, fit_memory
    >>> fit_memory(architecture("full"), 512, 384) > 5 * fit_memory(architecture("thin"), 512, 384)
    True
    """
    check_network("network", network)
    for name, value in (("height", height), ("width", width), ("channels", channels)):
        checks.integer(name, value, at_least=1)
    checks.one_of("precision", precision, PRECISIONS)
    checks.integer("tile", tile, at_least=0)
    half = computes_half(precision, torch.device(device))
    return _bytes(network, height, width, channels, half, tile)


def free_memory(device: torch.device) -> int | None:
    """Free bytes on the device; ``None`` where the system does not report them."""
    if device.type == "cuda":
        # memory that torch has reserved and does not use is free too
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    found = [n for n in (_available(), _container_memory()) if n is not None]
    return min(found, default=None)


def choose_tile(network: Architecture, image: Tensor, *, half: bool, tile: int) -> int:
    """``tile`` if it is given; else 0 where the whole image fits, and otherwise the largest side that fits.

    Raises
    ------
    InputError
        If not even the smallest tile fits.
    """
    channels, height, width = image.shape[-3:]
    if tile:
        return tile
    free = free_memory(image.device)
    if free is None:
        return 0
    needed = 0
    for side in (0, *(side for side in _SIDES if side < max(height, width))):
        needed = _bytes(network, height, width, channels, half, side)
        if needed <= _SHARE * free:
            return side
    raise InputError(
        "the image is too large for the free memory",
        given=f"{height} x {width} pixels, {needed / 1e9:.1f} GB needed at least, {free / 1e9:.1f} GB free",
        do="pass a smaller image, or network=jumpset.dip.architecture('thin')",
    )


def check_tile(name: str, value: object) -> None:
    """Raise unless ``value`` is 0 or a side of at least 64 pixels."""
    checks.integer(name, value, at_least=LEAST_TILE if value else 0)


def _bytes(network: Architecture, height: int, width: int, channels: int, half: bool, tile: int) -> int:
    parts = tiles(height, width, tile)
    rows, columns = max(p.height for p in parts), max(p.width for p in parts)
    pixels, activations, n_weights = _probe(network, channels, half)
    area = max(rows * columns, pixels)
    per_network = 16 * n_weights  # weights, gradients and Adam's two moments, 4 bytes each
    return area * activations // pixels + len(parts) * per_network + _IMAGES * 4 * channels * height * width


@cache
def _probe(network: Architecture, channels: int, half: bool) -> tuple[int, int, int]:
    """Pixels of a small image, bytes that a step on it needs, and weights of the network."""
    inputs = max(network.inputs, 2 * channels)
    net, size = build(network, _PROBE, _PROBE, inputs=inputs, outputs=channels, seed=0)
    weights = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=half),
    ):
        output = net(torch.zeros(1, inputs, *size))  # kept until the bytes are counted
    sizes = [n for pointer, n in kept.items() if pointer not in weights]
    del output
    return size[0] * size[1], sum(sizes) + 3 * max(sizes), sum(p.numel() for p in net.parameters())


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None


def _container_memory() -> int | None:
    """Under a limit of control groups, version 2."""
    group = Path("/sys/fs/cgroup")
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no limit reads "max"
        return None

"""What a fit needs of memory, what there is, and how large a tile may be."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.dip import networks
from jumpset.dip.tiling import LEAST_TILE, tiles
from jumpset.operators.autocast import PRECISIONS, computes_half

_PROBE = 64  # side of the small picture on which the bytes are counted
_PICTURES = 24  # pictures in float32 that a method holds, region fusion's regions among them
_SIDES = (2048, 1536, 1024, 768, 512, 384, 256, 128)  # of tiles, in pixels, to choose from
_SHARE = 0.8  # of the free memory that a fit may take


def fit_memory(
    network: str,
    height: int,
    width: int,
    channels: int = 3,
    *,
    precision: str = "auto",
    tile: int = 0,
    device: str | torch.device = "cpu",
) -> int:
    """Bytes that a deep image prior needs at its peak for one picture, an estimate.

    Counted are the activations that a step keeps for its gradients (found by a step on a small picture, as
    they grow with the number of pixels), the gradients of the largest of them, weights with Adam's two
    moments, and the method's pictures.

    Parameters
    ----------
    network
        ``"full"``, ``"jpeg"`` or ``"thin"``.
    height, width, channels
        Of the picture.
    precision
        Of the layers, as in :class:`DIP`.
    tile
        Side of the tiles; 0 for none.
    device
        Where it would run.

    Raises
    ------
    InputError
        A parameter out of range.

    Examples
    --------
    >>> from jumpset.dip import fit_memory
    >>> fit_memory("full", 512, 384) > 5 * fit_memory("thin", 512, 384)
    True
    """
    checks.one_of("network", network, networks.ARCHITECTURES)
    for name, value in (("height", height), ("width", width), ("channels", channels)):
        checks.integer(name, value, at_least=1)
    checks.one_of("precision", precision, PRECISIONS)
    checks.integer("tile", tile, at_least=0)
    half = computes_half(precision, torch.device(device))
    return _bytes(network, height, width, channels, half, tile)


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be had on the device; ``None`` where the system does not tell."""
    if device.type == "cuda":
        # what torch has reserved and does not use can be had too
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    found = [n for n in (_available(), _left_to_the_container()) if n is not None]
    return min(found, default=None)


def choose_tile(network: str, picture: Tensor, *, half: bool, tile: int) -> int:
    """``tile`` if it is given; else 0 where the fit has room, and the largest side that has room where not.

    Raises
    ------
    InputError
        If not even the smallest tile has room.
    """
    channels, height, width = picture.shape[-3:]
    if tile:
        return tile
    free = free_memory(picture.device)
    if free is None:
        return 0
    needed = 0
    for side in (0, *(side for side in _SIDES if side < max(height, width))):
        needed = _bytes(network, height, width, channels, half, side)
        if needed <= _SHARE * free:
            return side
    raise InputError(
        "the picture is too large for the memory at hand",
        given=f"{height} x {width} pixels, {needed / 1e9:.1f} GB needed at least, {free / 1e9:.1f} GB free",
        do="pass a smaller picture, or network='thin'",
    )


def check_tile(tile: object) -> None:
    """Raise unless ``tile`` is 0 or a side of at least 64 pixels."""
    checks.integer("tile", tile, at_least=0)
    if tile:
        checks.integer("tile", tile, at_least=LEAST_TILE)


def _bytes(network: str, height: int, width: int, channels: int, half: bool, tile: int) -> int:
    parts = tiles(height, width, tile)
    rows, columns = max(p.height for p in parts), max(p.width for p in parts)
    pixels, activations, n_weights = _probe(network, channels, half)
    area = max(rows * columns, pixels)
    per_network = 16 * n_weights  # weights, gradients and Adam's two moments, 4 bytes each
    return area * activations // pixels + len(parts) * per_network + _PICTURES * 4 * channels * height * width


@cache
def _probe(network: str, channels: int, half: bool) -> tuple[int, int, int]:
    """Pixels of a small picture, bytes that a step on it needs, and weights of the network."""
    inputs = max(networks.ARCHITECTURES[network].inputs, 2 * channels)
    net, size = networks.build(network, _PROBE, _PROBE, inputs=inputs, outputs=channels, seed=0)
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
        picture = net(torch.zeros(1, inputs, *size))  # kept until the count is made
    sizes = [n for pointer, n in kept.items() if pointer not in weights]
    del picture
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


def _left_to_the_container() -> int | None:
    """Under a limit of control groups, version 2."""
    group = Path("/sys/fs/cgroup")
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no limit reads "max"
        return None

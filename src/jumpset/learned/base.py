"""What the learned smoothers share: pictures of any size and bands through a network for three."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration
from jumpset.learned import weights as files
from jumpset.learned.architectures import Network
from jumpset.operators.autocast import PRECISIONS, computes_half

FRAME = 16
_BYTES = 2**28  # of the peak_channels activation of a tile
_LEAST_TILE = 64


@dataclass(frozen=True)
class State:
    """The answer."""

    source: Tensor  # (B, C, H, W), the picture as given
    smoothed: Tensor  # (B, C, H, W)
    n_steps: int


@dataclass(frozen=True)
class Learned(Iteration[State]):
    """A network as an iteration of one step; subclasses name the network."""

    weight: float = 1.0
    weights: str = "shipped"
    precision: str = "auto"
    tile: int = 0

    name: ClassVar[str]
    network: ClassVar[type[Network]]

    def __post_init__(self) -> None:
        checks.real("weight", self.weight, at_least=0.0, at_most=1.0)
        if not isinstance(self.weights, (str, os.PathLike)):
            raise InputError(
                "weights must be 'shipped' or a file", given=repr(self.weights), do="pass a .safetensors path"
            )
        checks.one_of("precision", self.precision, PRECISIONS)
        checks.integer("tile", self.tile, at_least=0)
        if self.tile:
            checks.integer("tile", self.tile, at_least=_LEAST_TILE)

    def init(self, image: Tensor) -> State:
        """The picture itself; the weights are read here, so that a bad file is known before any work."""
        self._loaded(image.device)
        return State(image, image, n_steps=0)

    def step(self, state: State) -> State:
        """One pass, picture by picture: together they would differ from each alone in the last bit."""
        network = self._loaded(state.source.device)
        return State(state.source, torch.stack([self._smooth(network, f) for f in state.source]), 1)

    def image(self, state: State) -> Tensor:
        """The answer."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """Root mean square distance of u from f."""
        return {"distance": (state.smoothed - state.source).square().mean().sqrt().item()}

    @property
    def share(self) -> float:
        """How much of the network's correction is taken."""
        return self.weight

    def _loaded(self, device: torch.device) -> Network:
        path = files.chosen(self.network.name, self.weights)
        changed = path.stat().st_mtime_ns if path.is_file() else 0
        return _load(self.network, path, changed, device)

    def _smooth(self, network: Network, f: Tensor) -> Tensor:
        """``(C, H, W)`` to the same: colour at once, all else band by band, gray as three equal bands."""
        low, high = f.amin().clamp(max=0.0), f.amax().clamp(min=1.0)
        unit = ((f - low) / (high - low)).float()
        bands = unit[None] if len(f) == 3 else unit[:, None].expand(-1, 3, -1, -1)
        changes = [self._change(network, band[None]) for band in bands]
        if len(f) == 3:
            change = changes[0]
        else:
            change = torch.stack([c.mean(dim=0) for c in changes])
        change = centred(change, network)
        # only the change goes through float32 and the scale, so that float64 pictures stay so
        return f + self.share * (high - low) * change.to(f.dtype)

    def _change(self, network: Any, picture: Tensor) -> Tensor:
        """``(1, 3, H, W)`` to what the network adds to it, ``(3, H, W)``."""
        height, width = picture.shape[-2:]
        framed = frame(picture, network.size_divisor)
        side = self.tile or int((_BYTES / (4 * network.peak_channels)) ** 0.5)
        tiled = partial(apply_tiled, side=side, size_divisor=network.size_divisor)
        half = computes_half(self.precision, picture.device)
        with torch.autocast(picture.device.type, torch.bfloat16, enabled=half):
            change = (self._answer(network, framed, tiled) - framed)[0]
        return change[:, FRAME : FRAME + height, FRAME : FRAME + width]

    def _answer(self, network: Any, framed: Tensor, tiled: Callable[..., Tensor]) -> Tensor:
        """What the network makes of ``(1, 3, H, W)``, sides by its size_divisor."""
        return tiled(network, framed, receptive_radius=network.receptive_radius)


def centred(change: Tensor, network: Network) -> Tensor:
    """``(..., H, W)`` without the mean of each band, unless the network says that it knows the means.

    The others have learned to guess the tone behind a texture, and guess one for every picture.
    """
    if network.predicts_mean:
        return change
    return change - change.mean(dim=(-2, -1), keepdim=True)


def apply_tiled(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    receptive_radius: int,
    side: int,
    size_divisor: int,
) -> Tensor:
    """Compute ``network(image)`` tile by tile: ``(1, C, H, W)`` to ``(1, 3, H, W)`` float32."""
    answer = image.new_empty(1, 3, *image.shape[-2:])
    for source, kept in exact_tiles(image.shape[-2:], side, size_divisor, receptive_radius):
        part = network(image[(..., *source)].contiguous(memory_format=torch.channels_last)).float()
        inner = (slice(k.start - s.start, k.stop - s.start) for k, s in zip(kept, source, strict=True))
        answer[(..., *kept)] = part[(..., *inner)]
    return answer


def exact_tiles(
    size: tuple[int, int] | torch.Size, side: int, size_divisor: int, receptive_radius: int
) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield rows and columns of the input of each tile, and those of the part of its output that is kept.

    The kept parts partition the image, and each is ``receptive_radius`` away from the sides where its tile was
    cut, so that the result is that of the whole image. (The tiles of :mod:`jumpset.dip.tiling` are fitted
    independently, their results differ, and windows blend them.) Sides and positions are multiples of
    ``size_divisor``, as those of ``size`` must be. An image whose sides are at most ``side`` is one tile.
    """
    margin = -(-receptive_radius // size_divisor) * size_divisor
    kept = max(side - 2 * margin, side // 2) // size_divisor * size_divisor or size_divisor
    rows, columns = (_cuts(length, side, kept, margin) for length in size)
    for down in rows:
        for across in columns:
            yield (down[0], across[0]), (down[1], across[1])


def _cuts(length: int, side: int, kept: int, margin: int) -> list[tuple[slice, slice]]:
    if length <= side:
        return [(slice(0, length), slice(0, length))]
    return [
        (slice(max(0, a - margin), min(length, a + kept + margin)), slice(a, min(length, a + kept)))
        for a in range(0, length, kept)
    ]


def frame(picture: Tensor, size_divisor: int) -> Tensor:
    """The picture continued by its mirror image, by :data:`FRAME` pixels or more, to sides by ``size_divisor``.

    Within, the zeros at the borders of the layers are hardly seen. In operations that ONNX has.
    """
    for dim in (-2, -1):
        n = picture.shape[dim]
        total = (n + 2 * FRAME + size_divisor - 1) // size_divisor * size_divisor
        # A walk to and fro over n pixels repeats itself after 2 n, here a tensor, since the remainder by a
        # number that is known when it runs is nothing that can be exported.
        walk = torch.arange(total, device=picture.device)
        period = torch.full_like(walk, 2 * n)
        walk = (walk + FRAME * period - FRAME) % period
        picture = picture.index_select(dim, torch.minimum(walk, period - 1 - walk))
    return picture


@lru_cache(maxsize=8)
def _load(network: type[Network], path: Path, changed: int, device: torch.device) -> Network:
    """The network with its weights; ``changed``, the file's date, makes a new file be read anew."""
    del changed
    loaded = files.load_network(network, path)
    return loaded.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

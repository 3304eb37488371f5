"""What the learned smoothers share: images of any size and number of channels through a network for RGB."""

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
from jumpset._core.types import Iteration, parameter
from jumpset.learned import weights as files
from jumpset.learned.architectures import NETWORKS, Network
from jumpset.operators.autocast import PRECISIONS, computes_half

PADDING = 16
_MAX_BYTES = 2**28  # of the largest activation of a tile
_MIN_TILE = 64


@dataclass(frozen=True)
class State:
    """Input and result."""

    source: Tensor  # (B, C, H, W), the image as given
    smoothed: Tensor  # (B, C, H, W)
    n_steps: int


@dataclass(frozen=True)
class Learned(Iteration[State]):
    """A network as an iteration of one step; subclasses set the network."""

    weight: float = parameter(1.0, checks.real, at_least=0.0, at_most=1.0)
    weights: str = "shipped"
    precision: str = parameter("auto", checks.one_of, allowed=PRECISIONS)
    tile: int = 0

    name: ClassVar[str]
    network: ClassVar[type[Network]]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.weights, (str, os.PathLike)):
            raise InputError(
                "weights must be 'shipped' or a file", given=repr(self.weights), do="pass a .safetensors path"
            )
        checks.integer("tile", self.tile, at_least=_MIN_TILE if self.tile else 0)

    def init(self, image: Tensor) -> State:
        """The image itself; the weights are read here, so that a bad file raises before any work."""
        self._network_on(image.device)
        return State(image, image, n_steps=0)

    def step(self, state: State) -> State:
        """One pass, image by image: a batch would differ from single images in the last bit."""
        network = self._network_on(state.source.device)
        return State(state.source, torch.stack([self._smooth(network, f) for f in state.source]), 1)

    def image(self, state: State) -> Tensor:
        """The result."""
        return state.smoothed

    def record(self, state: State) -> dict[str, float]:
        """Root mean square distance of u from f."""
        return {"distance": (state.smoothed - state.source).square().mean().sqrt().item()}

    @property
    def share(self) -> float:
        """Share of the network's correction that is applied."""
        return self.weight

    def _network_on(self, device: torch.device) -> Network:
        path = files.weights_file(self.network.name, self.weights)
        changed = path.stat().st_mtime_ns if path.is_file() else 0
        return _load(self.network.name, path, changed, device)

    def _smooth(self, network: Network, f: Tensor) -> Tensor:
        """Smooth ``(C, H, W)``: RGB at once, otherwise each channel, repeated to three.

        A gray image in RGB is smoothed as gray, and a constant channel stays as it is.
        """
        if len(f) == 3 and bool((f == f[:1]).all()):
            return self._smooth(network, f[:1]).expand_as(f)
        low, high = f.amin().clamp(max=0.0), f.amax().clamp(min=1.0)
        unit = ((f - low) / (high - low)).float()
        bands = unit[None] if len(f) == 3 else unit[:, None].expand(-1, 3, -1, -1)
        changes = [self._change(network, band[None]) for band in bands]
        if len(f) == 3:
            change = changes[0]
        else:
            change = torch.stack([c.mean(dim=0) for c in changes])
        change = admissible(change, f, network)
        # only the change is rounded to float32, so that float64 images keep their precision
        return f + self.share * (high - low) * change.to(f.dtype)

    def _change(self, network: Any, image: Tensor) -> Tensor:
        """The network's change of ``(1, 3, H, W)``, ``(3, H, W)``."""
        height, width = image.shape[-2:]
        padded = pad_mirrored(image, network.size_divisor)
        side = self.tile or int((_MAX_BYTES / (4 * network.peak_channels)) ** 0.5)
        tiled = partial(apply_tiled, side=side, size_divisor=network.size_divisor)
        half = computes_half(self.precision, image.device)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=half):
            change = (self._apply(network, padded, tiled) - padded)[0]
        return change[:, PADDING : PADDING + height, PADDING : PADDING + width]

    def _apply(self, network: Any, padded: Tensor, tiled: Callable[..., Tensor]) -> Tensor:
        """Apply the network to ``(1, 3, H, W)``, sides multiples of its ``size_divisor``."""
        return tiled(network, padded, receptive_radius=network.receptive_radius)


def admissible(change: Tensor, image: Tensor, network: Network) -> Tensor:
    """Return a change ``(..., H, W)`` that is 0 in constant channels, and keeps means.

    The mean of each channel is subtracted, unless the network predicts it: a network also learns the tones
    that are common under textures, and imposes the same ones on every image.
    """
    axes = (-2, -1)
    if not network.predicts_mean:
        change = change - change.mean(dim=axes, keepdim=True)
    return change * (image.amax(axes, keepdim=True) > image.amin(axes, keepdim=True)).to(change)


def apply_tiled(
    network: Callable[[Tensor], Tensor], image: Tensor, *, receptive_radius: int, side: int, size_divisor: int
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

    The kept parts partition the image, and each is ``receptive_radius`` away from the sides where its tile
    was cut, so that the result is that of the whole image. (The tiles of :mod:`jumpset.dip.tiling` are fitted
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


def pad_mirrored(image: Tensor, size_divisor: int) -> Tensor:
    """Pad an image by its mirror image, by :data:`PADDING` pixels or more, to sides by ``size_divisor``.

    Inside, the zero padding of the layers has little effect. All operations exist in ONNX.
    """
    for dim in (-2, -1):
        n = image.shape[dim]
        total = (n + 2 * PADDING + size_divisor - 1) // size_divisor * size_divisor
        # The mirrored index has the period 2 n. It is a tensor, since the exporter has no remainder by a
        # number that is known only at run time.
        index = torch.arange(total, device=image.device)
        period = torch.full_like(index, 2 * n)
        index = (index + PADDING * period - PADDING) % period
        image = image.index_select(dim, torch.minimum(index, period - 1 - index))
    return image


@lru_cache(maxsize=8)
def _load(name: str, path: Path, changed: int, device: torch.device) -> Network:
    """The network with its weights; ``changed``, the file's date, invalidates the cache."""
    del changed
    loaded = files.load_network(NETWORKS[name], path)
    return loaded.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

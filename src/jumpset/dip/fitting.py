"""What the methods share: networks, their fixed inputs and their optimiser, all for one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core.errors import InputError
from jumpset.dip import inputs, memory, networks
from jumpset.dip.tiling import Tile, tiles
from jumpset.operators.autocast import computes_half

_LOOK_EVERY = 10  # steps between two looks at the loss; on a GPU each one waits
_JUMP = 10**0.5  # 5 dB, as in the program of Ulyanov et al. (2018)
_SMALL = 1e-4  # a mean square of 1 % is no jump, however small it was before
_REACH = 0.2  # a correction lies between plus and minus half of it


class Fit:
    """A network that is being fitted to one picture, or one for each tile. Steps change the weights in place.

    Every :data:`_LOOK_EVERY` steps the weights are put aside if all is well. If instead the output has left
    the picture by 5 dB (its mean square distance against a running mean), weights and Adam's state go back to
    the last good ones; if that happens twice in a row, with half the step size.

    Parameters
    ----------
    picture
        ``(1, C, H, W)``; gives size, channels, device and the range of the output, and tells jumps.
    network
        A name from :data:`jumpset.dip.networks.ARCHITECTURES`.
    step_size
        Adam's learning rate.
    seed
        Of weights, input and input noise.
    input_noise
        Standard deviation of Gaussian noise that is added to the input, drawn anew at every step.
    feed
        Pictures ``(1, c, H, W)`` to feed the network with; default: uniform noise.
    around
        A picture of the output's shape that the network corrects by at most 0.1 a value, from nothing on;
        default: the network draws the whole output.
    precision
        Of the layers, from :data:`jumpset.operators.autocast.PRECISIONS`; weights, loss and Adam stay in
        float32.
    compiled
        Fuse the network's layers by ``torch.compile``.
    tile
        Side of overlapping tiles, each with a network of its own; 0: none, unless memory lacks.
    """

    def __init__(
        self,
        picture: Tensor,
        *,
        network: str,
        step_size: float,
        seed: int,
        input_noise: float = 0.0,
        feed: Sequence[Tensor] = (),
        around: Tensor | None = None,
        precision: str = "float32",
        compiled: bool = False,
        tile: int = 0,
    ) -> None:
        device = picture.device
        self._picture = picture
        self._half = computes_half(precision, device)
        side = memory.choose_tile(network, picture, half=self._half, tile=tile)
        height, width = picture.shape[-2:]
        layout = tiles(height, width, side)
        self._parts = [
            _Part(place, picture, network, [place.cut(x) for x in feed], around, seed + 1009 * k)
            for k, place in enumerate(layout)
        ]
        if compiled:
            for part in self._parts:
                part.network.compile(dynamic=False)
        self._input_noise = input_noise
        self._generator = torch.Generator(device).manual_seed(seed)
        weights = [p for part in self._parts for p in part.network.parameters()]
        self._adam = torch.optim.Adam(weights, lr=step_size)
        # the sigmoid spans [0, 1], and more only where the picture does
        self._low = picture.amin().clamp(max=0.0)
        self._high = picture.amax().clamp(min=1.0)
        self._n_steps = 0
        self._running_error = picture.new_full((), torch.inf)  # running mean of the distance from the picture
        self._good = self._weights()
        self._restored_once = False  # the good weights have been taken up once already
        self.rollbacks = 0
        """How many times the weights went back."""

    @property
    def n_tiles(self) -> int:
        """Tiles, each with a network."""
        return len(self._parts)

    @torch.no_grad()
    def output(self) -> Tensor:
        """The picture ``(1, C, H, W)`` for the input as it stands, without noise."""
        return self._whole([part.input for part in self._parts])

    def step(self, objective: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """One Adam step down ``objective(output)``.

        Returns the output before the step, its objective, and whether both are sound: finite, and no jump.
        """
        feeds = [self._noisy(part.input) for part in self._parts]
        self._adam.zero_grad()
        # cuDNN's fastest gradients are not repeatable
        with (
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            if len(feeds) == 1:
                output = self._forward(self._parts[0], feeds[0])
                loss = objective(output)
                loss.backward()
            else:
                # Twice through each network, so that only one tile's activations are held at a time: the
                # slope of the objective at the blended picture first, then its way back into each tile.
                with torch.no_grad():
                    output = self._whole(feeds)
                loss = objective(output.requires_grad_())
                loss.backward()
                for part, feed in zip(self._parts, feeds, strict=True):
                    self._forward(part, feed).backward(part.window * part.place.cut(output.grad))
        output, loss = output.detach(), loss.detach()
        sound = self._is_sound(output, loss)
        if self._n_steps % _LOOK_EVERY == 0 and not bool(sound):
            if bool(torch.isfinite(loss)):
                self._go_back()
        else:
            if self._n_steps % _LOOK_EVERY == 0:
                self._good, self._restored_once = self._weights(), False
            self._adam.step()
        self._n_steps += 1
        return output, loss, sound

    def state_dict(self) -> dict[str, Any]:
        """All that changes in a run, for a checkpoint."""
        return {
            "size": list(self._picture.shape),
            "tiles": [[p.place.top, p.place.left] for p in self._parts],
            "weights": self._weights(),
            "good": self._good,
            "again": self._restored_once,
            "generator": self._generator.get_state(),
            "usual": self._running_error,
            "n_steps": self._n_steps,
            "rollbacks": self.rollbacks,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint, bit for bit."""
        here = [[p.place.top, p.place.left] for p in self._parts]
        if saved["size"] != list(self._picture.shape) or saved["tiles"] != here:
            raise InputError(
                "the checkpoint was made with other tiles",
                given=f"{len(saved['tiles'])} there, {len(here)} here",
                do="pass the tile that it was made with, or delete the checkpoint",
            )
        self._put(saved["weights"])
        self._good, self._restored_once = saved["good"], saved["again"]
        self._generator.set_state(saved["generator"].cpu())
        self._running_error = saved["usual"].to(self._running_error)
        self._n_steps, self.rollbacks = saved["n_steps"], saved["rollbacks"]

    def _forward(self, part: _Part, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._half):
            picture = part.network(x)[..., : part.place.height, : part.place.width].float()
        if part.around is not None:
            return part.around + _REACH * (picture - 0.5)
        return self._low + (self._high - self._low) * picture

    def _whole(self, feeds: Sequence[Tensor]) -> Tensor:
        """The tiles' pictures, blended; to be called without gradients."""
        if len(feeds) == 1:
            return self._forward(self._parts[0], feeds[0])
        whole = torch.zeros_like(self._picture)
        for part, feed in zip(self._parts, feeds, strict=True):
            part.place.cut(whole).add_(part.window * self._forward(part, feed))
        return whole

    def _noisy(self, x: Tensor) -> Tensor:
        if not self._input_noise:
            return x
        return x + self._input_noise * torch.randn(x.shape, generator=self._generator, device=x.device)

    def _is_sound(self, output: Tensor, loss: Tensor) -> Tensor:
        """Whether the output has not left the picture; decided on the device, no step waits for it."""
        distance = (output - self._picture).square().mean()
        sound = torch.isfinite(loss) & (distance <= _JUMP * self._running_error + _SMALL)
        usual = torch.where(
            torch.isinf(self._running_error), distance, torch.lerp(self._running_error, distance, 0.1)
        )
        self._running_error = torch.where(sound, usual, self._running_error)
        return sound

    def _go_back(self) -> None:
        sizes = [group["lr"] for group in self._adam.param_groups]
        self._put(self._good)
        for group, size in zip(self._adam.param_groups, sizes, strict=True):
            group["lr"] = 0.5 * size if self._restored_once else size
        self._running_error = torch.full_like(
            self._running_error, torch.inf
        )  # what is usual has to be learned anew
        self._restored_once = True
        self.rollbacks += 1

    def _weights(self) -> dict[str, Any]:
        """A copy of the weights and of Adam's state."""
        networks = [part.network.state_dict() for part in self._parts]
        return deepcopy({"networks": networks, "adam": self._adam.state_dict()})

    def _put(self, weights: dict[str, Any]) -> None:
        for part, values in zip(self._parts, weights["networks"], strict=True):
            part.network.load_state_dict(values)
        self._adam.load_state_dict(deepcopy(weights["adam"]))


class _Part:
    """One tile's network and its input."""

    def __init__(
        self,
        place: Tile,
        picture: Tensor,
        network: str,
        feed: Sequence[Tensor],
        around: Tensor | None,
        seed: int,
    ) -> None:
        device = picture.device
        n_inputs = sum(x.shape[1] for x in feed) or networks.ARCHITECTURES[network].inputs
        net, size = networks.build(
            network, place.height, place.width, inputs=n_inputs, outputs=picture.shape[1], seed=seed
        )
        if around is not None:  # a sigmoid of 0: no correction
            nn.init.zeros_(net.last.weight)
            if net.last.bias is not None:
                nn.init.zeros_(net.last.bias)
        self.place = place
        self.around = None if around is None else place.cut(around)
        self.window = place.window.to(device)
        self.network = net.to(device, memory_format=torch.channels_last)  # a third faster on a CPU
        self.input = (
            inputs.pictures(feed, size) if feed else inputs.noise(n_inputs, size, seed=seed).to(device)
        )


def single(image: Tensor) -> Tensor:
    """The picture in float32, after a check that it is only one."""
    if len(image) != 1:
        raise InputError(
            "a deep image prior fits a network to one picture at a time",
            given=f"a batch of {len(image)}",
            do="pass it to jumpset.run, which fits one network to each",
        )
    return image.to(torch.float32)


def blend(old: Tensor, new: Tensor, keep: float, sound: Tensor) -> Tensor:
    """``keep · old + (1 − keep) · new`` as a new tensor; ``old`` where ``new`` is not sound.

    The choice is made on the device: no step waits for it.
    """
    return torch.where(sound, torch.lerp(new, old, keep), old)

"""One fit: the networks of one image, their fixed inputs and their optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core.errors import InputError
from jumpset.dip import inputs, memory
from jumpset.dip.networks import Architecture, build
from jumpset.dip.tiling import Tile, tiles
from jumpset.operators.autocast import computes_half

_CHECK_EVERY = 10  # steps between two readings of the loss, each of which waits for a GPU
_JUMP = 10**0.5  # 5 dB, as in the program of Ulyanov et al. (2018)
_SMALL = 1e-4  # a mean square of 1 % is never a jump
_CORRECTION = 0.2  # range of a correction, half of it on each side of 0


class Fit:
    """A network that is fitted to one image, or one network for each tile. Steps work in place.

    Every :data:`_CHECK_EVERY` steps a copy of the weights is kept if the output is sound. If instead the
    output has left the image by 5 dB (its mean square distance against a running mean), weights and Adam's
    state return to the last sound ones; if that happens twice in a row, with half the step size.

    Parameters
    ----------
    image
        ``(1, C, H, W)``; gives size, channels, device and the range of the output, and reveals jumps.
    network
        The architecture.
    step_size
        Adam's learning rate.
    seed
        Seed of weights, input and input noise.
    input_noise
        Standard deviation of Gaussian noise that is added to the input, drawn anew at every step.
    network_input
        Images ``(1, c, H, W)`` that are the network's input; default: uniform noise.
    residual_base
        An image of the output's shape, to which the network adds a correction of at most 0.1 a value, zero
        at first; default: the network draws the whole output.
    precision
        Precision of the layers, from :data:`jumpset.operators.autocast.PRECISIONS`; weights, loss and Adam
        stay in float32.
    compiled
        Compile the network's layers by ``torch.compile``.
    tile
        Side of overlapping tiles, each with a network of its own; 0: none, unless memory is short.
    """

    def __init__(
        self,
        image: Tensor,
        *,
        network: Architecture,
        step_size: float,
        seed: int,
        input_noise: float = 0.0,
        network_input: Sequence[Tensor] = (),
        residual_base: Tensor | None = None,
        precision: str = "float32",
        compiled: bool = False,
        tile: int = 0,
    ) -> None:
        device = image.device
        self._image = image
        self._half = computes_half(precision, device)
        side = memory.choose_tile(network, image, half=self._half, tile=tile)
        height, width = image.shape[-2:]
        self._parts = [
            _Part(
                place, image, network, [place.cut(x) for x in network_input], residual_base, seed + 1009 * k
            )
            for k, place in enumerate(tiles(height, width, side))
        ]
        if compiled:
            for part in self._parts:
                part.network.compile(dynamic=False)
        self._input_noise = input_noise
        self._generator = torch.Generator(device).manual_seed(seed)
        weights = [p for part in self._parts for p in part.network.parameters()]
        self._adam = torch.optim.Adam(weights, lr=step_size)
        # the sigmoid spans [0, 1], and more only where the image does
        self._low = image.amin().clamp(max=0.0)
        self._high = image.amax().clamp(min=1.0)
        self._n_steps = 0
        self._running_error = image.new_full((), torch.inf)  # running mean of the distance from the image
        self._good = self._weights()
        self._restored_once = False  # the good weights have been restored since the last sound reading
        self.rollbacks = 0
        """Number of returns to earlier weights."""

    @torch.no_grad()
    def output(self) -> Tensor:
        """The output ``(1, C, H, W)`` for the input without noise."""
        return self._blended([part.input for part in self._parts])

    def step(self, objective: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """One Adam step that lowers ``objective(output)``.

        Returns the output before the step, its objective, and whether both are sound: finite, and no jump.
        """
        xs = [self._noisy(part.input) for part in self._parts]
        self._adam.zero_grad()
        # cuDNN's fastest gradients are not repeatable
        with (
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            if len(xs) == 1:
                output = self._forward(self._parts[0], xs[0])
                loss = objective(output)
                loss.backward()
            else:
                # Two passes through each network, so that the activations of one tile are held at a time:
                # first the gradient of the objective at the blended output, then its propagation into tiles.
                with torch.no_grad():
                    output = self._blended(xs)
                loss = objective(output.requires_grad_())
                loss.backward()
                assert output.grad is not None
                for part, x in zip(self._parts, xs, strict=True):
                    self._forward(part, x).backward(part.window * part.place.cut(output.grad))
        output, loss = output.detach(), loss.detach()
        sound = self._is_sound(output, loss)
        if self._n_steps % _CHECK_EVERY == 0 and not bool(sound):
            if bool(torch.isfinite(loss)):
                self._go_back()
        else:
            if self._n_steps % _CHECK_EVERY == 0:
                self._good, self._restored_once = self._weights(), False
            self._adam.step()
        self._n_steps += 1
        return output, loss, sound

    def state_dict(self) -> dict[str, Any]:
        """All that changes in a run, for a checkpoint."""
        return {
            "size": list(self._image.shape),
            "tiles": [[p.place.top, p.place.left] for p in self._parts],
            "weights": self._weights(),
            "good": self._good,
            "restored_once": self._restored_once,
            "generator": self._generator.get_state(),
            "running_error": self._running_error,
            "n_steps": self._n_steps,
            "rollbacks": self.rollbacks,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint, bit for bit."""
        here = [[p.place.top, p.place.left] for p in self._parts]
        if saved["size"] != list(self._image.shape) or saved["tiles"] != here:
            raise InputError(
                "the checkpoint was made with other tiles",
                given=f"{len(saved['tiles'])} tiles in the checkpoint, {len(here)} in this run",
                do="pass the tile that it was made with, or delete the checkpoint",
            )
        self._put(saved["weights"])
        self._good, self._restored_once = saved["good"], saved["restored_once"]
        self._generator.set_state(saved["generator"].cpu())
        self._running_error = saved["running_error"].to(self._running_error)
        self._n_steps, self.rollbacks = saved["n_steps"], saved["rollbacks"]

    def _forward(self, part: _Part, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._half):
            drawn = part.network(x)[..., : part.place.height, : part.place.width].float()
        if part.residual_base is not None:
            return part.residual_base + _CORRECTION * (drawn - 0.5)
        return self._low + (self._high - self._low) * drawn

    def _blended(self, xs: Sequence[Tensor]) -> Tensor:
        """The outputs of the tiles, blended; to be called without gradients."""
        if len(xs) == 1:
            return self._forward(self._parts[0], xs[0])
        whole = torch.zeros_like(self._image)
        for part, x in zip(self._parts, xs, strict=True):
            part.place.cut(whole).add_(part.window * self._forward(part, x))
        return whole

    def _noisy(self, x: Tensor) -> Tensor:
        if not self._input_noise:
            return x
        return x + self._input_noise * torch.randn(x.shape, generator=self._generator, device=x.device)

    def _is_sound(self, output: Tensor, loss: Tensor) -> Tensor:
        """Whether the output has not left the image; computed on the device, no step waits for it."""
        distance = (output - self._image).square().mean()
        running = self._running_error
        sound = torch.isfinite(loss) & (distance <= _JUMP * running + _SMALL)
        updated = torch.where(torch.isinf(running), distance, torch.lerp(running, distance, 0.1))
        self._running_error = torch.where(sound, updated, running)
        return sound

    def _go_back(self) -> None:
        sizes = [group["lr"] for group in self._adam.param_groups]
        self._put(self._good)
        for group, size in zip(self._adam.param_groups, sizes, strict=True):
            group["lr"] = 0.5 * size if self._restored_once else size
        self._running_error = torch.full_like(self._running_error, torch.inf)
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
        image: Tensor,
        architecture: Architecture,
        network_input: Sequence[Tensor],
        residual_base: Tensor | None,
        seed: int,
    ) -> None:
        device = image.device
        n_inputs = sum(x.shape[1] for x in network_input) or architecture.inputs
        network, size = build(
            architecture, place.height, place.width, inputs=n_inputs, outputs=image.shape[1], seed=seed
        )
        if residual_base is not None:  # a sigmoid of 0: no correction
            nn.init.zeros_(network.last.weight)
            if network.last.bias is not None:
                nn.init.zeros_(network.last.bias)
        self.place = place
        self.residual_base = None if residual_base is None else place.cut(residual_base)
        self.window = place.window.to(device)
        channels_last: Any = {"memory_format": torch.channels_last}  # torch does not declare it
        self.network = network.to(device, **channels_last)  # a third faster on a CPU
        if network_input:
            self.input = inputs.stacked(network_input, size)
        else:
            self.input = inputs.noise(n_inputs, size, seed=seed).to(device)


def single(image: Tensor) -> Tensor:
    """The image in float32, after a check that there is only one."""
    if len(image) != 1:
        raise InputError(
            "a deep image prior fits a network to one image at a time",
            given=f"a batch of {len(image)}",
            do="pass it to jumpset.run, which fits one network to each",
        )
    return image.to(torch.float32).contiguous()  # layers round otherwise in another memory format


def blend(old: Tensor, new: Tensor, keep: float, sound: Tensor) -> Tensor:
    """``keep · old + (1 − keep) · new`` as a new tensor; ``old`` where ``new`` is not sound.

    The choice is made on the device: no step waits for it.
    """
    return torch.where(sound, torch.lerp(new, old, keep), old)

"""What the three methods share: a network, its fixed input and its optimiser, all for one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from jumpset._errors import InputError
from jumpset.dip import inputs, networks

PRECISIONS = ("auto", "float32", "bfloat16")


class Fit:
    """A network that is being fitted to one picture. Steps change its weights in place.

    Parameters
    ----------
    picture
        ``(1, C, H, W)``; gives size, channels, device and the range of the output.
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
    precision
        Of the layers, from :data:`PRECISIONS`; weights, loss and Adam stay in float32.
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
        precision: str = "float32",
    ) -> None:
        self._height, self._width = picture.shape[-2:]
        device = picture.device
        n_inputs = sum(x.shape[1] for x in feed) or networks.ARCHITECTURES[network].inputs
        net, size = networks.build(
            network, self._height, self._width, inputs=n_inputs, outputs=picture.shape[1], seed=seed
        )
        self._half = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
        self._network = net.to(device, memory_format=torch.channels_last)  # a third faster on a CPU
        self._input = (
            inputs.pictures(feed, size) if feed else inputs.noise(n_inputs, size, seed=seed).to(device)
        )
        self._input_noise = input_noise
        self._generator = torch.Generator(device).manual_seed(seed)
        self._adam = torch.optim.Adam(net.parameters(), lr=step_size)
        # the sigmoid spans [0, 1], and more only where the picture does
        self._low = picture.amin().clamp(max=0.0)
        self._high = picture.amax().clamp(min=1.0)

    @torch.no_grad()
    def output(self) -> Tensor:
        """The network's picture ``(1, C, H, W)`` for the input as it stands, without noise."""
        return self._forward(self._input)

    def step(self, objective: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """One Adam step down ``objective(output)``; returns the output before the step and its objective."""
        x = self._input
        if self._input_noise:
            drawn = torch.randn(x.shape, generator=self._generator, device=x.device)
            x = x + self._input_noise * drawn
        # cuDNN's fastest gradients are not repeatable
        with (
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            output = self._forward(x)
            loss = objective(output)
            self._adam.zero_grad()
            loss.backward()
        self._adam.step()
        return output.detach(), loss.detach()

    def _forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._half):
            picture = self._network(x)[..., : self._height, : self._width].float()
        return self._low + (self._high - self._low) * picture


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16, without which they only cost time."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # older versions do not tell
        return False
    able = torch.cpu.get_capabilities()
    return able.get("amx_bf16", False) or able.get("avx512_bf16", False)


def single(image: Tensor) -> Tensor:
    """The picture in float32, after a check that it is only one."""
    if len(image) != 1:
        raise InputError(
            "a deep image prior fits a network to one picture at a time",
            given=f"a batch of {len(image)}",
            do="pass the pictures one by one",
        )
    return image.to(torch.float32)


def blend(old: Tensor, new: Tensor, keep: float, loss: Tensor) -> Tensor:
    """``keep · old + (1 − keep) · new`` as a new tensor; ``old`` where the loss is not finite.

    The choice is made on the device: no step waits for it.
    """
    return torch.where(torch.isfinite(loss), torch.lerp(new, old, keep), old)

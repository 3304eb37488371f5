"""A network in training: weights, their running average, optimiser state; one step, and the score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core.errors import TrainingDiverged
from jumpset.learned.architectures import build
from jumpset.training.recipes import Recipe

_MAX_BAD_STEPS = 10  # successive steps without a finite gradient before the training ends with an error


def learning_rate(share: float, peak: float, warm_up: float) -> float:
    """Linear rise to the peak over the share ``warm_up``, times half a cosine that falls to 0."""
    rise = min(1.0, (share + 1e-3) / warm_up) if warm_up > 0 else 1.0  # above 0 at the first step
    return peak * rise * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


class Trainer:
    """A network in training.

    Parameters
    ----------
    name, sizes
        The network.
    recipe
        The recipe of the training.
    seed
        Seed of the initial weights and of the loss.
    device
        The device that computes.
    half
        Whether layers are computed in bfloat16; weights, loss and optimiser stay in float32.
    """

    def __init__(
        self,
        name: str,
        sizes: Mapping[str, Any],
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        half: bool,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = build(name, sizes)
        channels_last: Any = {"memory_format": torch.channels_last}  # torch does not declare it
        self.network = network.to(device, **channels_last).train()
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        self.n_steps = 0
        """Steps so far, including those that were skipped because their gradient was not finite."""
        self.losses: list[float] = []
        """The finite losses since the last score."""
        self._recipe, self._seed, self.device, self._half = recipe, seed, device, half
        self._weights = list(self.network.parameters())
        self._norms = [m for m in self.network.modules() if isinstance(m, nn.BatchNorm2d)]
        self._adam = torch.optim.AdamW(
            self._weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99)
        )
        self._n_bad = 0

    def step(self, batch: tuple[Any, Any], rate: float, share: float = 0.0) -> float:
        """Take a step of AdamW at the given learning rate, and return the loss, perhaps infinite or NaN.

        ``share`` of the training is done: it determines the stage, and whether batch norm updates its
        statistics.

        Raises
        ------
        TrainingDiverged
            The gradient was not finite for several steps in a row.
        """
        image, truth = (self.tensor(a) for a in batch)
        generator = torch.Generator().manual_seed((self._seed << 32) + self.n_steps)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.zero_grad()
        for norm in self._norms:
            norm.train(share < self._recipe.freeze_batchnorm_at)
        loss_of_stage, _ = self._recipe.stage(share)
        loss = loss_of_stage(self.network, self.apply, image, truth, generator)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.clip)
        value = float(loss.detach())
        if math.isfinite(value):
            self.losses.append(value)
        if math.isfinite(value) and math.isfinite(float(norm)):
            self._adam.step()
            self._update_average()
            self._n_bad = 0
        else:
            self._n_bad += 1
        self.n_steps += 1
        if self._n_bad == _MAX_BAD_STEPS:
            raise TrainingDiverged(
                f"the gradient was not finite for {_MAX_BAD_STEPS} steps in a row, up to step "
                f"{self.n_steps}, at a learning rate of {rate:.2g}; lower it, or compute in float32"
            )
        return value

    def apply(self, network: Callable[..., Any], *inputs: Tensor) -> Any:
        """Call the network, or a method of it, in the training's precision; the output is float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            out = network(*inputs)
        return out.float() if isinstance(out, Tensor) else tuple(x.float() for x in out)

    def set_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the initial weights by trained ones."""
        self.network.load_state_dict(tensors)
        self.average.load_state_dict(tensors)

    def tensor(self, array: Any) -> Tensor:
        """Move an array to the network's device, with channels last in memory, which is fastest."""
        return torch.as_tensor(array).to(self.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def score(self, batch: tuple[Any, Any]) -> tuple[float, float]:
        """Mean PSNR of the averaged network on pairs, and of their inputs; at most 60 dB for each pair."""
        totals = [0.0, 0.0]
        for image, truth in zip(*(self.tensor(a).split(8) for a in batch), strict=True):
            output = self._recipe.predict(self.average, self.apply, image)
            for k, u in enumerate((output.clamp(0, 1), image)):
                error = (u - truth).double().square().mean((1, 2, 3)).clamp(min=1e-6)
                totals[k] += float((-10 * error.log10()).sum())
        return totals[0] / len(batch[0]), totals[1] / len(batch[0])

    def state_dict(self) -> dict[str, Any]:
        """The state of a training, from which it continues bit for bit."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "adam": self._adam.state_dict(),
            "n_steps": self.n_steps,
            "bad": self._n_bad,
            "losses": self.losses,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state_dict`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._adam.load_state_dict(state["adam"])
        self.n_steps, self._n_bad, self.losses = state["n_steps"], state["bad"], state["losses"]

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the running average, at first faster, so that it forgets the initial weights."""
        keep = min(self._recipe.ema, (1 + self.n_steps) / (10 + self.n_steps))
        values = self.network.state_dict().values()
        for average, value in zip(self.average.state_dict().values(), values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1.0 - keep)
            else:
                average.copy_(value)

"""What changes while a network is trained: weights, their running mean, Adam; one step, and checkpoints."""

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

_PATIENCE = 10  # steps in a row whose gradient is not finite before the training is given up


def learning_rate(share: float, peak: float, warm_up: float) -> float:
    """Up to the peak in the share ``warm_up`` of the training, and down to 0 along half a cosine."""
    rise = min(1.0, (share + 1e-3) / warm_up) if warm_up > 0 else 1.0  # the first step is not wasted
    return peak * rise * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


class Trainer:
    """A network in training.

    Parameters
    ----------
    name, sizes
        Of the network.
    recipe
        How it is trained.
    seed
        Of the fresh weights and of what the loss draws.
    device
        Where.
    half
        Compute the layers in bfloat16; weights, loss and Adam stay in float32.
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
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        self.n_steps = 0
        """Steps tried so far; those that were passed over for a bad gradient count too."""
        self.losses: list[float] = []
        """The finite losses since the last score."""
        self._recipe, self._seed, self.device, self._half = recipe, seed, device, half
        self._weights = list(self.network.parameters())
        self._norms = [m for m in self.network.modules() if isinstance(m, nn.BatchNorm2d)]
        self._adam = torch.optim.AdamW(
            self._weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99)
        )
        self._bad = 0

    def step(self, batch: tuple[Any, Any], rate: float, share: float = 0.0) -> float:
        """One step of AdamW at the given learning rate; the loss, perhaps infinite or NaN.

        ``share`` of the training is done: it decides which part is trained, and whether batch norm still
        learns its statistics.

        Raises
        ------
        TrainingDiverged
            The gradient has not been finite for several steps.
        """
        picture, truth = (self.tensor(a) for a in batch)
        generator = torch.Generator().manual_seed((self._seed << 32) + self.n_steps)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.zero_grad()
        for norm in self._norms:
            norm.train(share < self._recipe.freeze_batchnorm_at)
        of_stage, _ = self._recipe.stage(share)
        loss = of_stage(self.network, self.apply, picture, truth, generator)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.clip)
        value = float(loss.detach())
        if math.isfinite(value):
            self.losses.append(value)
        if math.isfinite(value) and math.isfinite(float(norm)):
            self._adam.step()
            self._follow()
            self._bad = 0
        else:
            self._bad += 1
        self.n_steps += 1
        if self._bad == _PATIENCE:
            raise TrainingDiverged(
                f"the gradient was not finite for {_PATIENCE} steps in a row, up to step {self.n_steps}, at "
                f"a learning rate of {rate:.2g}; lower it, or compute in float32"
            )
        return value

    def apply(self, network: Callable[..., Any], *inputs: Tensor) -> Any:
        """Call the network, or a method of it, in the training's precision; float32 out."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            out = network(*inputs)
        return out.float() if isinstance(out, Tensor) else tuple(x.float() for x in out)

    def begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the fresh weights by trained ones."""
        self.network.load_state_dict(tensors)
        self.average.load_state_dict(tensors)

    def tensor(self, array: Any) -> Tensor:
        """An array of a batch where the network is, its channels last, which is fastest."""
        return torch.as_tensor(array).to(self.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def score(self, batch: tuple[Any, Any]) -> tuple[float, float]:
        """PSNR of the averaged network on pairs, and of their pictures as they are: means, 60 dB at most."""
        totals = [0.0, 0.0]
        for picture, truth in zip(*(self.tensor(a).split(8) for a in batch), strict=True):
            answer = self._recipe.scored(self.average, self.apply, picture)
            for k, u in enumerate((answer.clamp(0, 1), picture)):
                error = (u - truth).double().square().mean((1, 2, 3)).clamp(min=1e-6)
                totals[k] += float((-10 * error.log10()).sum())
        return totals[0] / len(batch[0]), totals[1] / len(batch[0])

    def state_dict(self) -> dict[str, Any]:
        """All that changes in a training, from which it continues bit for bit."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "adam": self._adam.state_dict(),
            "n_steps": self.n_steps,
            "bad": self._bad,
            "losses": self.losses,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state_dict`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._adam.load_state_dict(state["adam"])
        self.n_steps, self._bad, self.losses = state["n_steps"], state["bad"], state["losses"]

    @torch.no_grad()
    def _follow(self) -> None:
        """Draw the running mean to the weights; at first faster, or it would remember the fresh ones."""
        keep = min(self._recipe.ema, (1 + self.n_steps) / (10 + self.n_steps))
        values = self.network.state_dict().values()
        for mean, value in zip(self.average.state_dict().values(), values, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1.0 - keep)
            else:
                mean.copy_(value)

"""What changes while a network is trained: weights, their running mean, Adam; one step, and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core.errors import FileError, InputError, TrainingDiverged
from jumpset._core.files import atomic_write
from jumpset.learned.architectures import build
from jumpset.training.recipes import Recipe

_FORMAT = 1
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
        self._recipe, self._seed, self._device, self._half = recipe, seed, device, half
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
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            out = network(*inputs)
        return out.float() if isinstance(out, Tensor) else tuple(x.float() for x in out)

    def begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the fresh weights by trained ones."""
        self.network.load_state_dict(tensors)
        self.average.load_state_dict(tensors)

    def tensor(self, array: Any) -> Tensor:
        """An array of a batch where the network is, its channels last, which is fastest."""
        return torch.as_tensor(array).to(self._device, memory_format=torch.channels_last)

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

    def save(self, path: Path, names: Mapping[str, str], extra: Mapping[str, Any]) -> None:
        """Write a checkpoint as a whole: all that changes, what the training was asked for, and ``extra``."""
        content = {
            "format": _FORMAT,
            "names": dict(names),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "adam": self._adam.state_dict(),
            "n_steps": self.n_steps,
            "bad": self._bad,
            "extra": dict(extra),
        }
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)

    def load(self, path: Path, names: Mapping[str, str]) -> dict[str, Any]:
        """Go on from a checkpoint, bit for bit; what was saved as ``extra``.

        Raises
        ------
        InputError
            It is of a training that was asked for something else.
        FileError
            It is no checkpoint of a training, or damaged.
        """
        try:
            found = torch.load(path, map_location=self._device, weights_only=True)
            if found["format"] != _FORMAT:
                raise ValueError(found["format"])
            _same(found["names"], names, path)
            self.network.load_state_dict(found["network"])
            self.average.load_state_dict(found["average"])
            self._adam.load_state_dict(found["adam"])
            self.n_steps, self._bad = found["n_steps"], found["bad"]
            return found["extra"]
        except InputError:
            raise
        except Exception as error:  # what torch raises on a file of another kind is of many classes
            raise FileError(
                "the file is not a checkpoint of a training, or is damaged",
                given=f"{path} ({type(error).__name__})",
                do="name another file, or delete this one to start anew",
            ) from error

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


def _same(there: Mapping[str, str], here: Mapping[str, str], path: Path) -> None:
    for name in [*here, *(n for n in there if n not in here)]:
        if here.get(name) != there.get(name):
            raise InputError(
                f"the checkpoint belongs to a training with another {name}",
                given=f"{here.get(name)} here, {there.get(name)} in {path}",
                do="pass what it was made with, or name another file",
            )

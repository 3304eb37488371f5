"""How each network is trained: its loss, its data and its schedule, by name and preset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from jumpset.learned.jumpset_net import match_tone, without_fusions
from jumpset.training import losses

if TYPE_CHECKING:
    from jumpset.datasets.synthesis import Kind

_ALONE = 0.15  # share of the pictures of which jumpset-net sees no region fusion

Apply = Callable[..., Any]
"""``apply(network, *inputs)`` calls a network, or a method of it, in the precision of the training."""
Loss = Callable[[Any, Apply, Tensor, Tensor, torch.Generator], Tensor]
"""Of network, apply, picture, truth, and random numbers that depend on seed and step alone."""

Scored = Callable[..., Tensor]
"""Of network, apply and picture: the network's answer."""


def _plain(network: Any, apply: Apply, picture: Tensor) -> Tensor:
    return apply(network, picture)


@dataclass(frozen=True)
class Recipe:
    """What a network is trained with. All of it but the loss can be set by :func:`jumpset.training.train`."""

    loss: Loss
    steps: int
    batch_size: int
    crop: int
    """Side of the training crops, in pixels."""
    learning_rate: float
    """At its peak; a cosine takes it to 0."""
    weight_decay: float = 1e-4
    kind: Kind = "mixed"
    """Of :func:`jumpset.datasets.synthetic`."""
    warm_up: float = 0.02
    """Share of the training in which the learning rate rises from 0."""
    clip: float = 1.0
    """Largest norm of the gradient; longer ones are shortened to it."""
    ema: float = 0.999
    """Decay of the running mean of the weights, which is what is saved."""
    freeze_batchnorm_at: float = 1.0
    """Share of the training from which on batch norm keeps its statistics, as it does when the network is
    used; else deep sums of blocks may see numbers there that no batch has shown."""
    first: Loss | None = None
    """Of a part that is trained alone at first, and stands still afterwards."""
    first_share: float = 0.0
    """Share of the training that this takes; it and the rest each have a warm-up and a cosine."""
    scored: Scored = _plain
    """What the scored picture is."""

    def stage(self, share: float) -> tuple[Loss, float]:
        """The loss at a share of the training, and how far the part is that it trains."""
        if self.first is None:
            return self.loss, share
        if share < self.first_share:
            return self.first, share / self.first_share
        return self.loss, (share - self.first_share) / (1.0 - self.first_share)


def _supervised(network: Any, apply: Apply, picture: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    return losses.l1(apply(network, picture), truth, neighbours=1.0)


def _joint_edges(network: Any, apply: Apply, picture: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    edges, coarse, refined = apply(network.parts, picture)
    return losses.joint_edges(edges, coarse, refined, truth)


def _fewer_edges(network: Any, apply: Apply, picture: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    """With the paper's weight a short training is spent on the edges."""
    edges, coarse, refined = apply(network.parts, picture)
    return losses.joint_edges(edges, coarse, refined, truth, edge_weight=1.0)


def _unsupervised(network: Any, apply: Apply, picture: Tensor, _t: Tensor, _: torch.Generator) -> Tensor:
    return losses.wls_energy(apply(network, picture), picture)


def _deblocked(network: Any, apply: Apply, picture: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    return losses.charbonnier(apply(network, picture), truth, neighbours=0.5)


def _guessed(network: Any, apply: Apply, picture: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    return losses.charbonnier(apply(network.guess, picture), truth, neighbours=0.5)


def _refined(
    network: Any, apply: Apply, picture: Tensor, truth: Tensor, generator: torch.Generator
) -> Tensor:
    alone = torch.rand(len(picture), generator=generator) < _ALONE
    return losses.charbonnier(_answered(network, apply, picture, alone), truth, neighbours=0.5)


def _fused(network: Any, apply: Apply, picture: Tensor) -> Tensor:
    return _answered(network, apply, picture, torch.zeros(len(picture), dtype=torch.bool))


def _answered(network: Any, apply: Apply, picture: Tensor, alone: Tensor) -> Tensor:
    """The answer of jumpset-net, some pictures without their region fusions."""
    with torch.no_grad():
        guess = match_tone(apply(network.guess, picture), picture)
        texture = network.measure(picture - guess)
        fusions = network.region_fusions(picture, texture)
        fusions = torch.where(alone.to(picture.device)[:, None, None, None], without_fusions(guess), fusions)
    return apply(network.refine, picture, guess, fusions, texture)


def _two_stage(*, steps: int, crop: int) -> Recipe:
    """Of jumpset-net: its guess, then its answer."""
    return Recipe(
        _refined,
        steps=steps,
        batch_size=6,
        crop=crop,
        learning_rate=1e-3,
        first=_guessed,
        first_share=0.6,
        scored=_fused,
    )


RECIPES: dict[str, dict[str, Recipe]] = {
    "resnet": {
        "small": Recipe(_supervised, steps=2500, batch_size=8, crop=64, learning_rate=2e-3),
        "published": Recipe(_supervised, steps=100_000, batch_size=16, crop=128, learning_rate=1e-3),
    },
    "vdcnn": {
        "small": Recipe(_supervised, steps=2500, batch_size=8, crop=64, learning_rate=1e-3),
        "published": Recipe(_supervised, steps=100_000, batch_size=16, crop=128, learning_rate=5e-4),
    },
    "jess-net": {
        "small": Recipe(
            _fewer_edges,
            steps=5000,
            batch_size=2,
            crop=128,
            learning_rate=1e-3,
            kind="texture",
            freeze_batchnorm_at=0.1,
        ),
        "published": Recipe(
            _joint_edges, steps=100_000, batch_size=2, crop=128, learning_rate=1e-3, kind="texture"
        ),
    },
    "deep-wls": {
        "small": Recipe(
            _unsupervised,
            steps=5000,
            batch_size=8,
            crop=96,
            learning_rate=1e-3,
            kind="texture",
            freeze_batchnorm_at=0.0,
        ),
        "published": Recipe(
            _unsupervised, steps=50_000, batch_size=8, crop=128, learning_rate=1e-3, freeze_batchnorm_at=0.0
        ),
    },
    "jumpset-net": {
        "small": _two_stage(steps=5000, crop=96),
        "published": _two_stage(steps=40_000, crop=128),
    },
    "dejpeg": {
        "small": Recipe(_deblocked, steps=5000, batch_size=8, crop=96, learning_rate=1e-3, kind="jpeg"),
        "published": Recipe(
            _deblocked, steps=20_000, batch_size=6, crop=128, learning_rate=1e-3, kind="jpeg"
        ),
    },
}

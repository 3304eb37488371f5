"""The recipe of each network by name and preset: its loss, data and schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from jumpset.learned.jumpset_net import match_tone, without_fusions
from jumpset.training import losses

if TYPE_CHECKING:
    from jumpset.datasets.synthesis import Kind

_WITHOUT_FUSIONS = 0.15  # share of the images for which jumpset-net is trained without region fusions

Apply = Callable[..., Any]
"""``apply(network, *inputs)`` calls a network, or a method of it, in the precision of the training."""
Loss = Callable[[Any, Apply, Tensor, Tensor, torch.Generator], Tensor]
"""The loss of ``(network, apply, image, truth, generator)``; the generator depends on seed and step alone."""

Predict = Callable[..., Tensor]
"""The output of a network, of ``(network, apply, image)``."""


def _forward(network: Any, apply: Apply, image: Tensor) -> Tensor:
    return apply(network, image)


@dataclass(frozen=True)
class Recipe:
    """The loss, the data and the schedule of a training.

    Examples
    --------
    >>> import jumpset as js
    >>> js.training.RECIPES["vdcnn"]["small"].batch_size
    8
    """

    loss: Loss
    """The loss of a batch."""
    steps: int
    """Number of batches."""
    batch_size: int
    """Pairs in a batch."""
    crop: int
    """Side of the training crops, in pixels."""
    learning_rate: float
    """Largest learning rate; it falls to 0 along a cosine."""
    weight_decay: float = 1e-4
    """AdamW's weight decay."""
    kind: Kind = "mixed"
    """Kind of the pairs of :func:`jumpset.datasets.synthetic`."""
    warm_up: float = 0.02
    """Share of the training in which the learning rate rises from 0."""
    clip: float = 1.0
    """Norm to which larger gradients are clipped."""
    ema: float = 0.999
    """Decay of the running average of the weights, which is scored and saved."""
    freeze_batchnorm_at: float = 1.0
    """Share of the training after which batch norm keeps its statistics, as in inference; otherwise deep
    residual networks may have activations in inference that occurred in no batch."""
    first: Loss | None = None
    """Loss of a first stage, which trains one part of the network; the part is fixed afterwards."""
    first_share: float = 0.0
    """Share of the training that the first stage takes; both stages have a warm-up and a cosine."""
    predict: Predict = _forward
    """The output that is scored."""

    def stage(self, share: float) -> tuple[Loss, float]:
        """The loss when ``share`` of the training is done, and the share of its stage that is done."""
        if self.first is None:
            return self.loss, share
        if share < self.first_share:
            return self.first, share / self.first_share
        return self.loss, (share - self.first_share) / (1.0 - self.first_share)


def _l1(network: Any, apply: Apply, image: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    return losses.l1(apply(network, image), truth, neighbours=1.0)


def _joint_edges(
    network: Any, apply: Apply, image: Tensor, truth: Tensor, _: torch.Generator, **weight: float
) -> Tensor:
    edges, coarse, refined = apply(network.parts, image)
    return losses.joint_edges(edges, coarse, refined, truth, **weight)


def _wls(network: Any, apply: Apply, image: Tensor, _t: Tensor, _: torch.Generator) -> Tensor:
    return losses.wls_energy(apply(network, image), image)


def _charbonnier(network: Any, apply: Apply, image: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    return losses.charbonnier(apply(network, image), truth, neighbours=0.5)


def _guess(network: Any, apply: Apply, image: Tensor, truth: Tensor, _: torch.Generator) -> Tensor:
    return losses.charbonnier(apply(network.guess, image), truth, neighbours=0.5)


def _refinement(
    network: Any, apply: Apply, image: Tensor, truth: Tensor, generator: torch.Generator
) -> Tensor:
    alone = torch.rand(len(image), generator=generator) < _WITHOUT_FUSIONS
    return losses.charbonnier(_refine(network, apply, image, alone), truth, neighbours=0.5)


def _predict_with_fusions(network: Any, apply: Apply, image: Tensor) -> Tensor:
    return _refine(network, apply, image, torch.zeros(len(image), dtype=torch.bool))


def _refine(network: Any, apply: Apply, image: Tensor, alone: Tensor) -> Tensor:
    """The output of jumpset-net, for the images ``alone`` without region fusions."""
    with torch.no_grad():
        guess = match_tone(apply(network.guess, image), image)
        texture = network.measure(image - guess)
        fusions = network.region_fusions(image, texture)
        fusions = torch.where(alone.to(image.device)[:, None, None, None], without_fusions(guess), fusions)
    return apply(network.refine, image, guess, fusions, texture)


def _two_stage(*, steps: int, crop: int) -> Recipe:
    """The recipe of jumpset-net: first its guess, then its refinement."""
    return Recipe(
        _refinement,
        steps=steps,
        batch_size=6,
        crop=crop,
        learning_rate=1e-3,
        first=_guess,
        first_share=0.6,
        predict=_predict_with_fusions,
    )


RECIPES: dict[str, dict[str, Recipe]] = {
    "resnet": {
        "small": Recipe(_l1, steps=2500, batch_size=8, crop=64, learning_rate=2e-3),
        "published": Recipe(_l1, steps=100_000, batch_size=16, crop=128, learning_rate=1e-3),
    },
    "vdcnn": {
        "small": Recipe(_l1, steps=2500, batch_size=8, crop=64, learning_rate=1e-3),
        "published": Recipe(_l1, steps=100_000, batch_size=16, crop=128, learning_rate=5e-4),
    },
    "jess-net": {
        "small": Recipe(
            # with the paper's weight a short training mostly learns the edges
            partial(_joint_edges, edge_weight=1.0),
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
            _wls,
            steps=5000,
            batch_size=8,
            crop=96,
            learning_rate=1e-3,
            kind="texture",
            freeze_batchnorm_at=0.0,
        ),
        "published": Recipe(
            _wls, steps=50_000, batch_size=8, crop=128, learning_rate=1e-3, freeze_batchnorm_at=0.0
        ),
    },
    "jumpset-net": {
        "small": _two_stage(steps=5000, crop=96),
        "published": _two_stage(steps=40_000, crop=128),
    },
    "dejpeg": {
        "small": Recipe(_charbonnier, steps=5000, batch_size=8, crop=96, learning_rate=1e-3, kind="jpeg"),
        "published": Recipe(
            _charbonnier, steps=20_000, batch_size=6, crop=128, learning_rate=1e-3, kind="jpeg"
        ),
    },
}

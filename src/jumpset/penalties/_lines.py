"""Exact proximal operators of jump penalties on images with one spatial axis longer than 1."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from jumpset._core.errors import NoProx
from jumpset.kernels.regions.potts_1d import potts_lines
from jumpset.operators.images import check_images, per_image
from jumpset.operators.precision import at_least_single


def prox_of_jumps(v: Tensor, tau: float | Tensor, scale: float, channels: Literal["separate", "joint"],
                  who: str) -> Tensor:  # fmt: skip
    """Compute ``argmin_u ½‖u − v‖² + tau · (number of jumps)`` by dynamic programming; no derivative.

    Raises
    ------
    NoProx
        For a surrogate, or images with several axes longer than 1, where the problem is NP-hard.
    """
    check_images(v)
    if scale != 0.0:
        raise NoProx(f"{who} has a proximal operator for the hard count only; pass scale=0")
    if sum(n > 1 for n in v.shape[2:]) > 1:
        raise NoProx(
            f"{who} has a proximal operator in one dimension only: in more it is NP-hard;"
            " js.smooth(image, 'region-fusion') approximates it"
        )
    taus = per_image(tau, v)
    weight = 2.0 * torch.as_tensor(taus).detach().double().reshape(-1)  # the kernel has no ½
    weight = weight.expand(len(v)).cpu()
    lines = at_least_single(v.detach()).flatten(2).cpu()  # (B, C, n)
    if channels == "joint":
        answer = potts_lines(lines.mT.numpy(), weight.numpy())
        answer = torch.from_numpy(answer).mT
    else:
        each = weight.repeat_interleave(v.shape[1]).numpy()
        answer = torch.from_numpy(potts_lines(lines.flatten(0, 1)[..., None].numpy(), each))
    return answer.reshape(v.shape).to(v)

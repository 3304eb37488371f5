"""Networks leave flat regions as they are.

The response of a network to a constant image varies: zero padding changes it near the borders, and a stride
changes it from one pixel of a block to the next. The differences are below one level of 255, but where a
response is near half a level, they turn a constant 8-bit image into one of two levels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

_RADIUS = 16  # of the windows, a power of two, above the period of any texture that is removed
_LEAST = 1.0 / 1024.0  # range of intensities in a window, below which the change fades out


def keep_flat(image: Tensor, answer: Tensor) -> Tensor:
    r"""Return the image where it is constant, the network's answer where it varies.

    .. math:: u = f + \min(1, 1024\, r)\, (a - f),

    with r the largest range of a channel of f in a window of 33 × 33 pixels.

    Parameters
    ----------
    image, answer
        f and a, ``(B, 3, H, W)``, f in [0, 1].
    """
    extremes = torch.cat([image, -image], dim=1)  # the least value is minus the largest of −f
    extremes = pad(extremes, (_RADIUS,) * 4, mode="replicate")
    extremes = _largest(_largest(extremes, -1), -2)
    ranges = (extremes[:, :3] + extremes[:, 3:]).amax(dim=1, keepdim=True)
    share = (ranges / _LEAST).clamp(max=1.0)
    return torch.where(share < 1.0, image + share * (answer - image), answer)


def _largest(x: Tensor, axis: int) -> Tensor:
    """The largest values of 33 pixels along an axis, by way of those of 2, 4, 8, 16 and 32."""
    length = 1
    while length <= 2 * _RADIUS:
        step = min(length, 2 * _RADIUS + 1 - length)
        n = x.shape[axis] - step
        x = torch.maximum(x.narrow(axis, 0, n), x.narrow(axis, step, n))
        length += step
    return x

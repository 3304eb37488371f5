"""The total variation losses of other libraries, each as one line of jumpset.

"TV" means at least four things. ``CONVENTIONS["torchmetrics-sum"](x)`` is the number that torchmetrics
computes for the same ``(B, C, H, W)`` tensor; the line shows the settings of jumpset that give it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from jumpset.operators.differences import forward
from jumpset.operators.namespaces import lengths, namespace
from jumpset.operators.precision import at_least_single
from jumpset.penalties.total_variation import TotalVariation

_ISOTROPIC = TotalVariation(channels="separate")
_ANISOTROPIC = TotalVariation(isotropic=False, channels="separate")
_SQUARED = TotalVariation(beta=2.0, channels="separate")


def _per_direction(x: Any, beta: float, axes: tuple[int, ...]) -> Any:
    """Compute the mean of ``|d|^β`` over the differences inside the image, summed over both directions."""
    xp, wide, shape = namespace(x), at_least_single(x), lengths(x)  # a sum in half precision would overflow
    total = 0.0
    for k in (2, 3):
        count = prod(n - 1 if a == k else n for a, n in enumerate(shape) if a in axes)
        d = xp.abs(forward(wide, k))
        summed = xp.sum(d if beta == 1.0 else d**beta, axis=axes)
        total = total + summed / (count if isinstance(count, int) else xp.astype(count, summed.dtype))
    return total


CONVENTIONS: dict[str, Callable[..., Any]] = {
    # kornia.losses.total_variation: (B, C), absolute differences
    "kornia-sum": lambda x: namespace(x).sum(_ANISOTROPIC.terms(x), axis=(2, 3)),
    "kornia-mean": lambda x: _per_direction(x, 1.0, (2, 3)),
    # torchmetrics.functional.image.total_variation: over the batch
    "torchmetrics-sum": lambda x: _ANISOTROPIC(x, normalize="sum", reduction="sum"),
    "torchmetrics-mean": lambda x: _ANISOTROPIC(x, normalize="sum", reduction="mean"),
    # tf.image.total_variation: (B,), for channels last in TensorFlow
    "tensorflow": lambda x: _ANISOTROPIC(x, normalize="sum", reduction="none"),
    # piq.total_variation: l2 is the norm of the whole gradient field and not a total variation
    "piq-l1": lambda x: _ANISOTROPIC(x, normalize="sum"),
    "piq-l2": lambda x: namespace(x).mean(namespace(x).sqrt(_SQUARED(x, normalize="sum", reduction="none"))),
    "piq-l2-squared": lambda x: _SQUARED(x, normalize="sum"),
    # deepinv.optim.prior: TVPrior, TVL1Prior; deepinv.loss.TVLoss is the squared one
    "deepinv-TVPrior": lambda x: _ISOTROPIC.value(x),
    "deepinv-TVL1Prior": lambda x: _ANISOTROPIC.value(x),
    "deepinv-TVLoss": lambda x: 2.0 * _per_direction(x, 2.0, (1, 2, 3)),
    # tv_loss of the DIP program: its beta is half of jumpset's, and it omits the last row and column
    "dip-program": lambda x, beta=0.5: namespace(x).sum(
        TotalVariation(beta=2.0 * beta, channels="separate").terms(x)[..., :-1, :-1]
    ),
    # the TVLoss of many blogs: squared, and divided by the batch size twice
    "blog-TVLoss": lambda x: 2.0 * namespace(x).mean(_per_direction(x, 2.0, (1, 2, 3))),
}
"""The name of each convention, and its function of ``(B, C, H, W)`` arrays of any library."""

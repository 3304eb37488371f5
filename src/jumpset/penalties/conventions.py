"""The total variation losses of other libraries, each as one line of jumpset.

"TV" means at least four things. ``CONVENTIONS["torchmetrics-sum"](x)`` is the number that torchmetrics
computes for the same ``(B, C, H, W)`` tensor; the line shows the settings of jumpset that give it.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from jumpset.operators.differences import forward
from jumpset.penalties.total_variation import TotalVariation

_ISOTROPIC = TotalVariation(channels="separate")
_ANISOTROPIC = TotalVariation(isotropic=False, channels="separate")
_SQUARED = TotalVariation(beta=2.0, channels="separate")


def _per_direction(x: Tensor, beta: float, axes: tuple[int, ...]) -> Tensor:
    """Compute the mean of ``|d|^β`` over the differences inside the image, summed over both directions."""
    counts = [x[:, :1].numel() // len(x) // x.shape[k] * (x.shape[k] - 1) for k in (2, 3)]
    channels = x.shape[1] if 1 in axes else 1
    images = len(x) if 0 in axes else 1
    sums = [forward(x, k).abs().pow(beta).sum(dim=axes) for k in (2, 3)]
    return sums[0] / (counts[0] * channels * images) + sums[1] / (counts[1] * channels * images)


CONVENTIONS: dict[str, Callable[..., Tensor]] = {
    # kornia.losses.total_variation: (B, C), absolute differences
    "kornia-sum": lambda x: _ANISOTROPIC.terms(x).sum(dim=(2, 3)),
    "kornia-mean": lambda x: _per_direction(x, 1.0, (2, 3)),
    # torchmetrics.functional.image.total_variation: over the batch
    "torchmetrics-sum": lambda x: _ANISOTROPIC(x, normalize="sum", reduction="sum"),
    "torchmetrics-mean": lambda x: _ANISOTROPIC(x, normalize="sum", reduction="mean"),
    # tf.image.total_variation: (B,), for channels last in TensorFlow
    "tensorflow": lambda x: _ANISOTROPIC(x, normalize="sum", reduction="none"),
    # piq.total_variation: l2 is the norm of the whole gradient field and not a total variation
    "piq-l1": lambda x: _ANISOTROPIC(x, normalize="sum"),
    "piq-l2": lambda x: _SQUARED(x, normalize="sum", reduction="none").sqrt().mean(),
    "piq-l2-squared": lambda x: _SQUARED(x, normalize="sum"),
    # deepinv.optim.prior: TVPrior, TVL1Prior; deepinv.loss.TVLoss is the squared one
    "deepinv-TVPrior": lambda x: _ISOTROPIC.value(x),
    "deepinv-TVL1Prior": lambda x: _ANISOTROPIC.value(x),
    "deepinv-TVLoss": lambda x: 2.0 * _per_direction(x, 2.0, (1, 2, 3)),
    # tv_loss of the DIP program: its beta is half of jumpset's, and it omits the last row and column
    "dip-program": lambda x, beta=0.5: (
        TotalVariation(beta=2.0 * beta, channels="separate").terms(x)[..., :-1, :-1].sum()
    ),
    # the TVLoss of many blogs: squared, and divided by the batch size twice
    "blog-TVLoss": lambda x: 2.0 * _per_direction(x, 2.0, (1, 2, 3)).sum() / len(x),
}
"""The name of each convention, and its function of a ``(B, C, H, W)`` tensor."""

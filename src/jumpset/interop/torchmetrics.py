"""Contiguity of the zeros as a torchmetrics metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jumpset._core.optional import needs
from jumpset.metrics import contiguity

with needs("torchmetrics"):
    from torchmetrics import Metric


class Contiguity(Metric):  # pyright: ignore[reportGeneralTypeIssues]
    """Means of :func:`jumpset.metrics.contiguity` over all images.

    Parameters
    ----------
    tol
        Pixels of magnitude at most ``tol`` count as zero.

    Notes
    -----
    ``update`` takes ``(B, C, H, W)``; every channel of every image counts separately. ``compute`` returns a
    dictionary of scalars: ``zero_fraction``, ``isolated_fraction``, ``n_components``, ``n_zero_components``,
    ``perimeter`` and ``largest_zero_region`` (pixels).

    Examples
    --------
    >>> import torch
    >>> from jumpset.interop.torchmetrics import Contiguity
    >>> metric = Contiguity()
    >>> metric.update(torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]]))
    >>> float(metric.compute()["zero_fraction"])
    0.5
    """

    is_differentiable = False
    full_state_update = False
    names = (
        "zero_fraction",
        "isolated_fraction",
        "n_components",
        "n_zero_components",
        "perimeter",
        "largest_zero_region",
    )
    sums: Tensor
    count: Tensor

    def __init__(self, tol: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tol = tol
        self.add_state("sums", torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        """Add a batch ``(B, C, H, W)``."""
        for plane in images.detach().float().flatten(0, 1).cpu().numpy():
            measured = contiguity(plane, self.tol)
            values = [float(getattr(measured, name)) for name in self.names]
            self.sums += torch.tensor(values, dtype=torch.float64, device=self.sums.device)
            self.count += 1

    def compute(self) -> dict[str, Tensor]:
        """Return the means over all batches."""
        means = self.sums / self.count.clamp_min(1)
        return dict(zip(self.names, means.float(), strict=True))

"""Controllers that set a weight during training: for a fraction of zeros, or a number of regions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.metrics import count_regions
from jumpset.nn.loss import PenaltyLoss, number
from jumpset.operators.images import check_images


class _Controller(ABC):
    """Integral control of the logarithm of the weight.

    ``weight ← clip(weight · exp(gain · error), bounds)`` after every batch, where the error is positive while
    the output is less sparse than the target. The measure is averaged as ``m ← memory · m + (1 − memory) ·
    new``.
    """

    def __init__(
        self, loss: PenaltyLoss, gain: float, memory: float, bounds: tuple[float, float], tol: float
    ) -> None:
        if not isinstance(loss, PenaltyLoss):
            raise InputError("a controller sets the weight of a PenaltyLoss", given=repr(loss), do="pass one")
        checks.real("gain", gain, above=0.0)
        checks.real("memory", memory, at_least=0.0, below=1.0)
        checks.real("tol", tol, at_least=0.0)
        low, high = bounds
        checks.real("bounds[0]", low, above=0.0)
        checks.real("bounds[1]", high, at_least=low)
        self.loss, self.gain, self.memory, self.tol = loss, float(gain), float(memory), float(tol)
        self.bounds = (float(low), float(high))
        self.average: float | None = None
        """The averaged measure; ``None`` before the first batch."""

    @abstractmethod
    def measure(self, x: Tensor) -> float:
        """Return the measure of ``(B, C, *spatial)`` that is compared with the target."""

    @abstractmethod
    def _error(self, average: float) -> float: ...

    def update(self, x: Tensor) -> float:
        """Measure a batch of outputs and set the weight of the loss; synchronises with a GPU.

        Returns
        -------
        float
            The averaged measure.
        """
        new = self.measure(x.detach())
        old = self.average
        self.average = new if old is None else self.memory * old + (1 - self.memory) * new
        low, high = self.bounds
        started = min(max(number(self.loss.weight), low), high)  # a weight of 0 could not grow by a factor
        step = min(max(self.gain * self._error(self.average), -10.0), 10.0)
        self.loss.weight = min(max(started * math.exp(step), low), high)
        return self.average

    def state_dict(self) -> dict[str, float | None]:
        """Return the averaged measure and the weight."""
        return {"average": self.average, "weight": number(self.loss.weight)}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Restore a :meth:`state_dict`."""
        weight = state["weight"]
        assert weight is not None
        self.average, self.loss.weight = state["average"], weight


class ZeroFractionController(_Controller):
    """Sets the weight during training so that a given fraction of the output is zero.

    After each batch ``weight ← clip(weight · exp(gain · (fraction − z)), bounds)``, with z the averaged
    fraction of entries of magnitude at most ``tol``. If z is constant, z = fraction or the weight is at a
    bound.

    Parameters
    ----------
    loss
        The :class:`PenaltyLoss` whose weight is set.
    fraction
        Number of zeros divided by number of entries, strictly between 0 and 1.
    tol
        Magnitudes up to ``tol`` count as zero. Outputs trained by gradients are rarely exactly zero; values
        below 0.5 / 255 are zero when saved with 8 bits.
    gain
        Speed: with 0.1 an error of 0.5 changes the weight by 5 % per batch.
    memory
        Weight of the past in the running average, from 0 (no average) to below 1.
    bounds
        Smallest and largest weight, above 0.

    Raises
    ------
    InputError
        A parameter out of range.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> loss = js.PenaltyLoss(js.SparseTV(), weight=1e-3)
    >>> control = js.nn.ZeroFractionController(loss, fraction=0.7)
    >>> share = control.update(torch.ones(1, 1, 16, 16))  # after each step; no zeros: it grows
    >>> float(loss.weight) > 1e-3
    True
    """

    def __init__(
        self,
        loss: PenaltyLoss,
        fraction: float,
        *,
        tol: float = 0.5 / 255,
        gain: float = 0.1,
        memory: float = 0.9,
        bounds: tuple[float, float] = (1e-8, 1e4),
    ) -> None:
        checks.real("fraction", fraction, above=0.0, below=1.0)
        super().__init__(loss, gain, memory, bounds, tol)
        self.fraction = float(fraction)

    def measure(self, x: Tensor) -> float:
        """Return the fraction of entries of magnitude at most ``tol``."""
        return float((x.abs() <= self.tol).double().mean())

    def _error(self, average: float) -> float:
        return self.fraction - average


class RegionCountController(_Controller):
    """Sets the weight during training so that the output has a number of flat regions.

    After each batch ``weight ← clip(weight · (n / count)^gain, bounds)``, with n the averaged number of
    regions per image. A region is a connected component of pixels, where neighbours along the axes are
    connected if they differ by at most ``tol`` in every channel.

    Parameters
    ----------
    loss
        The :class:`PenaltyLoss` whose weight is set.
    count
        Regions per image, from 1.
    tol
        Differences up to ``tol`` do not separate regions.
    gain, memory, bounds
        As in :class:`ZeroFractionController`; with gain 0.05 twice the count changes the weight by 3.5 % per
        batch.

    Raises
    ------
    InputError
        A parameter out of range.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> loss = js.PenaltyLoss(js.TotalVariation(), weight=1e-3)
    >>> control = js.nn.RegionCountController(loss, count=10)
    >>> count = control.update(torch.rand(1, 1, 16, 16))  # more regions than that: the weight grows
    >>> float(loss.weight) > 1e-3
    True
    """

    def __init__(
        self,
        loss: PenaltyLoss,
        count: int,
        *,
        tol: float = 0.5 / 255,
        gain: float = 0.05,
        memory: float = 0.9,
        bounds: tuple[float, float] = (1e-8, 1e4),
    ) -> None:
        checks.integer("count", count, at_least=1)
        super().__init__(loss, gain, memory, bounds, tol)
        self.count = int(count)

    def measure(self, x: Tensor) -> float:
        """Return the mean number of regions of the images."""
        check_images(x)
        x = x[:, :, None] if x.ndim == 3 else x  # an array with two axes would be a gray image
        arrays = x.double().cpu().numpy()
        return float(np.mean([count_regions(image, self.tol, channel_axis=0) for image in arrays]))

    def _error(self, average: float) -> float:
        return math.log(average / self.count)

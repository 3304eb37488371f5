"""The deep image prior with the difference of anisotropic and isotropic total variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from jumpset._core import checks
from jumpset._core.types import parameter
from jumpset.dip.dip import DIP, PUBLISHED
from jumpset.operators.observations import Observation
from jumpset.penalties.aitv import AITV


@dataclass(frozen=True)
class DIPAITV(DIP):
    r"""Deep image prior with the AITV term: gradients along one axis at a time, sharper corners than TV.

    Adam on the weights θ of a network g of a fixed random input z,

    .. math:: \min_\theta \; \frac{1}{n} \Bigl( \tfrac12 \| A g_\theta(z) - f \|^2 + \text{weight}
              \sum_p \bigl( \|\nabla g_p\|_1 - \alpha \|\nabla g_p\|_2 \bigr) \Bigr),

    the penalty :class:`jumpset.penalties.AITV`: the squares of all channels share each root; n is the
    number of values of f, and scales both terms alike. The answer is a running average of the outputs.

    Parameters
    ----------
    network, n_steps, step_size, input_noise, average, patience, operator, tile, precision, compiled, seed
        As in :class:`DIP`.
    weight
        Weight of the AITV term, in intensities; useful from 0.01 (grain) to 0.3 (poster). Larger is flatter.
    isotropic_share
        α, from 0 (anisotropic total variation) to 1 (gradients along an axis are free of charge).

    Raises
    ------
    InputError
        A parameter out of range, more than one image, or too little memory.

    Notes
    -----
    The term is that of Y. Lou, T. Zeng, S. Osher, J. Xin, "A weighted difference of anisotropic and isotropic
    total variation model for image processing", SIIMS 2015. Differences from it: (1) the image is a
    network's output, and Adam lowers the whole objective, with the least subgradient at the kinks, instead of
    an algorithm for differences of convex functions; (2) channels are joint; (3) the differences of
    :class:`DIP`.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(48, 64, seed=4)
    >>> result = js.run(image, js.dip.DIPAITV(n_steps=2))  # a real run has hundreds of steps
    >>> result.image.shape
    (48, 64, 3)
    """

    weight: float = parameter(0.05, checks.real, at_least=0.0)
    isotropic_share: float = parameter(0.5, checks.real, at_least=0.0, at_most=1.0)

    name: ClassVar[str] = "dip-aitv"
    paper: ClassVar[str] = "Lou, Zeng, Osher, Xin, SIIMS 2015"
    presets: ClassVar[dict[str, dict[str, Any]]] = {"full": PUBLISHED}

    def objective(self, output: Tensor, observation: Observation) -> Tensor:
        """The objective above, as a tensor of one number."""
        residual = observation.misfit(output)
        penalty = AITV(self.isotropic_share, channels="joint").value(output).sum()
        return (0.5 * residual.square().sum() + self.weight * penalty) / residual.numel()

"""Early stopping without the truth: the outputs of a fit vary least where the fit is best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_SHARE = 0.1  # share of a new output in the running mean and variance, as in the paper
_WARM_UP = 20  # first outputs, whose variance depends on the start alone


@dataclass(frozen=True)
class VarianceEarlyStopping:
    """Running variance of the outputs, and the answer at its minimum; all tensors stay on the device.

    H. Wang, T. Li, Z. Zhuang, T. Chen, H. Liang, J. Sun, "Early stopping for deep image prior", 2021: the
    variant with exponential means. While the network learns the image its outputs change less and less;
    once it begins to learn the noise they change more. Differences from the paper: (1) the method's answer
    (an average of the outputs) is kept, not the output; (2) the first 20 outputs are ignored; (3) the rate
    is fixed at its 0.1.
    """

    mean: Tensor  # (1, C, H, W), running mean of the outputs
    variance: Tensor  # running mean of the squared distance of outputs from the mean, a number
    least: Tensor  # the least variance so far
    best: Tensor  # (1, C, H, W), the answer at the least variance
    waited: Tensor  # outputs since then, a whole number
    n_seen: int

    @classmethod
    def begin(cls, answer: Tensor) -> VarianceEarlyStopping:
        """Before the first output."""
        nothing = answer.new_zeros(())
        waited = torch.zeros((), dtype=torch.int64, device=answer.device)
        return cls(answer, nothing, nothing + torch.inf, answer, waited, 0)

    def seen(self, output: Tensor, answer: Tensor, sound: Tensor) -> VarianceEarlyStopping:
        """After one more output. An output that is not ``sound`` counts as time, and changes nothing else."""
        n = self.n_seen + 1
        away = (output - self.mean).square().mean()
        # the first output replaces the mean
        mean = torch.lerp(self.mean, output, _SHARE) if n > 1 else output
        variance = (1 - _SHARE) * (self.variance + _SHARE * away) if n > 1 else self.variance
        mean, variance = (
            torch.where(sound, new, old) for new, old in ((mean, self.mean), (variance, self.variance))
        )
        if n <= _WARM_UP:
            return VarianceEarlyStopping(mean, variance, self.least, answer, self.waited, n)
        better = sound & (variance < self.least)
        return VarianceEarlyStopping(
            mean,
            variance,
            torch.where(better, variance, self.least),
            torch.where(better, answer, self.best),
            torch.where(better, 0, self.waited + 1),
            n,
        )

    def over(self, patience: int) -> bool:
        """Whether the variance has not fallen for ``patience`` outputs; waits for the device."""
        return self.waited.item() >= patience

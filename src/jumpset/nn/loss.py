"""A penalty as a term of a training loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.penalties.base import Normalize, Penalty, Reduction

PenaltyAtStep = Callable[[int], Penalty]


class PenaltyLoss(nn.Module):
    """``weight · schedule(step) · R(x)``, normalised over pixels and reduced over the batch.

    Parameters
    ----------
    penalty
        R, or a function from the step to R: ``TiledGroups(8).at_step`` for a new grid at every step,
        ``lambda step: potts.annealed(step, 1000)`` for a continuation.
    weight
        Factor, at least 0; a plain attribute that may be set at any time.
    schedule
        Function from the step (0, 1, …) to a factor, at least 0; ``None`` is 1. For a warm-up of 1000 steps,
        ``lambda step: min(1.0, step / 1000)``.
    normalize
        ``"mean"``: over the pixels, so that the loss does not depend on the resolution. ``"sum"``.
    reduction
        Over the batch: ``"mean"``, ``"sum"``, or ``"none"`` for one number per image.

    Raises
    ------
    InputError
        A parameter out of range; at the step in question, a schedule or function with an invalid result.

    Notes
    -----
    The step counter is a buffer that only :meth:`step` advances. ``state_dict`` contains the counter and the
    weight.

    Examples
    --------
    >>> sparse_regions = js.PenaltyLoss(js.SlidingGroups(5), weight=1e-3)
    >>> loss = mse(output, target) + sparse_regions(output)
    >>> loss.backward(); optimizer.step(); sparse_regions.step()
    """

    n_steps: Tensor

    def __init__(
        self,
        penalty: Penalty | PenaltyAtStep,
        weight: float = 1.0,
        schedule: Callable[[int], float] | None = None,
        *,
        normalize: Normalize = "mean",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        if not callable(penalty):
            raise InputError(
                "penalty must be a penalty, or a function from the step to one",
                given=repr(penalty),
                do="pass e.g. SlidingGroups()",
            )
        if schedule is not None and not callable(schedule):
            raise InputError(
                "schedule must be a function of the step", given=repr(schedule), do="pass None for a constant"
            )
        checks.one_of("normalize", normalize, ("sum", "mean"))
        checks.one_of("reduction", reduction, ("none", "mean", "sum"))
        self.penalty, self.schedule = penalty, schedule
        self.normalize: Normalize = normalize
        self.reduction: Reduction = reduction
        self.weight = weight
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(lambda module, _: module._look_up())
        self._look_up()

    @property
    def weight(self) -> float:
        """Factor of the penalty."""
        return self._weight

    @weight.setter
    def weight(self, weight: float) -> None:
        checks.real("weight", weight, at_least=0.0)
        self._weight = float(weight)

    def forward(self, x: Any, *, mask: Any = None, weight_map: Any = None) -> Any:
        """Compute the weighted penalty of ``(B, C, *spatial)``; see :meth:`Penalty.__call__`."""
        value = self._current(
            x, mask=mask, weight_map=weight_map, normalize=self.normalize, reduction=self.reduction
        )
        return self._weight * self._factor * value

    def step(self) -> None:
        """Advance the step counter; to be called once per training step."""
        self.n_steps += 1
        self._look_up()

    def _look_up(self) -> None:
        """Set penalty and factor of this step; doing so in ``forward`` would read a counter on a GPU."""
        step = int(self.n_steps)
        self._factor = 1.0 if self.schedule is None else self.schedule(step)
        checks.real(f"schedule({step})", self._factor, at_least=0.0)
        current = self.penalty if isinstance(self.penalty, Penalty) else self.penalty(step)
        if not isinstance(current, Penalty):
            raise InputError(
                f"penalty({step}) must be a penalty", given=repr(current), do="return e.g. SlidingGroups()"
            )
        self._current = current

    def get_extra_state(self) -> dict[str, float]:
        """Return the weight, for ``state_dict``."""
        return {"weight": self._weight}

    def set_extra_state(self, state: dict[str, float]) -> None:
        """Set the weight from a ``state_dict``."""
        self.weight = state["weight"]

    def extra_repr(self) -> str:
        """Return the settings, for ``repr``."""
        settings = f"normalize={self.normalize!r}, reduction={self.reduction!r}"
        return f"{self.penalty!r}, weight={self._weight:g}, {settings}"

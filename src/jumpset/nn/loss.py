"""A penalty as a term of a training loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.nn.positive import logarithm, set_logarithm
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
        Factor, at least 0; an attribute that may be set at any time. A ``nn.Parameter`` with one number is
        trained as it is; values below 0 count as 0.
    schedule
        Function from the step (0, 1, …) to a factor, at least 0; ``None`` is 1. For a warm-up of 1000 steps,
        ``lambda step: min(1.0, step / 1000)``.
    normalize
        ``"mean"``: over the pixels, so that the loss does not depend on the resolution. ``"sum"``.
    reduction
        Over the batch: ``"mean"``, ``"sum"``, or ``"none"`` for one number per image.
    channel_axis
        The axis of the channels of all inputs, as in :meth:`Penalty.value`.
    learnable
        Whether the weight is trained: the parameter ``log_weight`` is its logarithm, which keeps it positive.
        Descent on the training loss alone sends every weight to 0; train it on validation data, or subtract
        ``n · loss.log_weight`` with n the number of degrees of freedom, the logarithm of the prior's
        normalization (n = number of pixels for ``normalize="sum"``, 1 for ``"mean"``).

    Raises
    ------
    InputError
        A parameter out of range; at the step in question, a schedule or function with an invalid result.

    Notes
    -----
    The step counter is a buffer that only :meth:`step` advances. ``state_dict`` contains the counter and the
    weight, as tensors. A graph of ``torch.compile`` takes weight, schedule and the grid of
    ``TiledGroups.at_step`` as inputs: a step compiles nothing.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> sparse_regions = js.PenaltyLoss(js.L1(), weight=0.5)
    >>> output = torch.full((1, 1, 4, 4), 0.2, requires_grad=True)
    >>> loss = (output - 0.5).square().mean() + sparse_regions(output)
    >>> loss.backward()
    >>> sparse_regions.step()  # after the optimiser's step
    >>> round(float(loss.detach()), 2)
    0.19
    """

    n_steps: Tensor

    def __init__(
        self,
        penalty: Penalty | PenaltyAtStep,
        weight: float | nn.Parameter = 1.0,
        schedule: Callable[[int], float] | None = None,
        *,
        normalize: Normalize = "mean",
        reduction: Reduction = "mean",
        channel_axis: int | None = None,
        learnable: bool = False,
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
        self.channel_axis = channel_axis
        checks.flag("learnable", learnable)
        self._number, self._factor, self._scale = 1.0, 1.0, torch.ones((), dtype=torch.float64)
        self.weight = weight
        if learnable:
            start = torch.tensor(number(self.weight), dtype=torch.get_default_dtype())
            self._parameters.pop("weight", None)
            self.log_weight = logarithm("weight", start)
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(_look_up_after_loading)
        self._look_up()

    @property
    def weight(self) -> Any:
        """Factor of the penalty: a number, the parameter that was given, or the exponential of log_weight."""
        trained = self._trained()
        return self._number if trained is None else trained

    @weight.setter
    def weight(self, value: Any) -> None:
        value, current = _checked_weight(value), self._parameters.get("weight")
        if "log_weight" in self._parameters:
            set_logarithm("weight", self.log_weight, value)
        elif isinstance(value, nn.Parameter):
            self._parameters["weight"] = value  # as register_parameter, which takes no name of a property
            self._rescale()
        elif current is not None:
            with torch.no_grad():  # a controller sets the parameter, which an optimizer may hold
                current.fill_(value)
        else:
            self._number = value
            self._rescale()

    def __setattr__(self, name: str, value: Any) -> None:
        # that of a module would register a parameter without a look at the property
        if name == "weight":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _trained(self) -> Tensor | None:
        """Return the weight if it is trained; a look at a number would make it part of a compiled graph."""
        log_weight = self._parameters.get("log_weight")
        return self._parameters.get("weight") if log_weight is None else log_weight.exp().sum()

    def _rescale(self) -> None:
        """Set the factor of this step as a tensor, which a compiled graph takes as an input."""
        number = self._number if self._trained() is None else 1.0
        self._scale = torch.tensor(self._factor * number, dtype=torch.float64)

    def forward(self, x: Any, *, mask: Any = None, weight_map: Any = None, edge_weights: Any = None) -> Any:
        """Compute the weighted penalty of ``(B, C, *spatial)``; see :meth:`Penalty.__call__`."""
        value = self._current(
            x,
            mask=mask,
            weight_map=weight_map,
            edge_weights=edge_weights,
            channel_axis=self.channel_axis,
            normalize=self.normalize,
            reduction=self.reduction,
        )
        if not isinstance(value, Tensor):
            return (number(self.weight) * self._factor) * value
        scale, trained = self._scale.to(value.dtype), self._trained()
        if trained is None:
            return scale * value
        return trained.clamp_min(0.0).to(value).reshape(()) * scale * value

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
        self._rescale()

    def get_extra_state(self) -> Tensor:
        """Return the weight as a tensor, for ``state_dict``; a copy where it is a parameter."""
        return torch.tensor(number(self.weight), dtype=torch.float64)

    def set_extra_state(self, state: Tensor | dict[str, float]) -> None:
        """Set the weight from a ``state_dict``; those of version 0.1.0 have a dictionary here."""
        if not isinstance(self.weight, Tensor):  # a parameter is loaded as one
            self.weight = float(state["weight"] if isinstance(state, dict) else state)

    def extra_repr(self) -> str:
        """Return the settings, for ``repr``."""
        settings = f"normalize={self.normalize!r}, reduction={self.reduction!r}"
        return f"{self.penalty!r}, weight={number(self.weight):g}, {settings}"


def number(weight: float | Tensor) -> float:
    """Return the weight of a loss as a number."""
    return float(cast(Tensor, weight).detach()) if isinstance(weight, Tensor) else weight


def _look_up_after_loading(module: Any, _: Any) -> None:
    module._look_up()  # a function of the module, since pickle cannot store a lambda


def _checked_weight(weight: Any) -> float | nn.Parameter:
    """Return a number as a float and a parameter as it is."""
    if isinstance(weight, Tensor):
        if weight.numel() != 1 or (weight.requires_grad and not isinstance(weight, nn.Parameter)):
            given = f"a tensor of shape {tuple(weight.shape)}"
            raise InputError("weight must be one number", given=given, do="pass a float or a nn.Parameter")
        checks.real("weight", weight.item(), at_least=0.0)
        return weight if isinstance(weight, nn.Parameter) else float(weight)
    checks.real("weight", weight, at_least=0.0)
    return float(weight)

"""A penalty as a pyproximal operator: a functional and its ``prox`` on flattened arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from jumpset._core.errors import InputError
from jumpset._core.optional import needs
from jumpset.penalties import L1, Penalty
from jumpset.penalties.solved_prox import SolvedProx

with needs("pyproximal"):
    from pyproximal.ProxOperator import ProxOperator, _check_tau


class PenaltyProx(ProxOperator):
    """R of a penalty, times a factor, for pyproximal's algorithms.

    Parameters
    ----------
    penalty
        Any penalty; algorithms that call ``prox`` need one that has a prox.
    dims
        Shape of the image, ``(H, W)`` or any one to three spatial axes, as pyproximal passes flat vectors.
    factor
        Multiplies R, as ``sigma`` of pyproximal's own operators does; above 0.
    channels
        Number of channels, whose axis precedes the spatial axes in the vector.
    lower, upper
        Bounds of the proximal point, for L1 and the total variation family: ``lower=0`` for values that are
        not negative. They are part of the function, which is infinite outside them.

    Raises
    ------
    InputError
        A shape without one to three axes, a factor that is not above 0, or, when called, a vector of another
        size.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> from jumpset.interop.pyproximal import PenaltyProx
    >>> g = PenaltyProx(js.L1(), dims=(2, 3))
    >>> g.prox(np.full(6, 0.5), 0.2).round(2).tolist()
    [0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    """

    def __init__(
        self,
        penalty: Penalty,
        dims: Sequence[int],
        *,
        factor: float = 1.0,
        channels: int = 1,
        lower: float | None = None,
        upper: float | None = None,
    ) -> None:
        super().__init__(None, False)
        if not 1 <= len(dims) <= 3:
            raise InputError("an image has one to three axes", given=f"dims={tuple(dims)}", do="pass (H, W)")
        if not factor > 0:
            raise InputError("factor must be above 0", given=repr(factor), do="pass the penalty's weight")
        self.penalty, self.factor = penalty, float(factor)
        self.shape4 = (1, channels, *dims)
        given = {"lower": lower, "upper": upper}
        self.bounds: dict[str, Any] = {name: bound for name, bound in given.items() if bound is not None}
        if self.bounds and not isinstance(penalty, L1 | SolvedProx):
            raise InputError(
                "bounds are for L1 and the total variation family",
                given=type(penalty).__name__,
                do="leave lower and upper out",
            )

    def __call__(self, x: np.ndarray) -> float:
        """Compute ``factor · R(x)``, infinite outside the bounds."""
        if np.min(x) < self.bounds.get("lower", -np.inf) or np.max(x) > self.bounds.get("upper", np.inf):
            return np.inf
        return self.factor * float(self.penalty.value(self._image(x)))

    @_check_tau
    def prox(self, x: np.ndarray, tau: float) -> np.ndarray:
        """Compute ``argmin_u ½‖u − x‖² + tau · factor · R(u)``, flat."""
        answer = self.penalty.prox(self._image(x), float(tau) * self.factor, **self.bounds)
        return answer.detach().numpy().reshape(np.shape(x))

    def _image(self, x: np.ndarray) -> torch.Tensor:
        array = np.array(x)  # a copy: torch warns of read-only memory
        if array.size != np.prod(self.shape4):
            raise InputError(
                "the vector does not have the size of the image", given=array.shape, do=f"pass {self.shape4}"
            )
        return torch.from_numpy(array.reshape(self.shape4))

"""A method as a step of another: run to its end on a tensor, without the driver's care for users."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def final_state(method: Any, picture: Tensor) -> Any:
    """The state after the last step, or after the reading at which the method has said that it is done."""
    state = method.init(picture)
    for k in range(method.max_steps):
        if k % method.check_every == 0 and method.finished(state) is not None:
            break
        state = method.step(state)
    return state


def solve(method: Any, picture: Tensor) -> Tensor:
    """What the method makes of ``(B, C, H, W)``, of the same shape, dtype and device."""
    return method.image(final_state(method, picture))

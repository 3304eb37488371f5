"""Memory for large results that are made again and again, such as the gradient of a loss.

Fresh memory is slow: the system clears each page when it is first touched, which takes longer than filling it
with a gradient. An array of the same size that nobody holds any more is used again instead.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_LARGEST = 1 << 28  # bytes that are kept between two calls at most

_lock = threading.Lock()
_spare: np.ndarray | None = None
_holder: weakref.ref[np.ndarray] | None = None  # dies with the tensor that was last given the spare memory


def empty(shape: Sequence[int], dtype: np.dtype) -> Tensor:
    """A CPU tensor with undefined content, in the memory of the previous one where that one is gone."""
    global _spare, _holder
    size = math.prod(shape) * dtype.itemsize
    with _lock:
        memory = _spare
        if memory is None or memory.nbytes != size or (_holder is not None and _holder() is not None):
            memory = np.empty(size, np.uint8)
        view = np.ndarray(shape, dtype, buffer=memory)
        if size <= _LARGEST:
            _spare, _holder = memory, weakref.ref(view)
        return torch.from_numpy(view)  # keeps the view alive as long as anything shares the tensor's memory

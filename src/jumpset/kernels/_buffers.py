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
_MOST = 4  # arrays that are: a sum of two penalties has two gradients at a time

_lock = threading.Lock()
# Memory, and what dies with the tensor that was last given it; the newest at the end.
_spares: list[tuple[np.ndarray, weakref.ref[np.ndarray]]] = []


def empty(shape: Sequence[int], dtype: np.dtype) -> Tensor:
    """A CPU tensor with undefined content, in the memory of a previous one where that one is gone."""
    size = math.prod(shape) * dtype.itemsize
    with _lock:
        memory = _take(size)
        view = np.ndarray(shape, dtype, buffer=memory)
        if size <= _LARGEST:
            _spares.append((memory, weakref.ref(view)))
        while len(_spares) > _MOST or sum(memory.nbytes for memory, _ in _spares) > _LARGEST:
            del _spares[0]
        return torch.from_numpy(view)  # keeps the view alive as long as anything shares the tensor's memory


def _take(size: int) -> np.ndarray:
    """The newest spare of a size that nobody holds, or new memory."""
    for k in reversed(range(len(_spares))):
        memory, holder = _spares[k]
        if memory.nbytes == size and holder() is None:
            del _spares[k]
            return memory
    return np.empty(size, np.uint8)

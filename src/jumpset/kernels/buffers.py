"""Memory for large results that are computed repeatedly, such as the gradient of a loss.

New memory is slow: the operating system clears each page at its first use, which takes longer than filling it
with a gradient. The memory of a deleted array of the same size is used instead.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LINE = 64  # bytes of a cache line, to which memory is aligned: vector loads across two lines take longer


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """Arrays and CPU tensors in the memory of deleted ones.

    Parameters
    ----------
    most
        Largest number of arrays whose memory the pool keeps.
    largest
        Largest number of their bytes.
    """

    def __init__(self, most: int = 4, largest: float = math.inf) -> None:
        self._most, self._largest = most, largest
        self._lock = threading.Lock()
        _pools.add(self)
        # Memory, and the array whose deletion releases it; the newest at the end.
        self._spares: list[tuple[np.ndarray, weakref.ref[np.ndarray]]] = []

    def array(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Return an array with undefined content, in the memory of a deleted array if there is one."""
        with self._lock:
            memory = self._take(math.prod(shape) * dtype.itemsize)
            array = np.ndarray(shape, dtype, buffer=memory)
            if memory.nbytes <= self._largest:
                self._spares.append((memory, weakref.ref(array)))
                self._trim()
            return array

    def empty(self, shape: Sequence[int], dtype: np.dtype) -> Tensor:
        """Return :meth:`array` as a tensor; its memory is released when no tensor or view shares it."""
        return torch.from_numpy(self.array(shape, dtype))

    def _take(self, size: int) -> np.ndarray:
        """Return the newest released memory of this size, or new memory."""
        for k in reversed(range(len(self._spares))):
            memory, holder = self._spares[k]
            if memory.nbytes == size and holder() is None:
                del self._spares[k]
                return memory
        memory = np.empty(size + _LINE, np.uint8)
        return memory[-memory.ctypes.data % _LINE :][:size]

    def _trim(self) -> None:
        """Drop the oldest arrays beyond the limits."""
        if len(self._spares) > self._most:
            del self._spares[0]
        if self._largest < math.inf:
            excess = sum(memory.nbytes for memory, _ in self._spares) - self._largest
            while excess > 0:
                excess -= self._spares.pop(0)[0].nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        return Pool, (self._most, self._largest)  # a copy has no memory yet

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dictionary, for checkpoints of a state that has a pool."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: a pool has no state to load."""


def _after_fork() -> None:
    """Renew the locks in a forked child, which does not inherit the threads that may hold them."""
    for pool in _pools:
        pool._lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)

empty = Pool(largest=1 << 28).empty
"""Return a tensor from a pool that the whole process shares, and that keeps at most 256 MiB."""

"""The functions of the formulas in every array library, so that one formula serves all of them.

torch, NumPy, CuPy and JAX have the names of the array API standard (Python array API, 2023.12) or similar
ones; only this module adapts the differences.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from jumpset._core.optional import needs

_TORCH = SimpleNamespace(
    float32=torch.float32,
    abs=torch.abs,
    sqrt=torch.sqrt,
    exp=torch.exp,
    log=torch.log,
    log1p=torch.log1p,
    expm1=torch.expm1,
    where=torch.where,
    maximum=torch.maximum,
    minimum=torch.minimum,
    zeros_like=torch.zeros_like,
    ones_like=torch.ones_like,
    broadcast_to=torch.broadcast_to,
    reshape=torch.reshape,
    cumulative_sum=lambda x, axis: torch.cumsum(x, dim=axis),
    sum=lambda x, axis=None, keepdims=False: x.sum() if axis is None else x.sum(dim=axis, keepdim=keepdims),
    max=lambda x, axis, keepdims=False: torch.amax(x, dim=axis, keepdim=keepdims),
    mean=torch.mean,
    concat=lambda arrays, axis: torch.cat(arrays, dim=axis),
    stack=lambda arrays, axis: torch.stack(arrays, dim=axis),
    astype=lambda x, dtype: x.to(dtype),
)


def namespace(x: Any) -> Any:
    """Return the module of functions for ``x``; callers use names of the array API standard only.

    Raises
    ------
    TypeError
        If ``x`` is not an array of a known library.
    """
    if isinstance(x, Tensor):
        return _TORCH
    if is_of_tensorflow(x):
        from jumpset.operators.tensorflow_names import NAMESPACE

        return NAMESPACE
    if hasattr(x, "__array_namespace__"):  # NumPy 2, JAX, CuPy 14
        return x.__array_namespace__()
    with needs("array-api-compat"):
        import array_api_compat

    return array_api_compat.array_namespace(x)


def is_of_tensorflow(x: Any) -> bool:
    """Return whether ``x`` is a tensor of TensorFlow; does not import it."""
    return type(x).__module__.partition(".")[0] == "tensorflow"


def lengths(x: Any) -> tuple[Any, ...]:
    """Return the lengths of the axes: numbers, or TensorFlow's scalars where a graph leaves them open."""
    shape = tuple(x.shape)
    if None not in shape:
        return shape
    found = namespace(x).shape(x)
    return tuple(found[k] if n is None else n for k, n in enumerate(shape))

"""Connectedness: one object without holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset._core.types import parameter
from jumpset.operators.namespaces import namespace
from jumpset.penalties.base import Penalty


@dataclass(frozen=True)
class Connectedness(Penalty):
    r"""Connectedness: suppresses islands and fills holes, for images of one object.

    .. math:: R(x) = a \sum_{p \in \text{islands}} x_p + b \sum_{p \in \text{holes}} (t - x_p)

    for images of intensities or masks. The support is {x > t}; islands are all its components except that of
    largest mass Σ x, and holes are the components of {x ≤ t} that do not touch the border.

    Parameters
    ----------
    threshold
        t, at least 0, in intensities.
    islands, holes
        Weights a and b, at least 0.

    Raises
    ------
    InputError
        A parameter out of range, or an array that is being traced (by ``jax.jit``, ``jax.grad``,
        ``tf.function``).

    Notes
    -----
    A piecewise penalty, written for this package in the spirit of topological losses (X. Hu et al.,
    "Topology-preserving deep image segmentation", NeurIPS 2019; J. Clough et al., PAMI 2022) with components
    in place of persistent homology. Each evaluation determines islands and holes, on the CPU, and the
    gradient holds them fixed: it is a on islands and −b on holes, which is exact while no component appears,
    vanishes, merges or overtakes the largest. R jumps where one does. In each channel separately, the
    components of the support are connected across corners and those of its complement are not (A. Rosenfeld,
    JACM 1970). The
    outline of a mask cuts the components of the complement. Combine this penalty with a continuous one, and
    add it once the object has taken shape.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]])  # (B, C, H, W)
    >>> penalty = js.penalties.Connectedness()
    >>> [round(float(r), 3) for r in penalty.value(x)]
    [0.0]
    """

    threshold: float = parameter(0.1, checks.real, at_least=0.0)
    islands: float = parameter(1.0, checks.real, at_least=0.0)
    holes: float = parameter(1.0, checks.real, at_least=0.0)

    name: ClassVar[str] = "connectedness"
    paper: ClassVar[str] = "after Hu, Li, Samaras, Chen, NeurIPS 2019"
    convex: ClassVar[bool] = False

    def terms(self, x: Any, mask: Any = None) -> Any:
        """Return the intensities on islands, and the missing intensities in holes."""
        xp = namespace(x)
        values = _to_numpy(x)
        inside = np.broadcast_to(True if mask is None else _to_numpy(mask), values.shape)
        island, hole = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
        for index in np.ndindex(*values.shape[:2]):
            island[index], hole[index] = _find(values[index], inside[index], self.threshold)
        zeros = xp.zeros_like(x)
        lost = np.where(inside & ~np.isfinite(values), np.nan, 0.0)  # NaN belongs to no component
        return (
            self.islands * xp.where(_like(island, x), x, zeros)
            + self.holes * xp.where(_like(hole, x), self.threshold - x, zeros)
            + xp.astype(_like(lost, x), x.dtype)
        )


def _find(x: np.ndarray, inside: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return bool maps of the islands and holes of one channel."""
    support = inside & (x > threshold)
    labels, count = _components(support, ndimage.generate_binary_structure(x.ndim, x.ndim))
    island = np.zeros_like(support)
    if count > 1:
        mass = np.bincount(labels.ravel(), weights=np.where(support, x, 0.0).ravel())
        island = support & (labels != 1 + int(np.argmax(mass[1:])))
    labels, count = _components(inside & ~support, None)
    is_hole = np.ones(count + 1, dtype=bool)
    is_hole[0] = False
    outside = ~np.pad(inside, 1)
    for axis in range(x.ndim):
        for step in (-1, 1):  # a pixel at the border, or next to one outside the mask
            beside = np.roll(outside, step, axis)[(slice(1, -1),) * x.ndim]
            is_hole[np.unique(labels[beside])] = False
    return island, is_hole[labels]


def _components(where: np.ndarray, structure: np.ndarray | None) -> tuple[np.ndarray, int]:
    """Return labels from 1, and their number; without a structure pixels are connected by their sides."""
    labels = np.empty(where.shape, dtype=np.int32)
    ndimage.label(where, structure=structure, output=labels)
    return labels, int(labels.max(initial=0))


def _to_numpy(x: Any) -> np.ndarray:
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        return (x.float() if x.dtype in (torch.float16, torch.bfloat16) else x).numpy()
    if hasattr(x, "get"):  # CuPy
        return x.get()
    try:
        return np.asarray(x)
    except Exception as error:  # each library raises another class
        raise InputError(
            "components cannot be computed while a function is traced",
            given=type(x).__name__,
            do="use torch tensors, or evaluate outside of jit, grad and tf.function",
        ) from error


def _like(found: np.ndarray, x: Any) -> Any:
    """Return the map as an array of x's library, on its device."""
    if isinstance(x, Tensor):
        return torch.from_numpy(found).to(x.device)
    return namespace(x).asarray(found) if hasattr(namespace(x), "asarray") else found

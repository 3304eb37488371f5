"""What the plugin computes from the array of an image layer: two or more axes, colours last."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.regions import RegionTree
from jumpset.running import registry
from jumpset.running.run import run

Progress = Callable[[float], object]


def smooth_layer(
    data: Any,
    method: str = "region-fusion",
    *,
    is_rgb: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> np.ndarray:
    """Smooth the array of a layer, as a volume if the method can, else plane by plane.

    Parameters
    ----------
    data
        ``(…, H, W)``, or ``(…, H, W, 3 or 4)`` for colours. Planes of all further axes are smoothed
        independently. Values outside the range of their dtype, floats outside 0 to 1 and integers of 16 and
        more bits are relative to the least and the largest value.
    method
        A name out of :func:`jumpset.methods`.
    is_rgb
        Whether the last axis has colours; a fourth is opacity, which is kept.
    progress
        ``progress(fraction)`` is called as the work goes on; what it raises ends it.
    **settings
        The method's parameters, e.g. ``weight=0.05``.

    Returns
    -------
    ndarray
        The result, in the shape and dtype of ``data``.

    Raises
    ------
    InputError
        The array, the method or a parameter cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from jumpset.interop.napari import smooth_layer
    >>> smooth_layer(np.zeros((2, 3, 8, 9), np.uint16), "tv", weight=0.1).shape
    (2, 3, 8, 9)
    """
    array = _checked(data, is_rgb)
    chosen = registry.method(method, **settings)
    limits = _limits(array, is_rgb)
    is_volume = array.ndim - is_rgb == 3 and 3 in chosen.spatial_ndims
    if is_volume and not (is_rgb and array.shape[-1] == 4):
        batch = np.moveaxis(array, -1, 0) if is_rgb else array[None]
        tensor = torch.from_numpy(np.ascontiguousarray(batch)[None])
        answer = run(tensor, chosen, value_range=limits, progress=_steps(progress, 0, 1)).image[0].numpy()
        return np.moveaxis(answer, 0, -1) if is_rgb else answer[0]
    out = np.empty(array.shape, array.dtype)
    count = math.prod(array.shape[: array.ndim - 2 - is_rgb])
    for k, place in enumerate(_planes(array, is_rgb)):
        out[place] = run(
            np.ascontiguousarray(array[place]),
            chosen,
            channel_axis=-1 if is_rgb else None,
            alpha=is_rgb and array.shape[-1] == 4,
            value_range=limits,
            progress=_steps(progress, k, count),
        ).image
    return out


class PlaneTrees:
    """The region trees of all planes of a layer, which any number of regions or weight cuts.

    Parameters
    ----------
    data, is_rgb, progress
        As for :func:`smooth_layer`.
    neighbors
        4 or 8.

    Raises
    ------
    InputError
        The array cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from jumpset.interop.napari import PlaneTrees
    >>> trees = PlaneTrees(np.random.default_rng(0).random((2, 8, 9)))
    >>> int(trees.labels(n_regions=5).max())
    10
    """

    def __init__(
        self, data: Any, *, is_rgb: bool = False, neighbors: int = 4, progress: Progress | None = None
    ) -> None:
        array = _checked(data, is_rgb)
        limits = _limits(array, is_rgb)
        self._shape = array.shape[:-1] if is_rgb else array.shape
        self._places = [*_planes(array, is_rgb)]
        self._trees = [
            RegionTree(
                np.ascontiguousarray(array[place]),
                neighbors=neighbors,
                channel_axis=-1 if is_rgb else None,
                alpha=is_rgb and array.shape[-1] == 4,
                value_range=limits,
                progress=_share(progress, k, len(self._places)),
            )
            for k, place in enumerate(self._places)
        ]

    @property
    def n_leaves(self) -> int:
        """Number of pixels of a plane."""
        return self._trees[0].n_leaves

    def labels(self, *, n_regions: int | None = None, weight: float | None = None) -> np.ndarray:
        """Return int32 labels 1, 2, … of the shape of the layer; no two planes share one.

        Parameters
        ----------
        n_regions
            Number of regions in each plane.
        weight
            Or the weight of the cut, as for :meth:`jumpset.RegionTree.labels`.
        """
        out = np.empty(self._shape, np.int32)
        last = 0
        for place, tree in zip(self._places, self._trees, strict=True):
            plane = tree.labels(n_regions=n_regions, weight=weight)
            out[place] = plane + last
            last += int(plane.max())
        return out


def _checked(data: Any, is_rgb: bool) -> np.ndarray:
    checks.flag("is_rgb", is_rgb)
    array = np.asarray(data)
    is_colour = not is_rgb or (array.ndim > 2 and array.shape[-1] in (3, 4))
    if array.dtype.kind not in "buif" or array.ndim < 2 + is_rgb or array.size == 0 or not is_colour:
        raise InputError(
            "the layer must have two or more axes, and colours last",
            given=f"{array.dtype}, shape {array.shape}",
            do="choose an image layer; of one with several resolutions, its first array",
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _limits(array: np.ndarray, is_rgb: bool) -> tuple[float, float] | None:
    """Return the values of intensity 0 and 1, one pair for all planes; None for those of the dtype."""
    if array.dtype == np.bool_ or array.dtype.itemsize == 1:
        return None
    colors = array[..., :3] if is_rgb else array
    low, high = float(colors.min()), float(colors.max())
    if array.dtype.kind == "f" and (is_rgb or (low >= 0.0 and high <= 1.0)):
        return None
    return (low, high) if low < high else (low, low + 1.0)


def _planes(array: np.ndarray, is_rgb: bool) -> Iterator[tuple[int, ...]]:
    return np.ndindex(array.shape[: array.ndim - 2 - is_rgb])


def _share(progress: Progress | None, k: int, count: int) -> Callable[[float], None]:
    """Return a callback for the part of plane k of ``count`` that is done."""

    def watch(done: float) -> None:
        if progress is not None:
            progress((k + done) / count)

    return watch


def _steps(progress: Progress | None, k: int, count: int) -> Callable[[int, int], None]:
    """Return a callback of :func:`jumpset.run` for plane k of ``count``."""
    share = _share(progress, k, count)
    return lambda n_steps, max_steps: share(min(1.0, n_steps / max(1, max_steps)))

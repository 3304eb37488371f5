"""Tiles of an array with a margin around each, and what is smoothed in a tile as if it were whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace
from threading import Lock
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset._core.arrays import ValueRange, equals, to_tensor
from jumpset._core.axes import axes_of, like, spatial
from jumpset._core.errors import InputError
from jumpset._core.types import Iteration, Status
from jumpset.io.sources import open_image
from jumpset.operators.spacing import axis_scales
from jumpset.running.inputs import own_images, takes_mask
from jumpset.running.run import run

_SIDES = {1: 1 << 20, 2: 1024, 3: 128}  # of a tile, by the number of spatial axes
_HOLES = 16  # pixels: a missing pixel takes the value of the nearest valid one, which should be in the window
_OWN = ("bool", "uint8", "int8")  # dtypes that are finite, and whose range nobody asks about
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """A part of an array, in the order of its axes."""

    core: Slices
    """What is written."""
    window: Slices
    """What is read: the core and the margin around it, cut at the borders of the array."""

    @property
    def inner(self) -> Slices:
        """The core within the window."""
        pairs = zip(self.core, self.window, strict=True)
        return tuple(slice(c.start - w.start, c.stop - w.start) for c, w in pairs)


def plan_tiles(shape: tuple[int, ...], axes: str, sides: tuple[int, ...], margin: int) -> Iterator[Tile]:
    """Yield the tiles of an array: single images of a batch, all channels, ``sides`` along x, y and z."""
    side = dict(zip(spatial(axes), sides, strict=True))
    intervals = []
    for n, name in zip(shape, axes, strict=True):
        step = {"t": 1, "c": n}.get(name) or side[name]
        around = margin if name in side else 0
        intervals.append(
            [
                (slice(a, min(a + step, n)), slice(max(a - around, 0), min(a + step + around, n)))
                for a in range(0, n, step)
            ]
        )
    for parts in itertools.product(*intervals):
        core, window = zip(*parts, strict=True)
        yield Tile(core, window)


@dataclass(frozen=True)
class Job:
    """A method, and what holds for the whole array: the same in every tile."""

    method: Iteration[Any]
    axes: str
    shape: tuple[int, ...]
    value_range: tuple[float, float] | None
    alpha: bool
    nodata: float | None = None
    device: Any = None

    def __call__(self, block: np.ndarray, window: Slices | None = None) -> np.ndarray:
        """Smooth a window of the array; pixels without data stay as they are."""
        method = self.method if window is None else self._cut(window)
        lacks = self.lacks(block)
        if lacks is not None and lacks.any():
            if lacks.all():
                return block.copy()
            own = True if method.mask is None else np.asarray(method.mask)  # type: ignore[attr-defined]
            method = replace(method, mask=~lacks * own)  # type: ignore[type-var]
        result = run(
            np.ascontiguousarray(block),
            method,
            axes=self.axes,
            alpha=self.alpha,
            value_range=self.value_range,
            device=self.device,
        )
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if result.status is Status.DIVERGED:
            raise InputError("the method diverged in a tile", given=method.name, do="lower the weight")
        if lacks is not None and lacks.any():
            where = np.expand_dims(lacks, self.axes.index("c")) if "c" in self.axes else lacks
            result.image[np.broadcast_to(where, block.shape)] = self.nodata
        return result.image

    def lacks(self, block: np.ndarray) -> np.ndarray | None:
        """Where a pixel has no data in one of its channels; without the axis of the channels."""
        if self.nodata is None:
            return None
        found = equals(block, self.nodata)
        return found.any(self.axes.index("c")) if "c" in self.axes else found

    def _cut(self, window: Slices) -> Iteration[Any]:
        """The method, with the parts of its mask and images that belong to a window."""
        parts = dict(zip(self.axes, window, strict=True))
        changed = {}
        for field in fields(self.method):  # type: ignore[arg-type]
            given = getattr(self.method, field.name)
            if hasattr(given, "ndim") and (field.name == "mask" or field.metadata.get("is_image")):
                names = _names_like(self.axes, self.shape, given, field.name)
                size = zip(names, given.shape, strict=True)
                changed[field.name] = given[tuple(slice(n) if a == "c" else parts[a] for a, n in size)]
        return replace(self.method, **changed) if changed else self.method  # type: ignore[type-var]


def _opened(method: Iteration[Any]) -> Iteration[Any]:
    """The method with arrays for its images and its mask, which may be files or PIL images."""
    opened = {name: open_image(given) for name, given in own_images(method)}
    changed: dict[str, Any] = {name: image.colours for name, image in opened.items() if image is not None}
    mask = getattr(method, "mask", None)
    if mask is not None and not hasattr(mask, "ndim"):
        changed["mask"] = np.asarray(mask)
    return replace(method, **changed) if changed else method  # type: ignore[type-var]


def _names_like(axes: str, shape: tuple[int, ...], given: Any, name: str) -> str:
    if name == "mask":
        shape = tuple(n for n, a in zip(shape, axes, strict=True) if a != "c")
        axes = axes.replace("c", "")
    names = like(axes, shape, given)
    if names is None:
        raise InputError(
            f"{name} does not fit the array",
            given=f"shape {tuple(given.shape)} for axes {axes!r} of {shape}",
            do="pass one of the same size, with the same order of axes",
        )
    return names


def named_axes(array: Any, axes: str | None, channel_axis: int | None) -> str:
    """The names of the axes of an array; those of an image if there are none."""
    names = axes_of(array.ndim, axes, channel_axis)
    if names is None:
        raise InputError(
            "the axes of the array have no names",
            given=f"{array.ndim} axes",
            do="pass e.g. axes='zyx' or 'tyx'",
        )
    return names


def sides_of(tile: Any, axes: str) -> tuple[int, ...]:
    """The sides of a tile along the axes in space, from one number or one for each."""
    ndim = len(spatial(axes))
    if tile is None:
        return (_SIDES[ndim],) * ndim
    sides = tuple(tile) if isinstance(tile, (tuple, list)) else (tile,) * ndim
    if len(sides) != ndim:
        raise InputError(
            "tile has one number, or one for each spatial axis",
            given=repr(tile),
            do=f"pass {ndim} numbers, in the order z, y, x",
        )
    for side in sides:
        checks.integer("tile", side, at_least=1)
    return sides


def margin_of(method: Iteration[Any], overlap: int | None, tol: float, has_holes: bool = False) -> int:
    """The margin around a tile: ``overlap``, or that of the method for ``tol``; more for missing pixels."""
    checks.real("tol", tol, above=0.0, below=1.0)
    if overlap is not None:
        checks.integer("overlap", overlap, at_least=0)
        return overlap
    found = method.halo_for(tol)
    if found is not None and (has_holes or getattr(method, "mask", None) is not None):
        found += _HOLES
    if found is None:
        raise InputError(
            "the answer of this method depends on the whole array",
            given=method.name,
            do="use e.g. 'fgs', 'wls', 'tv', 'guided' or 'bilateral', or pass overlap, the pixels around each"
            " tile, and look for seams",
        )
    return found


def make_job(
    array: Any,
    method: Iteration[Any],
    axes: str,
    *,
    sides: tuple[int, ...],
    alpha: bool | None,
    value_range: ValueRange | None,
    nodata: float | None,
    device: Any = None,
    extremes: Callable[[Any, Job], tuple[float, float]] | None = None,
) -> Job:
    """Check an array, and measure what holds for all of it: its extremes, and the range of its values."""
    dtype = np.dtype(array.dtype)
    probe = np.zeros((1,) * array.ndim, dtype)
    to_tensor(probe, axes=axes, alpha=False, spatial_ndims=method.spatial_ndims, value_range=(0.0, 1.0))
    axis_scales(getattr(method, "spacing", None), len(spatial(axes)))  # raises for another number of axes
    if nodata is not None and not takes_mask(method):
        raise InputError(
            "pixels without data need a method with a mask",
            given=method.name,
            do="use e.g. 'fgs', 'wls', 'tv', 'guided' or 'bilateral'",
        )
    if nodata is not None and (not isinstance(nodata, (int, float, np.number)) or isinstance(nodata, bool)):
        raise InputError("nodata must be a number", given=repr(nodata), do="pass e.g. -9999.0, or NaN")
    if 0 in array.shape:
        raise InputError("the array has no pixels", given=f"shape {array.shape}", do="pass at least one")
    channels = array.shape[axes.index("c")] if "c" in axes else 1
    if alpha is None:
        alpha = bool(dtype == np.uint8 and channels == 4 and len(axes) == 3)
    if alpha and channels < 2:
        raise InputError("alpha=True needs a colour channel", given=array.shape, do="pass alpha=False")
    method = _opened(method)
    job = Job(method, axes, tuple(array.shape), None, bool(alpha), nodata, device)
    job._cut(tuple(slice(n) for n in array.shape))  # raises for images that do not fit
    if dtype.name in _OWN and value_range != "data":
        low, high = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    else:
        low, high = (extremes or _extremes_by(sides))(array, job)
    # a picture of the two extremes has the errors, the warning and the range of the whole
    pair = np.array([[low, high]], dtype)
    layout = to_tensor(pair, value_range=value_range)[1]
    return replace(job, value_range=(layout.low, layout.high))


def _extremes_by(sides: tuple[int, ...]) -> Callable[[Any, Job], tuple[float, float]]:
    def extremes(array: Any, job: Job) -> tuple[float, float]:
        found = []
        for tile in plan_tiles(job.shape, job.axes, sides, 0):
            block = np.asarray(array[tile.core])
            found.append(block_extremes(block, job))
        low, high = (f(v) for f, v in zip((np.nanmin, np.nanmax), zip(*found, strict=True), strict=True))
        if np.isnan(low):
            raise InputError("no pixel has data", given=f"nodata={job.nodata}", do="check nodata")
        return low, high

    return extremes


def block_extremes(block: np.ndarray, job: Job) -> tuple[Any, Any]:
    """The least and the largest value of the pixels with data; NaN where there is none."""
    lacks = job.lacks(block)
    if lacks is not None and lacks.any():
        has = np.expand_dims(~lacks, job.axes.index("c")) if "c" in job.axes else ~lacks
        block = block[np.broadcast_to(has, block.shape)]
        if block.size == 0:
            return np.nan, np.nan
    if block.dtype.kind == "f" and not np.isfinite(block).all():
        raise InputError(
            "the array has non-finite pixels",
            given=f"{int((~np.isfinite(block)).sum())} NaN or infinite values in a tile",
            do="replace them, or pass nodata=float('nan') where NaN marks pixels without data",
        )
    return block.min(), block.max()


def run_tiles(
    job: Job,
    tiles: list[Tile],
    read: Callable[[Slices], np.ndarray],
    write: Callable[[int, np.ndarray], None],
    workers: int,
    progress: Callable[[int, int], object] | None = None,
    is_done: Callable[[int], bool] = lambda _: False,
) -> None:
    """Smooth tiles, at most ``workers`` at a time; ``write(k, answer)`` takes the core of tile k.

    Reading and writing take turns, so that files need not be safe in threads. After an error or Ctrl-C the
    tiles in work are finished, and no further one is started.
    """
    checks.integer("workers", workers, at_least=1)
    lock = Lock()

    def one(k: int) -> None:
        with lock:
            block = read(tiles[k].window)
        answer = job(block, tiles[k].window)[tiles[k].inner]
        with lock:
            write(k, answer)

    todo = [k for k in range(len(tiles)) if not is_done(k)]
    done = len(tiles) - len(todo)
    if progress is not None:
        progress(done, len(tiles))
    waiting = iter(todo)
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(one, k) for k in itertools.islice(waiting, workers)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                future.result()
                done += 1
                if progress is not None:
                    progress(done, len(tiles))
            running |= {pool.submit(one, k) for k in itertools.islice(waiting, len(ended))}

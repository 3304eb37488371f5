"""``apply_tiled``: arrays larger than memory, of NumPy, Zarr, Dask and xarray."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jumpset._core.arrays import ValueRange, equals
from jumpset._core.axes import spatial
from jumpset._core.errors import InputError, RangeWarning
from jumpset._core.optional import needs
from jumpset._core.types import Iteration
from jumpset.running import tiles as plan
from jumpset.running.registry import method as make_method

# Names of dimensions in xarray, and what they are here.
_DIMENSIONS = {
    **{name: name for name in "tczyx"},
    **dict.fromkeys(("time", "frame"), "t"),
    **dict.fromkeys(("band", "channel"), "c"),
    **dict.fromkeys(("lat", "latitude", "row"), "y"),
    **dict.fromkeys(("lon", "longitude", "column"), "x"),
    **dict.fromkeys(("depth", "level", "slice"), "z"),
}


def apply_tiled(
    array: Any,
    method: str | Iteration[Any] = "fgs",
    *,
    tile: int | tuple[int, ...] | None = None,
    workers: int = 1,
    tol: float = 1e-3,
    overlap: int | None = None,
    axes: str | None = None,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
    nodata: float | None = None,
    out: Any = None,
    progress: Callable[[int, int], object] | None = None,
    preset: str | None = None,
    device: Any = None,
    **hyper: Any,
) -> Any:
    r"""Smooth an array of any size tile by tile, with an answer that does not depend on the tiles.

    Each tile is smoothed with a margin around it, beyond which pixels change the answer by at most ``tol``.
    What depends on all pixels (the range of the values, alpha, whether they are finite) is found once, in a
    first pass.

    Parameters
    ----------
    array
        A NumPy array or memory map, or anything with ``shape``, ``dtype`` and slices, such as a Zarr array
        or an HDF5 dataset; a Dask array, whose answer is lazy (:func:`dask.array.map_overlap`); or a
        :class:`xarray.DataArray` of either, whose coordinates and attributes are kept.
    method
        A name out of :func:`jumpset.methods`, or a method object, whose answer is local: ``"guided"``,
        ``"bilateral"`` and ``"rolling-guidance"`` are exact, ``"fgs"``, ``"domain-transform"``, ``"wls"`` and
        ``"tv"`` within ``tol``.
    tile
        Pixels along each axis in space, or one number for each, without the margin. Default: 1024 in images,
        128 in volumes, the chunks of a Dask array.
    workers
        Tiles in work at a time, in threads. Their number changes no digit.
    tol
        How far an intensity, of a range of 1, may be from that of the whole array.
    overlap
        The margin in pixels, instead of that of the method for ``tol``: also for methods whose answer
        depends on the whole array, where seams may be seen.
    axes, channel_axis, alpha, value_range
        As in :func:`jumpset.run`; ``t`` counts separate images. The dimensions of an xarray array are known
        by names such as ``x``, ``lat``, ``band`` or ``time``.
    nodata
        The value of pixels without data, which they keep; NaN for NaN. They have no influence, if the method
        has a ``mask``. A pixel with this value in one channel has no data. Filters are guided by the nearest
        valid pixel there; where two are equally near, which one is taken may depend on the tiles.
    out
        What is written to, instead of a new NumPy array: an array with the shape and dtype of ``array``,
        e.g. a memory map or a Zarr array. Not for Dask arrays.
    progress
        ``progress(done, total)``, called after each tile.
    preset, device, **hyper
        As in :func:`jumpset.smooth`.

    Returns
    -------
    array
        The answer: ``out``, a NumPy array, a Dask array or an xarray array.

    Raises
    ------
    InputError
        An array, a method or an option that cannot be used, before any tile is smoothed (except that a lazy
        array is not looked at): among them a method that depends on the whole array, without ``overlap``.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.coffee()
    >>> flat = js.apply_tiled(image, "guided", radius=4, tile=100, workers=2)
    >>> whole = js.smooth(image, "guided", radius=4)
    >>> int(abs(flat.astype(int) - whole).max()) <= 1  # rounded to 8 bits
    True
    """
    if isinstance(method, str):
        method = make_method(method, preset=preset, **hyper)
    elif preset is not None or hyper:
        raise TypeError("preset and hyper-parameters go with a method's name; a method object has its own")
    kind = type(array).__module__.partition(".")[0]
    options = {"tile": tile, "workers": workers, "tol": tol, "overlap": overlap, "alpha": alpha}
    options |= {"value_range": value_range, "nodata": nodata, "progress": progress, "device": device}
    if kind == "xarray":
        if not hasattr(array, "dims") or not hasattr(array, "dtype"):
            given = type(array).__name__
            raise InputError("a Dataset has several arrays", given=given, do="pass one, e.g. dataset['name']")
        axes = _axes_of(array) if axes is None and channel_axis == -1 else axes
        data = apply_tiled(array.data, method, axes=axes, channel_axis=channel_axis, out=out, **options)
        return array.copy(data=data)
    missing = [name for name in ("shape", "dtype", "ndim", "__getitem__") if not hasattr(array, name)]
    if missing or kind == "torch":
        raise InputError(
            "apply_tiled takes arrays of NumPy, Zarr, Dask or xarray",
            given=type(array).__name__,
            do="pass tensor.numpy()"
            if kind == "torch"
            else "open the file first, e.g. with numpy.memmap or zarr.open",
        )
    axes = plan.named_axes(array, axes, channel_axis)
    if kind == "dask":
        if out is not None:
            raise InputError(
                "a lazy answer has no memory", given="out", do="pass the answer to dask.array.store"
            )
        return _lazy(array, method, axes, tile, tol, overlap, alpha, value_range, nodata, device)
    return _eager(array, method, axes, out, **options)


def _eager(
    array: Any,
    method: Iteration[Any],
    axes: str,
    out: Any,
    *,
    tile: Any,
    workers: int,
    tol: float,
    overlap: int | None,
    progress: Any,
    **settings: Any,
) -> Any:
    sides = plan.sides_of(tile, axes)
    margin = plan.margin_of(method, overlap, tol, settings["nodata"] is not None)
    if out is not None and (tuple(out.shape) != tuple(array.shape) or out.dtype != array.dtype):
        raise InputError(
            "out must have the shape and dtype of the array",
            given=f"{tuple(out.shape)} {out.dtype}",
            do=f"pass {tuple(array.shape)} {array.dtype}",
        )
    in_memory = isinstance(out, np.ndarray) and isinstance(array, np.ndarray)
    if margin and in_memory and np.may_share_memory(out, array):
        raise InputError(
            "tiles read pixels that others write", given="out is the array", do="pass other memory"
        )
    job = plan.make_job(array, method, axes, sides=sides, **settings)
    found = list(plan.plan_tiles(job.shape, axes, sides, margin))
    target = np.empty(job.shape, array.dtype) if out is None else out

    def write(k: int, answer: np.ndarray) -> None:
        target[found[k].core] = answer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RangeWarning)  # a tile may be flat where the array is not
        plan.run_tiles(job, found, lambda w: np.asarray(array[w]), write, workers, progress)
    return target


def _lazy(
    array: Any,
    method: Iteration[Any],
    axes: str,
    tile: Any,
    tol: float,
    overlap: int | None,
    alpha: bool | None,
    value_range: ValueRange | None,
    nodata: float | None,
    device: Any,
) -> Any:
    with needs("jumpset[dask]"):
        import dask.array as da
    margin = plan.margin_of(method, overlap, tol, nodata is not None)
    if getattr(method, "mask", None) is not None or getattr(method, "guidance", None) is not None:
        raise InputError(
            "masks and guidance of lazy arrays are not cut into chunks",
            given=method.name,
            do="pass nodata for pixels without data, or compute with a NumPy array or a memory map",
        )
    sides = plan.sides_of(tile, axes)
    if tile is not None:
        chunks = dict(zip(spatial(axes), sides, strict=True))
        array = array.rechunk({k: chunks[name] for k, name in enumerate(axes) if name in chunks})
    if "c" in axes:
        array = array.rechunk({axes.index("c"): -1})
    extremes = partial(_lazy_extremes, da) if value_range == "data" else _limits_of
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RangeWarning)  # nothing is known of the values yet
        job = plan.make_job(
            array,
            method,
            axes,
            sides=sides,
            alpha=alpha,
            value_range=value_range,
            nodata=nodata,
            device=device,
            extremes=extremes,
        )
    depth = {k: min(margin, array.shape[k]) if name in spatial(axes) else 0 for k, name in enumerate(axes)}
    meta = np.empty((0,) * array.ndim, array.dtype)
    return da.map_overlap(
        _Block(job), array, depth=depth, boundary="none", trim=True, dtype=array.dtype, meta=meta
    )


class _Block:
    """A job of chunks: the warnings of a chunk are not those of the array."""

    def __init__(self, job: plan.Job) -> None:
        self._job = job

    def __call__(self, block: np.ndarray) -> np.ndarray:
        if 0 in block.shape:
            return block
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RangeWarning)
            return self._job(block)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return type(self).__name__, repr(self._job)


def _limits_of(array: Any, _: plan.Job) -> tuple[float, float]:
    """The limits of the dtype, for an array that has not been read."""
    dtype = np.dtype(array.dtype)
    return (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "iu" else (0.0, 1.0)


def _lazy_extremes(da: Any, array: Any, job: plan.Job) -> tuple[float, float]:
    """The extremes, which are computed at once."""
    values = array
    if job.nodata is not None:
        values = da.where(equals(array, job.nodata), np.nan, array)
    low, high = da.compute(da.nanmin(values), da.nanmax(values))
    return low, high


def _axes_of(array: Any) -> str:
    """The axes of an xarray array by the names of its dimensions."""
    names = [_DIMENSIONS.get(str(name).lower()) for name in array.dims]
    if None in names or len(set(names)) != len(names):
        raise InputError(
            "the dimensions of the array have unknown names",
            given=", ".join(map(str, array.dims)),
            do="pass axes, e.g. axes='yx', one letter for each dimension",
        )
    return "".join(str(name) for name in names)

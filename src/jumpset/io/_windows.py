"""Files of which windows are read: TIFF of any size and number of pages, Zarr and OME-Zarr, NumPy arrays."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.files import as_path
from jumpset._core.optional import needs

_CACHED = 64 << 20  # bytes of decoded strips or tiles that are kept, since windows overlap
_LETTERS = {"T": "t", "I": "t", "Q": "t", "Z": "z", "Y": "y", "X": "x", "C": "c", "S": "c"}
Slices = tuple[slice, ...]


class Raster:
    """An array in a file, of which windows are read: ``raster[y0:y1, x0:x1]``.

    Parameters
    ----------
    path
        The file or folder.
    kind
        ``"tiff"``, ``"zarr"`` or ``"npy"``.
    array
        What is read: ``shape``, ``dtype`` and slices.
    axes
        The names of the axes, as for :func:`jumpset.run`.
    nodata
        The value of pixels without data, if the file names one.
    spacing
        The distances between pixels along the axes in space, if the file names them.
    details
        What :func:`write_raster` keeps of the format.
    close
        Called at the end of the context.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "heights.npy"
    >>> np.save(path, np.zeros((300, 400), np.float32))
    >>> with js.io.open_raster(path) as raster:
    ...     raster.shape, raster.axes, raster[10:20, 30:50].shape
    ((300, 400), 'yx', (10, 20))
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        array: Any,
        axes: str,
        *,
        nodata: float | None = None,
        spacing: tuple[float, ...] | None = None,
        details: dict[str, Any] | None = None,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self.path, self.kind, self.axes, self.nodata, self.spacing = path, kind, axes, nodata, spacing
        self.shape, self.dtype, self.ndim = tuple(array.shape), np.dtype(array.dtype), len(array.shape)
        self.details = details or {}
        self._array, self._close = array, close

    def __getitem__(self, window: Slices) -> np.ndarray:
        """Read a window; raise ``FileError`` where the file is damaged."""
        try:
            block = np.asarray(self._array[window])
        except Exception as error:  # a decoder raises whatever it likes
            raise FileError(
                "a part of the file cannot be read", given=f"{self.path} ({error})", do="check the file"
            ) from error
        return block.astype(block.dtype.newbyteorder("="), copy=False)

    def __enter__(self) -> Raster:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def open_raster(path: str | os.PathLike[str]) -> Raster:
    """Open a TIFF, Zarr or ``.npy`` file, or an OME-Zarr folder, without reading its pixels.

    Parameters
    ----------
    path
        The file or folder.

    Returns
    -------
    Raster
        To be read by windows; a context manager, which closes the file.

    Raises
    ------
    FileError
        The file cannot be read, or is of another format.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "stack.npy"
    >>> np.save(path, np.zeros((5, 30, 40), np.uint16))
    >>> with js.io.open_raster(path) as raster:
    ...     raster.axes
    'zyx'
    """
    path = as_path(path)
    if not path.exists():
        raise FileError("the file does not exist", given=path, do="check the path")
    try:
        if path.is_dir():
            return _open_zarr(path)
        with path.open("rb") as file:
            head = file.read(6)
        if head == b"\x93NUMPY":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return Raster(path, "npy", array, _usual_axes(path, array.shape))
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _open_tiff(path)
    except (FileError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise FileError(
            "the file cannot be read", given=f"{path} ({error})", do="check that it is complete"
        ) from error
    raise FileError(
        "tiles are read from TIFF, Zarr and .npy files",
        given=path,
        do="convert it, or smooth it without tiles",
    )


def _usual_axes(path: Path, shape: tuple[int, ...]) -> str:
    """The axes of an array without names: few values at the end are channels."""
    channels = len(shape) > 2 and shape[-1] in (1, 3, 4)
    names = {1: "x", 2: "yx", 3: "zyx", 4: "tzyx"}.get(len(shape) - channels)
    if names is None:
        raise FileError("the array has too many axes", given=f"{path}, shape {shape}", do="split it")
    return names + "c" * channels


def _open_zarr(path: Path) -> Raster:
    with needs("jumpset[zarr]"):
        import zarr
    opened: Any = zarr.open(path, mode="r")
    if hasattr(opened, "shape"):
        names = getattr(opened.metadata, "dimension_names", None) or ()
        axes = "".join(str(n).lower()[:1] for n in names) if all(names) else ""
        axes = axes if len(axes) == opened.ndim else _usual_axes(path, opened.shape)
        details = {"chunks": opened.chunks, "attributes": dict(opened.attrs), "names": names}
        nodata = dict(opened.attrs).get("_FillValue")
        return Raster(path, "zarr", opened, axes, nodata=nodata, details=details)
    attributes = dict(opened.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise FileError("the Zarr group is no OME-Zarr image", given=path, do="name one of its arrays")
    name = scales[0]["datasets"][0]["path"]
    array: Any = opened[name]
    axes = "".join(axis["name"] for axis in scales[0]["axes"])
    steps = scales[0]["datasets"][0].get("coordinateTransformations", [])
    scale = next((step["scale"] for step in steps if step.get("type") == "scale"), None)
    spacing = scale and tuple(h for h, axis in zip(scale, axes, strict=True) if axis in "zyx")
    details = {"chunks": array.chunks, "attributes": attributes, "level": name, "names": (*axes,)}
    return Raster(path, "zarr", array, axes, spacing=spacing, details=details)


def _open_tiff(path: Path) -> Raster:
    from jumpset.io import _tiff

    with needs("jumpset[io]"):
        import tifffile
    file = tifffile.TiffFile(path)
    try:
        series = file.series[0]
        axes = "".join(_LETTERS.get(letter, "?") for letter in series.axes)
        if (
            "?" in axes
            or len(set(axes)) != len(axes)
            or series.dtype is None
            or series.dtype.kind not in "buif"
        ):
            raise FileError(
                "the TIFF's axes or samples are not known",
                given=f"{path}, axes {series.axes}, {series.dtype}",
                do="save it as a stack of images, a volume, or bands",
            )
        page: Any = series.keyframe
        kind = page.tags.valueof(262, 1)
        if kind not in (1, 2) or page.bitspersample < 8:
            raise FileError(
                "tiles are of gray values, colours and bands of at least 8 bits",
                given=f"{path}, photometric interpretation {kind}, {page.bitspersample} bits",
                do="convert it, or smooth it without tiles",
            )
        details = {**_tiff._metadata(page), "extra": tuple(map(int, page.extrasamples)), "rgb": kind == 2}
        with path.open("rb") as head:
            details["cog"] = b"LAYOUT=IFDS_BEFORE_DATA" in head.read(512)
        details |= {"tile": (page.tilelength, page.tilewidth) if page.is_tiled else None}
        details |= {"planar": page.planarconfig == 2, "compression": int(page.compression)}
        spacing = _spacing(file.ome_metadata or "", axes)
        nodata = page.tags.valueof(42113)
        if series.dataoffset is not None and page.compression == 1:
            dtype = series.dtype.newbyteorder(file.byteorder)
            array: Any = np.memmap(path, dtype, "r", series.dataoffset, series.shape)
        elif _is_decoded(page):
            array = _Segments(file, series)
        elif len(series.pages) == 1:
            array = _Bands(path, series)
        else:
            raise FileError(
                "the compression of the TIFF cannot be decoded",
                given=f"{path}, {page.compression.name}",
                do="install the package imagecodecs, or save the file with Deflate",
            )
    except BaseException:
        file.close()
        raise
    return Raster(
        path,
        "tiff",
        array,
        axes,
        nodata=None if nodata is None else float(str(nodata).strip("\0 ")),
        spacing=spacing,
        details=details,
        close=file.close,
    )


def _spacing(described: str, axes: str) -> tuple[float, ...] | None:
    """The distances of pixels in the OME metadata, in the order z, y, x; None where one is missing."""
    found = [re.search(rf'PhysicalSize{a.upper()}="([^"]+)"', described) for a in "zyx" if a in axes]
    sizes = [float(match.group(1)) for match in found if match]
    return tuple(sizes) if len(sizes) == len(found) else None


def _is_decoded(page: Any) -> bool:
    """Whether tifffile decodes the strips or tiles of a page."""
    return find_spec("imagecodecs") is not None or (
        page.compression in (1, 8, 32946) and page.predictor in (1, 2)
    )


class _Bands:
    """Windows of a TIFF of one page, by GDAL."""

    def __init__(self, path: Path, series: Any) -> None:
        with needs("jumpset[geo]"):
            import rasterio
        self._file: Any = rasterio.open(path)
        self.shape, self.dtype = series.shape, series.dtype
        self._is_last = len(series.shape) == 3 and series.keyframe.planarconfig != 2

    def __getitem__(self, window: Slices) -> np.ndarray:
        if len(self.shape) == 2:
            return self._file.read(1, window=window)
        bands, place = (window[2], window[:2]) if self._is_last else (window[0], window[1:])
        numbers = list(range(1, self._file.count + 1))[bands]
        block = self._file.read(numbers, window=place)
        return np.moveaxis(block, 0, -1) if self._is_last else block


class _Segments:
    """Windows of compressed pages: decodes the strips or tiles of a window, and keeps the last ones."""

    def __init__(self, file: Any, series: Any) -> None:
        self._file, self._series, self._page = file, series, series.keyframe
        self.shape, self.dtype = series.shape, series.dtype
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._size = 0
        page = self._page
        self._sides = (
            (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        )

    def __getitem__(self, window: Slices) -> np.ndarray:
        ranges = [s.indices(n)[:2] for s, n in zip(window, self.shape, strict=True)]
        out = np.zeros([b - a for a, b in ranges], self.dtype)
        lead = len(self.shape) - len(self._page.shape)
        outer = self.shape[:lead]
        for places in product(*(range(a, b) for a, b in ranges[:lead])):
            number = int(np.ravel_multi_index(places, outer)) if lead else 0
            target = out[tuple(k - a for k, (a, _) in zip(places, ranges, strict=False))]
            self._read_page(number, ranges[lead:], target)
        return out

    def _read_page(self, number: int, ranges: list[tuple[int, int]], target: np.ndarray) -> None:
        """Fill ``target`` by a window of one page, whose samples are first, last, or one."""
        page = self._page
        first, last = page.planarconfig == 2 and page.samplesperpixel > 1, page.planarconfig != 2
        planes = range(*ranges[0]) if first else range(1)
        (y0, y1), (x0, x1) = ranges[1:3] if first else ranges[:2]
        across = math.ceil(page.imagewidth / page.tilewidth) if page.is_tiled else 1
        height, width = self._sides
        down = math.ceil(page.imagelength / height)
        bands = slice(*ranges[2]) if last and len(ranges) == 3 else slice(0, 1)
        for plane, row in product(planes, range(y0 // height, math.ceil(y1 / height))):
            for column in range(x0 // width, math.ceil(x1 / width)):
                segment = self._decode(number, (plane * down + row) * across + column)
                top, left = row * height, column * width
                a, b = max(y0, top), min(y1, top + height)
                c, d = max(x0, left), min(x1, left + width)
                part = segment[a - top : b - top, c - left : d - left, bands]
                view = target[plane - planes.start] if first else target
                view = view[a - y0 : b - y0, c - x0 : d - x0]
                view[...] = part if view.ndim == 3 else part[..., 0]

    def _decode(self, number: int, index: int) -> np.ndarray:
        key = number, index
        if key not in self._kept:
            page: Any = self._series.pages[number]
            handle = self._file.filehandle
            handle.seek(page.dataoffsets[index])
            data = handle.read(page.databytecounts[index])
            tables = self._page.jpegtables if hasattr(self._page, "jpegtables") else None
            segment = self._page.decode(data or None, index, jpegtables=tables)[0]
            if segment is None:  # sparse: GDAL leaves empty tiles out
                samples = 1 if self._page.planarconfig == 2 else self._page.samplesperpixel
                segment = np.full((1, *self._sides, samples), self._page.nodata, self.dtype)
            self._kept[key] = segment[0]
            self._size += segment.nbytes
            while self._size > _CACHED and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1].nbytes
        self._kept.move_to_end(key)
        return self._kept[key]


def warn_of_levels(raster: Raster) -> None:
    """Say that only the full resolution of a pyramid is written."""
    scales = raster.details.get("attributes", {}).get("ome", {}).get("multiscales", [{}])
    if len(scales[0].get("datasets", [])) > 1:
        warnings.warn(
            f"{raster.path} is a pyramid: the smaller levels are left out; build them from the answer",
            stacklevel=3,
        )

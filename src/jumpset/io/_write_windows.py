"""Files written by tiles: TIFF and BigTIFF, Zarr and OME-Zarr, NumPy arrays; whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.files import as_path, atomic_write, check_target, is_zarr_store
from jumpset._core.optional import needs
from jumpset.io._picture import PictureWarning
from jumpset.io._windows import Raster, warn_of_levels

_SIDE = 256  # of the tiles of a TIFF
_CLASSIC = 2**32 - 2**26  # bytes that the offsets of classic TIFF reach


def raster_format(path: str | os.PathLike[str]) -> str:
    """Check, before any work, that a file can be written by tiles; nothing stays.

    Parameters
    ----------
    path
        The file to be written, see :func:`write_raster`.

    Returns
    -------
    str
        ``"tiff"``, ``"zarr"`` or ``"npy"``, by the suffix.

    Raises
    ------
    FileError
        The suffix is another one, or the folder is missing or not writable.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> js.io.raster_format(Path(tempfile.mkdtemp()) / "out.tif")
    'tiff'
    """
    path = as_path(path)
    name = {".tif": "tiff", ".tiff": "tiff", ".zarr": "zarr", ".npy": "npy"}.get(path.suffix.lower())
    if name is None:
        raise FileError(
            "tiles are written to TIFF, Zarr and .npy files", given=path, do="name a .tif, .zarr or .npy file"
        )
    if name == "zarr":
        if path.exists() and not is_zarr_store(path) and not (path.is_dir() and not any(path.iterdir())):
            raise FileError("the output is no Zarr store, and is kept", given=path, do="name another one")
        check_target(path.with_name(f".{path.name}.tmp"))
    else:
        check_target(path)
    return name


def write_raster(path: str | os.PathLike[str], pixels: Any, like: Raster) -> None:
    """Write an array tile by tile, with what the format keeps of another file.

    Parameters
    ----------
    path
        The file; its suffix says the format: ``.tif`` (tiled; BigTIFF above 4 GB), ``.zarr`` (version 3) or
        ``.npy``. It is replaced only when the new one is complete.
    pixels
        An array with the shape, dtype and axes of ``like``: a NumPy array or memory map.
    like
        The file whose place on the ground (GeoTIFF tags), nodata, colour profile, resolution, tile size, axes
        and spacing are kept. Where it is a Cloud Optimized GeoTIFF, a TIFF is one, too (with rasterio).

    Raises
    ------
    FileError
        The format is another one, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import jumpset as js
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "in.npy", np.zeros((300, 400), np.float32))
    >>> with js.io.open_raster(folder / "in.npy") as raster:
    ...     js.io.write_raster(folder / "out.tif", np.asarray(raster[:, :]), raster)
    >>> js.io.read_picture(folder / "out.tif").pixels.shape
    (300, 400)
    """
    path, name = as_path(path), raster_format(path)
    if name == "zarr":
        _write_zarr(path, pixels, like)
        return
    with atomic_write(path) as temporary:
        if name == "npy":
            target = np.lib.format.open_memmap(temporary, "w+", like.dtype, like.shape)
            for window in _blocks(like.shape, (1024,) * like.ndim):
                target[window] = pixels[window]
            target.flush()
        else:
            _write_tiff(temporary, pixels, like)
            if like.details.get("cog"):
                _to_cog(temporary, like)


def _blocks(shape: tuple[int, ...], sides: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    starts = (range(0, n, side) for n, side in zip(shape, sides, strict=True))
    for place in product(*starts):
        yield tuple(slice(a, min(a + s, n)) for a, s, n in zip(place, sides, shape, strict=True))


def _write_tiff(path: Path, pixels: Any, like: Raster) -> None:
    with needs("jumpset[io]"):
        import tifffile
    details, axes = like.details, like.axes
    last, first = axes.endswith("c"), axes in ("cyx",)
    if not axes.replace("c", "").endswith("yx") and axes.replace("c", "") != "x":
        raise FileError(
            "a TIFF has pages of rows and columns", given=f"axes {axes}", do="write .zarr or .npy"
        )
    side = details.get("tile") or (_SIDE, _SIDE)
    lead = like.ndim - 2 - last
    samples = like.shape[-1] if last else like.shape[0] if first else 1
    colours = 3 if details.get("rgb", like.dtype == np.uint8 and samples in (3, 4)) else 1
    options: dict[str, Any] = {"compression": "zlib", "photometric": "rgb" if colours == 3 else "minisblack"}
    if samples > 1:
        options["planarconfig"] = "contig" if last else "separate"
        extra = details.get("extra", ()) or (0,) * max(samples - colours, 0)
        options |= {"extrasamples": extra} if samples > colours else {}
    if details.get("dpi"):
        options |= {"resolution": details["dpi"], "resolutionunit": "INCH"}
    is_stack = lead > 0 and not first
    metadata = None
    if is_stack:
        sizes = zip([a for a in axes if a in "zyx"], like.spacing or (), strict=False)
        metadata = {f"PhysicalSize{name.upper()}": h for name, h in sizes}
        metadata |= {"axes": axes[:-1].upper() + "S" if last else axes.upper()}
    big = like.dtype.itemsize * int(np.prod(like.shape)) > _CLASSIC
    with tifffile.TiffWriter(path, bigtiff=big, ome=is_stack) as file:
        file.write(
            _tiles(pixels, like, side, lead, last),
            shape=like.shape,
            dtype=like.dtype,
            tile=side,
            metadata=metadata,
            software=False,
            extratags=_tags(details),
            **options,
        )


def _tags(details: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The tags of the source, and its colour profile; not its resolution, which has an option of its own."""
    tags = [(*tag, True) for tag in details.get("tiff_tags", ()) if tag[0] not in (282, 283)]
    if profile := details.get("icc_profile"):
        tags.append((34675, 7, len(profile), profile, True))
    return tags


def _to_cog(path: Path, like: Raster) -> None:
    """Replace a TIFF by a Cloud Optimized GeoTIFF, with smaller copies, as its source is one."""
    if find_spec("rasterio") is None:
        warnings.warn(
            f"{like.path} is a Cloud Optimized GeoTIFF, the output a tiled one without smaller copies:"
            " pip install 'jumpset[geo]' to write the former",
            PictureWarning,
            stacklevel=3,
        )
        return
    with needs("jumpset[geo]"):
        import rasterio.shutil

    other = path.with_name(f"{path.stem}.cog{path.suffix}")
    try:
        options = {"blocksize": (like.details.get("tile") or (_SIDE, _SIDE))[0], "compress": "DEFLATE"}
        rasterio.shutil.copy(path, other, driver="COG", bigtiff="IF_SAFER", **options)
        os.replace(other, path)
    finally:
        other.unlink(missing_ok=True)


def _tiles(pixels: Any, like: Raster, side: tuple[int, int], lead: int, last: bool) -> Iterator[np.ndarray]:
    """Yield the tiles of all pages in order; tifffile pads those at the borders."""
    height, width = like.shape[lead : lead + 2]
    for place in product(*(range(n) for n in like.shape[:lead])):
        for top, left in product(range(0, height, side[0]), range(0, width, side[1])):
            window = (slice(top, top + side[0]), slice(left, left + side[1]))
            block = np.asarray(pixels[(*place, *window)])
            pad = [(0, side[0] - block.shape[0]), (0, side[1] - block.shape[1])] + [(0, 0)] * last
            yield np.ascontiguousarray(np.pad(block, pad, mode="edge"))


def _write_zarr(path: Path, pixels: Any, like: Raster) -> None:
    with needs("jumpset[zarr]"):
        import zarr
    warn_of_levels(like)
    path = path.resolve()  # a link stays one
    temporary, old = (path.with_name(f".{path.name}.{end}") for end in ("tmp", "old"))
    for folder in (temporary, old):
        shutil.rmtree(folder, ignore_errors=True)
    details = like.details
    level = details.get("level")
    names = details.get("names") or tuple(like.axes)
    chunks = details.get("chunks") or tuple(
        min(n, 512 if a in "yx" else 32) for n, a in zip(like.shape, like.axes, strict=True)
    )
    where = temporary if level is None else temporary / level
    array = zarr.create_array(
        where, shape=like.shape, dtype=like.dtype, chunks=chunks, dimension_names=names, zarr_format=3
    )
    attributes = json.loads(json.dumps(details.get("attributes", {})))
    if level is None:
        array.attrs.update(attributes)
    else:
        for scale in attributes.get("ome", attributes)["multiscales"]:
            scale["datasets"] = scale["datasets"][:1]
        if "ome" not in attributes:  # version 0.4 in Zarr 2 becomes 0.5, which has the same axes
            attributes = {"ome": {"version": "0.5", "multiscales": attributes["multiscales"]}}
        zarr.open_group(temporary, mode="a", zarr_format=3).attrs.update(attributes)
    for window in _blocks(like.shape, tuple(chunks)):
        array[window] = pixels[window]
    try:
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
    except OSError as error:
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise FileError(
            "the output cannot be replaced", given=f"{path} ({error})", do="check the folder"
        ) from error
    shutil.rmtree(old, ignore_errors=True)

"""Files larger than memory, tile by tile; an interrupted run goes on where it was."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset._core.arrays import ValueRange
from jumpset._core.axes import check_axes, spatial
from jumpset._core.errors import FileError, InputError, RangeWarning
from jumpset._core.files import as_path
from jumpset._core.types import Iteration
from jumpset.running import tiles as plan
from jumpset.running.inputs import takes_mask

_BYTES = 96  # of a value (a channel of a pixel) while its tile is smoothed: measured by benchmarks/tiles.py
_LIBRARIES = 500 << 20  # bytes of Python, torch and the compiled loops


@dataclass(frozen=True)
class TiledFile:
    """What :func:`smooth_file` has done.

    Parameters
    ----------
    target
        The file that was written.
    shape, axes
        Of its pixels.
    sides
        Pixels of a tile along each axis in space, without the margin.
    margin
        Pixels around each tile that were read with it.
    n_tiles
        Number of tiles.
    n_resumed
        Tiles that an interrupted run had finished.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import jumpset as js
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "in.npy", np.zeros((60, 70), np.float32))
    >>> js.running.smooth_file(folder / "in.npy", folder / "out.npy", js.method("guided"), tile=50).n_tiles
    4
    """

    target: Path
    shape: tuple[int, ...]
    axes: str
    sides: tuple[int, ...]
    margin: int
    n_tiles: int
    n_resumed: int


def smooth_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    method: Iteration[Any],
    *,
    tile: int | tuple[int, ...] | None = None,
    workers: int = 1,
    max_memory: int | None = None,
    tol: float = 1e-3,
    overlap: int | None = None,
    axes: str | None = None,
    value_range: ValueRange | None = None,
    nodata: float | None = None,
    progress: Callable[[int, int], object] | None = None,
    device: Any = None,
) -> TiledFile:
    """Smooth a TIFF, Zarr or ``.npy`` file of any size; the answer does not depend on the tiles.

    Finished tiles are kept in the folder ``<target>.partial`` beside the target, which needs as much space
    as the pixels. The same call after an interruption does only the others. The target is written at the
    end, as a whole, and the folder is removed.

    Parameters
    ----------
    source
        The file, see :func:`jumpset.io.open_raster`; a nodata value that it names is used by methods with a
        mask.
    target
        ``.tif`` (tiled; BigTIFF above 4 GB), ``.zarr`` or ``.npy``. The place on the ground, nodata, axes and
        spacing of the source are kept, see :func:`jumpset.io.write_raster`.
    method, tile, workers, tol, overlap, value_range, nodata, progress, device
        As in :func:`jumpset.running.apply_tiled`. The default tile is the largest one within ``max_memory``.
    max_memory
        Bytes, at least a gigabyte or so. An estimate, which counts the tiles in work and the libraries, but
        not the pages of files that the operating system keeps.
    axes
        The names of the axes, where those of the file are wrong.

    Returns
    -------
    TiledFile
        Sizes of tiles, and how many were done before.

    Raises
    ------
    InputError
        A method or an option that cannot be used, or a partial folder of another run.
    FileError
        A file that cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import jumpset as js
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "in.npy", np.random.default_rng(0).random((300, 400), np.float32))
    >>> done = js.running.smooth_file(folder / "in.npy", folder / "out.tif", js.method("fgs"), tile=128)
    >>> done.n_tiles, done.margin
    (12, 122)
    """
    from jumpset import io

    target = as_path(target)
    origin, made = as_path(source).resolve(), target.resolve()
    if origin == made or made in origin.parents or origin in made.parents:
        raise InputError("tiles need another output than the input", given=target, do="name another file")
    io.raster_format(target)
    with io.open_raster(source) as raster:
        if axes is not None:
            raster.axes = check_axes(axes, raster.ndim)  # of what the file says, the user knows more
        if nodata is None and takes_mask(method):
            nodata = raster.nodata
        margin = plan.margin_of(method, overlap, tol, nodata is not None)
        sides = choose_sides(tile, raster.shape, raster.axes, margin, workers, max_memory)
        with warnings.catch_warnings():
            warnings.simplefilter("default", RangeWarning)
            job = plan.make_job(
                raster,
                method,
                raster.axes,
                sides=sides,
                alpha=None,
                value_range=value_range,
                nodata=nodata,
                device=device,
            )
        tiles = list(plan.plan_tiles(job.shape, job.axes, sides, margin))
        with _partial(target, _settings(raster, job, sides, margin), raster, len(tiles)) as (pixels, done):
            resumed = int(np.count_nonzero(done))

            def write(k: int, answer: np.ndarray) -> None:
                pixels[tiles[k].core] = answer
                pixels.flush()
                done[k] = 1
                done.flush()

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RangeWarning)  # a tile may be flat where the image is not
                plan.run_tiles(
                    job, tiles, raster.__getitem__, write, workers, progress, lambda k: bool(done[k])
                )
            io.write_raster(target, pixels, raster)
    return TiledFile(target, job.shape, job.axes, sides, margin, len(tiles), resumed)


def choose_sides(
    tile: Any, shape: tuple[int, ...], axes: str, margin: int, workers: int, max_memory: int | None
) -> tuple[int, ...]:
    """The sides of a tile; by default the largest that ``workers`` tiles in work have memory for."""
    checks.integer("workers", workers, at_least=1)
    if max_memory is None:
        return plan.sides_of(tile, axes)
    checks.integer("max_memory", max_memory, at_least=1)
    size = dict(zip(axes, shape, strict=True))
    lengths = [size[name] for name in spatial(axes)]
    values = (max_memory - _LIBRARIES) / (_BYTES * workers * size.get("c", 1))

    def fits(sides: tuple[int, ...]) -> bool:
        return float(np.prod([min(s + 2 * margin, n) for s, n in zip(sides, lengths, strict=True)])) <= values

    if tile is not None:
        sides = plan.sides_of(tile, axes)
        if not fits(sides):
            raise InputError(
                "the tiles do not fit into the memory",
                given=f"{workers} tiles of {sides} with a margin of {margin}, {max_memory / 1e9:g} GB",
                do="use a smaller tile, fewer workers, or a method or tol with a smaller margin",
            )
        return sides
    for side in (8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16):
        sides = tuple(min(side, n) for n in lengths)
        if fits(sides):
            return sides
    raise InputError(
        "the memory is too small for the smallest tile",
        given=f"{max_memory / 1e9:g} GB for {workers} tiles with a margin of {margin}",
        do="allow more memory, fewer workers, or a method or tol with a smaller margin",
    )


def _settings(raster: Any, job: plan.Job, sides: tuple[int, ...], margin: int) -> dict[str, str]:
    """What a partial folder belongs to: the source, the method and the tiles."""
    found = raster.path.stat()
    images = hashlib.sha256()
    for name, value in vars(job.method).items():
        images.update(name.encode())
        if hasattr(value, "ndim"):
            images.update(np.ascontiguousarray(np.asarray(value)).tobytes())
    return {
        "source": f"{raster.path.resolve()}, {found.st_size} bytes, {found.st_mtime_ns}",
        "pixels": f"{job.shape} {raster.dtype} {job.axes}",
        "method": f"{job.method!r} {images.hexdigest()[:16]}",
        "tiles": f"{sides}, margin {margin}",
        "values": f"range {job.value_range}, nodata {job.nodata}",
    }


@contextmanager
def _partial(
    target: Path, settings: dict[str, str], raster: Any, count: int
) -> Iterator[tuple[np.memmap, np.memmap]]:
    """The pixels so far and which tiles are done, memory-mapped in a folder that is removed at the end."""
    folder = target.with_name(f"{target.name}.partial")
    record, shape = folder / "run.json", raster.shape
    if folder.is_dir() and any(folder.iterdir()) and not record.exists():
        raise FileError(
            "the folder of unfinished tiles holds something else", given=folder, do="name another output"
        )
    try:
        folder.mkdir(exist_ok=True)
        with record.open("a+") as file:
            _lock(file, folder)
            file.seek(0)
            text = file.read()
            known = json.loads(text) if text else None
            if known is not None and not isinstance(known, dict):
                raise ValueError("run.json holds no settings")
            for name, value in settings.items():
                if known is not None and known.get(name) != value:
                    raise InputError(
                        f"an interrupted run of the same output had another {name}",
                        given=f"{value}; before {known.get(name)}",
                        do=f"remove {folder} to start over, or name another output",
                    )
            mode = "r+" if known is not None else "w+"
            if known is None:
                _reserve(folder, math.prod(shape) * raster.dtype.itemsize)
            pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode, raster.dtype, shape)
            done = np.lib.format.open_memmap(folder / "done.npy", mode, np.uint8, (count,))
            if known is None:  # last, so that a record belongs to complete files
                file.write(json.dumps(settings))
                file.flush()
            if pixels.shape != shape or pixels.dtype != raster.dtype or done.shape != (count,):
                raise ValueError("its files are of another run")
            try:
                yield pixels, done
            except BaseException:
                if not done.any():  # there is nothing to go on with
                    shutil.rmtree(folder, ignore_errors=True)
                raise
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise FileError(
            "the folder of unfinished tiles cannot be used",
            given=f"{folder} ({error})",
            do="check the free space, or remove the folder",
        ) from error
    shutil.rmtree(folder, ignore_errors=True)


def _reserve(folder: Path, size: int) -> None:
    """Raise ``OSError`` unless the disk has room: a write to a memory map of a full disk ends the process."""
    free = shutil.disk_usage(folder).free
    if size + (16 << 20) > free:
        shutil.rmtree(folder, ignore_errors=True)
        raise OSError(errno.ENOSPC, f"{size / 1e9:.3g} GB are needed, {free / 1e9:.3g} GB are free")


def _lock(file: Any, folder: Path) -> None:
    """Hold the folder while the process lives; another process that writes the same output is an error."""
    try:
        import fcntl
    except ModuleNotFoundError:  # of Unix
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InputError(
            "another process writes the same output", given=folder, do="wait for it, or name another output"
        ) from None

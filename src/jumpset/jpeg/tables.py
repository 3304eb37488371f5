"""The quantization tables of a JPEG file: read from the file, or estimated from the decoded image."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError, InputError
from jumpset._core.files import as_path, read_head
from jumpset._core.optional import needs
from jumpset._core.text import Brief
from jumpset.jpeg.chroma import ChromaSubsampling


@dataclass(frozen=True)
class JPEGTables(Brief):
    """The quantization steps of a JPEG file, and its subsampling of chroma.

    Parameters
    ----------
    luma, chroma
        ``(8, 8)`` arrays of steps in units of 1/255, as files hold them, vertical frequency first.
    rows, columns
        Pixels down and across that share a chroma value: 2 and 2 is "4:2:0", 1 and 2 "4:2:2", 1 and 1
        "4:4:4".

    Raises
    ------
    InputError
        Arrays of another shape or with steps below 1, or other subsampling.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
    >>> js.io.write_picture(path, js.datasets.coffee()[:32, :48], quality=50)
    >>> tables = js.jpeg.jpeg_tables(path)
    >>> int(tables.luma[0, 0]), int(tables.chroma[0, 0])
    (16, 17)
    """

    luma: np.ndarray
    chroma: np.ndarray
    rows: int = 2
    columns: int = 2

    def __post_init__(self) -> None:
        for name in ("luma", "chroma"):
            steps = np.array(getattr(self, name), float)
            if steps.shape != (8, 8) or not (np.isfinite(steps).all() and steps.min() >= 1):
                raise InputError(
                    f"{name} must hold 8 × 8 steps of at least 1",
                    given=f"shape {steps.shape}",
                    do="pass the table of the file, or estimate it by jumpset.jpeg.estimate_tables",
                )
            object.__setattr__(self, name, steps)
        _ = self.subsampling  # checks rows and columns

    @property
    def subsampling(self) -> ChromaSubsampling:
        """The operator from an image to the image with the file's chroma."""
        return ChromaSubsampling(self.rows, self.columns)

    @property
    def is_trivial(self) -> bool:
        """Whether all steps are 1, as for an image in 8 bits that was never a JPEG."""
        return bool((self.luma == 1).all() and (self.chroma == 1).all())


def jpeg_tables(path: str | os.PathLike[str]) -> JPEGTables:
    """Read the quantization tables of a JPEG file, for :func:`jumpset.smooth` with ``method="dejpeg"``.

    Parameters
    ----------
    path
        A JPEG file in gray or in colours.

    Returns
    -------
    JPEGTables
        The tables of luma and chroma, and the subsampling.

    Raises
    ------
    FileError
        A file that is missing or cannot be read, is no JPEG, is in other than one or three channels, has
        chroma subsampled by other than 1 or 2, or is stored turned, so that its blocks are not where its
        pixels are.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
    >>> js.io.write_picture(path, js.datasets.coffee()[:32, :48], quality=50)
    >>> js.jpeg.jpeg_tables(path).luma.shape
    (8, 8)
    """
    with needs("jumpset[io]"):
        from PIL import ExifTags, Image

    file = as_path(path)
    read_head(file)  # raises for a folder or a pipe, which would wait for a writer
    try:
        tables, given = _read(file, Image, ExifTags.Base.Orientation)
    except Exception as error:  # what a damaged file raises is of many classes
        raise FileError(
            "the file cannot be read", given=f"{file} ({error})", do="name a JPEG file"
        ) from error
    if tables is None:
        raise FileError(
            "only upright JPEG files in gray or colours, with chroma at full or half size, have tables",
            given=f"{file}: {given}",
            do="name such a file, or leave the tables out",
        )
    return tables


def _read(file: Path, pillow: Any, orientation: int) -> tuple[JPEGTables | None, str]:
    """The tables, or None, and what the file is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about large images, which the reader of the pixels refuses
        with pillow.open(file) as image:
            kind, mode = image.format, image.mode
            tables = dict(getattr(image, "quantization", {}))
            layers = list(getattr(image, "layer", []))
            turned = image.getexif().get(orientation, 1) != 1
    ratios = [(layers[0][2] / v, layers[0][1] / h) for _, h, v, _ in layers[1:]]
    known = kind in ("JPEG", "MPO") and mode in ("L", "RGB") and all(t in tables for *_, t in layers)
    if not (known and layers) or turned or len(set(ratios)) > 1 or not set(*ratios[:1]) <= {1.0, 2.0}:
        return None, f"{kind}, {mode}{', turned' if turned else ''}"
    rows, columns = ratios[0] if ratios else (1.0, 1.0)
    luma, chroma = (np.array(tables[layers[k][3]], float).reshape(8, 8) for k in (0, min(1, len(layers) - 1)))
    return JPEGTables(luma, chroma, int(rows), int(columns)), kind


def as_tables(tables: Any) -> JPEGTables | None:
    """``tables``, read where they are a file."""
    if isinstance(tables, (str, os.PathLike)):
        return jpeg_tables(tables)
    if tables is not None and not isinstance(tables, JPEGTables):
        raise InputError(
            "tables must be JPEGTables, a JPEG file, or None",
            given=repr(tables),
            do="pass jumpset.jpeg.jpeg_tables(file)",
        )
    return tables

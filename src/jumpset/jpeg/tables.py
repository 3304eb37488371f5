"""The quantisation tables of JPEG files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.files import as_path
from jumpset._core.optional import needs

if TYPE_CHECKING:
    from jumpset.jpeg.constraint import JPEGTables


def jpeg_tables(path: str | os.PathLike[str]) -> JPEGTables:
    """Read with which steps a JPEG file was quantised, for :func:`jumpset.smooth` with ``method="dejpeg"``.

    Parameters
    ----------
    path
        A JPEG file in gray or in colours.

    Returns
    -------
    JPEGTables
        Those of luma and chroma, and the subsampling.

    Raises
    ------
    FileError
        A file that cannot be read, is no JPEG, is in other than one or three channels, has chroma subsampled
        by other than 1 or 2, or is stored turned, so that its blocks are not where its pixels are.
    """
    with needs("jumpset[io]"):
        from PIL import ExifTags, Image

    from jumpset.jpeg.constraint import JPEGTables

    file = as_path(path)
    try:
        with Image.open(file) as image:
            kind, mode = image.format, image.mode
            tables = dict(getattr(image, "quantization", {}))
            layers = list(getattr(image, "layer", []))
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except OSError as error:
        raise FileError(
            "the file cannot be read", given=f"{file} ({error})", do="name a JPEG file"
        ) from error
    ratios = [(layers[0][2] / v, layers[0][1] / h) for _, h, v, _ in layers[1:]]
    known = kind == "JPEG" and mode in ("L", "RGB") and all(t in tables for *_, t in layers) and layers
    if not known or turned or len(set(ratios)) > 1 or not set(*ratios[:1]) <= {1.0, 2.0}:
        raise FileError(
            "only upright JPEG files in gray or colours, with chroma at full or half size, have tables",
            given=f"{file}: {kind}, {mode}{', turned' if turned else ''}",
            do="name such a file, or pass tables=None",
        )
    rows, columns = ratios[0] if ratios else (1.0, 1.0)
    luma, chroma = (np.array(tables[layers[k][3]], float).reshape(8, 8) for k in (0, min(1, len(layers) - 1)))
    return JPEGTables(luma, chroma, int(rows), int(columns))

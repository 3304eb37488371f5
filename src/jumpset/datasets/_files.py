"""Read 8-bit image files as the benchmarks score them: transparency is composited on black."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.optional import needs
from jumpset.io import read_picture as read_file

EXTENSIONS = frozenset({
    ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".pbm", ".pgm", ".pnm", ".ppm",
})  # fmt: skip
_ORIENTATION = 0x0112


def read_uint8(path: Path) -> np.ndarray:
    """The image as uint8, (H, W) or (H, W, C); transparency is composited on black and rounded."""
    picture = read_file(path)
    if picture.pixels.dtype != np.uint8:
        raise FileError(
            f"{path} is not an 8-bit image", given=str(picture.pixels.dtype), do="convert it to 8 bits"
        )
    return picture.on_black()


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of the upright image, from the header of the file."""
    with needs("jumpset[io]"):
        from PIL import Image

    try:
        with Image.open(path) as picture:
            turned = picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
            return picture.size if turned else (picture.height, picture.width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, struct.error) as error:
        raise FileError(
            f"{path} cannot be read as an image", given=str(error), do="remove or replace the file"
        ) from error

"""Images as NumPy's ``.npy`` files, which hold the pixels only."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from jumpset._core.errors import FileError
from jumpset.io._picture import Picture, check_size, choose_page


def read_npy(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read an array of shape (H, W) or (H, W, C)."""
    choose_page(path, 1, page)
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version[0] > 2:  # written only for arrays with named fields
            raise ValueError(f"format version {version}")
        read_header = (
            np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        n_bytes_left = path.stat().st_size - file.tell()
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise FileError(
            "the array does not hold gray values or colours",
            given=f"{path}, dtype {dtype}",
            do="save it with booleans, integers or floats of at most 64 bits",
        )
    if len(shape) not in (2, 3):
        raise FileError(
            "the array is not a single image",
            given=f"{path}, shape {shape}",
            do="save one image of shape (H, W) or (H, W, C)",
        )
    n_bands = shape[2] if len(shape) == 3 else 1
    check_size(path, shape[1] if n_bands > 0 else 0, shape[0], max_pixels)
    if math.prod(shape) * dtype.itemsize > n_bytes_left:
        raise ValueError(f"{n_bytes_left} bytes of data for shape {shape} of {dtype}")
    pixels = np.load(path, allow_pickle=False)
    if dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    return Picture(np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("=")), format="npy")


def write_npy(path: Path, picture: Picture) -> None:
    """Write the pixels."""
    with path.open("wb") as file:
        np.save(file, np.ascontiguousarray(picture.pixels), allow_pickle=False)

"""Reading 8-bit picture files, for this sub-package only. Pillow is imported where it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jumpset._errors import FileError

EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# Modes of more than 8 bits a value, which a conversion would clip without a word.
_DEEP = ("I", "F")


def read_picture(path: Path) -> np.ndarray:
    """The picture as uint8, (H, W) or (H, W, 3); transparency is composited on black, by rounding."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode.startswith(_DEEP):
                raise FileError(
                    f"{path} is not an 8-bit picture", given=f"mode {picture.mode}", do="convert it to 8 bits"
                )
            if picture.has_transparency_data:
                return _on_black(np.asarray(picture.convert("RGBA")))
            return np.array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, FileError):
            raise
        raise _unreadable(path, error) from error


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width), from the file's header alone."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def _on_black(rgba: np.ndarray) -> np.ndarray:
    """round(colour · alpha / 255), exactly, in integers (no product lies halfway, 255 being odd)."""
    product = rgba[..., :3].astype(np.uint16) * rgba[..., 3:].astype(np.uint16)
    return ((product + np.uint16(127)) // np.uint16(255)).astype(np.uint8)


def _unreadable(path: Path, error: Exception) -> FileError:
    return FileError(f"{path} cannot be read as a picture", given=str(error), do="remove or replace the file")

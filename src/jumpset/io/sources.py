"""Images that are given as a path or as a PIL image, for functions that compute on arrays."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jumpset._core.errors import InputError
from jumpset._core.optional import needs
from jumpset.io._read_write import read_picture

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

# Modes whose samples are intensities that an array holds as they are.
_PLAIN = {"1", "L", "LA", "RGB", "RGBA", "I", "I;16", "I;16L", "I;16B", "F"}
_CONVERTED = {"P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}


@dataclass(frozen=True)
class Opened:
    """The array of a path or a PIL image."""

    pixels: np.ndarray
    """``(H, W)`` or ``(H, W, C)``; alpha, if there is one, is the last channel."""
    has_alpha: bool
    pil: PILImage | None
    """The PIL image that was given, upright; None for a path."""

    @property
    def colours(self) -> np.ndarray:
        """The pixels without alpha."""
        return self.pixels[..., :-1] if self.has_alpha else self.pixels


def is_path(image: Any) -> bool:
    """Whether an image is given by its path."""
    return isinstance(image, (str, os.PathLike))


def open_image(image: Any, missing: Literal["nan"] | None = None) -> Opened | None:
    """Return the pixels of a path or a PIL image; None for anything else, such as an array.

    Raises
    ------
    FileError
        As :func:`read_picture`.
    InputError
        For a PIL image whose values are no intensities, such as CMYK.
    """
    if is_path(image):
        picture = read_picture(image, missing=missing)
        has_alpha = picture.alpha is not None
        return Opened(picture.samples() if has_alpha else picture.pixels, has_alpha, None)
    if not _is_pil(image):
        return None
    with needs("jumpset[io]"):
        from PIL import ImageOps

    image = ImageOps.exif_transpose(image)  # as files are read
    plain = _plain(image)
    pixels = np.array(plain)
    return Opened(pixels.astype(pixels.dtype.newbyteorder("=")), plain.mode in ("LA", "RGBA"), image)


def to_pil(pixels: np.ndarray, like: PILImage) -> PILImage:
    """Return an array of the dtype and shape that :func:`open_image` gave for ``like`` as a PIL image.

    The colour profile, EXIF data and other entries of ``like.info`` are kept, but the transparent colour,
    which is in the alpha channel.
    """
    with needs("jumpset[io]"):
        from PIL import Image

    made = Image.fromarray(pixels)
    made.info = {key: value for key, value in like.info.items() if key != "transparency"}
    return made


def _is_pil(image: Any) -> bool:
    """Whether this is a PIL image; PIL is not loaded for it, since who has one has loaded it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def _plain(image: PILImage) -> PILImage:
    """Return the image in a mode of intensities, with straight alpha where it has transparent pixels."""
    if image.mode not in (_PLAIN | _CONVERTED.keys()):
        raise InputError(
            "a PIL image of this mode has no intensities",
            given=f"mode {image.mode!r}",
            do="pass image.convert('RGB')",
        )
    mode = _CONVERTED.get(image.mode, image.mode)
    if image.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA", "1": "LA"}.get(mode, mode)
    return image if mode == image.mode else image.convert(mode)

"""BMP, GIF, JPEG 2000, AVIF and HEIC files, read by Pillow and its plug-ins."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from jumpset._core.errors import FileError
from jumpset._core.optional import needs
from jumpset.io import _raster
from jumpset.io._picture import Picture, PictureWarning, check_size, choose_page
from jumpset.io._signatures import pillow_format

with needs("jumpset[io]"):
    from PIL import Image, features

_PLUGINS = {
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "jpeg2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
}
_CODECS = {"jpeg2000": "jpg_2000", "avif": "avif"}  # that Pillow may have been built without


def read_by_pillow(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read an image, or a frame of a GIF."""
    with path.open("rb") as file:
        head = file.read(65536)
        file.seek(0)
        name = pillow_format(head[:16])
        image = _plugin(path, name)(file)
        check_size(path, image.width, image.height, max_pixels)
        n_frames = getattr(image, "n_frames", 1)
        # a HEIC file may have further images, of which one is the primary
        image.seek(choose_page(path, 1 if name == "heic" and page is None else n_frames, page))
        image.load()
        if _has_deep_colours(name, head, image.mode):
            warnings.warn(
                f"each value of this {name} file has more than 8 bits, of which Pillow reads 8; "
                "save it as TIFF or PNG to keep them",
                PictureWarning,
                stacklevel=4,
            )
        picture = _raster.from_image(_plain(path, image), name, image.info)
        return _raster.oriented(picture, image.info.get("exif"))


def _plugin(path: Path, name: str) -> Callable[[Any], Image.Image]:
    codec = _CODECS.get(name)
    module, opener = _PLUGINS[name]
    # an older Pillow does not know some codecs, and warns when asked for them
    if codec is None or (codec in {**features.modules, **features.codecs} and features.check(codec)):
        with suppress(ModuleNotFoundError):
            return getattr(import_module(module), opener)
    raise FileError(
        f"there is no decoder of {name} files",
        given=path,
        do="pip install pillow-heif" if name == "heic" else "install a newer Pillow, or save it as PNG",
    )


def _plain(path: Path, image: Image.Image) -> Image.Image:
    """Return the image in a mode of gray values or colours, with straight alpha."""
    if image.mode in ("CMYK", "YCCK"):
        raise _raster.ink_values(path, image.mode)
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("RGB") if image.mode in ("RGBX", "YCbCr") else image


def _has_deep_colours(name: str, head: bytes, mode: str) -> bool:
    """Whether the file has more than 8 bits a value, and Pillow's image has not; as far as the head says."""
    if mode not in ("L", "LA", "RGB", "RGBA"):
        return False
    if name == "jpeg2000":  # the SIZ segment: 38 bytes, then the depth less one of the first component
        at = head.find(b"\xff\x4f\xff\x51")
        return at >= 0 and len(head) > at + 42 and (head[at + 42] & 0x7F) + 1 > 8
    if name == "avif":
        at = head.find(b"av1C")
        return at >= 0 and len(head) > at + 6 and bool(head[at + 6] & 0x40)
    at = head.find(b"hvcC")  # the luma depth less 8 is in the 18th byte of the record
    return name == "heic" and at >= 0 and len(head) > at + 21 and head[at + 21] & 7 > 0

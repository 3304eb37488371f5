"""JPEG, WebP and PNG files, read and written by Pillow.

The plugins' classes are called directly: ``PIL.Image.open`` would warn of images that the caller allows, and
refuse them above 179 million pixels; the caller's limit is checked before anything is decoded.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.optional import needs
from jumpset.io import _exif, _png16
from jumpset.io._picture import Picture, check_size, choose_page, upright

with needs("jumpset[io]"):
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile, PngInfo
    from PIL.WebPImagePlugin import WebPImageFile


def read_png(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read a PNG file of any depth; of an animated one the image that others show."""
    data = path.read_bytes()
    header = _png16.read_header(data)
    check_size(path, header.width, header.height, max_pixels)
    chunks = _png16.read_chunks(data)
    first = dict(reversed(chunks))
    n_frames = int.from_bytes(first.get(b"acTL", b"")[:4], "big")
    choose_page(path, n_frames, page, last=1)
    if header.depth == 16:
        picture = _png16.read_png16(data)
    else:
        image = PngImageFile(io.BytesIO(_png16.pixels_only(chunks)))
        image.load()
        key = None
        if image.mode == "P":
            converted = image.convert("RGBA" if b"tRNS" in first else "RGB")
        else:
            key = first.get(b"tRNS") if header.colour_type in (0, 2) else None
            converted = image.convert("L") if image.mode == "1" else image
        picture = from_image(converted, "png", {})
        if key is not None:
            picture = replace(picture, alpha=_png16.key_alpha(picture.pixels, key, header.depth))
    metadata = _png16.metadata(chunks)
    return oriented(replace(picture, **metadata), metadata["exif"])


def read_jpeg(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read a JPEG file; the first image, if a camera appended others."""
    choose_page(path, 1, page)
    with path.open("rb") as file:
        image = JpegImageFile(file)
        check_size(path, image.width, image.height, max_pixels)
        if image.mode not in ("L", "RGB"):
            raise ink_values(path, image.mode)
        image.load()
        return oriented(from_image(image, "jpeg", image.info), image.info.get("exif"))


def read_webp(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read a WebP file, or a frame of an animated one."""
    with path.open("rb") as file:
        image = WebPImageFile(file)
        check_size(path, image.width, image.height, max_pixels)
        image.seek(choose_page(path, getattr(image, "n_frames", 1), page))
        image.load()
        return oriented(from_image(image, "webp", image.info), image.info.get("exif"))


def ink_values(path: Path, mode: str) -> FileError:
    """Return the error of a file of ink values: without a profile, a conversion would be a guess."""
    return FileError(
        "the file holds ink values (CMYK), not RGB",
        given=f"{path}, mode {mode}",
        do="convert it to RGB first, with a program that applies colour profiles",
    )


def write_png(path: Path, picture: Picture) -> None:
    """Write a uint8 or uint16 image as PNG, with its metadata."""
    with path.open("wb") as file:
        if picture.pixels.dtype == np.uint16:
            _png16.write_png16(file, picture)
            return
        extra = PngInfo()
        for name, content in picture.png_chunks:
            if not (name == b"sRGB" and picture.icc_profile):
                extra.add(name, content)
        options: dict[str, Any] = {"pnginfo": extra, "icc_profile": picture.icc_profile}
        if picture.exif:
            options["exif"] = picture.exif
        if picture.dpi:
            options["dpi"] = picture.dpi
        _to_image(picture).save(file, format="PNG", **options)


def write_jpeg(path: Path, picture: Picture, quality: int) -> None:
    """Write a uint8 image as JPEG, without chroma subsampling."""
    options: dict[str, Any] = {"quality": quality, "subsampling": 0, "icc_profile": picture.icc_profile}
    if picture.exif:
        options["exif"] = b"Exif\0\0" + picture.exif
    if picture.dpi and max(picture.dpi) < 2**16 - 1:
        options["dpi"] = picture.dpi
    with path.open("wb") as file:
        _to_image(picture).save(file, format="JPEG", **options)


def write_webp(path: Path, picture: Picture) -> None:
    """Write a uint8 image as lossless WebP; colours of fully transparent pixels are kept too."""
    options: dict[str, Any] = {"lossless": True, "exact": True, "icc_profile": picture.icc_profile or b""}
    if picture.exif:
        options["exif"] = picture.exif
    with path.open("wb") as file:
        _to_image(picture).save(file, format="WEBP", **options)


def from_image(image: Image.Image, name: str, info: dict[Any, Any]) -> Picture:
    """Convert a loaded Pillow image of gray values or colours, with or without alpha."""
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B"):
        raise ValueError(f"unexpected mode {image.mode}")
    samples = np.array(image)
    samples = samples.astype(samples.dtype.newbyteorder("="))
    alpha = None
    if image.mode in ("LA", "RGBA"):
        alpha = np.ascontiguousarray(samples[:, :, -1])
        samples = np.ascontiguousarray(samples[:, :, 0] if image.mode == "LA" else samples[:, :, :3])
    return Picture(samples, alpha, info.get("icc_profile") or None, None, name, _clean_dpi(info.get("dpi")))


def oriented(picture: Picture, exif: bytes | None) -> Picture:
    """Apply the orientation of an EXIF block to an image, and keep the block as that of the result."""
    block = _exif.strip_prefix(exif)
    return upright(picture, _exif.orientation(block), block)


def _to_image(picture: Picture) -> Image.Image:
    samples = picture.samples()
    return Image.fromarray(np.ascontiguousarray(samples[:, :, 0] if samples.shape[2] == 1 else samples))


def _clean_dpi(dpi: Any) -> tuple[float, float] | None:
    """Return a resolution that can be written, or None."""
    try:
        across, down = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None

"""TIFF files of one page, of any bit depth and number of bands."""

from __future__ import annotations

import logging
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.optional import needs
from jumpset.io import _exif
from jumpset.io._picture import Picture, check_size, choose_page, upright
from jumpset.io._tiff_samples import read_samples

with needs("jumpset[io]"):
    import tifffile

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
# Size, samples, compression, colours, strips, planes, predictor, palette, tiles, extra samples, format.
_STRUCTURAL = {*range(256, 260), 262, 266, 273, *range(277, 280), 284, 317, 320, *range(322, 326), 338, 339}
_PROFILE = 34675
_RESOLUTIONS = 282, 283
# Scale, tie points and transformation of the ground, the three GeoTIFF keys, metadata and the nodata of GDAL
_GROUND = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_PREMULTIPLIED, _STRAIGHT = 1, 2  # the ExtraSamples values of alpha
_MOST_BANDS = 64  # samples per allowed pixel

# tifffile logs defects, which Python prints if the caller has not set up logging.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read one page of a TIFF file."""
    with tifffile.TiffFile(path) as file:
        chosen: Any = _choose(path, file, page)
        _check_tags(path, chosen)
        check_size(path, chosen.imagewidth, chosen.imagelength, max_pixels)
        if chosen.imagewidth * chosen.imagelength * chosen.samplesperpixel > _MOST_BANDS * max_pixels:
            raise FileError(
                f"the image has more samples than are allowed ({_MOST_BANDS} for each allowed pixel)",
                given=f"{path}, {chosen.imagewidth} x {chosen.imagelength} x {chosen.samplesperpixel}",
                do="crop it first",
            )
        _check_kind(path, chosen)
        _check_segments(path, chosen)
        samples = read_samples(path, chosen)
        picture = _interpret(chosen, samples)
        orientation = _tag(chosen, _exif.ORIENTATION, 1)
    turn = orientation if orientation in range(1, 9) else 1
    return upright(picture, turn, _exif.from_tiff(path, chosen.offset))


def write_tiff(path: Path, picture: Picture) -> None:
    """Write an image as one Deflate-compressed page; bands beyond a colour are unspecified extra samples."""
    samples = picture.samples()
    n_colours = 3 if picture.n_bands == 3 else 1
    extra = [0] * (picture.n_bands - n_colours)
    if picture.alpha is not None:
        extra.append(_STRAIGHT)
    order = _exif.byte_order(picture.exif or b"") or "<"
    tags = {code: (code, kind, count, value, True) for code, kind, count, value in picture.tiff_tags}
    across, down = (tags.pop(code, None) for code in _RESOLUTIONS)
    if picture.icc_profile:
        tags[_PROFILE] = (_PROFILE, 7, len(picture.icc_profile), picture.icc_profile, True)
    options: dict[str, Any] = {"extratags": [*tags.values()]}
    if across and down and not picture.dpi:
        options |= {"resolution": (across[3], down[3]), "resolutionunit": "NONE"}
    if picture.dpi:
        options |= {"resolution": picture.dpi, "resolutionunit": "INCH"}
    if extra:
        options["extrasamples"] = extra
    big = samples.nbytes > 2**32 - 2**26  # offsets of classic TIFF are limited to 4 GiB
    gray = samples.shape[2] == 1
    tifffile.imwrite(
        path,
        np.ascontiguousarray(samples[:, :, 0] if gray else samples),
        bigtiff=big,
        byteorder=order,
        photometric="rgb" if n_colours == 3 else "minisblack",
        planarconfig=None if gray else "contig",
        compression="zlib",
        metadata=None,
        software=False,
        **options,
    )
    if picture.exif and not big:
        _exif.into_tiff(path, picture.exif)


def _choose(path: Path, file: tifffile.TiffFile, number: int | None) -> tifffile.TiffPage:
    """Return the chosen one of the full-size pages, without thumbnails and masks."""
    pages: list[Any] = list(file.pages)
    full = [page for page in pages if not page.subfiletype & 0b101] or pages
    page = full[choose_page(path, len(full), number)]
    page = page.aspage() if hasattr(page, "aspage") else page
    n_slices = page.imagedepth
    if file.is_imagej or file.is_shaped:  # these may store further slices after the data of the only page
        n_slices = max(n_slices, math.prod(file.series[0].shape) // max(1, math.prod(page.shape) * len(full)))
    if n_slices > 1:
        raise FileError(
            "the file holds several images that have no pages of their own (a volume or slices), not one",
            given=f"{path}, {n_slices} slices",
            do="save one of them as a separate file",
        )
    return page


def _check_tags(path: Path, page: Any) -> None:
    """Raise if a tag that the pixels depend on is truncated: tifffile would use its default."""
    order, big = page.parent.byteorder, page.parent.is_bigtiff
    n_format, tag_format = (order + "Q", order + "HHQ8s") if big else (order + "H", order + "HHL4s")
    with path.open("rb") as file:
        file.seek(page.offset)
        (n,) = struct.unpack(n_format, file.read(struct.calcsize(n_format)))
        table = file.read(n * struct.calcsize(tag_format))
    codes = {code for code, *_ in struct.iter_unpack(tag_format, table)}
    lost = [code for code in codes & _STRUCTURAL if code not in page.tags]
    if lost:
        raise ValueError(f"the tags {lost} are damaged or truncated")


def _check_kind(path: Path, page: Any) -> None:
    """Raise ``FileError`` unless the samples are gray values, colours or bands."""
    kind = _tag(page, 262, _MINISBLACK)
    known = kind in (_MINISWHITE, _MINISBLACK, _RGB, _PALETTE)
    if not known and not (kind == _YCBCR and page.compression in (6, 7)):  # JPEG decodes to RGB
        raise FileError(
            "the TIFF holds ink, YCbCr, Lab or raw sensor values, not gray values, RGB or bands",
            given=f"{path}, photometric interpretation {kind}",
            do="convert it to RGB first, with a program that applies colour profiles",
        )
    if page.dtype is None or page.dtype.kind not in "buif":
        raise FileError(
            "the TIFF's samples are not integers or real floats",
            given=f"{path}, {page.bitspersample} bits, sample format {page.sampleformat}",
            do="save it with integers or floats of 8, 16, 32 or 64 bits",
        )


def _check_segments(path: Path, page: Any) -> None:
    """Raise if strips or tiles are missing or truncated: tifffile would fill them with zeros."""
    if page.is_tiled:
        n = math.ceil(page.imagelength / page.tilelength) * math.ceil(page.imagewidth / page.tilewidth)
    else:
        n = math.ceil(page.imagelength / page.rowsperstrip)
    n *= page.samplesperpixel if page.planarconfig == 2 else 1
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) != n or len(counts) != n:
        raise ValueError(f"{len(offsets)} strips or tiles instead of {n}")
    size = path.stat().st_size
    if any(
        start < 8 or count < 1 or start + count > size for start, count in zip(offsets, counts, strict=True)
    ):
        raise ValueError("strips or tiles are missing, or lie beyond the end of the file")


def _interpret(page: Any, samples: np.ndarray) -> Picture:
    """Convert stored samples to gray values, colours or bands, and straight alpha."""
    kind = _tag(page, 262, _MINISBLACK)
    extra = [int(value) for value in page.extrasamples]
    n_colours = samples.shape[2] - len(extra)
    opacity = next((n_colours + i for i, value in enumerate(extra) if value in (1, 2)), None)
    if kind == _PALETTE:
        samples = samples.astype(np.uint8) if samples.dtype == np.bool_ else samples
        if n_colours != 1 or page.colormap is None or samples.dtype.kind != "u":
            raise ValueError("a palette image without a palette")
        colours = page.colormap >> 8 if page.colormap.max() > 255 else page.colormap
        return Picture(np.ascontiguousarray(colours.astype(np.uint8).T[samples[:, :, 0]]), **_metadata(page))
    if samples.dtype == np.bool_ or page.bitspersample == 1:
        samples = samples.astype(np.uint8) * np.uint8(255)
    elif samples.dtype.kind == "u" and page.bitspersample < 8 * samples.dtype.itemsize:
        stretch = np.iinfo(samples.dtype).max / (2**page.bitspersample - 1)
        samples = np.rint(samples * stretch).astype(samples.dtype)
    if kind == _MINISWHITE:
        if samples.dtype.kind != "u":
            raise ValueError(f"inverted gray values of dtype {samples.dtype}")
        samples = np.concatenate([~samples[:, :, :n_colours], samples[:, :, n_colours:]], axis=2)
    if opacity is None:
        alpha, pixels = None, samples
    else:
        alpha, pixels = np.ascontiguousarray(samples[:, :, opacity]), np.delete(samples, opacity, axis=2)
        if extra[opacity - n_colours] == _PREMULTIPLIED:
            pixels = _divide_by_alpha(pixels, alpha)
    pixels = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    return Picture(np.ascontiguousarray(pixels), alpha, **_metadata(page))


def _divide_by_alpha(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Convert premultiplied to straight colours; zero where the image is fully transparent."""
    if pixels.dtype.kind == "i":
        raise ValueError("premultiplied alpha with signed samples")
    top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    divisor = np.where(alpha == 0, 1, alpha).astype(np.float64)[:, :, None]
    straight = np.where(alpha[:, :, None] == 0, 0.0, pixels * (top / divisor))
    if pixels.dtype.kind == "u":
        straight = np.rint(np.minimum(straight, top))
    return straight.astype(pixels.dtype)


def _metadata(page: Any) -> dict[str, Any]:
    """Return the profile and the resolution as arguments of ``Picture``."""
    profile = _tag(page, _PROFILE, None)
    dpi = None
    unit = {2: 1.0, 3: 2.54}.get(_tag(page, 296, 2))  # inch, centimetre; without unit it is an aspect ratio
    resolutions = _tag(page, 282, None), _tag(page, 283, None)
    if unit and all(isinstance(pair, tuple) and len(pair) == 2 and min(pair) > 0 for pair in resolutions):
        across, down = (float(pair[0] / pair[1] * unit) for pair in resolutions)
        dpi = (across, down) if max(across, down) < 1e6 else None
    codes = _GROUND if unit else (*_GROUND, *_RESOLUTIONS)
    return {
        "icc_profile": profile if isinstance(profile, bytes) else None,
        "dpi": dpi,
        "format": "tiff",
        "tiff_tags": tuple(_raw(page, page.tags[code]) for code in codes if code in page.tags),
    }


def _raw(page: Any, tag: Any) -> tuple[int, int, int, Any]:
    """Return code, type, count and value of a tag; a text as its bytes."""
    value = tag.value
    if isinstance(value, str):
        page.parent.filehandle.seek(tag.valueoffset)
        value = page.parent.filehandle.read(tag.valuebytecount)
    return int(tag.code), int(tag.dtype), len(value) if isinstance(value, bytes) else int(tag.count), value


def _tag(page: Any, code: int, default: Any) -> Any:
    tag = page.tags.get(code)
    return default if tag is None else tag.value

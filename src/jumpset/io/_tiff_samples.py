"""The stored samples of a TIFF page, read by tifffile, or by Pillow's libtiff if tifffile lacks the codec.

Without the optional package imagecodecs, tifffile decodes Deflate only.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError
from jumpset._core.optional import needs
from jumpset.io import _exif

with needs("jumpset[io]"):
    from PIL.TiffImagePlugin import TiffImageFile

_PLAIN_CODECS = (1, 8, 32946)  # none and Deflate
_DEFLATE = (8, 32946)
_LARGEST_RATIO = 1032  # of what Deflate gives to what it takes
_UNCHECKED = 2**28  # bytes that a strip or tile may give without a check
# The tags that packed samples depend on; others, e.g. of the smallest sample, may not fit the changed ones.
_SAMPLE_TAGS = frozenset({*range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320,
                          *range(322, 329), 338, 339, 347, *range(529, 533)})  # fmt: skip
_LIBTIFF_CODECS = (5, 8, 32946, 32773, 34925, 50000)  # LZW, Deflate, PackBits, LZMA, Zstandard


def read_samples(path: Path, page: Any) -> np.ndarray:
    """Return the stored samples, (H, W, S), in native byte order."""
    if page.compression in _DEFLATE:
        _check_inflated(path, page)
    plain = page.compression in _PLAIN_CODECS and page.predictor in (1, 2)
    if find_spec("imagecodecs") or (plain and page.bitspersample in (1, 8, 16, 32, 64)):
        samples = page.asarray()
        if page.planarconfig == 2 and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, 2)
        return samples.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    classic = not page.parent.is_bigtiff  # only tags of classic TIFF can be changed
    if classic and page.bitspersample in (8, 16, 32, 64) and page.compression in _LIBTIFF_CODECS:
        return _read_by_libtiff(path, page)
    if classic and page.bitspersample in (1, 2, 4, 8) and page.planarconfig == 1:
        samples = _read_by_pillow(path, page)
        if samples is not None:
            return samples
    if plain and page.predictor == page.sampleformat == 1 and page.bitspersample < 32 and not page.is_tiled:
        return _read_packed(page)
    raise FileError(
        "the compression or packing of the TIFF is not supported",
        given=f"{path}, compression {page.compression!s}, predictor {page.predictor!s}, "
        f"{page.bitspersample} bits",
        do="save it with 8 or 16 bits, uncompressed or with Deflate, or install the package imagecodecs",
    )


def _check_inflated(path: Path, page: Any) -> None:
    """Raise ``FileError`` if a strip or tile inflates to far more bytes than it has samples.

    Only one that is large enough to fill the memory is inflated for this, in small pieces.
    """
    rows = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    width = page.tilewidth if page.is_tiled else page.imagewidth
    n_samples = page.samplesperpixel if page.planarconfig == 1 else 1
    limit = rows * ((width * n_samples * page.bitspersample + 7) // 8) + _UNCHECKED
    with path.open("rb") as file:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if count * _LARGEST_RATIO <= limit:
                continue
            file.seek(offset)
            inflate, n_bytes, left = zlib.decompressobj(), 0, count
            while left > 0 and not inflate.eof:
                data = file.read(min(left, 2**14))
                left -= len(data) or left
                while data:
                    n_bytes += len(inflate.decompress(data, 2**20))
                    data = inflate.unconsumed_tail
                if n_bytes > limit:
                    raise FileError(
                        "the TIFF inflates to far more data than its image has",
                        given=f"{path}, over {n_bytes} bytes in one strip or tile",
                        do="save it again from its program, if you trust the file",
                    )


def _read_packed(page: Any) -> np.ndarray:
    """Read whole numbers of e.g. 12 bits, the highest bit first, in rows that begin at a byte."""
    n_planes = page.samplesperpixel if page.planarconfig == 2 else 1
    n_samples, bits = page.samplesperpixel // n_planes, page.bitspersample
    length = (page.imagewidth * n_samples * bits + 7) // 8
    n_strips = len(page.dataoffsets) // n_planes
    samples = np.empty((n_planes, page.imagelength, page.imagewidth * n_samples), page.dtype)
    for k, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        page.parent.filehandle.seek(offset)
        data = page.parent.filehandle.read(count)
        data = zlib.decompress(data) if page.compression in _DEFLATE else data
        target = samples[k // n_strips, k % n_strips * page.rowsperstrip :][: page.rowsperstrip]
        rows = np.frombuffer(data, np.uint8, len(target) * length).reshape(len(target), length)
        order = "big" if page.fillorder == 1 else "little"
        digits = np.unpackbits(rows, axis=1, count=target.shape[1] * bits, bitorder=order)
        total: Any = np.zeros(target.shape, page.dtype)
        for digit in np.moveaxis(digits.reshape(*target.shape, bits), 2, 0):
            total = total << 1 | digit
        target[:] = total
    samples = samples.reshape(n_planes, page.imagelength, page.imagewidth, n_samples)
    return np.moveaxis(samples, 0, 2).reshape(page.imagelength, page.imagewidth, -1)


def _read_by_libtiff(path: Path, page: Any) -> np.ndarray:
    """Decompress with Pillow's libtiff, for any dtype and number of samples.

    Pillow supports few kinds of pixels, but the bytes of any row are a row of 8-bit gray values. Pillow
    therefore reads the file as an 8-bit gray image, plane by plane; the bytes are assembled here, and the
    prediction is undone.
    """
    n_planes = page.samplesperpixel if page.planarconfig == 2 else 1
    n_samples = page.samplesperpixel // n_planes
    width = page.tilewidth if page.is_tiled else page.imagewidth
    n_across = math.ceil(page.imagewidth / width)
    row = width * n_samples * page.dtype.itemsize
    changes: dict[int, Sequence[int]] = {
        256: [n_across * row],
        258: [8],
        262: [1],
        277: [1],
        284: [1],
        317: [],
    }
    if page.is_tiled:
        changes[322] = [row]
    data = path.read_bytes()
    n_segments = len(page.dataoffsets) // n_planes
    planes = []
    for start in range(0, len(page.dataoffsets), n_segments):
        changes[324 if page.is_tiled else 273] = page.dataoffsets[start : start + n_segments]
        changes[325 if page.is_tiled else 279] = page.databytecounts[start : start + n_segments]
        image = _open(data, changes, page.offset, _SAMPLE_TAGS - {320, 338, 339})
        image.load()
        rows = np.array(image).reshape(page.imagelength, n_across, row)
        samples = _without_prediction(rows, page, n_samples)
        samples = samples.reshape(page.imagelength, n_across * width, n_samples)
        planes.append(samples[:, : page.imagewidth])
    return np.concatenate(planes, axis=2)


def _without_prediction(rows: np.ndarray, page: Any, n_samples: int) -> np.ndarray:
    """Convert bytes (H, n, width * S * itemsize) to samples (H, n, width, S), by TIFF 6.0 and its Note 3."""
    height, n_across = rows.shape[:2]
    shape = (height, n_across, -1, n_samples)
    itemsize = page.dtype.itemsize
    if page.predictor == 3:  # per row: bytewise differences of all highest bytes, then all next ones
        total = np.cumsum(rows.reshape(shape), axis=2, dtype=np.uint8)
        planes = total.reshape(height, n_across, itemsize, -1).swapaxes(2, 3)
        return (
            np.ascontiguousarray(planes).view(page.dtype.newbyteorder(">")).astype(page.dtype).reshape(shape)
        )
    native = rows.view(page.dtype.newbyteorder(page.parent.byteorder)).astype(page.dtype).reshape(shape)
    if page.predictor != 2:
        return native
    word = np.dtype(f"u{itemsize}")  # differences wrap around as integers, for any dtype
    return np.cumsum(native.view(word), axis=2, dtype=word).view(page.dtype)


def _read_by_pillow(path: Path, page: Any) -> np.ndarray | None:
    """Read fax, JPEG or packed samples with Pillow; None if Pillow would lose information."""
    image = _open(path.read_bytes(), {}, page.offset, _SAMPLE_TAGS)
    is_straight = tuple(page.extrasamples) == (2,) and image.mode in ("LA", "RGBA")
    if not (is_straight or image.mode in ("1", "L", "P", "RGB")):
        return None
    image.load()
    samples = np.array(image).reshape(page.imagelength, page.imagewidth, -1)
    if samples.shape[2] != page.samplesperpixel:
        return None
    photometric = page.tags.get(262)
    if photometric is not None and photometric.value == 0:  # Pillow inverts them
        samples = ~samples
    if image.mode == "L":  # and scales fewer bits to 0..255
        samples = samples // (255 // (2**page.bitspersample - 1))
    return samples


def _open(data: bytes, changes: dict[int, Sequence[int]], at: int, keep: Collection[int]) -> TiffImageFile:
    """Open a page of a file's content with some tags replaced."""
    return TiffImageFile(io.BytesIO(_exif.with_entries(data, changes, at=at, keep=keep)))

"""PNG chunks, and PNG files of 16 bits per channel, which Pillow reduces to 8.

The layout follows the PNG specification (W3C, third edition, 2025; ISO/IEC 15948).
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from jumpset._core.optional import needs
from jumpset.io._picture import Picture

with needs("jumpset[io]"):
    from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
# colour type: (samples per pixel, Pillow mode, raw modes). Pillow's zip decoder undoes the filters and the
# interlacing; a raw mode then selects bytes. ";16B" selects the high bytes of 16-bit colours and ";16L" the
# low ones; 2 and 4 bytes per pixel are decoded as the 8-bit samples of an LA or RGBA image.
_DECODING = {
    0: (1, "LA", ("LA",)),
    2: (3, "RGB", ("RGB;16B", "RGB;16L")),
    4: (2, "RGBA", ("RGBA",)),
    6: (4, "RGBA", ("RGBA;16B", "RGBA;16L")),
}
_MAX_PROFILE = 64 * 2**20


class Header(NamedTuple):
    """The IHDR chunk."""

    width: int
    height: int
    depth: int
    colour_type: int
    compression: int
    filtering: int
    interlaced: int


def read_header(data: bytes) -> Header:
    """Return the header of a PNG file with the given content; ValueError if it is damaged."""
    if data[:8] != SIGNATURE or data[12:16] != b"IHDR" or len(data) < 29:
        raise ValueError("the PNG header is damaged")
    return Header(*struct.unpack_from(">LLBBBBB", data, 16))


def read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return all chunks up to IEND, by name and content; ValueError if the file is truncated or damaged."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(SIGNATURE)
    while not chunks or chunks[-1][0] != b"IEND":
        if at + 12 > len(data):
            raise ValueError("the file ends before the IEND chunk")
        length, name = struct.unpack_from(">L4s", data, at)
        if at + 12 + length > len(data):
            raise ValueError(f"the file ends within a chunk ({name!r})")
        content = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">L", data, at + 8 + length)
        critical = not name[0] & 0x20
        if critical and checksum != zlib.crc32(name + content):
            raise ValueError(f"wrong checksum of a chunk ({name!r})")
        chunks.append((name, content))
        at += 12 + length
    return chunks


def key_alpha(pixels: np.ndarray, key: bytes, depth: int) -> np.ndarray:
    """Return the alpha of an image in which one colour (the content of a tRNS chunk) is transparent.

    ``depth`` is the bit depth; samples of fewer than 8 bits are scaled to 0..255, like ``pixels``.
    """
    n_samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    top = np.iinfo(pixels.dtype).max
    colour = np.array(struct.unpack_from(f">{n_samples}H", key), dtype=np.int64)
    colour = (colour & (2**depth - 1)) * (top // (2**depth - 1))
    same = pixels.reshape(*pixels.shape[:2], n_samples) == colour
    return np.where(same.all(axis=2), 0, top).astype(pixels.dtype)


def read_png16(data: bytes) -> Picture:
    """Decode a PNG file of 16 bits per channel; ValueError if it is damaged."""
    header = read_header(data)
    if header.colour_type not in _DECODING or header[4:6] != (0, 0) or header.interlaced > 1:
        raise ValueError(f"invalid PNG header {tuple(header)}")
    chunks = read_chunks(data)
    first = dict(reversed(chunks))  # of repeated chunks the first counts
    stream = b"".join(content for name, content in chunks if name == b"IDAT")
    n_samples, mode, raw_modes = _DECODING[header.colour_type]
    size = (header.width, header.height)
    parts = [
        np.asarray(Image.frombytes(mode, size, stream, "zip", raw, bool(header.interlaced)))
        for raw in raw_modes
    ]
    # Both decodings give high and low bytes side by side: big-endian samples.
    samples = parts[0] if len(parts) == 1 else np.stack(parts, axis=3)
    samples = np.ascontiguousarray(samples).reshape(header.height, header.width, n_samples, 2)
    samples = samples.view(">u2")[..., 0].astype(np.uint16)

    alpha = None
    if header.colour_type in (4, 6):
        alpha, samples = np.ascontiguousarray(samples[:, :, -1]), samples[:, :, :-1]
    pixels = np.ascontiguousarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    if alpha is None and b"tRNS" in first:
        alpha = key_alpha(pixels, first[b"tRNS"], 16)
    return Picture(pixels, alpha)


def metadata(chunks: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return profile, EXIF block, resolution and colour chunks as arguments of ``Picture``."""
    first = dict(reversed(chunks))  # of repeated chunks the first counts
    return {
        "icc_profile": _read_profile(first.get(b"iCCP")),
        "exif": first.get(b"eXIf"),
        "format": "png",
        "dpi": _read_dpi(first.get(b"pHYs")),
        "png_chunks": tuple((name, first[name]) for name in COLOUR_CHUNKS if name in first),
    }


def pixels_only(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG file of the chunks that its pixels depend on; Pillow refuses some of the others."""
    file = io.BytesIO()
    file.write(SIGNATURE)
    for name, content in chunks:
        if name in _PIXEL_CHUNKS:
            _write_chunk(file, name, content)
    return file.getvalue()


def write_png16(file: BinaryIO, picture: Picture) -> None:
    """Write a uint16 image of 1 or 3 bands, with or without alpha, as a PNG of 16 bits per channel."""
    samples = picture.samples()
    height, width, n_samples = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[n_samples]
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", struct.pack(">LLBBBBB", width, height, 16, colour_type, 0, 0, 0))
    for name, content in picture.png_chunks:
        if not (name == b"sRGB" and picture.icc_profile):  # a file must not hold both
            _write_chunk(file, name, content)
    if picture.icc_profile:
        _write_chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc_profile))
    if picture.dpi:
        across, down = (round(value / 0.0254) for value in picture.dpi)
        _write_chunk(file, b"pHYs", struct.pack(">LLB", across, down, 1))
    if picture.exif:
        _write_chunk(file, b"eXIf", picture.exif)

    packer = zlib.compressobj(6)
    block = max(1, 2**22 // (2 * width * n_samples))  # rows at a time, to need little memory
    above = np.zeros((1, 2 * width * n_samples), np.uint8)
    for start in range(0, height, block):
        rows = samples[start : start + block].astype(">u2").reshape(-1, width * n_samples).view(np.uint8)
        _write_chunk(file, b"IDAT", packer.compress(_filtered(rows, above, 2 * n_samples).tobytes()))
        above = rows[-1:]
    _write_chunk(file, b"IDAT", packer.flush())
    _write_chunk(file, b"IEND", b"")


def _filtered(rows: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Filter each row by the one of the five PNG filters that gives the smallest sum of magnitudes."""
    up = np.concatenate([above, rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    corner[:, step:] = up[:, :-step]
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    # Paeth: the one of left, up and corner nearest to left + up - corner; ties in this order.
    to_left, to_up, to_corner = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearest = np.where(to_up <= to_corner, up, corner)
    paeth = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
    # Unsigned bytes wrap around, as specified.
    candidates = (rows, rows - left, rows - up, rows - ((a + b) >> 1).astype(np.uint8), rows - paeth)
    costs = [np.abs(candidate.view(np.int8).astype(np.int16)).sum(axis=1) for candidate in candidates]
    best = np.argmin(costs, axis=0)
    out = np.empty((rows.shape[0], 1 + rows.shape[1]), np.uint8)
    out[:, 0] = best
    for i, candidate in enumerate(candidates):
        out[best == i, 1:] = candidate[best == i]
    return out


def _write_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    if name != b"IDAT" or content:  # the compressor may return nothing for some blocks
        file.write(struct.pack(">L", len(content)) + name + content)
        file.write(struct.pack(">L", zlib.crc32(name + content)))


def _read_profile(content: bytes | None) -> bytes | None:
    """Return the ICC profile of an iCCP chunk, or None if it is damaged: the pixels do not need it."""
    if not content or b"\0" not in content[:80]:
        return None
    packed = content[content.index(b"\0") + 2 :]
    try:
        inflate = zlib.decompressobj()
        profile = inflate.decompress(packed, _MAX_PROFILE)
        return profile if profile and inflate.eof else None
    except zlib.error:
        return None


def _read_dpi(content: bytes | None) -> tuple[float, float] | None:
    if content is None or len(content) != 9 or content[8] != 1:  # unit 1 is the metre; 0 is an aspect ratio
        return None
    across, down = struct.unpack_from(">LL", content)
    return (across * 0.0254, down * 0.0254) if 0 < across < 4e7 and 0 < down < 4e7 else None

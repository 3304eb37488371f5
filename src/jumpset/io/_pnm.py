"""PNM files (PBM, PGM, PPM), binary and plain, of up to 16 bits; by the specification of Netpbm.

Pillow reduces colours of 16 bits to 8, so the samples are read here.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from jumpset.io._picture import Picture, check_size, choose_page

_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NUMBER = _SPACE + rb"(\d+)"


def read_pnm(path: Path, max_pixels: int, page: int | None) -> Picture:
    """Read a PNM file; the first image, if there are several."""
    choose_page(path, 1, page)
    data = path.read_bytes()
    kind = int(data[1:2])
    is_bitmap, is_plain, n_bands = kind in (1, 4), kind <= 3, 3 if kind in (3, 6) else 1
    head = re.compile(rb"P\d" + _NUMBER * (2 if is_bitmap else 3)).match(data)
    if head is None:
        raise ValueError("the header is damaged")
    width, height, top = (*map(int, head.groups()), 1)[:3]
    check_size(path, width, height, max_pixels)
    if not 1 <= top <= 65535:
        raise ValueError(f"a largest value of {top}")
    n = width * height * n_bands
    if is_plain:
        body = re.sub(rb"#[^\r\n]*", b"", data[head.end() :])
        words = re.findall(rb"[01]" if is_bitmap else rb"\d+", body)[:n]
        samples = np.array(words, dtype="S5").astype(np.int64) if words else np.empty(0, np.int64)
    elif is_bitmap:
        rows = np.frombuffer(data, np.uint8, height * ((width + 7) // 8), head.end() + 1).reshape(height, -1)
        samples = np.unpackbits(rows, axis=1)[:, :width].astype(np.int64)
    else:
        samples = np.frombuffer(data, np.uint8 if top < 256 else np.dtype(">u2"), n, head.end() + 1)
    if samples.size != n:
        raise ValueError(f"{samples.size} of {n} values")
    if int(samples.max()) > top:
        raise ValueError(f"a value above {top}")
    samples = samples.reshape(height, width, n_bands)
    if is_bitmap:
        samples = 1 - samples  # 1 is black
    dtype = np.dtype(np.uint8 if top < 256 else np.uint16)
    full = int(np.iinfo(dtype).max)
    pixels = samples.astype(dtype) if top == full else np.rint(samples * (full / top)).astype(dtype)
    return Picture(np.ascontiguousarray(pixels[:, :, 0] if n_bands == 1 else pixels), format="pnm")

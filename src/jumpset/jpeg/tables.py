"""The quantization tables of a JPEG file: read from the file, or estimated from the decoded image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from torch import Tensor

from jumpset._core.errors import FileError, InputError
from jumpset._core.files import as_path
from jumpset._core.optional import needs
from jumpset.jpeg.blocks import block_dct
from jumpset.jpeg.chroma import ChromaSubsampling

# The tables of Annex K of the standard, for frequencies without any content
_LUMA = "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 \
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
_CHROMA = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_STANDARD = (
    np.array(_LUMA.split(), float).reshape(8, 8),
    np.pad(np.array(_CHROMA, float), (0, 4), constant_values=99),
)
_NEAR = 1.0  # in 1/255: rounding to 8 bits moves a coefficient by about 0.3
_STEPS = np.arange(5, 256)[:, None]  # smaller steps look like a decay of the coefficients
_CHANCE = np.minimum(2 * _NEAR / _STEPS[:, 0], 0.999)  # probability to be near a multiple by chance
_MIN_DETECTIONS = 4  # fewer detected frequencies count as chance
_MAX_BLOCKS = 20_000  # enough for an estimate; of more, every n-th is used
_EVIDENCE = 12.0  # in nats; there are 251 steps to choose from


@dataclass(frozen=True)
class JPEGTables:
    """The quantization steps of a JPEG file, and its subsampling of chroma.

    Parameters
    ----------
    luma, chroma
        ``(8, 8)`` arrays of steps in units of 1/255, as files hold them, vertical frequency first.
    rows, columns
        Pixels down and across that share a chroma value: 2 and 2 is "4:2:0", 1 and 2 "4:2:2", 1 and 1
        "4:4:4".

    Raises
    ------
    InputError
        Arrays of another shape or with steps below 1, or other subsampling.
    """

    luma: np.ndarray
    chroma: np.ndarray
    rows: int = 2
    columns: int = 2

    def __post_init__(self) -> None:
        for name in ("luma", "chroma"):
            steps = np.array(getattr(self, name), float)
            if steps.shape != (8, 8) or not (np.isfinite(steps).all() and steps.min() >= 1):
                raise InputError(
                    f"{name} must hold 8 × 8 steps of at least 1",
                    given=f"shape {steps.shape}",
                    do="pass the table of the file, or estimate it by jumpset.jpeg.estimate_tables",
                )
            object.__setattr__(self, name, steps)
        _ = self.subsampling  # checks rows and columns

    @property
    def subsampling(self) -> ChromaSubsampling:
        """The operator from an image to the image with the file's chroma."""
        return ChromaSubsampling(self.rows, self.columns)

    @property
    def is_trivial(self) -> bool:
        """Whether all steps are 1, as for an image in 8 bits that was never a JPEG."""
        return bool((self.luma == 1).all() and (self.chroma == 1).all())


def jpeg_tables(path: str | os.PathLike[str]) -> JPEGTables:
    """Read the quantization tables of a JPEG file, for :func:`jumpset.smooth` with ``method="dejpeg"``.

    Parameters
    ----------
    path
        A JPEG file in gray or in colours.

    Returns
    -------
    JPEGTables
        The tables of luma and chroma, and the subsampling.

    Raises
    ------
    FileError
        A file that cannot be read, is no JPEG, is in other than one or three channels, has chroma subsampled
        by other than 1 or 2, or is stored turned, so that its blocks are not where its pixels are.
    """
    with needs("jumpset[io]"):
        from PIL import ExifTags, Image

    file = as_path(path)
    try:
        with Image.open(file) as image:
            kind, mode = image.format, image.mode
            tables = dict(getattr(image, "quantization", {}))
            layers = list(getattr(image, "layer", []))
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except OSError as error:
        raise FileError(
            "the file cannot be read", given=f"{file} ({error})", do="name a JPEG file"
        ) from error
    ratios = [(layers[0][2] / v, layers[0][1] / h) for _, h, v, _ in layers[1:]]
    known = kind == "JPEG" and mode in ("L", "RGB") and all(t in tables for *_, t in layers) and layers
    if not known or turned or len(set(ratios)) > 1 or not set(*ratios[:1]) <= {1.0, 2.0}:
        raise FileError(
            "only upright JPEG files in gray or colours, with chroma at full or half size, have tables",
            given=f"{file}: {kind}, {mode}{', turned' if turned else ''}",
            do="name such a file, or pass tables=None",
        )
    rows, columns = ratios[0] if ratios else (1.0, 1.0)
    luma, chroma = (np.array(tables[layers[k][3]], float).reshape(8, 8) for k in (0, min(1, len(layers) - 1)))
    return JPEGTables(luma, chroma, int(rows), int(columns))


def as_tables(tables: Any) -> JPEGTables | None:
    """``tables``, read where they are a file."""
    if isinstance(tables, (str, os.PathLike)):
        return jpeg_tables(tables)
    if tables is not None and not isinstance(tables, JPEGTables):
        raise InputError(
            "tables must be JPEGTables, a JPEG file, or None",
            given=repr(tables),
            do="pass jumpset.jpeg.jpeg_tables(file)",
        )
    return tables


def estimate_tables(f: Tensor) -> JPEGTables:
    """Estimate the tables of the file that a ``(1, C, H, W)`` image was decoded from, by its 8-bit values.

    The step of a frequency is the one of whose multiples more coefficients lie within 1/255 than by chance;
    where too few coefficients differ from 0, the step of the standard's table is used, scaled like the
    others. Clipped values move coefficients: of an image with many values at the ends of the range, read the
    file's tables instead. The blocks must begin at the top left pixel: for an image that was never a JPEG, or
    has been cropped or turned since, all steps are 1.
    """
    luma = _steps(ChromaSubsampling(1, 1).decoded_planes(f)[0], _STANDARD[0])
    if f.shape[1] != 3:
        return JPEGTables(luma, luma)
    found = []
    for rows, columns in product((2, 1), (2, 1)):
        _, chroma = ChromaSubsampling(rows, columns).decoded_planes(f)
        found.append(JPEGTables(luma, _steps(chroma, _STANDARD[1]), rows, columns))
    return max(found, key=lambda t: float(np.log(t.chroma).sum()))  # steps are large for the true blocks only


def _steps(plane: Tensor, standard: np.ndarray) -> np.ndarray:
    """Steps of a ``(1, k, h, w)`` plane; see :func:`estimate_tables`."""
    height, width = (8 * (length // 8) for length in plane.shape[-2:])
    c = 255.0 * block_dct(plane[..., :height, :width].double()).cpu().numpy().reshape(-1, 64)
    c = c[:: len(c) // _MAX_BLOCKS + 1]
    steps = np.zeros(64)
    for k in range(1, 64):
        present = c[np.abs(c[:, k]) > 2 * _NEAR, k]
        if len(present):
            distance = np.abs(present - _STEPS * np.rint(present / _STEPS))
            near = np.mean(distance < _NEAR, axis=1).clip(1e-9, 1 - 1e-9)
            surprise = near * np.log(near / _CHANCE) + (1 - near) * np.log((1 - near) / (1 - _CHANCE))
            evidence = len(present) * np.where(near > _CHANCE, surprise, 0.0)
            if evidence.max() > _EVIDENCE:
                steps[k] = _STEPS[np.argmax(evidence), 0]
    steps = steps.reshape(8, 8)
    known = steps > 0
    if known.sum() < _MIN_DETECTIONS:
        return np.ones((8, 8))
    scale = np.median(steps[known] / standard[known])
    steps = np.where(known, steps, np.clip(np.rint(scale * standard), 1, 255))
    # Flat blocks repeat a few means, which look like multiples; the DC step is rarely the larger one.
    steps[0, 0] = min(steps[0, 1], steps[1, 0])
    return steps

"""Conversion of arrays of any dtype, range and number of bands to small 8-bit images for a browser."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

from jumpset._core.optional import needs

LONG_SIDE = 1600  # pixels; larger images are reduced for display, to keep the file small
_FACTORS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Display:
    """The map of values to gray levels, the same for the input and all outputs for comparison."""

    low: float
    high: float
    unit: float
    """The width of intensity [0, 1] in values of the image."""
    notes: tuple[str, ...]
    """Sentences about the map for the reader."""

    def levels(self, array: np.ndarray) -> np.ndarray:
        """Return levels 0…255 as uint8, (H, W) or (H, W, 3)."""
        shown = visible_bands(array)
        if shown.dtype == np.uint8 and (self.low, self.high) == (0.0, 255.0):
            return shown
        return _to_bytes((shown.astype(np.float32) - self.low) * (255.0 / (self.high - self.low)))

    def difference(self, output: np.ndarray, picture: np.ndarray, factor: int) -> np.ndarray:
        """Return ``128 + factor · 255 · (output - picture)``, in intensities."""
        change = self._change(output, picture)
        return _to_bytes(128.0 + change * np.float32(255.0 * factor))

    def difference_factor(self, outputs: list[np.ndarray], picture: np.ndarray) -> int:
        """Return the largest factor that clips at most 0.5 % of the differences."""
        largest = max(float(np.quantile(np.abs(self._change(u, picture)), 0.995)) for u in outputs)
        return _factor(largest * 255.0, 127.0)

    def gradient(self, array: np.ndarray, factor: int) -> np.ndarray:
        """Return ``factor · 255 · |∇u|`` over all bands, (H, W)."""
        return _to_bytes(self._gradient(array) * np.float32(255.0 * factor))

    def gradient_factor(self, picture: np.ndarray) -> int:
        """Return the largest factor that clips at most 0.5 % of the gradients."""
        return _factor(float(np.quantile(self._gradient(picture), 0.995)) * 255.0, 255.0)

    def _change(self, output: np.ndarray, picture: np.ndarray) -> np.ndarray:
        pair = [visible_bands(a).astype(np.float32) for a in (output, picture)]
        return (pair[0] - pair[1]) / np.float32(self.unit)

    def _gradient(self, array: np.ndarray) -> np.ndarray:
        bands = array[..., None] if array.ndim == 2 else array
        squares = np.zeros(bands.shape[:2], dtype=np.float32)
        for k in range(bands.shape[-1]):
            band = bands[..., k].astype(np.float32) / np.float32(self.unit)
            squares[:-1] += np.diff(band, axis=0) ** 2
            squares[:, :-1] += np.diff(band, axis=1) ** 2
        return np.sqrt(squares)


def display_for(picture: np.ndarray, value_range: tuple[float, float] | None = None) -> Display:
    """Choose the displayed range, with a note if it is not the range of the dtype."""
    low, high = limits(picture.dtype, value_range)
    unit, notes = high - low, []
    bands = 1 if picture.ndim == 2 else picture.shape[2]
    if bands == 2 or bands > 3:
        shown = "the first is" if bands == 2 else "the first three are"
        notes.append(f"Of the {bands} bands, {shown} shown.")
    smallest, largest = float(picture.min()), float(picture.max())
    # Rounding errors may exceed the range; images of 16 bits often use a small part of it.
    outside = smallest < low - 0.01 * unit or largest > high + 0.01 * unit
    faint = picture.dtype.kind in "iu" and picture.dtype.itemsize > 1 and largest - smallest < unit / 4
    if (outside or faint) and largest > smallest:
        low, high = smallest, largest
        notes.append(
            f"Shown with {low:g} as black and {high:g} as white; differences and gradients are not stretched."
        )
    return Display(low, high, unit, tuple(notes))


def limits(dtype: np.dtype, value_range: tuple[float, float] | None) -> tuple[float, float]:
    """Return the values of intensity 0 and 1."""
    if value_range is not None:
        return float(value_range[0]), float(value_range[1])
    if dtype.kind in "iu":
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return 0.0, 1.0


def visible_bands(array: np.ndarray) -> np.ndarray:
    """Return one band (H, W) or three."""
    if array.ndim == 2:
        return array
    return array[..., 0] if array.shape[-1] < 3 else array[..., :3]


def scale_of(height: int, width: int, long_side: int = LONG_SIDE) -> float:
    """Return the scale of an image for display, at most 1."""
    return min(1.0, long_side / max(height, width))


def png_uri(levels: np.ndarray, long_side: int = LONG_SIDE) -> tuple[str, int, int]:
    """Return a ``data:`` URI of the image as PNG, reduced to a long side, and its width and height."""
    with needs("jumpset[io]"):
        from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(levels))
    scale = scale_of(image.height, image.width, long_side)
    if scale < 1.0:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return (
        "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"),
        image.width,
        image.height,
    )


def _factor(largest: float, room: float) -> int:
    fitting = [factor for factor in _FACTORS if largest * factor <= room]
    return fitting[-1] if fitting else 1


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)

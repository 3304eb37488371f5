"""The content of an image file: pixels and their metadata."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError, InputError
from jumpset._core.text import Brief
from jumpset.io import _exif


class PictureWarning(UserWarning):
    """Metadata or bits that a file has, and that are not kept.

    Examples
    --------
    >>> import jumpset as js
    >>> issubclass(js.io.PictureWarning, UserWarning)
    True
    """


@dataclass(frozen=True, eq=False)
class Picture(Brief):
    """An image as read from a file, with the metadata needed to write it back faithfully.

    Parameters
    ----------
    pixels : ndarray, (H, W) or (H, W, C)
        Gray values, colours or bands, without alpha, in the dtype of the file; the first row is the top row.
        A bilevel file is read as uint8 with the values 0 and 255, and palette indices as their colours.
    alpha : ndarray, (H, W), optional
        Opacity, in the dtype of ``pixels``: 0 is transparent, the dtype's largest value (1 for floats) is
        opaque. Alpha is straight (not multiplied into ``pixels``).
    icc_profile : bytes, optional
        The ICC colour profile.
    exif : bytes, optional
        The EXIF block, from its byte-order mark on. Its orientation is 1, as ``pixels`` are upright.
    format : str
        The format of the file that was read, e.g. ``"png"``, ``"tiff"`` or ``"pnm"``; empty for an image that
        was not read from a file.
    dpi : (float, float), optional
        Pixels per inch, across and down.
    png_chunks : tuple of (bytes, bytes)
        The colour chunks of a PNG (gAMA, cHRM, sRGB, cICP), by name and content; only PNG can hold them.
    tiff_tags : tuple of (int, int, int, object)
        The place of the image on the ground (GeoTIFF and GDAL tags) and a resolution without a unit, by code,
        type, count and value; only TIFF can hold them.

    Raises
    ------
    InputError
        If the shapes or dtypes of ``pixels`` and ``alpha`` do not match.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.png"
    >>> js.io.write_picture(path, js.datasets.coffee()[:16, :24])
    >>> picture = js.io.read_picture(path)
    >>> picture.pixels.shape, picture.pixels.dtype.name
    ((16, 24, 3), 'uint8')
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    format: str = ""
    dpi: tuple[float, float] | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()
    tiff_tags: tuple[tuple[int, int, int, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.pixels, np.ndarray) or self.pixels.ndim not in (2, 3):
            raise InputError(
                "the pixels of an image must be a NumPy array of 2 or 3 axes",
                given=_describe(self.pixels),
                do="pass an array of shape (H, W) or (H, W, C)",
            )
        if self.alpha is None:
            return
        if not isinstance(self.alpha, np.ndarray) or self.alpha.shape != self.pixels.shape[:2]:
            raise InputError(
                "alpha must be a NumPy array of the image's height and width",
                given=f"alpha: {_describe(self.alpha)}, pixels: {_describe(self.pixels)}",
                do="pass an array of shape (H, W)",
            )
        if self.alpha.dtype != self.pixels.dtype:
            raise InputError(
                "alpha must have the dtype of the pixels",
                given=f"alpha {self.alpha.dtype}, pixels {self.pixels.dtype}",
                do="convert one of them, or call Picture.with_pixels, which converts alpha",
            )

    @property
    def n_bands(self) -> int:
        """Number of gray, colour or spectral bands, alpha not counted."""
        return 1 if self.pixels.ndim == 2 else self.pixels.shape[2]

    def samples(self) -> np.ndarray:
        """Return bands and alpha as one array, (H, W, S)."""
        bands = self.pixels.reshape(*self.pixels.shape[:2], -1)
        return bands if self.alpha is None else np.concatenate([bands, self.alpha[:, :, None]], axis=2)

    def on_black(self) -> np.ndarray:
        """Return the pixels composited on black by alpha, in their dtype; integers are rounded."""
        if self.alpha is None:
            return self.pixels
        opacity = self.alpha.astype(np.float64) / full_scale(self.alpha.dtype)
        black = self.pixels * (opacity if self.pixels.ndim == 2 else opacity[..., None])
        return (np.rint(black) if self.pixels.dtype.kind in "iu" else black).astype(self.pixels.dtype)

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        """Return the image with other pixels and everything else kept, but a thumbnail in the EXIF block.

        Alpha is converted to the range of the new dtype. The ICC profile is left out if the number of
        bands changes, since a profile of RGB colours does not describe gray values.

        Parameters
        ----------
        pixels : ndarray, (H, W) or (H, W, C)
            The new pixels, of the same height and width.

        Returns
        -------
        Picture
            A new object; this one is unchanged.

        Raises
        ------
        InputError
            If the height or width differs.
        """
        alpha = None if self.alpha is None else convert_range(self.alpha, np.asarray(pixels).dtype)
        changed = replace(self, pixels=pixels, alpha=None)
        if changed.pixels.shape[:2] != self.pixels.shape[:2]:
            raise InputError(
                "the new pixels must have the image's height and width",
                given=f"{changed.pixels.shape[:2]} for an image of {self.pixels.shape[:2]}",
                do="create a new Picture, with an alpha of the new size",
            )
        profile = self.icc_profile if changed.n_bands == self.n_bands else None
        return replace(changed, alpha=alpha, icc_profile=profile, exif=_exif.without_thumbnail(changed.exif))


def upright(picture: Picture, orientation: int, exif: bytes | None) -> Picture:
    """Return the image with an orientation undone, and with an EXIF block that describes the result.

    A turned image loses what would be wrong: the thumbnail, and the place on the ground, with a warning.
    """
    pixels = _exif.apply_orientation(picture.pixels, orientation)
    alpha = None if picture.alpha is None else _exif.apply_orientation(picture.alpha, orientation)
    dpi, tags = picture.dpi, picture.tiff_tags
    if orientation != 1:
        exif = _exif.without_thumbnail(exif)
        if tags:
            warnings.warn(
                "the image is turned upright; its place on the ground is left out",
                PictureWarning,
                stacklevel=4,
            )
            tags = ()
    if dpi and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    exif = _exif.for_image(exif, pixels.shape[1], pixels.shape[0])
    return replace(picture, pixels=pixels, alpha=alpha, exif=exif, dpi=dpi, tiff_tags=tags)


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise ``FileError`` if an image is empty or too large, by its header."""
    if width < 1 or height < 1:
        raise FileError(
            "the file holds an image without pixels",
            given=f"{path}, {width} x {height}",
            do="use another file",
        )
    if width * height > max_pixels:
        raise FileError(
            "the image has more pixels than are allowed",
            given=f"{path}, {width} x {height} = {width * height} pixels; at most {max_pixels}",
            do="crop or shrink it first",
        )


def choose_page(path: Path, n_pages: int, page: int | None, *, last: int | None = None) -> int:
    """Return the index of the chosen page, frame or slice; raise ``FileError`` unless it is clear.

    Pages up to ``last``, by default all, can be read.
    """
    last = n_pages if last is None else last
    choice = "1" if last == 1 else f"1 to {last}"
    if page is None and n_pages > 1:
        raise FileError(
            "the file holds several images (pages, frames or slices), not one",
            given=f"{path}, {n_pages} images",
            do=f"choose one by its page, {choice}, or save it as a separate file; save bands of one "
            "image as samples of one TIFF page or as an (H, W, C) .npy array",
        )
    if page is not None and page > last:
        raise FileError(
            "the file has no such page that can be read",
            given=f"page {page} of {path}",
            do=f"choose page {choice}",
        )
    return (page or 1) - 1


def is_gray_profile(profile: bytes | None) -> bool:
    """Whether an ICC profile describes gray values."""
    return (profile or b"")[16:20] == b"GRAY"


def full_scale(dtype: np.dtype) -> int:
    """Return the value of white, or opaque: the largest integer, or 1 for floats and booleans."""
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1


def convert_range(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert intensities from the range of their dtype to the range of another; integers are rounded."""
    if array.dtype == dtype:
        return array
    unit = array.astype(np.float64) / full_scale(array.dtype)
    if dtype.kind == "f":
        return unit.astype(dtype)
    top = full_scale(dtype)
    unit = np.clip(unit, 0.0, 1.0)
    if dtype.itemsize < 8:
        return np.rint(unit * top).astype(dtype)
    # The largest 64-bit integer rounds up, out of range, as a double: it is set separately.
    converted = np.rint(np.minimum(unit, 1 - 2**-53) * float(top)).astype(dtype)
    converted[unit == 1.0] = top
    return converted


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return type(value).__name__

"""Reading and writing image files: PNG, JPEG, WebP, TIFF and NumPy arrays.

Pixels keep their dtype, alpha, colour profile, EXIF data and resolution. An image that a format cannot hold
is an error, never a silent conversion. Output replaces a file only when it is complete.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from jumpset._core import checks
from jumpset._core.errors import FileError, InputError, MissingLibrary
from jumpset._core.files import as_path, atomic_write, check_target, format_of, read_head
from jumpset.io import _exif
from jumpset.io._picture import Picture, PictureWarning, is_gray_profile
from jumpset.io._signatures import is_read_by_pillow

_LARGEST_SIDE = {"png": 2**31 - 1, "jpeg": 65500, "webp": 16383, "tiff": 2**31 - 1}
_JPEG_EXIF_LIMIT = 65533 - 6  # a segment's length includes its own bytes and "Exif\0\0"


def read_picture(
    path: str | os.PathLike[str],
    *,
    page: int | None = None,
    max_pixels: int = 400_000_000,
    missing: Literal["nan"] | None = None,
) -> Picture:
    """Read an image from a PNG, JPEG, WebP, TIFF or ``.npy`` file, or from one of the formats below.

    BMP, PNM (PBM, PGM, PPM), GIF, JPEG 2000 and AVIF can be read, not written, and HEIC where the package
    pillow-heif is installed. Of the last three Pillow reads at most 8 bits of each value of a colour; a
    warning says where there are more.

    The format is detected from the file's content, not from its name. Pixels keep the dtype of the file;
    palettes become colours, bilevel images uint8 of 0 and 255, and packed samples are scaled to the range of
    their dtype. Premultiplied alpha is divided out. Of a JPEG with several images (as cameras write them) the
    first is read.

    An EXIF or TIFF orientation is applied, so that the first row is the top row, and its tag is reset. From a
    TIFF, camera and position data and the common text tags are kept as EXIF. XMP and IPTC data are not kept.

    Parameters
    ----------
    path : path-like
        The file.
    page : int, optional
        Page of a TIFF, or frame of a GIF or WebP, from 1. Default: the only one.
    max_pixels : int
        Refuse an image of more pixels (height times width), by its header, before decoding.
    missing : "nan", optional
        Accept NaN in float pixels, as the mark of missing ones.

    Returns
    -------
    Picture
        The pixels, (H, W) or (H, W, C), and their metadata.

    Raises
    ------
    FileError
        If the file is missing, not readable, empty, damaged, truncated or too large; if it holds several
        images and ``page`` is not given, ink values (CMYK), or values that are not real and finite.
    InputError
        If an argument has the wrong type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.png"
    >>> js.io.write_picture(path, js.datasets.coffee()[:16, :24])
    >>> js.io.read_picture(path).pixels.shape
    (16, 24, 3)
    """
    checks.integer("max_pixels", max_pixels, at_least=1)
    checks.one_of("missing", missing, (None, "nan"))
    if page is not None:
        checks.integer("page", page, at_least=1)
    path = as_path(path)
    reader = _reader(path, read_head(path))
    try:
        with warnings.catch_warnings(record=True) as found:
            # Warnings of the libraries concern metadata; damaged pixels raise.
            warnings.simplefilter("always")
            picture = reader(path, int(max_pixels), page)
    except (FileError, MissingLibrary):
        raise
    except MemoryError:
        raise FileError(
            "the image does not fit into memory", given=path, do="crop it into parts first"
        ) from None
    except Exception as error:  # decoders raise errors of many classes on damaged files
        is_sound = "unsupported" in str(error).lower()
        raise FileError(
            "the decoder does not know this kind of file" if is_sound else "the file is damaged or truncated",
            given=f"{path} ({type(error).__name__}: {error})",
            do="save it as PNG or TIFF"
            if is_sound
            else "copy or download it again, or save it again from its program",
        ) from error
    _check_finite(picture, path, missing)
    name = picture.pixels.dtype.name
    if picture.pixels.dtype.char != np.dtype(name).char:  # C has two equal types of 64 bits; torch knows one
        alpha = None if picture.alpha is None else picture.alpha.astype(name)
        picture = replace(picture, pixels=picture.pixels.astype(name), alpha=alpha)
    for warning in found:
        if warning.category is PictureWarning:
            warnings.warn(f"{warning.message}; file {path}", PictureWarning, stacklevel=2)
    return picture


def write_picture(path: str | os.PathLike[str], picture: Picture | np.ndarray, *, quality: int = 95) -> None:
    """Write an image to a file, in the format that the suffix names.

    The file is replaced only when the new one is complete. Pixels are written unchanged, never rescaled: PNG
    of 8 or 16 bits, TIFF of any dtype (one page, lossless compression), ``.npy`` (pixels only), and
    **lossless** WebP, which keeps flat regions flat. JPEG has full chroma resolution (4:4:4). WebP has no
    gray (it is written as three equal colours) and drops an alpha that is opaque everywhere. TIFF keeps the
    camera and position data and the common text tags of EXIF; ``.npy`` keeps the pixels only. A warning says
    when the place of the image on the ground (GeoTIFF) or a colour profile cannot be written.

    Parameters
    ----------
    path : path-like
        The file; ``.png``, ``.jpg``, ``.jpeg``, ``.webp``, ``.tif``, ``.tiff`` or ``.npy``. If it is a
        symbolic link, the file that it points to is replaced.
    picture : Picture or ndarray
        The image, or its pixels, (H, W) or (H, W, C), without alpha.
    quality : int
        JPEG only: 1 (coarse) to 100 (fine).

    Raises
    ------
    FileError
        If the file cannot be written (see :func:`check_writable`), or the format cannot hold the image
        (see :func:`check_can_hold`). The old file is kept.
    InputError
        If an argument has the wrong type.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.png"
    >>> js.io.write_picture(path, js.datasets.coffee()[:16, :24])
    >>> path.exists()
    True
    """
    checks.integer("quality", quality, at_least=1, at_most=100)
    format_of(as_path(path))
    check_target(path, probe=False)
    check_can_hold(path, picture)
    path = as_path(path)
    picture = _fitted(_as_picture(picture), format_of(path))
    try:
        with warnings.catch_warnings(), atomic_write(path) as temporary:
            warnings.simplefilter("ignore")
            _write(temporary, picture, int(quality))
    except (FileError, MissingLibrary):
        raise
    except Exception as error:  # encoders raise errors of many classes, e.g. for a full disk
        raise FileError(
            "the file could not be written",
            given=f"{path} ({type(error).__name__}: {error})",
            do="check free space and memory, or write another format",
        ) from error


def check_can_hold(path: str | os.PathLike[str], picture: Picture | np.ndarray) -> None:
    """Check, before any work, that the format of a path can hold an image without conversion.

    Parameters
    ----------
    path : path-like
        The file to be written; only its suffix matters.
    picture : Picture or ndarray
        The image, or one of the same dtype, shape and alpha.

    Raises
    ------
    FileError
        If the format cannot hold the dtype, the alpha channel, the number of bands, the size or the EXIF
        data, or if values are not finite.
    InputError
        If the argument is not an image, or is empty.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.png"
    >>> js.io.check_can_hold(path, js.datasets.coffee())  # raises where the format cannot hold the image
    """
    path = as_path(path)
    name = format_of(path)
    picture = _as_picture(picture)
    dtype, shape = picture.pixels.dtype, picture.pixels.shape
    if picture.pixels.size == 0:
        raise InputError(
            "an image without pixels cannot be written", given=f"shape {shape}", do="pass pixels"
        )
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise InputError(
            "pixels must be real numbers of at most 64 bits", given=dtype, do="convert them first"
        )
    allowed = {"png": ("bool", "uint8", "uint16"), "jpeg": ("bool", "uint8"), "webp": ("bool", "uint8")}
    if name in allowed and dtype.name not in allowed[name]:
        holds = "8 or 16" if name == "png" else "8"
        others = "TIFF or .npy" if name == "png" or dtype != np.uint16 else "PNG, TIFF or .npy"
        smaller = "uint8 or uint16" if name == "png" else "uint8"
        raise FileError(
            f"{name} holds whole numbers of {holds} bits, not {dtype}",
            given=path,
            do=f"write {others}, or convert the pixels to {smaller} first",
        )
    if picture.alpha is not None and name in ("jpeg", "npy"):
        raise FileError(
            f"{name} cannot hold an alpha channel",
            given=path,
            do="write PNG, WebP or TIFF, or leave alpha out",
        )
    if name in allowed and picture.n_bands not in (1, 3):
        hint = "; pass alpha separately, as Picture(pixels[..., :-1], alpha=pixels[..., -1])"
        raise FileError(
            f"{name} holds 1 band or 3, not {picture.n_bands}",
            given=path,
            do="write TIFF or .npy" + (hint if picture.n_bands in (2, 4) else ""),
        )
    if max(shape[:2]) > _LARGEST_SIDE.get(name, max(shape)):
        raise FileError(
            f"{name} holds at most {_LARGEST_SIDE[name]} pixels a side",
            given=f"{path}, {shape[1]} x {shape[0]}",
            do="write PNG or TIFF, or shrink the image",
        )
    if name == "jpeg" and picture.exif and len(picture.exif) > _JPEG_EXIF_LIMIT:
        raise FileError(
            f"jpeg holds at most {_JPEG_EXIF_LIMIT} bytes of EXIF data",
            given=f"{path}, {len(picture.exif)} bytes",
            do="write another format, or leave the EXIF data out",
        )
    _check_finite(picture, path)


def _reader(path: Path, head: bytes) -> Callable[[Path, int, int | None], Picture]:
    """Return the function that reads the format of the file's first bytes."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        from jumpset.io._raster import read_png as read
    elif head.startswith(b"\xff\xd8\xff"):
        from jumpset.io._raster import read_jpeg as read
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        from jumpset.io._raster import read_webp as read
    elif head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        from jumpset.io._tiff import read_tiff as read
    elif head.startswith(b"\x93NUMPY"):
        from jumpset.io._npy import read_npy as read
    elif head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        from jumpset.io._pnm import read_pnm as read
    elif is_read_by_pillow(head):
        from jumpset.io._pillow import read_by_pillow as read
    else:
        raise FileError(
            "the file is not an image of a supported format",
            given=path,
            do="save it as PNG, JPEG, WebP, TIFF or .npy",
        )
    return read


def _fitted(picture: Picture, name: str) -> Picture:
    """Return the image without the metadata that the format cannot hold; a warning says what is left out."""
    has_colours = name == "webp" or (name != "npy" and picture.n_bands >= 3)
    if has_colours and is_gray_profile(picture.icc_profile):
        warnings.warn(
            f"the colour profile is of gray values, and the {name} file has colours: the profile is left out",
            PictureWarning,
            stacklevel=3,
        )
        picture = replace(picture, icc_profile=None)
    if name not in ("tiff", "npy") and any(code > 33000 for code, *_ in picture.tiff_tags):
        warnings.warn(
            f"{name} cannot hold the place of the image on the ground (GeoTIFF): write .tif to keep it",
            PictureWarning,
            stacklevel=3,
        )
    return picture


def _write(path: Path, picture: Picture, quality: int) -> None:
    name = format_of(path)
    # The pixels are upright: an orientation left in the caller's block would rotate them.
    height, width = picture.pixels.shape[:2]
    picture = replace(picture, exif=_exif.for_image(_exif.strip_prefix(picture.exif), width, height))
    if picture.pixels.dtype == np.bool_ and name != "npy":
        picture = picture.with_pixels(picture.pixels.astype(np.uint8) * np.uint8(255))
    if name == "npy":
        from jumpset.io._npy import write_npy as write
    elif name == "tiff":
        from jumpset.io._tiff import write_tiff as write
    else:
        from jumpset.io import _raster

        write_jpeg = partial(_raster.write_jpeg, quality=quality)
        write = {"png": _raster.write_png, "jpeg": write_jpeg, "webp": _raster.write_webp}[name]
    write(path, picture)


def _as_picture(picture: Picture | np.ndarray) -> Picture:
    if isinstance(picture, Picture):
        return picture
    if isinstance(picture, np.ndarray):
        return Picture(picture)
    raise InputError(
        "an image must be a Picture or a NumPy array",
        given=type(picture).__name__,
        do="pass an array of shape (H, W) or (H, W, C); convert a tensor by .numpy()",
    )


def _check_finite(picture: Picture, path: Path, missing: str | None = None) -> None:
    for name, values in (("pixels", picture.pixels), ("alpha", picture.alpha)):
        if values is None or values.dtype.kind != "f":
            continue
        is_nan = np.isnan(values) & (missing is not None and name == "pixels")
        n_bad = values.size - int((np.isfinite(values) | is_nan).sum())
        if n_bad:
            raise FileError(
                f"non-finite values in {name}",
                given=f"{path}, {n_bad} of {values.size} values",
                do="replace them by numbers first, or pass missing='nan' where NaN marks missing pixels",
            )

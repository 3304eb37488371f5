"""Palettes as files: one row of pixels, a GIMP palette, or a list of hex codes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.errors import FileError, InputError
from jumpset._core.files import as_path, atomic_write, check_target
from jumpset.io._picture import Picture, convert_range
from jumpset.io._read_write import write_picture

_SUFFIXES = ".png", ".gpl", ".json"


def write_palette(path: str | os.PathLike[str], colors: Any) -> None:
    """Write colours to a file, completely or not at all.

    Parameters
    ----------
    path
        A file that ends in ``.png``, one row of a pixel a colour in the dtype of ``colors``; in ``.gpl``, a
        palette that GIMP, Inkscape and Krita read; or in ``.json``, a list of codes such as ``"#ff8800"``.
    colors
        ``(K, 1)`` gray values or ``(K, 3)`` colours of any bool, integer or float dtype, e.g.
        :attr:`jumpset.regions.Recolored.colors`. The two text formats have 8 bits.

    Raises
    ------
    InputError
        ``colors`` is not such an array, is empty, or has a value that is not finite.
    FileError
        The name has another suffix, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "flag.json"
    >>> js.io.write_palette(path, np.array([[0, 85, 164], [255, 255, 255]], np.uint8))
    >>> path.read_text().split()
    ['["#0055a4",', '"#ffffff"]']
    """
    target = as_path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise FileError("no palette format has this suffix", given=target, do="end it in .png, .gpl or .json")
    check_target(target)
    listed = _check(colors)
    if target.suffix.lower() == ".png":
        write_picture(target, Picture(np.ascontiguousarray(listed[None])))
        return
    codes = _levels(listed)
    text = _gimp(target, codes) if target.suffix.lower() == ".gpl" else json.dumps([*map(_hex, codes)]) + "\n"
    with atomic_write(target) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _check(colors: Any) -> np.ndarray:
    array = np.asarray(colors)
    is_list = array.ndim == 2 and array.shape[1] in (1, 3) and len(array) > 0
    if not is_list or array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise InputError(
            "a palette is an array of finite gray values (K, 1) or colours (K, 3)",
            given=f"{array.dtype}, shape {array.shape}",
            do="pass e.g. regions.recolor(labels, image, n_colors=8).colors of a gray or RGB image",
        )
    return array


def _levels(colors: np.ndarray) -> list[list[int]]:
    """Return red, green and blue of each colour, 0 to 255."""
    levels = convert_range(colors, np.dtype(np.uint8))
    return np.broadcast_to(levels, (len(levels), 3)).tolist()


def _hex(color: list[int]) -> str:
    return "#" + "".join(f"{level:02x}" for level in color)


def _gimp(path: Path, colors: list[list[int]]) -> str:
    name = " ".join(path.stem.split())  # a line break would end the name
    rows = [f"{r:3d} {g:3d} {b:3d}\t{_hex([r, g, b])}" for r, g, b in colors]
    return "\n".join(["GIMP Palette", f"Name: {name}", "Columns: 8", "#", *rows]) + "\n"

"""Folders of images with their ground truths: ``input/`` and ``truth/``."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from jumpset._core.checks import integer, one_of
from jumpset._core.errors import FileError
from jumpset.datasets._files import EXTENSIONS, image_size, read_uint8

_KINDS = ("folder", "nks", "clipart")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Pair:
    """The files of an image and its ground truth.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> folder = Path(tempfile.mkdtemp())
    >>> for part in ("input", "truth"):
    ...     (folder / part).mkdir()
    ...     js.io.write_picture(folder / part / "one.png", js.datasets.coffee()[:16, :16])
    >>> pair = js.datasets.pairs(folder)[0]
    >>> pair.name, pair.truth.parent.name
    ('one', 'truth')
    """

    name: str
    """Stem of the input file."""
    input: Path
    """Path of the input."""
    truth: Path
    """Path of the truth."""

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Read both as uint8 arrays of one shape, (H, W) or (H, W, 3).

        Transparent images are composited on black and rounded; this drops an opaque alpha channel. If one of
        the two is gray and the other coloured, the gray one is repeated to three channels.

        Returns
        -------
        input, truth
            The two arrays.

        Raises
        ------
        FileError
            A file is missing or cannot be read, has more than 8 bits per value, or the sizes differ.
        """
        pair = [read_uint8(self.input), read_uint8(self.truth)]
        _require_same_size(self, pair[0].shape[:2], pair[1].shape[:2])
        if pair[0].ndim != pair[1].ndim:
            pair = [a if a.ndim == 3 else np.repeat(a[..., None], 3, axis=-1) for a in pair]
        return pair[0], pair[1]


def pairs(
    directory: str | os.PathLike[str],
    kind: Literal["folder", "nks", "clipart"] = "folder",
    limit: int | None = None,
    *,
    check: bool = True,
) -> list[Pair]:
    """List the pairs of a folder with ``input/`` and ``truth/``, in natural order (``S2`` before ``S10``).

    Hidden files and files with other extensions than those of images are skipped. All inputs are matched
    before ``limit`` applies, and no pixel is read.

    Parameters
    ----------
    directory
        The folder.
    kind
        How the name of an input determines its truth. ``"folder"`` and ``"clipart"``: the same stem, with any
        of the extensions. ``"nks"``: the stem up to its first underscore, as PNG (``S3_T7.png`` belongs to
        ``S3.png``), so that several inputs share a truth.
    limit
        Largest number of pairs, evenly spaced over the sorted list, so that they represent the whole set.
    check
        Whether the headers of the files are read, and compared in size; otherwise :meth:`Pair.load` raises.

    Returns
    -------
    list of Pair
        The pairs, sorted by name.

    Raises
    ------
    FileError
        The folder, ``input/`` or ``truth/`` is missing; there is no input; an input has no truth, or two
        candidates; two inputs have one name; a file cannot be read, or a pair differs in size.
    InputError
        Another kind, or a limit below 1.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> folder = Path(tempfile.mkdtemp())
    >>> for part in ("input", "truth"):
    ...     (folder / part).mkdir()
    ...     js.io.write_picture(folder / part / "one.png", js.datasets.coffee()[:16, :16])
    >>> [pair.name for pair in js.datasets.pairs(folder)]
    ['one']
    """
    one_of("kind", kind, _KINDS)
    if limit is not None:
        integer("limit", limit, at_least=1)
    root = Path(directory)
    for folder in (root, root / "input", root / "truth"):
        if not folder.is_dir():
            raise FileError(
                "a folder is missing", given=str(folder), do="pass a folder that holds input/ and truth/"
            )
    inputs = _by_stem(root / "input")
    truths = _by_stem(root / "truth")
    if not inputs:
        raise FileError(
            "there is no image in the folder", given=str(root / "input"), do="put the inputs there"
        )
    found = [
        Pair(stem, _single(inputs[stem]), _truth(inputs[stem][0], truths, kind))
        for stem in sorted(inputs, key=_natural_key)
    ]
    found = sample_evenly(found, limit)
    for pair in found if check else ():
        _require_same_size(pair, image_size(pair.input), image_size(pair.truth))
    return found


def sample_evenly(items: list[_Item], limit: int | None) -> list[_Item]:
    """Select at most ``limit`` items, evenly spaced."""
    if limit is None or limit >= len(items):
        return items
    return [items[(2 * i + 1) * len(items) // (2 * limit)] for i in range(limit)]


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The image files by stem."""
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file():
            stems[path.stem].append(path)
    return dict(stems)


def _truth(path: Path, truths: dict[str, list[Path]], kind: str) -> Path:
    stem = path.stem.split("_", 1)[0] if kind == "nks" else path.stem
    candidates = truths.get(stem, [])
    if kind == "nks":
        candidates = [truth for truth in candidates if truth.suffix.lower() == ".png"]
    if not candidates:
        ending = ".png" if kind == "nks" else " with the extension of an image"
        raise FileError(
            "an input has no truth", given=str(path), do=f"add truth/{stem}{ending}, or remove the input"
        )
    return _single(candidates)


def _single(candidates: list[Path]) -> Path:
    if len(candidates) > 1:
        raise FileError(
            "more than one file has the same name",
            given=" and ".join(map(str, candidates)),
            do="keep one of them",
        )
    return candidates[0]


def _natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key: runs of digits compare as numbers, before letters; the name itself breaks ties (1 and 01)."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0].isdigit() else (1, 0, part) for part in parts], name


def _require_same_size(pair: Pair, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if a != b:
        raise FileError(
            f"input and truth of {pair.name} differ in size",
            given=f"{a[0]} x {a[1]} and {b[0]} x {b[1]} pixels (height x width)",
            do="crop or resize one of the files",
        )

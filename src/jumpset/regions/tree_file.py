"""The file of a region tree: one ``.npz`` with the image and the merges."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jumpset._core.axes import check_axes, names_of
from jumpset._core.errors import FileError, InputError
from jumpset._core.files import as_path, atomic_write, read_head

_FORMAT = 3  # version of the file format; 1 and 2 have the channel axis, but no names of axes


def write(path: str | os.PathLike[str], tree: dict[str, Any]) -> None:
    """Write the parts of a tree, completely or not at all."""
    target = check_tree_path(path)
    axes, alpha, value_range = tree["layout"]
    optional = {
        "axes": np.array(axes),
        "alpha": np.array([] if alpha is None else [alpha]),
        "value_range": np.array([] if value_range is None else value_range, dtype=np.float64),
        "mass": np.array([]) if tree["mass"] is None else tree["mass"],
    }
    parts = {name: tree[name] for name in ("image", "into", "rank", "weight", "rise", "cost")}
    with atomic_write(target) as temporary, temporary.open("wb") as file:
        np.savez(
            file, jumpset_tree=np.array(_FORMAT), boundary=np.array(tree["boundary"]), **parts, **optional
        )


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the parts of a tree that :func:`write` wrote."""
    source = as_path(path)
    read_head(source)
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
            version = int(data["jumpset_tree"])
            if not 1 <= version <= _FORMAT:
                raise FileError(
                    "this version of jumpset does not support the format of the tree",
                    given=source,
                    do="build the tree again from the image",
                )
            alpha, low_high = data["alpha"], data["value_range"]
            arrays = {name: data[name] for name in ("image", "into", "rank", "weight", "rise", "cost")}
            if version == _FORMAT:
                axes = check_axes(str(data["axes"]), arrays["image"].ndim)
            else:
                axis = data["channel_axis"]
                axes = names_of(arrays["image"].ndim, int(axis[0]) if len(axis) else None)
            layout = (
                axes,
                bool(alpha[0]) if len(alpha) else None,
                (float(low_high[0]), float(low_high[1])) if len(low_high) else None,
            )
            boundary = float(data["boundary"])
            mass = data["mass"] if "mass" in data.files and data["mass"].size else None
            _check_links(arrays["into"], arrays["rank"], arrays["weight"])
    except (InputError, OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            "the file is no region tree, or is damaged",
            given=f"{source} ({type(error).__name__})",
            do="pass a file that RegionTree.save wrote",
        ) from error
    return {"layout": layout, "boundary": boundary, "mass": mass, **arrays}


def check_tree_path(path: str | os.PathLike[str]) -> Path:
    """Return the path; raise unless its suffix is .npz."""
    target = as_path(path)
    if target.suffix.lower() != ".npz":
        raise FileError("a tree is saved as .npz", given=target, do="use a name that ends in .npz")
    return target


def _check_links(into: np.ndarray, rank: np.ndarray, weight: np.ndarray) -> None:
    """Raise unless each region is absorbed by one that is absorbed later or never: links without a circle."""
    n = len(into)
    if into.shape != (n,) or rank.shape != (n,) or len(weight) > n:
        raise ValueError
    if ((into < 0) | (into >= n)).any() or (rank < 0).any():
        raise ValueError
    absorbed = rank < len(weight)
    if (rank[into[absorbed]] <= rank[absorbed]).any():
        raise ValueError

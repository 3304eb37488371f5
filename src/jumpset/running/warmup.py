"""Compile kernels before the first image comes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset._core.catalog import CLASSES
from jumpset._core.errors import MissingLibrary, RangeWarning
from jumpset.running.registry import method
from jumpset.running.run import run

_TREE = "region tree"
_STEPS = 30  # reaches every kernel of an ADMM that solves its inner problem every 25 steps
_NETWORK_STEPS = 2  # of a network that is fitted to the image; its kernels are those of its solver


def warmup(
    names: Sequence[str] | None = None, *, progress: Callable[[int, int, str], object] | None = None
) -> float:
    """Compile the kernels of methods, so that their first call is as fast as all others.

    Each method runs on a tiny image of float32 and of float64. Numba keeps what it compiled in a folder, from
    which later processes load it: a second warm-up takes seconds. Options that need kernels of their own,
    such as ``mask``, compile when they are first used.

    Parameters
    ----------
    names
        Names out of :func:`jumpset.methods`, and ``"region tree"`` for :class:`jumpset.RegionTree`; default:
        all.
    progress
        ``progress(done, total, name)`` is called before each of them, and once at the end.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    InputError
        A name that is not known.

    Examples
    --------
    >>> import jumpset as js
    >>> seconds = js.warmup(["fgs"])
    >>> js.warmup(["fgs"]) < 5.0  # the kernels are there
    True
    """
    chosen = [*CLASSES, _TREE] if names is None else list(names)
    for name in chosen:
        checks.one_of("method", name, [*CLASSES, _TREE])
    started = time.monotonic()
    image = np.random.default_rng(0).random((24, 32, 3))
    for done, name in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen), name)
        with warnings.catch_warnings():
            # noise has neither the range nor the grid of an image
            warnings.simplefilter("ignore", RangeWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            for pixels in (image.astype(np.float32), image):
                _run(name, pixels)
    if progress is not None:
        progress(len(chosen), len(chosen), "")
    return time.monotonic() - started


def _run(name: str, image: np.ndarray) -> None:
    if name == _TREE:
        from jumpset.regions.tree import RegionTree

        tree = RegionTree(image)
        tree.labels(n_regions=9)
        tree.smooth(n_regions=9)
        return
    try:
        made: Any = method(name)
        steps = _NETWORK_STEPS if CLASSES[name].startswith("jumpset.dip.") else _STEPS
        run(image, made, max_steps=min(steps, made.max_steps))
    except MissingLibrary:  # a trained network, whose first call will say what to install
        return

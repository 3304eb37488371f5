"""The photograph of the package."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np

from jumpset.datasets._files import read_uint8


def coffee() -> np.ndarray:
    """A photograph of a cup of coffee on a wooden table, with flat regions and fine grain.

    Returns
    -------
    numpy.ndarray
        uint8, (400, 600, 3).

    References
    ----------
    Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0 1.0.

    Examples
    --------
    >>> import jumpset as js
    >>> js.datasets.coffee().shape
    (400, 600, 3)
    """
    with as_file(files("jumpset.datasets") / "pictures" / "coffee.png") as path:
        return read_uint8(path)

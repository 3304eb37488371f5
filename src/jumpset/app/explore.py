"""The widget for notebooks: an image, the slider of regions, and methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jumpset._core import checks
from jumpset._core.errors import InputError

if TYPE_CHECKING:
    from jumpset.app._widget import Explorer

MOST_PIXELS = 4_000_000  # the tree is sent to the page in one message


def explore(image: np.ndarray, *, n_regions: int = 300) -> Explorer:
    """Show an image with the slider of regions in a notebook: Jupyter, VS Code or marimo.

    The region tree is built once and sent to the page, which then answers each move of the slider by itself.
    The page can also run any method of :func:`jumpset.methods`; Python then waits for it.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` array as for :func:`jumpset.run`, at most 4 megapixels.
    n_regions
        Number of regions that is shown first; an image of fewer pixels is shown as it is.

    Returns
    -------
    Explorer
        The widget. ``w.n_regions`` is the number of regions, which may be set; ``w.weight`` the weight;
        ``w.tree`` the :class:`RegionTree`; ``w.method`` what is shown, ``"tree"`` or a method's name, and
        ``w.settings`` its parameters. ``w.result`` is the image that is shown, in the shape and dtype of the
        input, and ``w.run("tv", weight=0.1)`` shows the image of a method.

    Raises
    ------
    InputError
        The image cannot be used or is too large.
    MissingLibrary
        anywidget is not installed; ``pip install "jumpset[notebook]"`` adds it.

    Examples
    --------
    >>> import jumpset as js
    >>> w = js.explore(js.datasets.coffee())  # doctest: +SKIP
    >>> w.n_regions, w.weight  # doctest: +SKIP
    (300, 0.2712…)
    >>> flat = w.result  # doctest: +SKIP
    """
    checks.integer("n_regions", n_regions, at_least=1)
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
        raise InputError(
            "the image must be a NumPy array (H, W) or (H, W, C)",
            given=f"{type(image).__name__} {getattr(image, 'shape', '')}".strip(),
            do="convert it with np.asarray, one image at a time",
        )
    height, width = image.shape[:2]
    if height * width > MOST_PIXELS:
        raise InputError(
            "the image is too large for a notebook",
            given=f"{width} x {height} pixels",
            do=f"pass at most {MOST_PIXELS} pixels, e.g. image[::2, ::2], or use the program: jumpset app",
        )
    from jumpset.app._widget import Explorer  # anywidget is loaded here alone

    return Explorer(image, n_regions)

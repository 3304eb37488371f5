"""Few colours: k-means over the mean colours of regions, or given colours."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from jumpset._core import checks
from jumpset._core.arrays import Layout, ValueRange
from jumpset._core.errors import InputError
from jumpset.regions._arguments import check_labels, read_image, region_sums, restore_colors
from jumpset.regions.labels import adjacency, label

_MOST_STEPS = 200  # of k-means, which ends after about ten


class Recolored(NamedTuple):
    """What :func:`recolor` returns.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> few = js.regions.recolor([[1, 2, 2]], np.array([[0.0, 1.0, 0.5]]), palette=[[0.0], [1.0]])
    >>> few.energy(weight=0.5)
    0.75
    """

    labels: np.ndarray
    """``(H, W)`` int32, 1, 2, …: neighbouring regions that received one colour are one region."""
    image: np.ndarray
    """The recoloured image, in the shape and dtype of the image; alpha is unchanged."""
    colors: np.ndarray
    """``(K, C)``: the colours, in the dtype of the image."""
    squared_error: float
    """Σ ‖f − u‖² over all pixels, in squared intensities."""
    boundary: int
    """Number of pixel sides between different regions."""

    def energy(self, weight: float) -> float:
        """Return ``squared_error + weight · boundary``, the energy that :class:`RegionTree` lowers."""
        return self.squared_error + weight * self.boundary


def recolor(
    labels: Any,
    image: Any,
    *,
    n_colors: int | None = None,
    palette: Sequence[Any] | np.ndarray | None = None,
    channel_axis: int | None = -1,
    axes: str | None = None,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> Recolored:
    """Give each region one of few colours: the nearest to its mean.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region; or those of a signal or volume.
    image
        The image, for the mean colours.
    n_colors
        Number of colours, found by k-means over the means, weighted by the regions' numbers of pixels.
    palette
        Or given colours: ``(K, C)`` values in the range of the image, or K strings such as ``"#ff8800"`` for
        gray and RGB images. Pass exactly one of the two.
    channel_axis, axes, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    Recolored
        Labels, image, colours, squared error and boundary.

    Raises
    ------
    InputError
        An argument cannot be used, both or none of ``n_colors`` and ``palette`` are given.

    Notes
    -----
    S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982. The first centre is the
    mean of the largest region, each further one the mean of the region with the largest squared error; the
    result is thus the same in each call. Where regions have fewer means than ``n_colors``, there are fewer
    colours.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> few = js.regions.recolor([[1, 2, 3]], np.array([[0.0, 0.1, 1.0]]), n_colors=2)
    >>> few.image.tolist()
    [[0.05, 0.05, 1.0]]
    """
    index, _ = check_labels(labels)
    if (n_colors is None) == (palette is None):
        raise InputError(
            "recolor needs n_colors or palette",
            given="both" if palette is not None else "none",
            do="pass one of the two",
        )
    if n_colors is not None:
        checks.integer("n_colors", n_colors, at_least=1)
    pixels, layout = read_image(index, image, channel_axis, alpha, value_range, axes)
    size, total = region_sums(index, pixels)
    mean = total / size[:, None]
    if palette is None:
        colors, chosen = _lloyd(mean, size, int(n_colors or 1))
    else:
        colors = read_palette(palette, pixels.shape[-1], layout)
        chosen = _nearest(mean, colors)
    painted = colors[chosen[index]]
    back = layout.restore(torch.from_numpy(np.moveaxis(painted, -1, 0).copy())[None])
    joined = label(chosen[index], axes="zyx"[3 - index.ndim :])
    return Recolored(
        joined,
        back,
        restore_colors(colors, layout),
        float(((pixels - painted) ** 2).sum()),
        int(adjacency(joined)["length"].sum()),
    )


def read_palette(palette: Any, bands: int, layout: Layout) -> np.ndarray:
    """Return ``(K, C)`` intensities of given colours."""
    listed: list[Any] = (
        list(palette) if isinstance(palette, (Sequence, np.ndarray)) and np.ndim(palette) else [palette]
    )
    if listed and all(isinstance(color, str) for color in listed):
        values = np.array([_from_hex(color) for color in listed])
        if bands == 1:
            return values @ np.array([[0.299], [0.587], [0.114]])  # luma of ITU-R BT.601
        if bands == 3:
            return values
        raise InputError(
            "colours as text are for gray and RGB images", given=f"{bands} bands", do="pass numbers"
        )
    try:
        numbers = np.asarray(listed, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.zeros((0, 0))
    numbers = numbers[:, None] if numbers.ndim == 1 and bands == 1 else numbers
    if numbers.ndim != 2 or numbers.shape[-1] != bands or not numbers.size or not np.isfinite(numbers).all():
        raise InputError(
            f"a palette has finite values, {bands} a colour",
            given=repr(palette)[:80],
            do="pass a (K, C) array",
        )
    return (numbers - layout.low) / (layout.high - layout.low)


def _from_hex(color: str) -> list[float]:
    digits = color.strip().removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if len(digits) != 6 or not set(digits) <= set(string.hexdigits):
        raise InputError("a colour as text has six hex digits", given=repr(color), do='write e.g. "#ff8800"')
    return [int(digits[k : k + 2], 16) / 255.0 for k in (0, 2, 4)]


def _lloyd(mean: np.ndarray, size: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres ``(K, C)`` and the centre of each region."""
    centers = mean[[np.argmax(size)]]
    nearest = ((mean - centers[0]) ** 2).sum(1)
    while len(centers) < count and (size * nearest).max() > 0.0:
        centers = np.concatenate([centers, mean[[np.argmax(size * nearest)]]])
        nearest = np.minimum(nearest, ((mean - centers[-1]) ** 2).sum(1))
    chosen = _nearest(mean, centers)
    for _ in range(_MOST_STEPS):
        mass = np.bincount(chosen, size, len(centers))
        sums = np.stack([np.bincount(chosen, size * band, len(centers)) for band in mean.T], 1)
        centers = np.where(mass[:, None] > 0, sums / np.maximum(mass, 1e-300)[:, None], centers)
        before, chosen = chosen, _nearest(mean, centers)
        if (chosen == before).all():
            break
    used, chosen = np.unique(chosen, return_inverse=True)
    return centers[used], chosen


def _nearest(mean: np.ndarray, colors: np.ndarray) -> np.ndarray:
    best, chosen = np.full(len(mean), np.inf), np.zeros(len(mean), np.intp)
    for k, color in enumerate(colors):  # one at a time: K may be large
        distance = ((mean - color) ** 2).sum(1)
        chosen[distance < best] = k
        best = np.minimum(best, distance)
    return chosen

"""The two l0 energies, of changed pixels and of jumps between neighbours; the fidelity has no factor ½."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jumpset._core import checks
from jumpset.metrics._inputs import channels_last, comparable, real_array, span
from jumpset.operators.neighborhoods import OFFSETS
from jumpset.operators.neighborhoods import edge_weights as grid_weights


def gradient_count(u: ArrayLike, tol: float = 0.0, *, channel_axis: int | None = -1) -> int:
    """Number of pixels whose gradient is not zero.

    ``#{p : ∇u(p) ≠ 0}`` with forward differences to the right and down, zero across the border; a pixel
    counts once if any channel changes.

    Parameters
    ----------
    u
        Image, (H, W) or with a channel axis.
    tol
        A difference counts as zero where its magnitude is at most ``tol`` in every channel. In intensities in
        [0, 1]: for uint8, ``1/255`` is one level.
    channel_axis
        The axis of the channels of a 3-D array.

    Returns
    -------
    int
        Number of pixels.

    Raises
    ------
    InputError
        The array is not an image, is empty or not finite, has signed integers of 32 or 64 bits, or ``tol`` is
        negative.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> u = np.array([[0.05, 0.05, 0.95, 0.95]] * 2)
    >>> js.metrics.gradient_count(u, channel_axis=None)
    2
    """
    x, threshold = _image(u, tol, channel_axis)
    changed = np.zeros(x.shape[:2], dtype=bool)
    changed[:-1] |= _jumps(x, (1, 0), threshold)
    changed[:, :-1] |= _jumps(x, (0, 1), threshold)
    return int(changed.sum())


def jump_count(
    u: ArrayLike,
    tol: float = 0.0,
    *,
    neighbors: int = 4,
    edge_weights: ArrayLike | None = None,
    channel_axis: int | None = -1,
) -> float:
    """Weighted number of edges between neighbours of different values: the length of the jump set.

    ``Σ_(i,j) ω_ij [u_i ≠ u_j]`` over the edges of the grid, each once; an edge counts if any channel differs.

    Parameters
    ----------
    u
        Image, (H, W) or with a channel axis.
    tol
        Values count as equal where they differ by at most ``tol`` in every channel, in intensities in [0, 1].
    neighbors
        4 or 8.
    edge_weights
        Optional ``(D, H, W)``: multiplies ω of the edge from each pixel to the right and down (D = 2), and
        down-right and down-left (D = 4, with 8 neighbours). ω is 1 with 4 neighbours; with 8, ``√2 - 1``
        along the axes and ``1 - √2/2`` along the diagonals.
    channel_axis
        The axis of the channels of a 3-D array.

    Returns
    -------
    float
        Length of the jumps, in pixels.

    Raises
    ------
    InputError
        As in :func:`gradient_count`; another number of neighbours; weights of the wrong number, shape or
        sign.

    References
    ----------
    Storath, Weinmann: Fast partitioning of vector-valued images, SIAM Journal on
    Imaging Sciences 2014 (weights).

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> u = np.array([[0.05, 0.05, 0.95, 0.95]] * 2)
    >>> js.metrics.jump_count(u, channel_axis=None)
    2.0
    """
    x, threshold = _image(u, tol, channel_axis)
    weights = grid_weights(neighbors, x.shape[:2], edge_weights)
    total = 0.0
    for offset, weight in zip(OFFSETS[neighbors], weights, strict=True):
        down, right = offset
        leaving = weight[: len(weight) - down, max(-right, 0) : weight.shape[1] - max(right, 0)]
        total += float(np.sum(_jumps(x, offset, threshold) * leaving))
    return total


def energy_pix(
    u: ArrayLike, f: ArrayLike, weight: float, *, tol: float = 0.0, channel_axis: int | None = -1
) -> float:
    """The l0 gradient energy that counts pixels.

    ``E_pix(u) = ‖u - f‖² + weight · #{p : ∇u(p) ≠ 0}``, without a factor ½: the norm sums over pixels and
    channels, and :func:`gradient_count` is the count. Differences of integers are divided by the range of
    their dtype.

    Parameters
    ----------
    u, f
        The candidate and the given image, of the same shape and dtype (two float dtypes may differ).
    weight
        Weight of one pixel, at least 0, for intensities in [0, 1].
    tol, channel_axis
        As in :func:`gradient_count`.

    Returns
    -------
    float
        The energy.

    Raises
    ------
    InputError
        As in :func:`gradient_count`; shapes or dtypes differ; ``weight`` is negative or not finite.

    References
    ----------
    Xu, Lu, Xu, Jia: Image smoothing via L0 gradient minimization, ACM Transactions on Graphics 2011.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> f = np.array([[0.0, 0.1, 0.9, 1.0]] * 2)
    >>> u = np.array([[0.05, 0.05, 0.95, 0.95]] * 2)
    >>> round(js.metrics.energy_pix(u, f, 0.1, channel_axis=None), 3)
    0.22
    """
    checks.real("weight", weight, at_least=0)
    fidelity = _fidelity(u, f)
    return fidelity + float(weight) * gradient_count(u, tol, channel_axis=channel_axis)


def energy_edge(
    u: ArrayLike,
    f: ArrayLike,
    weight: float,
    *,
    neighbors: int = 4,
    edge_weights: ArrayLike | None = None,
    tol: float = 0.0,
    channel_axis: int | None = -1,
) -> float:
    """The Potts energy, which counts edges.

    ``E_edge(u) = ‖u - f‖² + weight · Σ_(i,j) ω_ij [u_i ≠ u_j]``, without a factor ½: the norm sums over
    pixels and channels, and :func:`jump_count` is the sum. Differences of integers are divided by the range
    of their dtype.

    Parameters
    ----------
    u, f
        The candidate and the given image, of the same shape and dtype (two float dtypes may differ).
    weight
        Weight of one unit of length of the jump set, at least 0, for intensities in [0, 1].
    neighbors, edge_weights, tol, channel_axis
        As in :func:`jump_count`.

    Returns
    -------
    float
        The energy.

    Raises
    ------
    InputError
        As in :func:`jump_count`; shapes or dtypes differ; ``weight`` is negative or not finite.

    References
    ----------
    Nguyen, Brown: Fast and effective L0 gradient minimization by region fusion, ICCV 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> f = np.array([[0.0, 0.1, 0.9, 1.0]] * 2)
    >>> u = np.array([[0.05, 0.05, 0.95, 0.95]] * 2)
    >>> round(js.metrics.energy_edge(u, f, 0.1, channel_axis=None), 3)
    0.22
    """
    checks.real("weight", weight, at_least=0)
    fidelity = _fidelity(u, f)
    count = jump_count(u, tol, neighbors=neighbors, edge_weights=edge_weights, channel_axis=channel_axis)
    return fidelity + float(weight) * count


def _image(u: ArrayLike, tol: float, channel_axis: int | None) -> tuple[np.ndarray, float]:
    """Return unscaled (H, W, C) values, and ``tol`` in their unit, as scaling would round differences."""
    checks.real("tol", tol, at_least=0)
    array = real_array(u, "u")
    return channels_last(array, channel_axis, "u").astype(np.float64), float(tol) * span(array.dtype)


def _jumps(x: np.ndarray, offset: tuple[int, int], threshold: float) -> np.ndarray:
    """Return where the values of an edge of this offset differ."""
    down, right = offset
    height, width = x.shape[:2]
    start = x[: height - down, max(-right, 0) : width - max(right, 0)]
    end = x[down:, max(right, 0) : width + min(right, 0)]
    return np.any(np.abs(end - start) > threshold, axis=-1)


def _fidelity(u: ArrayLike, f: ArrayLike) -> float:
    x, y = comparable(u, f, ("u", "f"))
    error = (x.astype(np.float64) - y.astype(np.float64)) / span(x.dtype)
    return float(np.sum(error * error))

"""The weight of a penalty for one image: from a fraction of zeros, a number of regions, or a noise level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import ValueRange, to_tensor
from jumpset._core.errors import InputError
from jumpset.kernels.regions import fusion
from jumpset.operators.images import check_images
from jumpset.operators.neighborhoods import LENGTHS, OFFSETS
from jumpset.penalties.base import Penalty
from jumpset.penalties.potts import Potts

_DOUBLINGS = 40  # limit of the doublings and halvings of a search


def weight_for_zero_fraction(
    image: Tensor, penalty: Penalty, fraction: float, *, tol: float = 0.0, accuracy: float = 0.01
) -> float:
    """Find the smallest ``tau`` for which ``penalty.prox(image, tau)`` has a fraction of zeros, by bisection.

    Parameters
    ----------
    image
        ``(B, C, *spatial)``, floats; the fraction is that of all images together.
    penalty
        A penalty with a prox that sets entries to zero.
    fraction
        Number of zeros divided by number of entries, above 0 and at most 1.
    tol
        Magnitudes up to ``tol`` count as zero.
    accuracy
        Relative accuracy of the weight.

    Returns
    -------
    float
        0 if the image has that many zeros already.

    Raises
    ------
    NoProx
        The penalty has no prox.
    InputError
        A parameter out of range, or a penalty that sets no entries to zero.

    Notes
    -----
    Bisection assumes that the number of zeros increases with the weight. If it does not always (overlapping
    or nonconvex penalties), the result still has that fraction of zeros, but may not be the smallest such
    weight.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> image = torch.linspace(0, 1, 10).reshape(1, 1, 2, 5)
    >>> tau = js.weights.weight_for_zero_fraction(image, js.L1(), 0.5)
    >>> float((js.L1().prox(image, tau) == 0).float().mean())
    0.5
    """
    check_images(image)
    checks.real("fraction", fraction, above=0.0, at_most=1.0)
    checks.real("tol", tol, at_least=0.0)
    checks.real("accuracy", accuracy, above=0.0)

    def reached(tau: float) -> bool:
        zeros = penalty.prox(image, tau).abs() <= tol
        return float(zeros.double().mean()) >= fraction

    start = float(image.abs().max())
    found = _least(reached, start if start > 0 else 1.0, accuracy)
    if found is None:
        raise InputError(
            "no weight gives that many zeros",
            given=f"{penalty!r}, fraction={fraction}",
            do="pass a penalty whose prox gives exact zeros, such as L1 or SlidingGroups, or tol > 0",
        )
    return found


def weight_for_regions(
    image: Any,
    count: int,
    *,
    neighbors: int = 4,
    levels: int = 50,
    accuracy: float = 0.01,
    channel_axis: int | None = -1,
    value_range: ValueRange | None = None,
) -> float:
    """Find the smallest weight for which region fusion results in at most ``count`` regions, by bisection.

    The weight is the λ of ``Σ‖u − f‖² + λ · length of the jumps`` (no ½), as in ``js.smooth(image,
    method="region-fusion", weight=λ)``; the ``tau`` of a :class:`Potts` prox, with ½, is λ / 2. Each trial is
    one region fusion, about twenty in total.

    Parameters
    ----------
    image
        One image as :func:`jumpset.smooth` takes it: ``(H, W)`` or ``(H, W, C)``, or ``(1, C, H, W)``.
    count
        Number of regions, from 1.
    neighbors, levels
        As in region fusion.
    accuracy
        Relative accuracy of the weight.
    channel_axis, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    float
        0 if the image has that few regions of equal colour already.

    Raises
    ------
    InputError
        A parameter out of range, or an image that cannot be used.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.coffee()[:48, :64] / 255.0
    >>> weight = js.weights.weight_for_regions(image, 20)
    >>> js.metrics.count_regions(js.smooth(image, "region-fusion", weight=weight, levels=50)) <= 20
    True
    """
    checks.integer("count", count, at_least=1)
    checks.one_of("neighbors", neighbors, (4, 8))
    checks.integer("levels", levels, at_least=1)
    checks.real("accuracy", accuracy, above=0.0)
    pixels = to_tensor(image, channel_axis=channel_axis, value_range=value_range)[0].double()
    if len(pixels) != 1:
        raise InputError("one image at a time", given=f"a batch of {len(pixels)}", do="pass image[:1]")
    pixels = np.ascontiguousarray(pixels[0].permute(1, 2, 0).cpu().numpy())
    lengths = np.array(LENGTHS[neighbors])[:, None, None]
    edges = np.broadcast_to(lengths, (len(lengths), *pixels.shape[:2]))

    def reached(weight: float) -> bool:
        regions = fusion.make_regions(pixels, edges, OFFSETS[neighbors])
        for k in range(levels + 1):
            fusion.sweep(regions, weight * k / levels)
        return int(np.count_nonzero(regions.parent == np.arange(len(regions.parent)))) <= count

    found = _least(reached, 0.01, accuracy)
    assert found is not None  # a weight above the variance of the image gives one region
    return found


def weight_from_noise(
    sigma: float,
    penalty: Penalty,
    shape: Sequence[int] = (1, 1, 64, 64),
    *,
    fraction: float = 0.99,
    seed: int = 0,
) -> float:
    """Return the weight at which an image of pure noise becomes empty, or flat.

    For a penalty that gives zeros: the smallest ``tau`` whose prox sets ``fraction`` of white Gaussian noise
    (a simulated image of the given shape) to zero, for the objective ``½‖u − f‖² + tau R(u)``. For
    :class:`Potts` the closed form ``2 sigma² log N``, N the number of pixels, for the objective without ½:
    the difference of two neighbours is normal with standard deviation √2 sigma, and merging them adds half of
    its square to the fidelity.

    Parameters
    ----------
    sigma
        Standard deviation of the noise, in intensities.
    penalty
        A penalty with a prox that gives zeros, or :class:`Potts`.
    shape
        ``(B, C, *spatial)`` of the image; a smaller shape is faster and nearly as accurate.
    fraction
        Fraction of the noise that is set to zero.
    seed
        Seed of the simulated noise.

    Returns
    -------
    float
        The weight.

    Raises
    ------
    NoProx
        The penalty has no prox.
    InputError
        A parameter out of range, or a penalty that gives no zeros.

    Notes
    -----
    The quantile universal threshold of C. Giacobino, S. Sardy, J. Diaz-Rodriguez, N. Hengartner, EJS 2017;
    for l1 and ``fraction=1`` it is the universal threshold of D. Donoho, I. Johnstone, Biometrika 1994.

    Examples
    --------
    >>> import jumpset as js
    >>> round(js.weights.weight_from_noise(0.1, js.L1()), 2)
    0.25
    """
    checks.real("sigma", sigma, at_least=0.0)
    if isinstance(penalty, Potts):
        return 2 * sigma**2 * float(np.log(max(2, np.prod(shape[2:]))))
    if sigma == 0:
        return 0.0
    noise = sigma * np.random.default_rng(seed).standard_normal(tuple(shape))
    return weight_for_zero_fraction(torch.from_numpy(noise), penalty, fraction)


def _least(reached: Callable[[float], bool], start: float, accuracy: float) -> float | None:
    """Return the smallest weight for which ``reached`` is true, or ``None`` if none is found."""
    if reached(0.0):
        return 0.0
    high = start
    for _ in range(_DOUBLINGS):
        if reached(high):
            break
        high *= 2
    else:
        return None
    low = high / 2
    for _ in range(_DOUBLINGS):
        if not reached(low):
            break
        high, low = low, low / 2
    while high - low > accuracy * low:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high

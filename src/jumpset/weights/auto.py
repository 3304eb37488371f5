"""The weight of a method for one image: from its noise, an estimated error, or a number of regions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import ValueRange, to_tensor
from jumpset._core.errors import InputError, RangeWarning
from jumpset._core.iterate import solve
from jumpset._core.text import Brief
from jumpset.metrics import count_regions
from jumpset.operators.pixel_weights import pixel_weights
from jumpset.running.inputs import read_input
from jumpset.running.registry import method as make_method
from jumpset.running.registry import methods
from jumpset.texture.noise import noise_levels
from jumpset.texture.support import varying

Rule = Literal["discrepancy", "sure", "regions"]

_GOLDEN = (math.sqrt(5) - 1) / 2
_SAME = 1e-3  # neighbours that differ by less, in intensities, belong to one region


@dataclass(frozen=True)
class AutoWeight(Brief):
    """The result of :func:`auto_weight`.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.add_noise(js.datasets.shapes(48, 64, seed=1), 0.1)
    >>> found = js.auto_weight(image, "tv", n_trials=4)
    >>> found.rule, found.image.shape
    ('discrepancy', (48, 64, 3))
    """

    weight: float
    """The weight."""
    image: Any
    """The image smoothed with it, of the kind of the input."""
    rule: str
    """The rule of the choice."""
    sigma: float | None
    """The noise level that was used, in intensities; ``None`` for ``"regions"``."""
    curve: tuple[tuple[float, float], ...]
    """(weight, value) of every trial, by weight: the mean squared residual, the estimated mean squared error,
    or the number of regions."""
    at_bound: Literal["low", "high"] | None = None
    """The bound of the search that the weight is, if it is one: a better weight may lie beyond."""


def auto_weight(
    image: Any,
    method: str = "tv",
    rule: Rule = "discrepancy",
    *,
    sigma: float | None = None,
    regions: int | None = None,
    bounds: tuple[float, float] = (1e-4, 10.0),
    n_trials: int = 14,
    seed: int = 0,
    channel_axis: int | None = -1,
    value_range: ValueRange | None = None,
    missing: Literal["nan"] | None = None,
    **hyper: Any,
) -> AutoWeight:
    r"""Choose the weight of a method for one image.

    Parameters
    ----------
    image
        One image, as :func:`jumpset.smooth` takes it.
    method
        A name from :func:`jumpset.methods`, of a method with a ``weight``.
    rule
        ``"discrepancy"``: the weight whose residual is as large as the noise, ``‖u − f‖² = N σ²``; the result
        is slightly too smooth. ``"sure"``: the minimum of Stein's unbiased estimate of the mean squared
        error, which needs no clean image; for methods that depend continuously on the image, such as
        ``"tv"``. ``"regions"``: the smallest weight whose result has at most ``regions`` connected regions of
        one colour.
    sigma
        Standard deviation of the noise, in intensities; default: :func:`estimate_noise`.
    regions
        The target number, for the rule ``"regions"``.
    bounds
        Range of the search.
    n_trials
        Number of weights to try, by bisection, or by golden section after a coarse search, of the logarithm.
    seed
        Seed of the random probe of ``"sure"``.
    channel_axis, value_range, missing
        As in :func:`jumpset.run`.
    **hyper
        Other hyper-parameters of the method.

    Returns
    -------
    AutoWeight
        The weight, the image at that weight, and how they were found.

    Raises
    ------
    InputError
        A parameter out of range, a method without a weight, more than one image, no ``regions``, or
        ``regions`` that no weight within the bounds reaches.

    Warns
    -----
    RangeWarning
        The weight is a bound of the search, except for ``"regions"`` at the lower bound.

    Notes
    -----
    V. Morozov, Soviet Math. Dokl. 1966 (discrepancy); C. Stein, Ann. Stat. 1981, with the divergence by a
    random probe, ``⟨b, (u(f + ε b) − u(f)) / ε⟩`` (S. Ramani, T. Blu, M. Unser, IEEE TIP 2008), b of random
    signs, ε = 0.1 σ. If even the residual of the upper bound is below the noise, the result is that bound;
    it is the lower bound where the noise is below the residual there.

    Examples
    --------
    >>> found = js.auto_weight(image, "tv", "discrepancy", sigma=0.1)  # doctest: +SKIP
    >>> found.weight, found.image  # doctest: +SKIP
    """
    checks.integer("n_trials", n_trials, at_least=4)
    low, high = _check_bounds(bounds)
    checks.one_of("method", method, methods())
    _check_rule(rule, regions)
    if "weight" not in methods()[method].defaults or "weight" in hyper:
        raise InputError(
            "auto_weight chooses the weight of a method that has one",
            given=f"method={method!r}, {sorted(hyper)}",
            do="use e.g. method='tv', without weight=",
        )
    f, layout, setting = read_input(
        image,
        make_method(method, **hyper),
        channel_axis=channel_axis,
        alpha=None,
        value_range=value_range,
        missing=missing,
    )
    if f.ndim != 4:
        raise InputError(
            "the weight is chosen for images of two axes",
            given=f"shape {tuple(f.shape)}",
            do="choose it for a slice, and pass it for the volume",
        )
    if len(f) != 1:
        raise InputError("one image at a time", given=f"a batch of {len(f)}", do="pass image[:1]")
    if sigma is not None:
        checks.real("sigma", sigma, at_least=0.0)
    level = None if rule == "regions" else sigma if sigma is not None else _noise(f)

    # Where the image is constant or missing, it has no noise, and a residual there says nothing.
    where = torch.from_numpy(varying(f[0].detach().cpu().numpy())[None]).to(f.device)
    if getattr(setting, "mask", None) is not None:
        where &= torch.from_numpy(pixel_weights(tuple(f.shape), setting.mask)[:, None] > 0.0).to(f.device)
    partly = bool(where.any()) and not bool(where.all())
    mean = lambda x: float((x[where] if partly else x).mean())  # noqa: E731

    answers: dict[float, Tensor] = {}

    def smoothed(weight: float, g: Tensor = f) -> Tensor:
        with torch.no_grad():
            return solve(replace(setting, weight=weight), g)

    curve: dict[float, float] = {}

    def trial(weight: float, value: Callable[[Tensor], float]) -> float:
        if weight not in curve:
            answers[weight] = smoothed(weight)
            curve[weight] = value(answers[weight])
        return curve[weight]

    if rule == "regions":
        assert regions is not None
        count = lambda w: trial(w, lambda u: float(_count(u)))  # noqa: E731
        if count(high) > regions:
            raise InputError(
                "no weight within the bounds gives so few regions",
                given=f"{int(curve[high])} regions at weight {high:g}",
                do="raise the upper bound",
            )
        weight = _bisect(lambda w: count(w) <= regions, low, high, n_trials)
    elif rule == "discrepancy":
        assert level is not None
        residual = lambda w: trial(w, lambda u: mean((u - f).double().square()))  # noqa: E731
        weight = high if residual(high) < level**2 else _bisect(
            lambda w: residual(w) >= level**2, low, high, n_trials
        )  # fmt: skip
    else:
        assert level is not None
        probe = torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], tuple(f.shape))).to(f)
        step = max(0.1 * level, 1e-4)

        def sure(w: float) -> float:
            def value(u: Tensor) -> float:
                moved = (smoothed(w, f + step * probe) - u).double()
                divergence = mean(probe * moved) / step
                return mean((u - f).double().square()) + level**2 * (2 * divergence - 1)

            return trial(w, value)

        weight = _golden(sure, low, high, n_trials)
    points = tuple(sorted(curve.items()))
    at_bound = _bound_of(weight, low, high)
    if at_bound == "high" or (at_bound == "low" and rule != "regions"):
        noise = "" if level is None else f", for noise of {level:.3g} in intensities"
        warnings.warn(
            f"the weight {weight:g} is a bound of the search{noise}; pass bounds other than {(low, high)}, or"
            " value_range='data' if the image uses little of its range",
            RangeWarning,
            stacklevel=2,
        )
    return AutoWeight(weight, layout.restore(answers[weight]), rule, level, points, at_bound)


def estimate_noise(
    image: Any, *, channel_axis: int | None = -1, value_range: ValueRange | None = None
) -> float:
    """Estimate the standard deviation of white Gaussian noise, in intensities, robustly against edges.

    The estimate is the median of ``|x − x_right − x_below + x_diagonal| / 2`` over all cells, divided by
    0.6745; of several channels, the root of their mean square. Left out are constant areas, such as bars and
    blank margins, and cells of which more than one pixel is clipped; 0 where hardly anything is left.

    Parameters
    ----------
    image
        As :func:`jumpset.smooth` takes it.
    channel_axis, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    float
        0 for an image without cells: one row or column.

    Raises
    ------
    InputError
        An image that cannot be used.

    Notes
    -----
    D. Donoho, I. Johnstone, Biometrika 1994: the median absolute deviation of the finest diagonal wavelets,
    here undecimated Haar wavelets. Texture counts as noise; noise that JPEG has smoothed is underestimated.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.add_noise(js.datasets.shapes(96, 128, seed=1), 0.1)
    >>> 0.08 < js.weights.estimate_noise(image) < 0.12
    True
    """
    return _noise(to_tensor(image, channel_axis=channel_axis, value_range=value_range)[0])


def _count(u: Tensor, tol: float = _SAME) -> int:
    """Count the regions of a batch, of 4-neighbours that differ by at most ``tol`` in every channel."""
    return sum(count_regions(image, tol, channel_axis=0) for image in u.detach().cpu().numpy())


def _noise(f: Tensor) -> float:
    return float(np.sqrt(np.square(noise_levels(f)).mean()))


def _bound_of(weight: float, low: float, high: float) -> Literal["low", "high"] | None:
    """Which bound of the search a weight is."""
    near = math.log(high / low) * 1e-9
    if math.log(weight / low) <= near:
        return "low"
    return "high" if math.log(high / weight) <= near else None


def _check_rule(rule: str, regions: int | None) -> None:
    """Raise unless the rule is known, and a number of regions is given for its rule alone."""
    checks.one_of("rule", rule, ("discrepancy", "sure", "regions"))
    if rule == "regions":
        if regions is None:
            raise InputError(
                "this rule needs a number of regions", given="regions=None", do="pass regions=200"
            )
        checks.integer("regions", regions, at_least=1)
    elif regions is not None:
        raise InputError(
            "a number of regions needs the rule 'regions'", given=f"rule={rule!r}", do="pass rule='regions'"
        )


def _check_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(b) for b in bounds)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 < low < high < math.inf:
        raise InputError(
            "bounds must be two numbers, 0 < low < high", given=repr(bounds), do="pass (1e-4, 10)"
        )
    return low, high


def _bisect(reached: Callable[[float], bool], low: float, high: float, n_trials: int) -> float:
    """Return the smallest weight known to satisfy ``reached``, as ``high`` does."""
    if reached(low):
        return low
    for _ in range(n_trials - 2):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _golden(value: Callable[[float], float], low: float, high: float, n_trials: int) -> float:
    """Return the weight of the smallest value: a coarse grid, then golden section around its minimum."""
    coarse = max(2, n_trials // 2)
    grid = [float(w) for w in np.geomspace(low, high, coarse)]
    best = min(range(coarse), key=lambda k: value(grid[k]))
    a, b = math.log(grid[max(best - 1, 0)]), math.log(grid[min(best + 1, coarse - 1)])
    tried = list(grid)
    x, y = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    tried += [math.exp(x), math.exp(y)]
    for _ in range(n_trials - coarse - 2):
        if value(math.exp(x)) <= value(math.exp(y)):
            b, y = y, x
            x = b - _GOLDEN * (b - a)
            tried.append(math.exp(x))
        else:
            a, x = x, y
            y = a + _GOLDEN * (b - a)
            tried.append(math.exp(y))
    return min(tried, key=value)

"""Synthetic images with ground truth: flat shapes, alone or under a texture."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from jumpset._core.checks import real
from jumpset.datasets._ranges import check_sizes

_Points = tuple[np.ndarray, np.ndarray]


def shapes(height: int = 192, width: int = 256, *, channels: int = 3, seed: int = 0) -> np.ndarray:
    """An image of flat regions: random ellipses, polygons and strips with anti-aliased edges.

    Each shape is painted over the previous ones, ``u = (1 - a) u + a · colour``, with the coverage ``a =
    clip(1/2 - d, 0, 1)`` at the (approximate) signed distance ``d`` of the pixel's centre, in pixels. Colours
    are whole numbers of 255ths, so that rounding to 8 bits does not change flat regions.

    Parameters
    ----------
    height, width, seed
        As in :func:`structure`.
    channels
        At least 1.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1], (height, width, channels), or (height, width) for one channel.

    Raises
    ------
    InputError
        A size, the number of channels or the seed is not a whole number, or too small.

    Examples
    --------
    >>> import jumpset as js
    >>> js.datasets.shapes(32, 48, seed=0).shape
    (32, 48, 3)
    """
    check_sizes(seed, height=height, width=width, channels=channels)
    rng = np.random.default_rng(seed)
    grid = (np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5)
    image = np.empty((height, width, channels), dtype=np.float32)
    image[:] = _colour(rng, channels)
    for _ in range(rng.integers(16, 33)):
        inside = (_ellipse, _polygon, _strip)[rng.integers(3)]
        centre = rng.uniform(0, height), rng.uniform(0, width)
        distance = inside(rng, (grid[0] - centre[0], grid[1] - centre[1]), max(height, width))
        cover = np.clip(0.5 - distance, 0.0, 1.0).astype(np.float32)[..., None]
        # In this form, coverage 1 gives the colour exactly and 0 keeps the pixel: regions are exactly flat.
        image = (1 - cover) * image + cover * _colour(rng, channels)
    return image[..., 0] if channels == 1 else image


def textured(
    height: int = 192,
    width: int = 256,
    *,
    channels: int = 3,
    seed: int = 0,
    fade: float | None = None,
    texture_std: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """An image of flat regions under a texture, with the regions as ground truth.

    ``B = clip((1 - fade) S + T, 0, 1)``, where ``S`` is :func:`shapes` of the same seed and ``T`` a
    stationary Gaussian texture of zero mean in each channel: correlated over space (about .6 to .8 between
    neighbours, .2 to .5 at two pixels, with a weaker long tail) and over channels (.6 to .99).

    Parameters
    ----------
    height, width, channels, seed
        As in :func:`shapes`.
    fade
        Loss of contrast of the structure, at least 0. Default: drawn from 0 to .08.
    texture_std
        Standard deviation of ``T``, in intensities in [0, 1]. Default: drawn from 8/255 to 12/255.

    Returns
    -------
    image, structure
        ``B`` and ``S``, float32 in [0, 1], both (height, width, channels), or (height, width) for one
        channel.

    Raises
    ------
    InputError
        As in :func:`shapes`, or ``fade`` or ``texture_std`` is negative or not finite.

    References
    ----------
    Xu, Liu, Hou, Zhen, Shao, Cheng: Pixel-level non-local image smoothing with objective evaluation, IEEE
    Transactions on Multimedia 2020, for vector images blended with textures; the statistics follow their set.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.textured(32, 48, seed=0)
    >>> image.shape == truth.shape
    True
    """
    for name, value in (("fade", fade), ("texture_std", texture_std)):
        if value is not None:
            real(name, value, at_least=0)
    structure = shapes(height, width, channels=channels, seed=seed)
    # A separate generator: a change of the shapes does not change the texture of a seed.
    rng = np.random.default_rng([1, seed])
    # Drawn in any case, so that the texture of a seed does not depend on the arguments.
    drawn = rng.uniform(0.0, 0.08), rng.uniform(8 / 255, 12 / 255)
    loss = drawn[0] if fade is None else float(fade)
    std = drawn[1] if texture_std is None else float(texture_std)
    texture = std * _texture(rng, (height, width, channels)).reshape(structure.shape)
    return np.clip((1 - loss) * structure + texture, 0.0, 1.0).astype(np.float32), structure


def _texture(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Correlated noise of mean 0 in each channel and standard deviation 1 over all (0 for a single pixel)."""
    # A Gaussian blur of white noise with sigma s has the correlation exp(-d²/4s²) at distance d.
    fine, coarse = np.sqrt(-0.25 / np.log(rng.uniform(0.62, 0.78))), rng.uniform(3.0, 6.0)
    shared = rng.uniform(0.6, 0.99)

    def field(depth: int) -> np.ndarray:
        white = rng.standard_normal((2, *shape[:2], depth))
        blurred = [
            gaussian_filter(noise, (sigma, sigma, 0), mode="wrap") * (2 * math.sqrt(math.pi) * sigma)
            for noise, sigma in zip(white, (fine, coarse), strict=True)
        ]
        return math.sqrt(0.85) * blurred[0] + math.sqrt(0.15) * blurred[1]

    texture = math.sqrt(shared) * field(1) + math.sqrt(1 - shared) * field(shape[2])
    texture -= texture.mean(axis=(0, 1))
    return texture / max(float(texture.std()), 1e-12)


def _colour(rng: np.random.Generator, channels: int) -> np.ndarray:
    return (rng.integers(0, 256, channels) / 255).astype(np.float32)


def _rotate(points: _Points, angle: float) -> _Points:
    y, x = points
    return math.cos(angle) * y - math.sin(angle) * x, math.sin(angle) * y + math.cos(angle) * x


def _ellipse(rng: np.random.Generator, points: _Points, size: int) -> np.ndarray:
    """Signed distance to first order: (q² - 1)/|∇q²| with q² = (y/a)² + (x/b)²."""
    a, b = size * rng.uniform(0.03, 0.25, 2)
    y, x = _rotate(points, rng.uniform(0, math.pi))
    slope = 2 * np.hypot(y / a**2, x / b**2)
    return ((y / a) ** 2 + (x / b) ** 2 - 1) / np.maximum(slope, 1e-12)


def _polygon(rng: np.random.Generator, points: _Points, size: int) -> np.ndarray:
    """Signed distance to a convex polygon of 3 to 7 sides: the maximum over the lines of its sides."""
    sides = int(rng.integers(3, 8))
    radius, start = size * rng.uniform(0.04, 0.25), rng.uniform(0, 2 * math.pi)
    distance = np.full(np.broadcast_shapes(points[0].shape, points[1].shape), -np.inf)
    for side in range(sides):
        # The normals turn by less than half a circle from side to side, so that the polygon is bounded.
        angle = start + 2 * math.pi * (side + rng.uniform(-0.2, 0.2)) / sides
        along = math.cos(angle) * points[0] + math.sin(angle) * points[1]
        distance = np.maximum(distance, along - radius * rng.uniform(0.6, 1.0))
    return distance


def _strip(rng: np.random.Generator, points: _Points, size: int) -> np.ndarray:
    half = max(0.75, size * rng.uniform(0.004, 0.03))
    across, _ = _rotate(points, rng.uniform(0, math.pi))
    return np.abs(across) - half

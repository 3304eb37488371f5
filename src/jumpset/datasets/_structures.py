"""Structure pictures without end: what a smoother should leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from jumpset._core.checks import integer
from jumpset._core.optional import needs
from jumpset.datasets._scenes import FAMILIES, SHARES

if TYPE_CHECKING:
    from PIL import Image


def structure(height: int = 256, width: int = 256, *, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A picture of flat regions of one of many kinds, for training and for trying things on.

    The seed chooses the family: level sets of random fields (as of posterised photographs), bent Voronoi
    cells, overlapping shapes, ridges, blocks, regular patterns, strokes, letters, regions with colour
    gradients, or two of these in one. It is drawn two or three times as large and shrunk: to the mean of the
    parts of each pixel, so that edges are one pixel wide, or with the wider filters that programs shrink
    pictures with, bicubic and Lanczos mostly; one in eight is resized twice. One picture in ten keeps hard
    edges, and one in seven is blurred by up to 0.7 pixels.

    Parameters
    ----------
    height, width
        Size in pixels, each at least 1.
    channels
        At least 1. Other numbers than three are random convex mixtures of red, green and blue.
    seed
        The same seed gives the same picture, whole number >= 0.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1], whole numbers of 255ths: (height, width, channels), or (height, width) for one
        channel.

    Raises
    ------
    InputError
        A size, the number of channels or the seed is no whole number, or too small.
    """
    for name, value in (("height", height), ("width", width), ("channels", channels)):
        integer(name, value, at_least=1)
    integer("seed", seed, at_least=0)
    rng = np.random.default_rng([11, seed])
    picture = scene(rng, height, width).astype(np.float32)
    if channels != 3:
        mixture = rng.dirichlet(np.ones(3), channels).astype(np.float32)
        picture = np.rint(picture @ mixture.T)
    picture = picture / np.float32(255)
    return picture[..., 0] if channels == 1 else picture


def scene(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """The next structure of a generator, as 8-bit RGB."""
    with needs("jumpset[io]"):
        from PIL import Image

    parts = int(rng.choice([1, 2, 3], p=[0.1, 0.6, 0.3]))
    # pictures seen from near and from far
    unit = parts * np.exp(rng.uniform(np.log(0.6), np.log(1.8)))
    family = FAMILIES[rng.choice(len(FAMILIES), p=SHARES)]
    large = Image.fromarray(family(rng, parts * height, parts * width, float(unit)))
    small = _shrunk(rng, large, (width, height), parts)
    if rng.random() < 0.15:
        sigma = rng.uniform(0.3, 0.7)
        small = np.rint(gaussian_filter(small.astype(np.float32), (sigma, sigma, 0))).astype(np.uint8)
    return small


def _shrunk(rng: np.random.Generator, large: Image.Image, size: tuple[int, int], parts: int) -> np.ndarray:
    """To a size: by means, or as programs do, whose filters are wider and leave a little ringing at edges."""
    with needs("jumpset[io]"):
        from PIL import Image

    way = Image.Resampling
    filters = (way.BOX, way.BILINEAR, way.BICUBIC, way.LANCZOS)
    first, second = rng.choice(filters, size=2, p=(0.2, 0.1, 0.6, 0.1))
    if parts > 1 and rng.random() < 0.12:
        # a picture that somebody has resized before
        between = rng.uniform(0.75, 1.5)
        large = large.resize((round(between * size[0]) + 1, round(between * size[1]) + 1), way(first))
        second = way.BICUBIC
    return np.asarray(large.resize(size, way(second)))

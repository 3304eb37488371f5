"""Random structure images: the part of an image that a smoother should keep."""

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
    """A random image of flat regions of one of many kinds, for training and experiments.

    The seed determines the family: level sets of random fields (as in posterised photographs), distorted
    Voronoi cells, overlapping shapes, ridges, blocks, regular patterns, strokes, letters, regions with colour
    gradients, or two of these in one. The image is drawn two or three times as large and downsampled: by a
    box filter, so that edges are one pixel wide, or by a wider filter of usual programs, mostly bicubic or
    Lanczos; one image in eight is resized twice. One in ten keeps hard edges, and one in seven is blurred by
    up to 0.7 pixels.

    Parameters
    ----------
    height, width
        Size in pixels, each at least 1.
    channels
        At least 1. If it is not 3, the channels are random convex mixtures of red, green and blue.
    seed
        The same seed gives the same image, whole number >= 0.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1], whole numbers of 255ths: (height, width, channels), or (height, width) for one
        channel.

    Raises
    ------
    InputError
        A size, the number of channels or the seed is not a whole number, or too small.
    """
    for name, value in (("height", height), ("width", width), ("channels", channels)):
        integer(name, value, at_least=1)
    integer("seed", seed, at_least=0)
    rng = np.random.default_rng([11, seed])
    image = random_scene(rng, height, width).astype(np.float32)
    if channels != 3:
        mixture = rng.dirichlet(np.ones(3), channels).astype(np.float32)
        image = np.rint(image @ mixture.T)
    image = image / np.float32(255)
    return image[..., 0] if channels == 1 else image


def random_scene(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a random structure as 8-bit RGB."""
    with needs("jumpset[io]"):
        from PIL import Image

    parts = int(rng.choice([1, 2, 3], p=[0.1, 0.6, 0.3]))
    # different viewing distances
    unit = parts * np.exp(rng.uniform(np.log(0.6), np.log(1.8)))
    family = FAMILIES[rng.choice(len(FAMILIES), p=SHARES)]
    large = Image.fromarray(family(rng, parts * height, parts * width, float(unit)))
    small = _shrink(rng, large, (width, height), parts)
    if rng.random() < 0.15:
        sigma = rng.uniform(0.3, 0.7)
        small = np.rint(gaussian_filter(small.astype(np.float32), (sigma, sigma, 0))).astype(np.uint8)
    return small


def _shrink(rng: np.random.Generator, large: Image.Image, size: tuple[int, int], parts: int) -> np.ndarray:
    """Downsample to a size by a box filter, or by a wider filter, which leaves slight ringing at edges."""
    with needs("jumpset[io]"):
        from PIL import Image

    method = Image.Resampling
    filters = (method.BOX, method.BILINEAR, method.BICUBIC, method.LANCZOS)
    first, second = rng.choice(filters, size=2, p=(0.2, 0.1, 0.6, 0.1))
    if parts > 1 and rng.random() < 0.12:
        # an image that was resized twice
        between = rng.uniform(0.75, 1.5)
        large = large.resize((round(between * size[0]) + 1, round(between * size[1]) + 1), method(first))
        second = method.BICUBIC
    return np.asarray(large.resize(size, method(second)))

"""Random structure images: the part of an image that a smoother should keep."""

from __future__ import annotations

import numpy as np

from jumpset.datasets._ranges import check_sizes


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

    Examples
    --------
    >>> import jumpset as js
    >>> js.datasets.structure(32, 48, seed=0).shape
    (32, 48, 3)
    """
    check_sizes(seed, height=height, width=width, channels=channels)
    from jumpset.datasets._scenes import random_scene  # needs Pillow

    rng = np.random.default_rng([11, seed])
    image = random_scene(rng, height, width).astype(np.float32)
    if channels != 3:
        mixture = rng.dirichlet(np.ones(3), channels).astype(np.float32)
        image = np.rint(image @ mixture.T)
    image = image / np.float32(255)
    return image[..., 0] if channels == 1 else image

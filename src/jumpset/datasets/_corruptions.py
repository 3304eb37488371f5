"""Corruptions of images: noise and JPEG compression."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import ArrayLike

from jumpset._core.checks import integer, one_of, real
from jumpset._core.errors import InputError
from jumpset._core.optional import needs
from jumpset.datasets._ranges import from_unit, to_unit

SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")
_JPEG_MAX = 65500  # the longest side that libjpeg writes


def add_noise(image: ArrayLike, sigma: float, seed: int = 0) -> np.ndarray:
    """Add independent Gaussian noise to every value: ``y = x + sigma · N(0, 1)``.

    Parameters
    ----------
    image
        Array of any shape; floats, or integers.
    sigma
        Standard deviation in intensities in [0, 1], whatever the dtype: ``25 / 255`` is the usual "sigma 25".
    seed
        The same seed gives the same noise, whole number >= 0.

    Returns
    -------
    numpy.ndarray
        The noisy image, of the same shape and dtype. Integers are clipped to their range and rounded;
        floats are *not* clipped, so that the noise stays Gaussian.

    Raises
    ------
    InputError
        The array is empty, non-finite or of wide signed integers, or ``sigma`` or ``seed`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> noisy = js.datasets.add_noise(np.zeros((64, 64)), sigma=0.1)
    >>> round(float(noisy.std()), 2)
    0.1
    """
    real("sigma", sigma, at_least=0)
    integer("seed", seed, at_least=0)
    values = to_unit(image)
    noise = np.random.default_rng(seed).standard_normal(values.shape)
    return from_unit(values + float(sigma) * noise, np.asarray(image).dtype)


def jpeg(image: ArrayLike, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """Compress an image as JPEG and decode it.

    Parameters
    ----------
    image
        Gray (H, W) or (H, W, 1), or colour (H, W, 3); floats in [0, 1], or integers. Other dtypes than uint8
        are first rounded to 8 bits, and floats outside [0, 1] are clipped.
    quality
        1 (worst) to 100, on libjpeg's scale.
    subsampling
        Chroma subsampling: ``"4:4:4"`` (none), ``"4:2:2"`` or ``"4:2:0"``. Gray images have no chroma.

    Returns
    -------
    numpy.ndarray
        The decoded image, of the same shape and dtype.

    Raises
    ------
    InputError
        Another number of channels, a side longer than 65500 pixels, a quality or subsampling that does not
        exist, or an array that is empty, non-finite or of wide signed integers.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.shapes(32, 48, seed=0)
    >>> js.datasets.jpeg(image, quality=10).shape
    (32, 48, 3)
    """
    with needs("jumpset[io]"):
        from PIL import Image

    integer("quality", quality, at_least=1, at_most=100)
    one_of("subsampling", subsampling, SUBSAMPLINGS)
    values = to_unit(image)
    shape = values.shape
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise InputError(
            "JPEG holds (H, W), (H, W, 1) or (H, W, 3)", given=f"shape {shape}", do="select channels"
        )
    if max(shape[:2]) > _JPEG_MAX:
        raise InputError(
            f"JPEG holds at most {_JPEG_MAX} pixels a side", given=f"shape {shape}", do="compress parts of it"
        )
    levels = from_unit(values, np.dtype(np.uint8))
    buffer = BytesIO()
    Image.fromarray(levels if shape[2:] == (3,) else levels.reshape(shape[:2])).save(
        buffer, format="JPEG", quality=int(quality), subsampling=subsampling
    )
    decoded = np.asarray(Image.open(buffer)).reshape(shape)
    return from_unit(decoded / 255.0, np.asarray(image).dtype)

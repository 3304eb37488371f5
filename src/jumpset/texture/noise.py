"""The level of white noise in each channel of an image, and whether white noise is all that it has."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from jumpset.texture.bands import DistinctBands
from jumpset.texture.estimate import alternate
from jumpset.texture.model import Texture
from jumpset.texture.stationarity import power_nonuniformity
from jumpset.texture.support import clipped, varying

_MEDIAN_OF_NORMAL = 0.6744897501960817  # of |x|, x standard normal
_UNEVEN = 3.5  # power_nonuniformity of a photograph; of shapes under a texture it is below 3
_WHITE = 0.75  # noise level, as a part of the texture's strength, above which the texture is white
_SHARED = 0.5  # least correlation of the noise of two channels
_CELLS = 1 << 22  # for the correlations; of a multispectral image with more, every nth
_QUIET = 0.1  # least level of a component, in units of the noisiest


def noise_or_texture(image: Tensor) -> Texture:
    """The model of what is to be removed from a ``(1, C, H, W)`` image: its texture, or white noise.

    White noise where the estimated texture is nearly white, or where its power varies from place to place:
    it is then detail of a photograph.
    """
    texture, structure = alternate(image)
    wide = image.detach().cpu().double()
    covariance = noise_covariance(wide)
    if not texture.strength.any() or not covariance.any():
        return texture
    is_white = np.trace(covariance) > _WHITE**2 * np.square(texture.strength).sum()
    residual = texture.whiten(wide - structure)[0].numpy()
    where = np.any(varying(wide[0].numpy()), axis=0)
    if is_white or power_nonuniformity(residual, texture, where) > _UNEVEN:
        return white_noise(image, covariance)
    return texture


def white_noise(image: Tensor, covariance: np.ndarray) -> Texture:
    """White noise of a ``(1, C, H, W)`` image with a ``(C, C)`` covariance between the channels.

    Constant and repeated channels have no noise of their own. The components are those in which both the
    noise and the image are uncorrelated: of noise that is alike in all channels, the principal axes of the
    image's colours, about their mean and their differences.
    """
    bands = DistinctBands.of(image)
    kept = list(bands.kept)
    variances, axes = np.linalg.eigh(covariance[np.ix_(kept, kept)])
    if not (variances > 0.0).any():
        return bands.extend(None)
    sizes = np.sqrt(np.maximum(variances, _QUIET**2 * variances.max()))
    colours = bands.select(image)[0].detach().cpu().double().flatten(1).numpy()
    principal = np.linalg.eigh(np.atleast_2d(np.cov((axes.T @ colours) / sizes[:, None])))[1]
    return bands.extend(Texture((axes * sizes) @ principal, np.ones((len(kept), 1, 1))))


def noise_levels(images: Tensor) -> np.ndarray:
    """The standard deviation of white noise in each channel of ``(B, C, H, W)``, ``(C,)``.

    The median of ``|x − x_right − x_below + x_diagonal| / 2`` over the cells of all images, over 0.6745.
    The four pixels lie in :func:`~jumpset.texture.support.varying`, and at most one of them is clipped. 0
    where no cell is left.
    """
    cells, counts = _cells(images)
    return np.array([_level(a[use]) for a, use in zip(cells, counts, strict=True)])


def noise_covariance(images: Tensor) -> np.ndarray:
    """The covariance of white noise between the channels, ``(C, C)``, as robust as the levels.

    The correlation of two channels of level 1 follows from the levels of their sum and difference. A
    correlation of at most ½ counts as 0: the fine detail of an image is common to its channels.
    """
    cells, counts = _cells(images)
    levels = np.array([_level(a[use]) for a, use in zip(cells, counts, strict=True)])
    covariance = np.diag(np.square(levels))
    step = 1 + cells.size // _CELLS
    cells, counts = cells[:, ::step], counts[:, ::step]
    for i, j in zip(*np.triu_indices(len(levels), 1), strict=True):
        if levels[i] > 0.0 and levels[j] > 0.0:
            use = counts[i] & counts[j]
            a, b = cells[i][use] / levels[i], cells[j][use] / levels[j]
            together, apart = _level(a + b) ** 2, _level(a - b) ** 2
            share = (together - apart) / max(together + apart, 1e-12)
            if abs(share) > _SHARED:
                covariance[i, j] = covariance[j, i] = share * levels[i] * levels[j]
    return covariance


def _cells(images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The finest diagonal differences of each channel, ``(C, N)``, and which of them count."""
    x = images.detach().cpu().numpy()
    cells = (x[..., 1:, 1:] - x[..., 1:, :-1] - x[..., :-1, 1:] + x[..., :-1, :-1]).astype(float) / 2
    counts = np.zeros(cells.shape, bool)
    if cells.size:
        for image, out in zip(x, counts, strict=True):
            where = varying(image)
            out[:] = (_corners(where) == 4) & (_corners(clipped(image, where)) < 2)
    channels = images.shape[1]
    return cells.swapaxes(0, 1).reshape(channels, -1), counts.swapaxes(0, 1).reshape(channels, -1)


def _level(cells: np.ndarray) -> float:
    return _median(np.abs(cells)) / _MEDIAN_OF_NORMAL if len(cells) else 0.0


def _median(x: np.ndarray) -> float:
    """The lower of the two middle values where there are two."""
    return float(np.partition(x, (len(x) - 1) // 2)[(len(x) - 1) // 2])


def _corners(marked: np.ndarray) -> np.ndarray:
    """How many of the four pixels of each cell are marked, ``(C, H - 1, W - 1)``."""
    x = marked.astype(np.uint8)
    return x[:, 1:, 1:] + x[:, 1:, :-1] + x[:, :-1, 1:] + x[:, :-1, :-1]

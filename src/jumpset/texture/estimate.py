"""Estimate of an image's texture from the residual of a rough structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError
from jumpset.regions.fusion import fuse
from jumpset.texture.bands import GRAIN, DistinctBands
from jumpset.texture.model import Texture
from jumpset.texture.support import clipped, varying

TILE = 48  # side of a periodogram's tile, in pixels
REACH = 23  # A, the largest lag
_STEP = 16  # between tiles, and side of the tiles of the colour covariance
_FAR = 8  # pixels at which a texture is uncorrelated, for the first guess of its strength
_ROUGH = 5.0  # weight of the first fusion, in units of that guess
_FLAT = 16.0  # weight of a fusion where the texture has variance 1 in each component
_NOTHING = 1e-12  # variance of a residual that is only rounding
_LAGS = 4 / 15  # reach of the lags, as a part of the side of a square as large as the image
_COVERED = 0.9  # share of a tile that varies, above which the tile counts


def estimate_texture(
    image: Any,
    structure: Any = None,
    *,
    rounds: int = 2,
    tol: float = 0.02,
    channel_axis: int | None = -1,
    value_range: tuple[float, float] | None = None,
) -> Texture:
    r"""Estimate the texture of an image: its colours, strength and spectrum.

    The estimate uses the pixels where the image varies: it leaves out constant channels, repeated channels,
    and constant areas such as bars and blank margins.

    The estimate alternates: (1) the residual of the current structure gives the covariance of the texture's
    colours, a mean over the tiles whose residual is neither among the weakest quarter (no texture, or part of
    the structure) nor among the strongest twentieth (edges); (2) region fusion in coordinates in which that
    covariance is the identity gives the next structure: colours in which the texture is faint count more. At
    the end, the autocovariance of each component follows from the median of the residual's periodogram over
    Hann-windowed tiles, which is robust to single edges.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` array, or ``(1, C, H, W)`` tensor; as :func:`jumpset.smooth` takes it.
    structure
        The image without its texture, of the same kind and shape, if it is known. Default: alternate.
    rounds
        Most alternations. More of them slowly move faint colours of the texture into the structure.
    tol
        The alternation ends when the relative change of the covariance is at most this.
    channel_axis, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    Texture
        Intensities in units of ``value_range``. Its strength is 0 where the residual is 0.

    Raises
    ------
    InputError
        An image that cannot be used, more than one image, a structure of another shape, or a parameter out
        of range.

    Notes
    -----
    The median of n periodograms of a Gaussian texture is expected at a known part of their mean, ln 2 for
    many, and is divided by it. Lags extend to ±23 pixels under a Hann window, which smooths the spectrum; in
    images of less than 87×87 pixels to 4/15 of the side.

    Examples
    --------
    >>> import jumpset as js
    >>> picture, _ = js.datasets.textured(96, 96, texture_std=10 / 255)
    >>> js.estimate_texture(picture).strength.shape
    (3,)
    """
    checks.integer("rounds", rounds, at_least=1)
    checks.real("tol", tol, at_least=0.0)
    x = _one(image, channel_axis, value_range)
    if structure is None:
        return alternate(x, rounds=rounds, tol=tol)[0]
    known = _one(structure, channel_axis, value_range)
    if known.shape != x.shape:
        raise InputError(
            "the structure must have the image's shape",
            given=f"{tuple(known.shape)} and {tuple(x.shape)} as (B, C, H, W)",
            do="pass a structure made from the same image",
        )
    bands = DistinctBands.of(x)
    if not bands.kept:
        return bands.extend(None)
    residual = bands.select((x - known).double())
    where = np.any(varying(bands.select(x)[0].numpy()), axis=0)
    return bands.extend(spectrum_of(residual, colours_of(residual, where), where))


def alternate(image: Tensor, *, rounds: int = 2, tol: float = 0.02) -> tuple[Texture, Tensor]:
    """The texture of a ``(1, C, H, W)`` image, and the rough structure from which it was estimated."""
    whole = image.detach().cpu().double()
    bands = DistinctBands.of(whole)
    if not bands.kept:
        return bands.extend(None), whole
    image = bands.select(whole)
    each = varying(image[0].numpy())
    where: np.ndarray = np.any(each, axis=0)
    structure = fuse(image, _ROUGH * spread(image, each))
    colours = colours_of(image - structure, where)
    for _ in range(rounds):
        weight = _FLAT * largest(colours)
        structure = colours.unwhiten(fuse(colours.whiten(image), weight))
        former, colours = colours.covariance, colours_of(image - structure, where)
        if np.abs(colours.covariance - former).max() <= tol * np.abs(former).max():
            break
    texture = spectrum_of(image - structure, colours, where)
    return bands.extend(texture), bands.restore(structure, whole)


def spread(image: Tensor, where: np.ndarray | None = None) -> float:
    """A first estimate of the texture's variance, summed over channels, without any structure.

    It uses the lower quartile of each channel's squared differences between pixels that are far enough apart
    to be independent, and near enough for many of them to lie in one region; 0 for a flat image. Both pixels
    lie in ``where`` (default: :func:`~jumpset.texture.support.varying`), and not both are clipped.
    """
    x = image[0].numpy()
    where = varying(x) if where is None else where
    cut = clipped(x, where)
    total = 0.0
    for band, counts, limit in zip(x, where, cut, strict=True):
        squares = []
        for axis in (0, 1):
            far = min(_FAR, band.shape[axis] - 1)
            if far > 0:
                (a, use_a, cut_a), (b, use_b, cut_b) = (
                    [np.moveaxis(y, axis, 0)[part] for y in (band, counts, limit)]
                    for part in (slice(far, None), slice(None, -far))
                )
                squares.append(np.square(a - b)[use_a & use_b & ~(cut_a & cut_b)])
        both = np.concatenate([np.empty(0), *squares])
        total += float(np.quantile(both, 0.25)) if len(both) else 0.0
    return 0.5 * total / 0.1015  # the lower quartile of χ²₁


def colours_of(residual: Tensor, where: np.ndarray | None = None) -> Texture:
    """White noise with the residual's covariance between channels, from tiles in ``where``, ``(H, W)``."""
    channels = residual.shape[1]
    r = residual[0].permute(1, 2, 0).numpy()
    use = np.ones(r.shape[:2], bool) if where is None else where
    places = [
        (slice(y, y + _STEP), slice(x, x + _STEP))
        for y in range(0, r.shape[0], _STEP)
        for x in range(0, r.shape[1], _STEP)
    ]
    tiles = [r[place][use[place]] for place in places if use[place].mean() > 0.5]
    if not tiles:
        tiles = [r.reshape(-1, channels)]
    power = np.array([np.square(t).mean() for t in tiles])
    order = np.argsort(power, kind="stable")
    middle = order[len(order) // 4 : max(len(order) - len(order) // 20, 1)]
    pixels = np.concatenate([tiles[k] for k in middle])
    variances, axes = np.linalg.eigh(pixels.T @ pixels / len(pixels))
    variances[variances < _NOTHING] = 0.0
    # A white texture has lag 0 alone. The grain, since the structure contains part of a faint component,
    # enters the coordinates, not the strength.
    sizes = variances + GRAIN**2
    return Texture(axes * np.sqrt(sizes), (variances / sizes)[:, None, None])


def largest(texture: Texture) -> float:
    """Variance of the strongest component, in the units in which the components are given."""
    return max(0.0, float(texture.variances.max()))


def spectrum_of(residual: Tensor, colours: Texture, where: np.ndarray | None = None) -> Texture:
    """The same colours with the autocovariance of the residual's components, from the tiles in ``where``."""
    z = colours.whiten(residual.double())[0].numpy()
    height, width = z.shape[1:]
    tall, wide = min(TILE, height), min(TILE, width)
    window = np.outer(np.hanning(tall + 2)[1:-1], np.hanning(wide + 2)[1:-1])
    size = (2 * TILE, 2 * TILE)  # large enough that no lag wraps around
    use = np.ones((height, width), bool) if where is None else where
    powers, shares = [], []
    for y in _starts(height, tall):
        for x in _starts(width, wide):
            tile = z[:, y : y + tall, x : x + wide] * window
            powers.append(np.square(np.abs(np.fft.rfft2(tile, size))).astype(np.float32))
            shares.append(float((np.square(window) * use[y : y + tall, x : x + wide]).sum()))
    part = np.array(shares) / np.square(window).sum()
    counts = part >= min(_COVERED, part.max())
    power = np.median(np.stack(powers)[counts], axis=0) / _median_of_exponentials(int(counts.sum()))
    if 0.0 < (seen_part := float(np.median(part[counts]))) < _COVERED:
        power = power / seen_part
    lags = np.arange(-REACH, REACH + 1)
    pick = np.ix_(lags, lags)
    ours = np.fft.irfft2(power, size)[:, pick[0], pick[1]]
    # The weight of a lag is the overlap of the window with its shift: divided out where it is not 0.
    seen = np.fft.irfft2(np.square(np.abs(np.fft.rfft2(window, size))), size)[pick]
    # A small image tells fewer lags: the spectrum of all of them would be as rough as one periodogram.
    reach = int(np.clip(_LAGS * np.sqrt(np.count_nonzero(use)), 1, REACH))
    fade = np.pad(np.hanning(2 * reach + 3)[1:-1], REACH - reach)
    fade = np.outer(fade, fade)
    overlap = seen > 1e-3 * seen.max()
    covariance = np.where(overlap, ours * fade / np.where(overlap, seen, 1.0), 0.0)
    covariance[covariance[:, REACH, REACH] < _NOTHING] = 0.0  # rounding of a component that is absent
    return Texture(colours.mixing, covariance)


def _median_of_exponentials(n: int) -> float:
    """The expected median of n independent exponential variables of mean 1: 1 for one, ln 2 for many."""
    orders = np.cumsum(1.0 / np.arange(n, 0, -1))
    return float(0.5 * (orders[(n - 1) // 2] + orders[n // 2]))


def _starts(length: int, tile: int) -> range:
    return range(0, length - tile + 1, _STEP)


def _one(image: Any, channel_axis: int | None, value_range: tuple[float, float] | None) -> Tensor:
    x = to_tensor(image, channel_axis=channel_axis, value_range=value_range, device="cpu")[0]
    if len(x) != 1:
        raise InputError(
            "a texture is estimated from one image at a time",
            given=f"a batch of {len(x)}",
            do="pass image[k : k + 1]",
        )
    return x

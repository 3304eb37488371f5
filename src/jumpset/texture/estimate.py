"""The texture of a picture, from what a rough structure leaves over."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import to_tensor
from jumpset._core.errors import InputError
from jumpset.regions.fusion import fuse
from jumpset.texture.model import Texture

TILE = 48  # side of a periodogram's tile, in pixels
REACH = 23  # A, the largest lag
_STEP = 16  # between tiles, and side of the tiles of the colour covariance
_FAR = 8  # pixels at which texture has forgotten itself, for the first guess of its strength
_ROUGH = 5.0  # weight of the first fusion, in units of that guess
_FLAT = 16.0  # weight of a fusion where the texture has variance 1 in each component
_NOTHING = 1e-12  # variance of a residual that is only rounding
_GRAIN = 1 / 255  # added to each component's deviation: part of a faint one has been fused into the structure


def estimate_texture(
    image: Any,
    structure: Any = None,
    *,
    rounds: int = 2,
    tol: float = 0.02,
    channel_axis: int | None = -1,
    value_range: tuple[float, float] | None = None,
) -> Texture:
    r"""Estimate the texture of a picture: its colours, strength and spectrum.

    Alternates: (1) the residual of the structure so far gives the covariance of the texture's colours, a mean
    over the tiles whose residual is neither among the weakest quarter (no texture, or fused into the
    structure) nor among the strongest twentieth (edges); (2) region fusion in coordinates in which that
    covariance is the identity gives the next structure: where texture is gray, colours are trusted, and the
    reverse. At the end, the autocovariance of each component is read from the median over Hann-windowed tiles
    of the residual's periodogram, a mean that single edges cannot reach.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, C)`` array, or ``(1, C, H, W)`` tensor; as :func:`jumpset.smooth` takes it.
    structure
        The picture without its texture, of the same kind and shape, if it is known. Default: alternate.
    rounds
        Most alternations. More of them slowly move faint colours of the texture into the structure.
    tol
        They end where the covariance changes by at most this part.
    channel_axis, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    Texture
        Intensities in units of ``value_range``. Of strength 0 where nothing is left over.

    Raises
    ------
    InputError
        A picture that cannot be used, more than one picture, a structure of another shape, or a parameter
        out of range.

    Notes
    -----
    The median of a periodogram is ln 2 of its mean for a Gaussian texture, which is put right. Lags reach to
    ±23 pixels and fade out under a Hann window: smoothing of the spectrum.

    Examples
    --------
    >>> import jumpset as js
    >>> picture, _ = js.datasets.textured(96, 96, texture_std=10 / 255)
    >>> js.estimate_texture(picture).strength.shape
    (3,)
    """
    checks.integer("rounds", rounds, at_least=1)
    checks.real("tol", tol, at_least=0.0)
    picture = _one(image, channel_axis, value_range)
    if structure is None:
        return alternate(picture, rounds=rounds, tol=tol)[0]
    known = _one(structure, channel_axis, value_range)
    if known.shape != picture.shape:
        raise InputError(
            "the structure must have the picture's shape",
            given=f"{tuple(known.shape)} and {tuple(picture.shape)} as (B, C, H, W)",
            do="pass a structure made from the same picture",
        )
    residual = (picture - known).double()
    return spectrum_of(residual, colours_of(residual))


def alternate(picture: Tensor, *, rounds: int = 2, tol: float = 0.02) -> tuple[Texture, Tensor]:
    """The texture of a ``(1, C, H, W)`` picture and the rough structure that it was told from."""
    picture = picture.detach().cpu().double()
    structure = fuse(picture, _ROUGH * spread(picture))
    colours = colours_of(picture - structure)
    for _ in range(rounds):
        weight = _FLAT * largest(colours)
        structure = colours.unwhiten(fuse(colours.whiten(picture), weight))
        former, colours = colours.covariance, colours_of(picture - structure)
        if np.abs(colours.covariance - former).max() <= tol * np.abs(former).max():
            break
    return spectrum_of(picture - structure, colours), structure


def spread(picture: Tensor) -> float:
    """A first guess of the texture's variance, summed over channels, without any structure.

    From the lower quartile of each channel's squared differences between pixels that are far enough apart to
    be independent, and near enough for many of them to lie in one region; 0 for a picture that is flat there.
    """
    squares = []
    for axis in (-2, -1):
        far = min(_FAR, picture.shape[axis] - 1)
        if far > 0:
            a = picture.narrow(axis, far, picture.shape[axis] - far)
            b = picture.narrow(axis, 0, picture.shape[axis] - far)
            squares.append((a - b).square()[0].flatten(1))
    if not squares:
        return 0.0
    quartiles = np.quantile(torch.cat(squares, dim=1).numpy(), 0.25, axis=1)  # torch's has a size limit
    return 0.5 * float(quartiles.sum()) / 0.1015  # the lower quartile of χ²₁


def colours_of(residual: Tensor) -> Texture:
    """White noise with the residual's covariance between channels."""
    channels = residual.shape[1]
    r = residual[0].permute(1, 2, 0).numpy()
    tiles = [
        r[y : y + _STEP, x : x + _STEP].reshape(-1, channels)
        for y in range(0, r.shape[0], _STEP)
        for x in range(0, r.shape[1], _STEP)
    ]
    power = np.array([np.square(t).mean() for t in tiles])
    order = np.argsort(power, kind="stable")
    middle = order[len(order) // 4 : max(len(order) - len(order) // 20, 1)]
    pixels = np.concatenate([tiles[k] for k in middle])
    variances, axes = np.linalg.eigh(pixels.T @ pixels / len(pixels))
    variances[variances < _NOTHING] = 0.0
    # A white texture, the lags of which are one; the grain is in the coordinates, not in the strength.
    sizes = variances + _GRAIN**2
    return Texture(axes * np.sqrt(sizes), (variances / sizes)[:, None, None])


def largest(texture: Texture) -> float:
    """Variance of the strongest component, in the units in which the components are given."""
    return max(0.0, float(texture.variances.max()))


def spectrum_of(residual: Tensor, colours: Texture) -> Texture:
    """The same colours with the autocovariance of the residual's components."""
    z = colours.whiten(residual.double())[0].numpy()
    height, width = z.shape[1:]
    tall, wide = min(TILE, height), min(TILE, width)
    window = np.outer(np.hanning(tall + 2)[1:-1], np.hanning(wide + 2)[1:-1])
    size = (2 * TILE, 2 * TILE)  # room for all lags, so that none wraps around
    powers = []
    for y in _starts(height, tall):
        for x in _starts(width, wide):
            tile = z[:, y : y + tall, x : x + wide] * window
            powers.append(np.square(np.abs(np.fft.rfft2(tile, size))).astype(np.float32))
    power = np.median(np.stack(powers), axis=0) / np.log(2.0)
    lags = np.arange(-REACH, REACH + 1)
    pick = np.ix_(lags, lags)
    ours = np.fft.irfft2(power, size)[:, pick[0], pick[1]]
    # A tile sees a lag as often as its window overlaps itself: divided out, where there is anything to see.
    seen = np.fft.irfft2(np.square(np.abs(np.fft.rfft2(window, size))), size)[pick]
    fade = np.outer(np.hanning(2 * REACH + 3)[1:-1], np.hanning(2 * REACH + 3)[1:-1])
    overlap = seen > 1e-3 * seen.max()
    covariance = np.where(overlap, ours * fade / np.where(overlap, seen, 1.0), 0.0)
    return Texture(colours.mixing, covariance)


def _starts(length: int, tile: int) -> range:
    return range(0, length - tile + 1, _STEP)


def _one(image: Any, channel_axis: int | None, value_range: tuple[float, float] | None) -> Tensor:
    picture = to_tensor(image, channel_axis=channel_axis, value_range=value_range, device="cpu")[0]
    if len(picture) != 1:
        raise InputError(
            "a texture is estimated from one picture at a time",
            given=f"a batch of {len(picture)}",
            do="pass image[k : k + 1]",
        )
    return picture

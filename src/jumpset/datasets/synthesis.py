"""Random training pairs: a structure and its corruption."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from jumpset._core.checks import integer, one_of, real
from jumpset.datasets._corruptions import SUBSAMPLINGS, jpeg
from jumpset.datasets._ranges import check_sizes
from jumpset.datasets._structures import structure
from jumpset.datasets._textures import random_std, random_texture

Kind = Literal["mixed", "texture", "jpeg"]
_KINDS = ("mixed", "texture", "jpeg")
# the kind "mixed": a texture, JPEG, both, white noise, or no corruption, with cumulative probabilities
_CORRUPTIONS, _CUMULATIVE = ("texture", "jpeg", "both", "noise", "none"), (0.7, 0.8, 0.86, 0.94)
_LANES = 4  # batches k, k + 4, k + 8, … use one pool, so that 2 or 4 processes share the work
_POOL = 16  # scenes in each pool, and the same number of textures
_UNIT = 4096  # standard deviation of the textures in a pool
_PURE = 0.5  # probability that a JPEG image is stretched to pure black, and the same for white
_DARK = 0.6  # lighter colours are not made black
_USES = 3.0  # total area of the crops from a scene until it is replaced, in units of its area


def synthetic(
    height: int = 256,
    width: int = 256,
    *,
    kind: Kind = "mixed",
    channels: int = 3,
    fade: float = 0.08,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """A random image to be smoothed and its ground truth.

    The truth ``S`` is a :func:`structure`. With a :func:`texture` ``T`` of mean zero, the image is
    ``B = (1 - a) S + T`` with ``a`` from 0 to ``fade``, in a fifth of the images 0, clipped and mostly
    rounded to 8 bits; otherwise it is ``S`` coded as JPEG, ``S + noise``, or ``S`` itself. Images of the kind
    ``"jpeg"`` often have regions of pure black or white.

    Parameters
    ----------
    height, width, channels, seed
        As in :func:`structure`.
    kind
        ``"texture"``; ``"jpeg"``, of quality 5 to 95 and any chroma subsampling; or ``"mixed"``: 70 %
        textures, 10 % JPEG, 6 % both, 8 % white noise, 6 % no corruption. If the number of channels is not 1
        or 3, each channel is coded as a gray JPEG.
    fade
        Largest loss of contrast under a texture, 0 to 1. The loss cannot be estimated from an image, so that
        a network trained with fading learns to increase the contrast of every image.

    Returns
    -------
    image, truth
        float32 in [0, 1], both (height, width, channels), or (height, width) for one channel.

    Raises
    ------
    InputError
        As in :func:`structure`, another kind, or a fade out of range.

    Examples
    --------
    >>> import jumpset as js
    >>> image, truth = js.datasets.synthetic(32, 48, seed=0)
    >>> image.shape, truth.shape
    ((32, 48, 3), (32, 48, 3))
    """
    one_of("kind", kind, _KINDS)
    real("fade", fade, at_least=0.0, at_most=1.0)
    truth = structure(height, width, channels=channels, seed=seed)
    rng = np.random.default_rng([13, seed])
    planes = truth[None] if truth.ndim == 2 else truth.transpose(2, 0, 1)
    corruption = _draw_corruption(rng, kind)
    if kind == "jpeg":
        planes = _stretch_to_pure_colours(rng, planes)
    field = random_texture(rng, height, width, channels) if corruption in ("texture", "both") else None
    pair = _corrupt(rng, planes, field, corruption, fade), planes
    image, truth = (np.ascontiguousarray(x[0] if truth.ndim == 2 else x.transpose(1, 2, 0)) for x in pair)
    return image, truth


def batches(
    batch_size: int,
    size: int,
    *,
    kind: Kind = "mixed",
    channels: int = 3,
    fade: float = 0.08,
    seed: int = 0,
    start: int = 0,
    step: int = 1,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield training batches without end: square crops from pools of scenes and textures.

    Batch ``k`` depends only on the arguments, the seed and ``k``: a training continues bit for bit with
    ``start=k``, and process ``w`` of ``n`` uses ``start=w, step=n``. Each pair is a crop of a scene, rotated,
    mirrored and recoloured, with a crop of a texture (see :func:`synthetic`). A scene is replaced after crops
    of about three times its area. The first batches draw many scenes, later batches few; 2 or 4 processes
    share this work, other numbers repeat some of it.

    Parameters
    ----------
    batch_size
        Number of pairs in a batch, at least 1.
    size
        Height and width of a crop in pixels, at least 1.
    kind, channels, fade
        As in :func:`synthetic`.
    seed
        Whole number >= 0.
    start, step
        The numbers of the batches are ``start, start + step, …``.

    Returns
    -------
    iterator of (image, truth)
        float32 in [0, 1], contiguous, (batch_size, channels, size, size).

    Raises
    ------
    InputError
        Another kind, or a number of the wrong type or out of range; at the call, not at the first batch.

    Examples
    --------
    >>> import jumpset as js
    >>> images, truths = next(js.datasets.batches(2, 32))
    >>> images.shape == truths.shape, len(images)
    (True, 2)
    """
    one_of("kind", kind, _KINDS)
    check_sizes(seed, batch_size=batch_size, size=size, channels=channels, step=step)
    integer("start", start, at_least=0)
    real("fade", fade, at_least=0.0, at_most=1.0)
    return _batches(batch_size, size, _PairSettings(kind, channels, float(fade)), seed, start, step)


class _PairSettings(NamedTuple):
    """The properties of pairs."""

    kind: Kind
    channels: int
    fade: float


def _batches(
    batch_size: int, size: int, settings: _PairSettings, seed: int, start: int, step: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    pools: dict[int, _Pool] = {}
    k = start
    while True:
        lane = k % _LANES
        if lane not in pools:
            pools[lane] = _Pool(seed, lane, size, settings.channels, batch_size)
        pools[lane].time = k // _LANES
        yield _batch(np.random.default_rng([14, seed, k]), pools[lane], batch_size, size, settings)
        k += step


def _batch(
    rng: np.random.Generator, pool: _Pool, batch_size: int, size: int, settings: _PairSettings
) -> tuple[np.ndarray, np.ndarray]:
    images, truths = np.empty((2, batch_size, settings.channels, size, size), np.float32)
    for n in range(batch_size):
        levels = _random_crop(rng, pool.scene(int(rng.integers(_POOL))), size)
        truth = np.divide(_recolour(rng, levels), np.float32(255), out=truths[n])
        corruption = _draw_corruption(rng, settings.kind)
        if settings.kind == "jpeg":
            truth[:] = _stretch_to_pure_colours(rng, truth)
        field = None
        if corruption in ("texture", "both"):
            field = _random_crop(rng, pool.texture(int(rng.integers(_POOL))), size).astype(np.float32)
            order = rng.permutation(settings.channels)
            field = field[order] * np.float32(rng.choice([-1, 1]) / _UNIT)
        images[n] = _corrupt(rng, truth, field, corruption, settings.fade, shifted=True)
    return images, truths


class _Pool:
    """The scenes and textures of one lane, each drawn at its first use, and replaced one after the other."""

    def __init__(self, seed: int, lane: int, size: int, channels: int, batch_size: int) -> None:
        self.seed, self.lane, self.channels = seed, lane, channels
        self.side = max(256, min(4 * size, 512), 2 * size)
        # number of the lane's batches until a scene is replaced
        self.life = max(1, round(_USES * _POOL * self.side**2 / (batch_size * size**2)))
        self.time = 0  # number of the batch in the lane, which alone determines the content of the pool
        self._held: dict[tuple[str, int], tuple[int, np.ndarray]] = {}

    def scene(self, slot: int) -> np.ndarray:
        """8-bit planes (channels, side, side)."""
        return self._get("scene", slot)

    def texture(self, slot: int) -> np.ndarray:
        """Planes of mean 0 and standard deviation 4096, in 16 bits, since they take most of the memory."""
        return self._get("texture", slot)

    def _get(self, what: str, slot: int) -> np.ndarray:
        version = (self.time + slot * self.life // _POOL) // self.life
        held = self._held.get((what, slot))
        if held is None or held[0] != version:
            rng = np.random.default_rng([15, self.seed, self.lane, slot, version, len(what)])
            held = self._held[what, slot] = version, self._draw(what, rng)
        return held[1]

    def _draw(self, what: str, rng: np.random.Generator) -> np.ndarray:
        if what == "texture":
            planes = random_texture(rng, self.side, self.side, self.channels)
            return np.rint(np.clip(_UNIT * planes, -32767, 32767)).astype(np.int16)
        from jumpset.datasets._scenes import random_scene  # needs Pillow

        levels = random_scene(rng, self.side, self.side)
        if self.channels != 3:
            levels = np.rint(levels @ rng.dirichlet(np.ones(3), self.channels).T).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(2, 0, 1))


def _random_crop(rng: np.random.Generator, planes: np.ndarray, size: int) -> np.ndarray:
    """A random square crop, rotated and mirrored."""
    top, left = (int(rng.integers(side - size + 1)) for side in planes.shape[1:])
    crop = planes[:, top : top + size, left : left + size]
    turns = int(rng.integers(8))
    crop = np.rot90(crop, turns % 4, axes=(1, 2))
    return np.ascontiguousarray(crop[:, :, ::-1] if turns >= 4 else crop)


def _recolour(rng: np.random.Generator, levels: np.ndarray) -> np.ndarray:
    """Permute 8-bit planes, and with probability 2/5 apply a tone curve: brighter, darker, negative."""
    levels = levels[rng.permutation(len(levels))]
    if rng.random() < 0.6:
        return levels.astype(np.float32)
    curve = (np.arange(256, dtype=np.float32) / 255) ** np.float32(math.exp(rng.normal(0, 0.4)))
    low, high = rng.uniform(0, 0.25), rng.uniform(0.6, 1)
    if rng.random() < 0.5:
        low, high = high, low
    return np.take(np.rint(255 * (low + (high - low) * curve)).astype(np.float32), levels)


def _stretch_to_pure_colours(rng: np.random.Generator, planes: np.ndarray) -> np.ndarray:
    """Stretch planes until one of their colours is pure black or white, or both, as in paper and ink.

    There the ringing of JPEG is clipped on one side.
    """
    for white in (False, True):
        if rng.random() < _PURE:
            x = 1 - planes if white else planes
            row, column = (int(rng.integers(side)) for side in x.shape[1:])
            low = x[:, row, column].max()  # of a random pixel, which is most probably in a large region
            if low < _DARK:
                x = np.clip((x - low) / (1 - low), 0, 1)
                planes = 1 - x if white else x
    return _round_to_8_bits(planes)


def _draw_corruption(rng: np.random.Generator, kind: Kind) -> str:
    return _CORRUPTIONS[np.searchsorted(_CUMULATIVE, rng.random())] if kind == "mixed" else kind


def _corrupt(
    rng: np.random.Generator,
    truth: np.ndarray,
    field: np.ndarray | None,
    corruption: str,
    fade: float,
    shifted: bool = False,
) -> np.ndarray:
    """Corrupt planes in [0, 1] by a texture of standard deviation 1, by JPEG, by noise, or not at all."""
    if corruption == "none":
        return truth.copy()
    if corruption == "noise":
        noise = rng.standard_normal(truth.shape, dtype=np.float32)
        image = truth + np.float32(random_std(rng)) * noise
    elif field is not None:
        loss = rng.uniform(0, fade) if rng.random() < 0.8 else 0.0
        image = np.float32(1 - loss) * truth + np.float32(random_std(rng)) * field
    else:
        image = truth
    image = np.clip(image, 0, 1)
    if corruption in ("jpeg", "both"):
        return _compress(rng, image, shifted)
    # One in ten is not rounded, like an image that was not read from a file.
    return image if rng.random() < 0.1 else _round_to_8_bits(image)


def _round_to_8_bits(planes: np.ndarray) -> np.ndarray:
    """Round values in [0, 1] to whole 255ths."""
    return np.rint(planes * np.float32(255)) / np.float32(255)


def _compress(rng: np.random.Generator, planes: np.ndarray, shifted: bool) -> np.ndarray:
    """Compress planes as JPEG; if ``shifted``, blocks start at a random offset, as in a crop of a file."""
    quality, subsampling = int(rng.integers(5, 96)), str(rng.choice(SUBSAMPLINGS))
    top, left = rng.integers(0, 16, 2) if shifted else (0, 0)
    padded = np.pad(planes, ((0, 0), (top, 0), (left, 0)), mode="edge")
    if len(planes) == 3:
        decoded = jpeg(padded.transpose(1, 2, 0), quality, subsampling).transpose(2, 0, 1)
    else:
        decoded = np.stack([jpeg(plane, quality) for plane in padded])
    return decoded[:, top:, left:].astype(np.float32, copy=False)

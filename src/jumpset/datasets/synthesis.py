"""Training pairs without end: a structure, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from jumpset._core.checks import integer, one_of, real
from jumpset.datasets._corruptions import jpeg
from jumpset.datasets._structures import scene, structure
from jumpset.datasets._textures import pattern, strength

Kind = Literal["mixed", "texture", "jpeg"]
_KINDS = ("mixed", "texture", "jpeg")
# of the kind "mixed": a texture, JPEG, both, white noise, and nothing at all
_WAYS, _LIMITS = ("texture", "jpeg", "both", "noise", "none"), (0.7, 0.8, 0.86, 0.94)
_SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")
_LANES = 4  # batches k, k + 4, k + 8, … draw from one pool, so that 2 or 4 processes share the work
_POOL = 16  # scenes, and as many textures, in each pool
_UNIT = 4096  # deviation of the textures in a pool
_PURE = 0.5  # share of the JPEG pictures that are to have pure black, and as many white
_DARK = 0.6  # colours at least so light are not made black
_USES = 3.0  # values cut from a scene during its life, in units of its own size


def synthetic(
    height: int = 256,
    width: int = 256,
    *,
    kind: Kind = "mixed",
    channels: int = 3,
    fade: float = 0.08,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """A picture to be smoothed and its ground truth, of one of many kinds.

    The truth ``S`` is a :func:`structure`. With a texture ``T`` of mean zero, as :func:`texture` draws them,
    the picture is ``B = (1 - a) S + T``, ``a`` from 0 to ``fade`` or none, clipped and mostly rounded to 8
    bits; otherwise ``S`` coded as JPEG, ``S + noise``, or ``S`` itself. Those of the kind ``"jpeg"`` often
    have regions of pure black or white.

    Parameters
    ----------
    height, width, channels, seed
        As in :func:`structure`.
    kind
        ``"texture"``; ``"jpeg"``, of quality 5 to 95 and any chroma subsampling; or ``"mixed"``: 70 %
        textures, 10 % JPEG, 6 % both, 8 % white noise, 6 % nothing. Where there are not one or three
        channels, each is coded as a gray JPEG.
    fade
        Largest loss of contrast under a texture, 0 to 1. Nothing in a picture tells the loss, so that a
        network which is trained with some learns to stretch the contrast of every picture.

    Returns
    -------
    picture, truth
        float32 in [0, 1], both (height, width, channels), or (height, width) for one channel.

    Raises
    ------
    InputError
        As in :func:`structure`, another kind, or a fade out of range.
    """
    one_of("kind", kind, _KINDS)
    real("fade", fade, at_least=0.0, at_most=1.0)
    truth = structure(height, width, channels=channels, seed=seed)
    rng = np.random.default_rng([13, seed])
    planes = truth[None] if truth.ndim == 2 else truth.transpose(2, 0, 1)
    way = _way(rng, kind)
    if kind == "jpeg":
        planes = _with_pure_colours(rng, planes)
    field = pattern(rng, height, width, channels) if way in ("texture", "both") else None
    pair = _spoilt(rng, planes, field, way, fade), planes
    picture, truth = (np.ascontiguousarray(x[0] if truth.ndim == 2 else x.transpose(1, 2, 0)) for x in pair)
    return picture, truth


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
    """Batches of pairs for training, without end: square cuts from pools of scenes and textures.

    Batch ``k`` depends on the arguments, the seed and ``k`` only: a training goes on bit for bit with
    ``start=k``, and process ``w`` of ``n`` takes ``start=w, step=n``. Each pair is a cut of a scene, turned,
    mirrored and in other colours, with a cut of a texture (see :func:`synthetic`). A scene is replaced when
    about three times its own area has been cut from it. The first batches draw many scenes, the
    later ones a few; 2 or 4 processes share that work, other numbers repeat some of it.

    Parameters
    ----------
    batch_size
        Pairs in a batch, at least 1.
    size
        Height and width of a cut in pixels, at least 1.
    kind, channels, fade
        As in :func:`synthetic`.
    seed
        Whole number >= 0.
    start, step
        The numbers of the batches are ``start, start + step, …``.

    Yields
    ------
    picture, truth
        float32 in [0, 1], contiguous, (batch_size, channels, size, size).

    Raises
    ------
    InputError
        Another kind, or a number that is none or out of range; at the call, not at the first batch.
    """
    one_of("kind", kind, _KINDS)
    least = {"batch_size": 1, "size": 1, "channels": 1, "seed": 0, "start": 0, "step": 1}
    given = (batch_size, size, channels, seed, start, step)
    for (name, at_least), value in zip(least.items(), given, strict=True):
        integer(name, value, at_least=at_least)
    real("fade", fade, at_least=0.0, at_most=1.0)
    return _batches(batch_size, size, _Sort(kind, channels, float(fade)), seed, start, step)


class _Sort(NamedTuple):
    """Of pairs."""

    kind: Kind
    channels: int
    fade: float


def _batches(
    batch_size: int, size: int, sort: _Sort, seed: int, start: int, step: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    pools: dict[int, _Pool] = {}
    k = start
    while True:
        lane = k % _LANES
        if lane not in pools:
            pools[lane] = _Pool(seed, lane, size, sort.channels, batch_size)
        pools[lane].time = k // _LANES
        yield _batch(np.random.default_rng([14, seed, k]), pools[lane], batch_size, size, sort)
        k += step


def _batch(
    rng: np.random.Generator, pool: _Pool, batch_size: int, size: int, sort: _Sort
) -> tuple[np.ndarray, np.ndarray]:
    pictures, truths = np.empty((2, batch_size, sort.channels, size, size), np.float32)
    for n in range(batch_size):
        levels = _cut(rng, pool.scene(int(rng.integers(_POOL))), size)
        truth = np.divide(_recoloured(rng, levels), np.float32(255), out=truths[n])
        way = _way(rng, sort.kind)
        if sort.kind == "jpeg":
            truth[:] = _with_pure_colours(rng, truth)
        field = None
        if way in ("texture", "both"):
            field = _cut(rng, pool.texture(int(rng.integers(_POOL))), size).astype(np.float32)
            order = rng.permutation(sort.channels)
            field = field[order] * np.float32(rng.choice([-1, 1]) / _UNIT)
        pictures[n] = _spoilt(rng, truth, field, way, sort.fade, shifted=True)
    return pictures, truths


class _Pool:
    """The scenes and textures of one lane, each drawn when it is first cut from, and replaced in turn."""

    def __init__(self, seed: int, lane: int, size: int, channels: int, batch_size: int) -> None:
        self.seed, self.lane, self.channels = seed, lane, channels
        self.side = max(256, min(4 * size, 512), 2 * size)
        # batches of the lane that a scene lives for
        self.life = max(1, round(_USES * _POOL * self.side**2 / (batch_size * size**2)))
        self.time = 0  # number of the batch in the lane; what the pool holds depends on it alone
        self._held: dict[tuple[str, int], tuple[int, np.ndarray]] = {}

    def scene(self, slot: int) -> np.ndarray:
        """8-bit planes (channels, side, side)."""
        return self._get("scene", slot)

    def texture(self, slot: int) -> np.ndarray:
        """Planes of mean 0 and deviation 4096, in 16 bits: they are the larger part of the memory."""
        return self._get("texture", slot)

    def _get(self, what: str, slot: int) -> np.ndarray:
        version = (self.time + slot * self.life // _POOL) // self.life
        held = self._held.get((what, slot))
        if held is None or held[0] != version:
            rng = np.random.default_rng([15, self.seed, self.lane, slot, version, len(what)])
            held = self._held[what, slot] = version, self._drawn(what, rng)
        return held[1]

    def _drawn(self, what: str, rng: np.random.Generator) -> np.ndarray:
        if what == "texture":
            planes = pattern(rng, self.side, self.side, self.channels)
            return np.rint(np.clip(_UNIT * planes, -32767, 32767)).astype(np.int16)
        levels = scene(rng, self.side, self.side)
        if self.channels != 3:
            levels = np.rint(levels @ rng.dirichlet(np.ones(3), self.channels).T).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(2, 0, 1))


def _cut(rng: np.random.Generator, planes: np.ndarray, size: int) -> np.ndarray:
    """A square from somewhere, turned and mirrored."""
    top, left = (int(rng.integers(side - size + 1)) for side in planes.shape[1:])
    cut = planes[:, top : top + size, left : left + size]
    turns = int(rng.integers(8))
    cut = np.rot90(cut, turns % 4, axes=(1, 2))
    return np.ascontiguousarray(cut[:, :, ::-1] if turns >= 4 else cut)


def _recoloured(rng: np.random.Generator, levels: np.ndarray) -> np.ndarray:
    """8-bit planes in another order, and two times in five through a curve: brighter, darker, negative."""
    levels = levels[rng.permutation(len(levels))]
    if rng.random() < 0.6:
        return levels.astype(np.float32)
    curve = (np.arange(256, dtype=np.float32) / 255) ** np.float32(math.exp(rng.normal(0, 0.4)))
    low, high = rng.uniform(0, 0.25), rng.uniform(0.6, 1)
    if rng.random() < 0.5:
        low, high = high, low
    return np.take(np.rint(255 * (low + (high - low) * curve)).astype(np.float32), levels)


def _with_pure_colours(rng: np.random.Generator, planes: np.ndarray) -> np.ndarray:
    """Planes stretched until a colour of theirs is pure black or white, or both, as paper and ink are.

    There the rings of JPEG are clipped on one side, which nothing else in a picture does.
    """
    for white in (False, True):
        if rng.random() < _PURE:
            x = 1 - planes if white else planes
            row, column = (int(rng.integers(side)) for side in x.shape[1:])
            low = x[:, row, column].max()  # of a pixel drawn at random, most often of a large region
            if low < _DARK:
                x = np.clip((x - low) / (1 - low), 0, 1)
                planes = 1 - x if white else x
    return _rounded(planes)


def _way(rng: np.random.Generator, kind: Kind) -> str:
    return _WAYS[np.searchsorted(_LIMITS, rng.random())] if kind == "mixed" else kind


def _spoilt(
    rng: np.random.Generator,
    truth: np.ndarray,
    field: np.ndarray | None,
    way: str,
    fade: float,
    shifted: bool = False,
) -> np.ndarray:
    """Planes in [0, 1] with a texture of deviation 1 blended in, coded as JPEG, noisy, or as they were."""
    if way == "none":
        return truth.copy()
    if way == "noise":
        noise = rng.standard_normal(truth.shape, dtype=np.float32)
        picture = truth + np.float32(strength(rng)) * noise
    elif field is not None:
        loss = rng.uniform(0, fade) if rng.random() < 0.8 else 0.0
        picture = np.float32(1 - loss) * truth + np.float32(strength(rng)) * field
    else:
        picture = truth
    picture = np.clip(picture, 0, 1)
    if way in ("jpeg", "both"):
        return _coded(rng, picture, shifted)
    # One in ten stays unrounded, as a picture from elsewhere than a file.
    return picture if rng.random() < 0.1 else _rounded(picture)


def _rounded(planes: np.ndarray) -> np.ndarray:
    """To 8 bits, still in [0, 1]."""
    return np.rint(planes * np.float32(255)) / np.float32(255)


def _coded(rng: np.random.Generator, planes: np.ndarray, shifted: bool) -> np.ndarray:
    """As JPEG; where ``shifted``, with the blocks starting anywhere, as in a cut from a file."""
    quality, subsampling = int(rng.integers(5, 96)), str(rng.choice(_SUBSAMPLINGS))
    top, left = rng.integers(0, 16, 2) if shifted else (0, 0)
    padded = np.pad(planes, ((0, 0), (top, 0), (left, 0)), mode="edge")
    if len(planes) == 3:
        coded = jpeg(padded.transpose(1, 2, 0), quality, subsampling).transpose(2, 0, 1)
    else:
        coded = np.stack([jpeg(plane, quality) for plane in padded])
    return coded[:, top:, left:].astype(np.float32, copy=False)

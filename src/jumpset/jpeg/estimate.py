"""The quantization tables of the JPEG file that an image was decoded from, estimated from its values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from torch import Tensor

from jumpset.jpeg.blocks import COSINES, block_dct, split_blocks
from jumpset.jpeg.chroma import ChromaSubsampling, halve
from jumpset.jpeg.tables import JPEGTables

# The tables of Annex K of the standard
_LUMA_TEXT = "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 \
62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
_CHROMA_CORNER = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_LUMA = np.array(_LUMA_TEXT.split(), float).reshape(8, 8)
_CHROMA = np.pad(np.array(_CHROMA_CORNER, float), (0, 4), constant_values=99)

# In 1/255, deviation of a coefficient by rounding to 8 bits: 0.2 to 0.3 in luma, and more in chroma, whose
# interpolation is undone
_ERROR = 0.4
_CHROMA_ERROR = 0.8
_NEAR = 3.0  # deviations; smaller coefficients count as 0, which is a multiple of every step
_OUTLIERS = 0.05  # share of coefficients that are not near a multiple of the right step
_STEPS = np.arange(2.0, 256.0)
_EVIDENCE = 12.0  # in nats; there are about 250 steps to choose from
_MIN_DETECTIONS = 4  # fewer detected frequencies count as chance
_LEAST_FIT = 0.4  # JPEG files have 0.8 to 1 (fine chroma 0.5), other images at most 0.1
_MIN_BLOCKS = 12  # fewer blocks without clipped pixels are not enough
_MAX_BLOCKS = 3000  # enough for an estimate; of more, every n-th is used
_QUALITIES = range(1, 101)  # libjpeg's scale
_MIN_KNOWN = 24  # pixels of a block, not clipped, that must be reproduced
_MAX_COMPARED = 150  # blocks with clipped pixels
_MAX_DEVIATION = 1.3  # in 1/255, of a reproduced pixel; rounding alone gives up to 1
_ROUNDS = 6
_SIMILAR = 6  # qualities further apart are not compared, since finer steps reproduce more of any image
_LEAST_EXCESS = 0.15  # share of blocks reproduced beyond that of similar qualities; other images: 0.03


def estimate_tables(f: Tensor) -> JPEGTables:
    """Estimate the tables of the file that a ``(1, C, H, W)`` image was decoded from, by its 8-bit values.

    Two kinds of tables are compared by the likelihood of the coefficients of blocks without clipped pixels,
    as multiples of the steps: those of libjpeg's qualities 1 to 100, and steps that are found for each
    frequency alone (where too few coefficients differ from 0, the step of the standard's table, scaled like
    the others). Equal blocks count once. Where nearly all blocks have clipped pixels, as in text on white,
    the qualities are compared by how many blocks they reproduce.

    The blocks must begin at the top left pixel. For an image that was never a JPEG, or has been cropped,
    turned or resized since, all steps are 1; chroma's steps alone are 1 where chroma fits no table, as in a
    file of "4:1:1".

    Parameters
    ----------
    f
        ``(1, C, H, W)``, intensities in [0, 1].

    Returns
    -------
    JPEGTables
        The estimated quantisation tables and the chroma subsampling.

    Examples
    --------
    >>> import torch
    >>> import jumpset as js
    >>> image = js.datasets.jpeg(js.datasets.shapes(64, 96, seed=1), quality=15)
    >>> f = torch.from_numpy(image).permute(2, 0, 1)[None]
    >>> js.jpeg.estimate_tables(f).luma.shape
    (8, 8)
    """
    clipped = ((f <= 0.0) | (f >= 1.0)).any(dim=1, keepdim=True)
    plane = ChromaSubsampling(1, 1).planes(f)[0]
    blocks = _Blocks.of(plane, clipped, _ERROR)
    luma, quality, scale = np.ones((8, 8)), 0, 0.0
    if len(blocks.c) >= _MIN_BLOCKS:
        luma, quality, scale = _likeliest(blocks, _LUMA)
    else:
        quality = _reproducing_quality(f, plane)
        luma = _of_quality(_LUMA, quality) if quality else luma
    if f.shape[1] != 3 or (luma == 1).all():
        return JPEGTables(luma, luma)
    usual = _of_quality(_CHROMA, quality) if quality else np.clip(np.rint(scale * _CHROMA), 1, 255)
    return _with_chroma(f, clipped, luma, usual, searched=not quality)


def _with_chroma(
    f: Tensor, clipped: Tensor, luma: np.ndarray, usual: np.ndarray, *, searched: bool
) -> JPEGTables:
    """Luma's table and the chroma table and subsampling that fit best, or ``usual`` without evidence."""
    found = []
    for rows, columns in product((2, 1), (2, 1)):
        subsampling = ChromaSubsampling(rows, columns)
        covered = clipped
        for axis in subsampling.axes:  # a block of chroma covers more pixels
            covered = halve(covered.float(), axis) > 0
        blocks = _Blocks.of(subsampling.decoded_planes(f)[1], covered, _CHROMA_ERROR)
        table = _likeliest(blocks, _CHROMA)[0] if searched else usual
        table = usual if (table == 1).all() else table
        found.append((blocks.fit(table), len(blocks.c), JPEGTables(luma, table, rows, columns)))
    fit, _, best = max(found, key=lambda x: x[0])  # the first, 4:2:0, of equal ones
    if fit < _LEAST_FIT:
        has_content = min(n for _, n, _ in found) >= _MIN_BLOCKS
        return JPEGTables(luma, np.ones((8, 8)), 1, 1) if has_content else found[0][2]
    return best


@dataclass(frozen=True)
class _Blocks:
    """Coefficients of the different blocks of a plane without clipped pixels."""

    c: np.ndarray  # (n, 64) in 1/255, 0 where not present; DC is left out, since means of flat areas repeat
    error: float  # deviation of c by rounding

    @classmethod
    def of(cls, plane: Tensor, clipped: Tensor, error: float) -> _Blocks:
        height, width = (8 * (length // 8) for length in plane.shape[-2:])
        c = 255.0 * block_dct(plane[..., :height, :width].double()).flatten(-2)
        c[..., 0] = 0.0
        c[c.abs() < _NEAR * error] = 0.0
        is_clipped = split_blocks(clipped[..., :height, :width]).flatten(-2).any(-1).expand(c.shape[:-1])
        kept = _different(c[~is_clipped].cpu().numpy())
        return cls(kept[:: len(kept) // _MAX_BLOCKS + 1], error)

    def gain(self, steps: np.ndarray) -> float:
        """The log-likelihood gain of all coefficients, for ``(64,)`` steps."""
        i, k = np.nonzero(self.c)
        return float(_gain(self.c[i, k], steps[k], self.error).sum())

    def fit(self, table: np.ndarray) -> float:
        """How many more coefficients than by chance are near multiples: 0 to 1 (all)."""
        i, k = np.nonzero(self.c)
        c, steps = self.c[i, k], table.ravel()[k]
        chance = np.minimum(2 * _NEAR * self.error / steps, 1.0)
        if not (chance < 1).any():
            return 0.0
        near = np.abs(c - steps * np.rint(c / steps)) < _NEAR * self.error
        return float((near - chance)[chance < 1].sum() / (1 - chance).sum())


def _gain(c: np.ndarray, steps: np.ndarray, error: float) -> np.ndarray:
    """Log-likelihood of coefficients as rounded multiples of the steps, over that of any values."""
    distance = np.abs(c - steps * np.rint(c / steps))
    density = steps * np.exp(-0.5 * (distance / error) ** 2) / (error * np.sqrt(2 * np.pi))
    likelihood = np.where(steps > 1.5, (1 - _OUTLIERS) * density + _OUTLIERS, 1.0)
    return np.log(likelihood)


def _likeliest(blocks: _Blocks, standard: np.ndarray) -> tuple[np.ndarray, int, float]:
    """The table, libjpeg's quality or 0, and the table's scale; steps of 1 where none fits."""
    gains = [blocks.gain(_of_quality(standard, q).ravel()) for q in _QUALITIES]
    best = int(np.argmax(gains))
    table, quality = _of_quality(standard, _QUALITIES[best]), _QUALITIES[best]
    free, gain, scale = _by_frequency(blocks, standard)
    if gain > gains[best] - _EVIDENCE:
        table, quality = free, 0
    if max(gain, gains[best]) < _EVIDENCE or blocks.fit(table) < _LEAST_FIT:
        return np.ones((8, 8)), 0, 0.0
    return table, quality, scale


def _by_frequency(blocks: _Blocks, standard: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The likeliest step of each frequency, their gain less that of chance, and the scale of the table."""
    steps, gain = np.zeros(64), 0.0
    for k in range(1, 64):
        present = blocks.c[blocks.c[:, k] != 0, k]
        gains = _gain(present, _STEPS[:, None], blocks.error).sum(axis=1)
        if gains.max() > _EVIDENCE:
            steps[k] = _STEPS[gains.argmax()]
            gain += gains.max() - _EVIDENCE
    steps = steps.reshape(8, 8)
    known = steps > 0
    if known.sum() < _MIN_DETECTIONS:
        return np.ones((8, 8)), 0.0, 0.0
    scale = float(np.median(steps[known] / standard[known]))
    steps = np.where(known, steps, np.clip(np.rint(scale * standard), 1, 255))
    steps[0, 0] = min(steps[0, 1], steps[1, 0])  # the DC step is rarely the larger one
    return steps, gain, scale


def _of_quality(standard: np.ndarray, quality: int) -> np.ndarray:
    """The table of a quality of libjpeg from 1 to 100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((standard * scale + 50) // 100, 1, 255)


def _different(c: np.ndarray) -> np.ndarray:
    """The different blocks ``(n, 64)`` that are not flat: equal ones are no independent evidence."""
    c = c[c.any(axis=1)]
    return c[np.sort(np.unique(np.rint(c).astype(np.int16), axis=0, return_index=True)[1])]


def _reproducing_quality(image: Tensor, plane: Tensor) -> int:
    """The quality of libjpeg whose table reproduces many blocks, as similar ones do not; 0 if none does.

    Clipped pixels are left open: their values before clipping, and the multiples, are estimated in
    alternation, as in :class:`~jumpset.jpeg.QuantizationConstraint`.
    """
    is_black, is_white = (image <= 0.0).all(dim=1, keepdim=True), (image >= 1.0).all(dim=1, keepdim=True)
    is_known = ~((image <= 0.0) | (image >= 1.0)).any(dim=1, keepdim=True)
    size = tuple(8 * (length // 8) for length in plane.shape[-2:])
    masks = (x.expand_as(plane) for x in (is_black, is_white, is_known))
    pixels, black, white, known = (
        split_blocks(x[..., : size[0], : size[1]]).reshape(-1, 8, 8).cpu().numpy()
        for x in (255.0 * plane.double(), *masks)
    )
    chosen = _most_known(pixels, known)
    if len(chosen) < _MIN_BLOCKS:
        return 0
    f, black, white, known = (x[chosen] for x in (pixels, black, white, known))
    steps = np.stack([_of_quality(_LUMA, q) for q in _QUALITIES])[:, None]
    u = np.broadcast_to(f, (len(steps), *f.shape))
    for _ in range(_ROUNDS):
        held = COSINES.T @ (steps * np.rint(COSINES @ u @ COSINES.T / steps)) @ COSINES
        clipped = np.where(white, np.maximum(held, f), np.where(black, np.minimum(held, f), held))
        u = np.where(known, f, clipped)
    deviation = np.where(known, np.abs(held - f), 0.0).max(axis=(-2, -1))
    share = (deviation < _MAX_DEVIATION).mean(axis=1)
    excess = share.copy()
    for d in range(2, _SIMILAR + 1):
        excess[d:] = np.minimum(excess[d:], share[d:] - share[:-d])
        excess[:-d] = np.minimum(excess[:-d], share[:-d] - share[d:])
    excess[-_SIMILAR:] = 0.0  # steps of 1 to 3 reproduce any image
    best = int(excess.argmax())
    return _QUALITIES[best] if excess[best] >= _LEAST_EXCESS else 0


def _most_known(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Indices of different blocks that are not flat, those with the fewest clipped pixels first."""
    ac = np.rint(pixels - pixels.mean(axis=(1, 2), keepdims=True)).astype(np.int16).reshape(-1, 64)
    n_known = known.sum(axis=(1, 2))
    found = np.flatnonzero(ac.any(axis=1) & (n_known >= _MIN_KNOWN))
    found = found[np.unique(ac[found], axis=0, return_index=True)[1]]
    return found[np.argsort(-n_known[found], kind="stable")][:_MAX_COMPARED]

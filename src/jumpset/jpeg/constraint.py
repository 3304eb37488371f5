"""What a JPEG file says of its picture: in which cell each coefficient of its cosine transform lay."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from scipy.linalg import solve_banded
from torch import Tensor, nn

from jumpset._core.errors import InputError
from jumpset.jpeg.chroma import ChromaSubsampling, doubled, halved, luma_and_chroma, picture_of

_K, _P = np.mgrid[:8, :8]
_COSINES = np.where(_K == 0, 0.5**0.5, 1.0) * 0.5 * np.cos(np.pi * _K * (2 * _P + 1) / 16)  # orthonormal
# Annex K of the standard, which tells how the steps of frequencies without any content are likely to go on
_LUMA = "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 \
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
_CHROMA = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_USUAL = (
    np.array(_LUMA.split(), float).reshape(8, 8),
    np.pad(np.array(_CHROMA, float), (0, 4), constant_values=99),
)
_MIDDLE = 128 / 255
_NEAR = 1.0  # in 1/255: rounding to 8 bits moves a coefficient by about 0.3
_STEPS = np.arange(5, 256)[:, None]  # smaller ones look like a decay of the coefficients
_CHANCE = np.minimum(2 * _NEAR / _STEPS[:, 0], 0.999)  # of a coefficient to be near a multiple by accident
_FEW = 4  # frequencies: what fewer tell is accident
_BLOCKS = 20_000  # tell enough; more are passed over
_TURNS = 8  # the fifth changes next to nothing
_CLOSE = 0.1  # in steps, the median distance of means from their multiples; .25 for any others
_ENOUGH = 12.0  # in nats; there are 254 steps to choose from


@dataclass(frozen=True)
class JPEGTables:
    r"""The steps with which a JPEG file was quantised, and the pictures that it may stand for.

    A file holds, for every block of 8 × 8 pixels of luma and of (subsampled) chroma, the nearest multiples of
    the steps q to the coefficients of the block's cosine transform C. So the picture u that was stored, and
    the picture f that is read, satisfy

    .. math:: | C P u - C P f |_k \le \tfrac12 q_k

    for P from RGB in [0, 1] to the stored planes, up to f's rounding to 8 bits. Pictures of other than three
    channels are taken as that many gray ones.

    Parameters
    ----------
    luma, chroma
        ``(8, 8)`` arrays of steps in units of 1/255, as files hold them, vertical frequency first.
    rows, columns
        Pixels down and across that share a chroma value: 2 and 2 is "4:2:0", 1 and 2 "4:2:2", 1 and 1
        "4:4:4".

    Raises
    ------
    InputError
        Arrays of another shape or with steps below 1, or other blocks.
    """

    luma: np.ndarray
    chroma: np.ndarray
    rows: int = 2
    columns: int = 2

    def __post_init__(self) -> None:
        for name in ("luma", "chroma"):
            steps = np.array(getattr(self, name), float)
            if steps.shape != (8, 8) or not (np.isfinite(steps).all() and steps.min() >= 1):
                raise InputError(
                    f"{name} must hold 8 × 8 steps of at least 1",
                    given=f"shape {steps.shape}",
                    do="pass the table of the file, or None to have it told from the picture",
                )
            object.__setattr__(self, name, steps)
        _ = self.subsampling  # an error where there is none of these

    def project(self, u: Tensor, f: Tensor, *, width: float = 0.5) -> Tensor:
        r"""A picture near u that the file of f may stand for: coefficients of P u clamped to their cells.

        The same as ``cells(f).project(u)``, for one u.

        Parameters
        ----------
        u, f
            ``(B, C, H, W)``; f as it was read from the file, not changed since.
        width
            As in :meth:`QuantizationConstraint.project`.
        """
        return self.cells(f).project(u, width=width)

    def cells(self, f: Tensor) -> QuantizationConstraint:
        """The cells in which the file of f says that coefficients lie, for many pictures to be projected.

        A cell's middle is the multiple of the step next to f's coefficient; in a last, partial block, of
        which the file holds more than f, it is f's. A decoder clips values to 0 and 255, which moves
        coefficients, so the multiples are found in turns with what they say that the clipped values were.

        Parameters
        ----------
        f
            ``(B, C, H, W)``, as it was read from the file, not changed since.
        """
        black, white = f <= 0.0, f >= 1.0
        clipped = (black | white).any(dim=1, keepdim=True)
        means = self._means_are_multiples(f, clipped)
        centres, picture = self._multiples(f, means), f
        for _ in range(_TURNS if bool(clipped.any()) else 0):
            held = self._decoded(centres, f.shape)
            picture = torch.where(black, held.clamp(max=0.0), torch.where(white, held.clamp(min=1.0), f))
            centres = self._multiples(picture, means)
        return QuantizationConstraint(
            self, centres, picture, f.amin().clamp(max=0.0), f.amax().clamp(min=1.0)
        )

    @property
    def is_trivial(self) -> bool:
        """Whether all steps are 1: those of a picture in 8 bits that was never a JPEG."""
        return bool((self.luma == 1).all() and (self.chroma == 1).all())

    def _multiples(self, picture: Tensor, means: bool) -> tuple[Tensor, ...]:
        """Coefficients rounded to multiples of the steps; those of the blocks' means only if told to."""
        out = []
        for plane, table in zip(self._stored(picture), (self.luma, self.chroma), strict=False):
            steps = torch.as_tensor(table / 255).to(picture)
            c = _coefficients(_filled(plane))
            whole = c[..., : plane.shape[-2] // 8, : plane.shape[-1] // 8, :, :]
            mean = whole[..., 0, 0].clone()
            whole.copy_(steps * torch.round(whole / steps))
            if not means:
                whole[..., 0, 0] = mean
            out.append(c)
        return tuple(out)

    def _means_are_multiples(self, f: Tensor, clipped: Tensor) -> bool:
        """Whether the step of the means can be believed: one that was told may be too large."""
        height, width = (8 * (length // 8) for length in f.shape[-2:])
        whole = _coefficients(self._planes(f)[0][..., :height, :width])[..., 0, 0]
        sound = ~_blocks(clipped[..., :height, :width]).flatten(-2).any(dim=-1).expand_as(whole)
        n = 255 * whole[sound].double() / self.luma[0, 0]
        return len(n) > 0 and float((n - n.round()).abs().median()) < _CLOSE

    def _decoded(self, centres: tuple[Tensor, ...], size: torch.Size) -> Tensor:
        """What a decoder makes of the coefficients, not clipped."""
        luma, *chroma = (_plane(c) for c in centres)
        height, width = size[-2:]
        luma = luma[..., :height, :width] + _MIDDLE
        if not chroma:
            return luma
        c = chroma[0][..., : -(-height // self.rows), : -(-width // self.columns)]
        for axis in self.subsampling.axes:
            c = doubled(c, axis, size[axis])
        return picture_of(torch.cat([luma, c], dim=1))

    def _planes(self, u: Tensor) -> tuple[Tensor, ...]:
        """Luma around 0, and chroma as an encoder subsamples it; bands other than three as luma."""
        if u.shape[1] != 3:
            return (u - _MIDDLE,)
        y = luma_and_chroma(u)
        chroma = y[:, 1:]
        for axis in self.subsampling.axes:
            chroma = halved(chroma, axis)
        return y[:, :1] - _MIDDLE, chroma

    def _stored(self, f: Tensor) -> tuple[Tensor, ...]:
        """The planes that a decoder had before it interpolated chroma."""
        luma, *chroma = self._planes(f)
        for axis in self.subsampling.axes:
            chroma = [_sharpened(c, axis, f.shape[axis]) for c in chroma]
        return luma, *chroma

    @property
    def subsampling(self) -> ChromaSubsampling:
        """What the file does to colours."""
        return ChromaSubsampling(self.rows, self.columns)


@dataclass(frozen=True)
class QuantizationConstraint:
    """The pictures that a file may stand for; made by :meth:`JPEGTables.cells`."""

    tables: JPEGTables
    centres: tuple[Tensor, ...]  # of luma's coefficients and chroma's, (B, k, h / 8, w / 8, 8, 8)
    picture: Tensor  # (B, C, H, W), f without the decoder's clipping: below 0 and above 1 where the file is
    low: Tensor  # values are not below f's and 0,
    high: Tensor  # nor above f's and 1

    def project(self, u: Tensor, *, width: float = 0.5) -> Tensor:
        """A picture near u that the file may stand for: coefficients of P u clamped to their cells.

        Parameters
        ----------
        u
            ``(B, C, H, W)`` of f's shape, dtype and device.
        width
            Of half a cell, in steps; ½ is all that the file may stand for.
        """
        out = []
        for k, (plane, middle) in enumerate(zip(self.tables._planes(u), self.centres, strict=True)):
            half = torch.as_tensor((self.tables.chroma if k else self.tables.luma) / 255).to(u) * width
            c = _coefficients(_filled(plane))
            c = torch.minimum(torch.maximum(c, middle - half), middle + half)
            moved = _plane(c)[..., : plane.shape[-2], : plane.shape[-1]] - plane
            for axis in self.tables.subsampling.axes if k else ():
                moved = moved.repeat_interleave(2, dim=axis).narrow(axis, 0, u.shape[axis])
            out.append(moved)
        near = u + (picture_of(torch.cat(out, dim=1)) if u.shape[1] == 3 else out[0])
        return near.clamp(self.low, self.high)


def estimate_tables(f: Tensor) -> JPEGTables:
    """The tables of the file that a ``(1, C, H, W)`` picture comes from, told from its 8-bit values.

    The step of a frequency is the one of whose multiples more coefficients lie within 1/255 than would by
    accident; where too few coefficients are not 0, the usual tables tell how the others go on. Where many
    values are at the ends of the range, which moves coefficients, too little is told: read the file's tables
    instead. The blocks begin at the top left pixel: of a picture that was never a JPEG, or has been cut or
    turned since, all steps are told to be 1.
    """
    ones = np.ones((8, 8))
    luma = _steps(JPEGTables(ones, ones, 1, 1)._stored(f)[0], _USUAL[0])
    if f.shape[1] != 3:
        return JPEGTables(luma, luma)
    found = []
    for rows, columns in product((2, 1), (2, 1)):
        _, chroma = JPEGTables(ones, ones, rows, columns)._stored(f)
        found.append(JPEGTables(luma, _steps(chroma, _USUAL[1]), rows, columns))
    return max(found, key=lambda t: float(np.log(t.chroma).sum()))  # steps are large for the true blocks only


def _steps(plane: Tensor, usual: np.ndarray) -> np.ndarray:
    """Steps of a ``(1, k, h, w)`` plane; see :func:`estimate_tables`."""
    height, width = (8 * (length // 8) for length in plane.shape[-2:])
    c = 255.0 * _coefficients(plane[..., :height, :width].double()).cpu().numpy().reshape(-1, 64)
    c = c[:: len(c) // _BLOCKS + 1]
    steps = np.zeros(64)
    for k in range(1, 64):
        there = c[np.abs(c[:, k]) > 2 * _NEAR, k]
        if len(there):
            away = np.abs(there - _STEPS * np.rint(there / _STEPS))
            near = np.mean(away < _NEAR, axis=1).clip(1e-9, 1 - 1e-9)
            surprise = near * np.log(near / _CHANCE) + (1 - near) * np.log((1 - near) / (1 - _CHANCE))
            evidence = len(there) * np.where(near > _CHANCE, surprise, 0.0)
            if evidence.max() > _ENOUGH:
                steps[k] = _STEPS[np.argmax(evidence), 0]
    steps = steps.reshape(8, 8)
    known = steps > 0
    if known.sum() < _FEW:
        return np.ones((8, 8))
    scale = np.median(steps[known] / usual[known])
    steps = np.where(known, steps, np.clip(np.rint(scale * usual), 1, 255))
    # Flat blocks repeat a few means, which would be taken for multiples; their step is seldom larger.
    steps[0, 0] = min(steps[0, 1], steps[1, 0])
    return steps


def _coefficients(plane: Tensor) -> Tensor:
    """``(…, H, W)``, sides multiples of 8, to ``(…, H / 8, W / 8, 8, 8)``."""
    cosines = torch.as_tensor(_COSINES).to(plane)
    return cosines @ _blocks(plane) @ cosines.T


def _blocks(plane: Tensor) -> Tensor:
    return plane.unflatten(-2, (-1, 8)).unflatten(-1, (-1, 8)).transpose(-3, -2)


def _filled(plane: Tensor) -> Tensor:
    """The last, partial blocks filled up."""
    height, width = plane.shape[-2:]
    return nn.functional.pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")


def _plane(c: Tensor) -> Tensor:
    """The inverse of :func:`_coefficients`."""
    cosines = torch.as_tensor(_COSINES).to(c)
    return (cosines.T @ c @ cosines).transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)


def _sharpened(x: Tensor, axis: int, length: int) -> Tensor:
    """Means of pairs of interpolated values, back to the values that were interpolated: one banded solve."""
    n = x.shape[axis]
    if n == 1:
        return x
    bands = np.zeros((3, n))
    bands[0, 1:], bands[1], bands[2, :-1] = 1 / 8, 6 / 8, 1 / 8
    bands[1, 0] = bands[1, -1] = 7 / 8
    if length % 2:  # the last value stands alone, nearer to its left neighbour
        bands[1, -1], bands[2, -2] = 3 / 4, 1 / 4
    flat = np.moveaxis(x.detach().cpu().double().numpy(), axis, 0)
    out = solve_banded((1, 1), bands, flat.reshape(n, -1)).reshape(flat.shape)
    return torch.from_numpy(np.moveaxis(out, 0, axis).copy()).to(x)

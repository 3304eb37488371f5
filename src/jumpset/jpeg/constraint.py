"""The images that a JPEG file allows: every cosine coefficient within its quantization cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jumpset.jpeg.blocks import block_dct, block_idct, pad_to_blocks, split_blocks
from jumpset.jpeg.chroma import rgb_to_ycbcr
from jumpset.jpeg.tables import JPEGTables

_ROUNDS = 8  # of the alternation for clipped values; the fifth changes next to nothing
_ALTERNATIONS = 20  # at most, of projections onto the cells and onto the range; black text on white needs all
_MOVED = 0.25 / 255  # of a value by the clamp to the range, below which the alternation ends
_CLOSE = 0.1  # in steps, the median distance of DC coefficients from multiples; 0.25 for any others


@dataclass(frozen=True)
class QuantizationConstraint:
    r"""The images from which a JPEG file may have been made.

    A file holds, for every block of 8 × 8 pixels of luma and of (subsampled) chroma, the nearest multiples of
    the steps q to the coefficients of the block's cosine transform C. The stored image u and the decoded
    image f therefore satisfy

    .. math:: | C P u - C P f |_k \le \tfrac12 q_k

    for P from RGB in [0, 1] to the stored planes, up to f's rounding to 8 bits. Where a block and those
    around it have no chroma coefficient at all, the image is taken as gray, as in black text beside a colour
    image. Images of other than three channels are taken as that many gray ones. Made by :meth:`of`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
    >>> js.io.write_picture(path, js.datasets.coffee()[:32, :48], quality=50)
    >>> f = torch.from_numpy(js.io.read_picture(path).pixels / 255.0).permute(2, 0, 1)[None].float()
    >>> constraint = js.jpeg.QuantizationConstraint.of(f, js.jpeg.jpeg_tables(path))
    >>> constraint.project(f).shape
    torch.Size([1, 3, 32, 48])
    """

    tables: JPEGTables
    """The tables of the file."""
    centres: tuple[Tensor, ...]
    """Centres of the cells of luma and chroma, ``(B, k, h / 8, w / 8, 8, 8)``."""
    unclipped: Tensor
    """``(B, C, H, W)``, f before the decoder clipped values to [0, 1]."""
    low: Tensor
    """Least value, of f or 0."""
    high: Tensor
    """Largest value, of f or 1."""
    is_gray: Tensor | None
    """``(B, 1, H, W)``, bool, pixels that are taken as gray; None without chroma."""

    @classmethod
    def of(cls, f: Tensor, tables: JPEGTables) -> QuantizationConstraint:
        """The constraint of the file that f was read from.

        The centre of a cell is the multiple of the step nearest to f's coefficient; in a last, partial block,
        of which the file holds more than f, it is f's coefficient. A decoder clips values to 0 and 255, which
        moves coefficients: the multiples and the values before clipping are estimated in alternation.

        Parameters
        ----------
        f
            ``(B, C, H, W)``, as it was read from the file, not changed since.
        tables
            The tables of the file.
        """
        black, white = f <= 0.0, f >= 1.0
        clipped = (black | white).any(dim=1, keepdim=True)
        rounds_dc = _dc_step_fits(f, clipped, tables)
        centres, unclipped = _multiples(f, tables, rounds_dc), f
        for _ in range(_ROUNDS if bool(clipped.any()) else 0):
            held = tables.subsampling.image(tuple(block_idct(c) for c in centres), *f.shape[-2:])
            unclipped = torch.where(black, held.clamp(max=0.0), torch.where(white, held.clamp(min=1.0), f))
            centres = _multiples(unclipped, tables, rounds_dc)
        low, high = f.amin().clamp(max=0.0), f.amax().clamp(min=1.0)
        return cls(tables, centres, unclipped, low, high, _is_gray(centres, tables, f))

    def project(self, u: Tensor, *, width: float = 0.5) -> Tensor:
        """An image near u that the file allows: the coefficients of P u clamped to their cells.

        Values must also lie in [0, 1], or in the wider range of f, and clamping them moves coefficients out
        of their cells, so that both projections alternate, up to twenty times.

        Parameters
        ----------
        u
            ``(B, C, H, W)`` of f's shape, dtype and device.
        width
            Half the width of a cell, in steps; ½ for all images that the file allows.
        """
        u = self._grayed(u)
        for _ in range(_ALTERNATIONS):
            near = self._onto_cells(u, width)
            u = near.clamp(self.low, self.high)
            if (u - near).abs().amax() < _MOVED:
                break
        return self._grayed(u)

    def _grayed(self, u: Tensor) -> Tensor:
        return u if self.is_gray is None else torch.where(self.is_gray, rgb_to_ycbcr(u)[:, :1], u)

    def _onto_cells(self, u: Tensor, width: float) -> Tensor:
        """U with the coefficients of P u clamped to their cells, of any values."""
        planes, changes = self.tables.subsampling.planes(u), []
        steps = (self.tables.luma, self.tables.chroma)[: len(planes)]
        for plane, centre, table in zip(planes, self.centres, steps, strict=True):
            half = torch.as_tensor(table / 255).to(u) * width
            c = block_dct(pad_to_blocks(plane))
            c = torch.minimum(torch.maximum(c, centre - half), centre + half)
            changes.append(block_idct(c)[..., : plane.shape[-2], : plane.shape[-1]] - plane)
        return u + self.tables.subsampling.spread(changes, *u.shape[-2:])


def _is_gray(centres: tuple[Tensor, ...], tables: JPEGTables, f: Tensor) -> Tensor | None:
    """Pixels whose block of chroma, and the eight around it, have no coefficient other than 0."""
    if len(centres) == 1:
        return None
    steps = torch.as_tensor(tables.chroma / 255).to(f)
    present = (centres[1].abs() >= 0.5 * steps).flatten(-2).any(dim=-1).any(dim=1, keepdim=True)
    near = nn.functional.max_pool2d(present.float(), kernel_size=3, stride=1, padding=1)
    for axis, factor in ((-2, tables.rows), (-1, tables.columns)):
        near = near.repeat_interleave(8 * factor, dim=axis).narrow(axis, 0, f.shape[axis])
    return near == 0


def _multiples(f: Tensor, tables: JPEGTables, rounds_dc: bool) -> tuple[Tensor, ...]:
    """Coefficients rounded to multiples of the steps; DC coefficients only if ``rounds_dc``."""
    out = []
    for plane, table in zip(tables.subsampling.decoded_planes(f), (tables.luma, tables.chroma), strict=False):
        steps = torch.as_tensor(table / 255).to(f)
        c = block_dct(pad_to_blocks(plane))
        whole = c[..., : plane.shape[-2] // 8, : plane.shape[-1] // 8, :, :]
        dc = whole[..., 0, 0].clone()
        whole.copy_(steps * torch.round(whole / steps))
        if not rounds_dc:
            whole[..., 0, 0] = dc
        out.append(c)
    return tuple(out)


def _dc_step_fits(f: Tensor, clipped: Tensor, tables: JPEGTables) -> bool:
    """Whether the DC step fits the data: an estimated one may be too large."""
    height, width = (8 * (length // 8) for length in f.shape[-2:])
    dc = block_dct(tables.subsampling.planes(f)[0][..., :height, :width])[..., 0, 0]
    unclipped = ~split_blocks(clipped[..., :height, :width]).flatten(-2).any(dim=-1).expand_as(dc)
    n = 255 * dc[unclipped].double() / tables.luma[0, 0]
    return len(n) > 0 and float((n - n.round()).abs().median()) < _CLOSE

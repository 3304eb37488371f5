"""Partitions as SVG."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from jumpset._core import checks
from jumpset._core.arrays import ValueRange
from jumpset._core.errors import InputError
from jumpset._core.files import as_path, atomic_write, check_target
from jumpset.kernels.regions import arcs
from jumpset.regions._arguments import check_labels, read_image, region_sums
from jumpset.regions.contours import Contours, find_contours
from jumpset.regions.labels import label
from jumpset.regions.partition import refit
from jumpset.regions.svg_paths import path_data

_UNDERLAY = 1.0  # pixels: width of the lines under the regions


def to_svg(
    labels: Any,
    image: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    paint: Any = None,
    groups: Sequence[Any] = (),
    tolerance: float = 0.5,
    curves: bool = True,
    decimals: int = 1,
    title: str | None = None,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> str:
    """Draw the regions of a label image as SVG: one path for each connected region, in its mean colour.

    Every boundary is traced, moved and fitted once, from one place where three regions meet to the next, so
    that neighbours share it: the regions have no gaps and no overlaps between them.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region; a region of several connected parts gives several paths.
    image
        Gray or RGB image: its pixels move each boundary by fractions of a pixel to where the image changes
        from one mean colour to the other.
    path
        File to write, completely or not at all.
    paint
        Image of the size of ``image`` whose means are the colours, e.g. :attr:`Recolored.image`; default:
        ``image``.
    groups
        Label images of coarser partitions, the coarsest first, in which ``labels`` nests. Their regions
        become nested groups ``<g>``.
    tolerance
        How far lines and curves may lie off the boundaries, in pixels, roughly: a further corner must lower
        the sum of squared distances by 4 tolerance² between regions whose colours differ by 0.3 of the range,
        by less where they differ more. Smaller values are more precise and give larger files.
    curves
        Whether to draw cubic Bézier curves between corners, or polygons.
    decimals
        Number of decimals of the coordinates, 0 to 6; the unit is a pixel.
    title
        Title of the drawing.
    channel_axis, alpha, value_range
        As in :func:`jumpset.run`. Regions are also divided where alpha passes one half; the opacity of a part
        is the median of its alpha, and transparent parts are left out.

    Returns
    -------
    str
        The text of the SVG file.

    Raises
    ------
    InputError
        An argument cannot be used, or the image has other than 1 or 3 bands without alpha.
    FileError
        The file cannot be written.

    Notes
    -----
    Browsers blend each path with what lies below it, so that two paths with a common boundary let some of the
    background through. An opaque drawing therefore draws its paths twice, by ``<use>``: first with lines of
    their own colour, one pixel wide, then without. Holes are not cut out; regions are drawn by the area that
    they enclose, the largest first.

    The steps are those of P. Selinger, "Potrace: a polygon-based tracing algorithm", 2003, with other
    solutions: a polygon by dynamic programming, here with squared distances, whose corners are intersections
    of fitted lines, then curves, here cubics by P. J. Schneider's fit (Graphics Gems, 1990), which a second
    dynamic program chooses.

    Examples
    --------
    >>> import jumpset as js
    >>> image = js.datasets.coffee()
    >>> text = js.regions.to_svg(js.RegionTree(image).labels(n_regions=50), image)
    >>> text.count("<path")
    50
    """
    target = None if path is None else _check_svg_path(path)
    check_drawing(tolerance, decimals)
    checks.flag("curves", curves)
    if title is not None and not isinstance(title, str):
        raise InputError("the title must be text", given=repr(title), do="pass a string, or None")
    index, _ = check_labels(labels, (2,))
    pixels, layout = read_image(index, image, channel_axis, alpha, value_range)
    colors = pixels if paint is None else read_image(index, paint, channel_axis, alpha, value_range)[0]
    if pixels.shape[2] not in (1, 3) or colors.shape[2] not in (1, 3):
        raise InputError(
            "SVG has gray and RGB colours",
            given=f"{pixels.shape[2]} bands",
            do="choose three bands of the image",
        )
    opacity = None
    if layout.alpha is not None:
        high = 1.0 if layout.alpha.dtype.kind in "bf" else float(np.iinfo(layout.alpha.dtype).max)
        opacity = (layout.alpha / high).clip(0.0, 1.0)
        opacity = None if (opacity == 1.0).all() else opacity
    levels = [_nested(index, group) for group in groups]
    if opacity is not None:
        index = 2 * index + (opacity >= 0.5)
    contours = find_contours(index, pixels, tolerance=tolerance, curved=curves, decimals=decimals)
    parts = _paint(contours, colors, opacity)
    text = _document(contours, parts, levels, decimals, title)
    if target is not None:
        with atomic_write(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return text


@dataclass(frozen=True)
class _Part:
    number: int
    rings: list[int]
    color: str
    opacity: float


def _paint(contours: Contours, colors: np.ndarray, opacity: np.ndarray | None) -> list[_Part]:
    """Return the parts to draw, those that enclose the largest area first."""
    flat = contours.part
    weight = np.ones(flat.shape) if opacity is None else np.maximum(opacity, 1e-6)
    mass = np.bincount(flat.ravel(), weight.ravel())
    mean = region_sums(flat, colors * weight[..., None])[1] / mass[:, None]
    if opacity is None:
        opaque = np.ones(len(mean))
    else:
        median = refit(flat, opacity[..., None], np.ones(flat.shape), "l1", opacity[..., None])[..., 0]
        opaque = np.empty(len(mean))
        opaque[flat] = median
        opaque = opaque.round(3)
    rings = contours.rings_of_parts()
    order = np.argsort([-contours.rings.area[r[0]] for r in rings], kind="stable")
    hexes = hex_colors(mean)
    return [_Part(p, rings[p], hexes[p], float(opaque[p])) for p in order.tolist() if opaque[p] > 0.5 / 255]


def _document(
    contours: Contours, parts: list[_Part], levels: list[np.ndarray], decimals: int, title: str | None
) -> str:
    height, width = contours.part.shape
    is_opaque = len(parts) == int(contours.part.max()) + 1 and all(part.opacity == 1.0 for part in parts)
    pixel = np.unique(contours.part, return_index=True)[1]  # one of each part
    # the groups of a part, those that enclose more first
    keys = [(-_enclosed(level), level.ravel()[pixel]) for level in levels]
    entries = [(tuple((area[g[part.number]], g[part.number]) for area, g in keys), part) for part in parts]
    entries.sort(key=lambda entry: entry[0])

    def lines(items: list[tuple[Any, _Part]], depth: int) -> list[str]:
        if depth == len(levels):
            return [_path(contours, part, decimals, is_opaque) for _, part in items]
        out = []
        for _, group in groupby(items, key=lambda entry: entry[0][depth]):
            out += ["<g>", *lines(list(group), depth + 1), "</g>"]
        return out

    body = "\n".join(lines(entries, 0))
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f"<svg {spaces} {size}>"
    if title is not None:
        allowed = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in title)
        head += f"\n<title>{escape(allowed)}</title>"
    if not is_opaque:
        return f'{head}\n<g fill-rule="evenodd">\n{body}\n</g>\n</svg>\n'
    name = f"r{zlib.crc32(body.encode()):08x}"  # several drawings may be in one page
    uses = "".join(f'<use xlink:href="#{name}" stroke-width="{w:g}"/>' for w in (_UNDERLAY, 0))
    return f'{head}\n<defs><g id="{name}" stroke-linejoin="round">\n{body}\n</g></defs>\n{uses}\n</svg>\n'


def _path(contours: Contours, part: _Part, decimals: int, is_opaque: bool) -> str:
    rings = part.rings[:1] if is_opaque else part.rings
    data = path_data((contours.ring(ring) for ring in rings), decimals)
    more = f' stroke="{part.color}"' if is_opaque else ""
    if part.opacity < 1.0:
        more += f' fill-opacity="{part.opacity:.3g}"'
    return f'<path fill="{part.color}"{more} d="{data}"/>'


def _nested(index: np.ndarray, group: Any) -> np.ndarray:
    """Return the connected parts of a coarser partition; raise unless it is one."""
    coarse, _ = check_labels(group, (2,))
    if coarse.shape != index.shape:
        raise InputError(
            "groups differ in size from labels", given=coarse.shape, do="pass label images alike"
        )
    fine = label(index) - 1
    least, most = np.full(fine.max() + 1, coarse.max()), np.zeros(fine.max() + 1, coarse.dtype)
    np.minimum.at(least, fine, coarse)
    np.maximum.at(most, fine, coarse)
    if (least != most).any():
        raise InputError(
            "the regions do not nest in the groups",
            given=f"{int((least != most).sum())} regions in several groups",
            do="pass cuts of one RegionTree with fewer regions",
        )
    return label(coarse) - 1


def _enclosed(part: np.ndarray) -> np.ndarray:
    """Return the area that each part encloses, with its holes."""
    rings = arcs.link(arcs.trace(part))
    out = np.zeros(int(part.max()) + 1)
    np.maximum.at(out, rings.part, rings.area)
    return out


def hex_colors(mean: np.ndarray) -> list[str]:
    """Return ``(R, 1)`` or ``(R, 3)`` intensities as #rgb or #rrggbb."""
    rows = np.rint(255.0 * np.broadcast_to(mean, (len(mean), 3)).clip(0.0, 1.0)).astype(int).tolist()
    short = [all(v % 17 == 0 for v in row) for row in rows]
    return [
        "#" + "".join(f"{v // 17:x}" if is_short else f"{v:02x}" for v in row)
        for row, is_short in zip(rows, short, strict=True)
    ]


def check_drawing(tolerance: float, decimals: int) -> None:
    """Raise unless the arguments are in range."""
    checks.real("tolerance", tolerance, at_least=0.0, at_most=10.0)
    checks.integer("decimals", decimals, at_least=0, at_most=6)


def _check_svg_path(path: Any) -> Any:
    target = as_path(path)
    if target.suffix.lower() != ".svg":
        raise InputError("the drawing is an SVG file", given=target, do="end the name in .svg")
    return check_target(target)

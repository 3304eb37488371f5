"""A cut of a region tree, with small regions merged and few colours, as SVG or GeoJSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.regions.geojson import to_geojson
from jumpset.regions.labels import merge_small
from jumpset.regions.palette import recolor
from jumpset.regions.svg import to_svg
from jumpset.regions.tree import RegionTree

Source = tuple[np.ndarray, dict[str, Any]]


def tree_to_svg(
    tree: RegionTree,
    source: Source,
    path: Any,
    n_regions: int | Sequence[int] | None,
    weight: float | None,
    *,
    min_size: int = 1,
    n_colors: int | None = None,
    palette: Any = None,
    **options: Any,
) -> str:
    """As :meth:`RegionTree.to_svg`; ``source`` has the image and the arguments to read it."""
    image, reading = source
    counts: list[Any] = [n_regions]
    if isinstance(n_regions, (Sequence, np.ndarray)) and not isinstance(n_regions, str):
        counts = list(n_regions)
        for count in counts:
            checks.integer("n_regions", count, at_least=1)
    if not counts:
        raise InputError("n_regions is empty", given=repr(n_regions), do="pass e.g. (20, 200)")
    levels = [tree.labels(n_regions=n, weight=weight) for n in sorted(counts, key=lambda n: n or 0)]
    if len(levels) > 1 and (min_size > 1 or n_colors is not None or palette is not None):
        raise InputError(
            "min_size, n_colors and palette merge regions of different groups",
            given=f"n_regions={n_regions!r}",
            do="pass one number of regions",
        )
    labels, paint = levels[-1], None
    if tree.is_masked:  # the mean colours of the valid pixels
        paint = tree.smooth(n_regions=None if weight is not None else int(labels.max()), weight=weight)
    if min_size != 1:
        labels = merge_small(labels, image, min_size, **reading)
    if n_colors is not None or palette is not None:
        recolored = recolor(
            labels, image if paint is None else paint, n_colors=n_colors, palette=palette, **reading
        )
        labels, paint = recolored.labels, recolored.image
    return to_svg(labels, image, path, paint=paint, groups=levels[:-1], **reading, **options)


def tree_to_geojson(
    tree: RegionTree,
    source: Source,
    path: Any,
    n_regions: int | None,
    weight: float | None,
    *,
    min_size: int = 1,
    **options: Any,
) -> dict[str, Any]:
    """As :meth:`RegionTree.to_geojson`; ``source`` has the image and the arguments to read it."""
    image, reading = source
    labels = tree.labels(n_regions=n_regions, weight=weight)
    if min_size != 1:
        labels = merge_small(labels, image, min_size, **reading)
    return to_geojson(labels, image, path, **reading, **options)

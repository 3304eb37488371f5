"""Partitions as GeoJSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from jumpset._core.arrays import ValueRange
from jumpset._core.errors import InputError
from jumpset._core.files import as_path, atomic_write, check_target
from jumpset.regions._arguments import check_labels, read_image, region_sums
from jumpset.regions.contours import find_contours
from jumpset.regions.svg import check_drawing, hex_colors

_SUFFIXES = ".geojson", ".json"


def to_geojson(
    labels: Any,
    image: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    transform: Sequence[float] | None = None,
    tolerance: float = 0.5,
    decimals: int = 2,
    channel_axis: int | None = -1,
    alpha: bool | None = None,
    value_range: ValueRange | None = None,
) -> dict[str, Any]:
    """Return the regions of a label image as polygons, a GeoJSON FeatureCollection.

    Neighbouring polygons share their boundaries; each polygon is valid: its rings do not cross.

    Parameters
    ----------
    labels
        ``(H, W)`` integers, one for each region.
    image
        Optional image of any number of bands. Its pixels move each boundary by fractions of a pixel, and its
        means are written; without it the boundaries lie between the pixels.
    path
        File to write, completely or not at all; its name ends in .geojson or .json.
    transform
        Six numbers (a, b, c, d, e, f) as of ``rasterio`` and ``affine``: x = a column + b row + c, y = d
        column + e row + f, with columns and rows from 0 at the outer corner of the first pixel. Default:
        columns and rows.
    tolerance
        As for :func:`to_svg`; in pixels.
    decimals
        Number of decimals of the coordinates in pixels, before ``transform``; 0 to 6.
    channel_axis, alpha, value_range
        As in :func:`jumpset.run`.

    Returns
    -------
    dict
        For :func:`json.dump`. A feature has the properties ``label``, ``area`` in pixels and, with
        an image, ``mean``, its values in the range of the image, and for gray and RGB images ``fill``, as in
        simplestyle.

    Raises
    ------
    InputError
        An argument cannot be used.
    FileError
        The file cannot be written.

    Notes
    -----
    RFC 7946: outer rings run counterclockwise. It asks for longitude and latitude; other coordinates are read
    by most programs, but GeoJSON has no place to name them.

    Examples
    --------
    >>> import numpy as np
    >>> import jumpset as js
    >>> collection = js.regions.to_geojson(np.array([[1, 1, 2]]))
    >>> [feature["properties"]["area"] for feature in collection["features"]]
    [2, 1]
    """
    target = None if path is None else _check_path(path)
    check_drawing(tolerance, decimals)
    matrix = _check_transform(transform)
    index, names = check_labels(labels, (2,))
    size = np.bincount(index.ravel())
    properties = [{"label": name, "area": n} for name, n in zip(names.tolist(), size.tolist(), strict=True)]
    pixels = None
    if image is not None:
        pixels, layout = read_image(index, image, channel_axis, alpha, value_range)
        mean = region_sums(index, pixels)[1] / size[:, None]
        values = layout.low + (layout.high - layout.low) * mean
        for row, own in zip(properties, values.tolist(), strict=True):
            row["mean"] = [float(f"{value:.6g}") for value in own]
        if pixels.shape[2] in (1, 3):
            for row, color in zip(properties, hex_colors(mean), strict=True):
                row["fill"] = color
    contours = find_contours(index, pixels, tolerance=tolerance, curved=False, decimals=decimals)
    polygons: list[list[Any]] = [[] for _ in names]
    owner = np.empty(int(contours.part.max()) + 1, np.int64)
    owner[contours.part] = index
    for part, rings in enumerate(contours.rings_of_parts()):
        outlines = [_ring(contours.ring(ring)[:, 4:], matrix, is_hole=k > 0) for k, ring in enumerate(rings)]
        polygons[owner[part]].append(outlines)
    features = [
        {
            "type": "Feature",
            "properties": row,
            "geometry": {"type": "Polygon", "coordinates": own[0]}
            if len(own) == 1
            else {"type": "MultiPolygon", "coordinates": own},
        }
        for row, own in zip(properties, polygons, strict=True)
    ]
    collection = {"type": "FeatureCollection", "features": features}
    if target is not None:
        with atomic_write(target) as temporary:
            temporary.write_text(json.dumps(collection, separators=(",", ":")), encoding="utf-8")
    return collection


def _ring(points: np.ndarray, matrix: np.ndarray, *, is_hole: bool) -> list[list[float]]:
    kept = np.append(True, (points[1:] != points[:-1]).any(1))
    points = points[kept]
    x, y = (matrix[:, :2] @ points.T + matrix[:, 2:]).tolist()
    twice = sum(x[k] * y[k + 1] - x[k + 1] * y[k] for k in range(len(x) - 1))
    ring = [list(point) for point in zip(x, y, strict=True)]
    return ring[::-1] if (twice > 0.0) == is_hole else ring


def _check_transform(transform: Any) -> np.ndarray:
    if transform is None:
        return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    try:
        matrix = np.array([float(value) for value in transform])[:6].reshape(2, 3)
    except (TypeError, ValueError):
        matrix = np.zeros((2, 3))
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) == 0.0:
        raise InputError(
            "transform must be six numbers of an invertible map",
            given=repr(transform),
            do="pass (a, b, c, d, e, f)",
        )
    return matrix


def _check_path(path: Any) -> Any:
    target = as_path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise InputError("the polygons are a GeoJSON file", given=target, do="end the name in .geojson")
    return check_target(target)

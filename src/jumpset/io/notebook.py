"""What notebooks show of results: small images beside each other, and facts, without a script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from jumpset._core.axes import to_batch
from jumpset._core.errors import JumpsetError, MissingLibrary
from jumpset.io.display import Display, display_for, png_uri
from jumpset.io.sources import open_image

_LONG_SIDE = 480  # pixels: the output of a cell is stored in the notebook
_MOST_BANDS = 16  # more are a volume or a spectrum, of which the middle band is shown
_ROW = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start"
_FIGURE = "margin:0;flex:0 1 auto;min-width:0;max-width:min(480px,48%)"  # two beside each other
_QUIET = "opacity:.75;font-size:.85em"


def card(images: Mapping[str, Any], facts: Mapping[str, str], axes: str | None = None) -> str | None:
    """Return images and facts as HTML; None, for which notebooks show the text, if Pillow is missing.

    Parameters
    ----------
    images
        Arrays and tensors by title; those that are no images are left out, and so are all but the first of
        a batch. All are shown with the range of the first.
    facts
        Texts by name.
    axes
        The names of the axes of the images (:mod:`jumpset._core.axes`), of a volume, whose middle plane is
        shown, or of a batch; None: ``(H, W, C)`` arrays, or ``(B, C, H, W)`` tensors.
    """
    shown = {title: seen for title, image in images.items() if (seen := _one(image, axes)) is not None}
    try:
        display = next((display_for(image) for image in shown.values()), None)
        figures = [_figure(title, image, display) for title, image in shown.items() if display is not None]
    except MissingLibrary:
        return None
    rows = [
        f'<div><span style="{_QUIET}">{escape(name)}</span> {escape(text)}</div>'
        for name, text in facts.items()
    ]
    # colours are those of the notebook, light or dark
    return f'<div style="{_ROW}">{"".join(figures)}</div><div style="margin-top:6px">{"".join(rows)}</div>'


def _figure(title: str, image: np.ndarray, display: Display) -> str:
    uri, width, height = png_uri(display.levels(image), _LONG_SIDE)
    factor = max(1, min(8, 160 // max(width, height)))  # small images are enlarged without interpolation
    style = f"display:block;max-width:100%;width:{factor * width}px;height:auto;image-rendering:pixelated"
    if factor == 1:
        style = "display:block;max-width:100%;height:auto"
    return (
        f'<figure style="{_FIGURE}"><img src="{uri}" width="{width}" height="{height}" alt="{escape(title)}"'
        f' style="{style}"><figcaption style="{_QUIET}">{escape(title)}</figcaption></figure>'
    )


def _one(image: Any, axes: str | None) -> np.ndarray | None:
    """Return one image ``(H, W)`` or ``(H, W, C)``; None where there is none."""
    try:
        opened = open_image(image)
    except JumpsetError:  # the file is no longer there
        return None
    image = image if opened is None else opened.pixels
    is_tensor = hasattr(image, "detach")
    if not (is_tensor or isinstance(image, np.ndarray)) or 0 in image.shape:
        return None
    if axes is not None or is_tensor:
        first = to_batch(image, axes)[0] if axes is not None else image[0]
        if is_tensor:  # NumPy has no bfloat16
            first = first.detach().cpu()
            first = (first.float() if first.is_floating_point() else first).numpy()
        if first.ndim == 4:  # a volume
            first = first[:, first.shape[1] // 2]
        if first.ndim != 3:
            return None
        image = first[0] if len(first) == 1 else np.moveaxis(first, 0, -1)
    if image.ndim not in (2, 3) or image.dtype.kind not in "buif" or not np.isfinite(image).all():
        return None
    if image.ndim == 3 and image.shape[2] > _MOST_BANDS:
        return image[..., image.shape[2] // 2]
    return image

"""Images and trees as the page reads them: a header of JSON, then little-endian arrays."""

from __future__ import annotations

import json

import numpy as np

from jumpset._core.arrays import to_tensor
from jumpset.io import Picture
from jumpset.io.display import display_for
from jumpset.regions import RegionTree

FINEST = 1 << 17  # regions of the finest partition that the page can show


def pack_tree(tree: RegionTree, picture: Picture) -> bytes:
    """Return the coarse end of a tree, with all that the page needs to colour a partition as the tree does.

    The page adds the pixels of each region in raster order in double precision, divides, and rounds as
    :meth:`RegionTree.smooth` does: for images of 8 bits its preview is the answer, bit for bit.
    """
    h = tree.hierarchy(n_regions=FINEST)
    tensor, layout = to_tensor(picture.pixels, alpha=False)
    pixels = tensor[0].permute(1, 2, 0).contiguous().numpy()
    display = display_for(picture.pixels)
    header = {
        "height": h.labels.shape[0],
        "width": h.labels.shape[1],
        "bands": pixels.shape[2],
        "is_double": pixels.dtype == np.float64,
        "is_whole": picture.pixels.dtype.kind in "iu",
        "is_bool": picture.pixels.dtype.kind == "b",
        "base": layout.low,
        "span": layout.high - layout.low,
        "low": display.low,
        "high": display.high,
        "n_labels": int(h.labels.max()) + 1,
        "n_merges": len(h.child),
        "has_alpha": picture.alpha is not None,
        "notes": display.notes,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # arrays of doubles begin at a multiple of 8
    arrays = [h.weights.astype("<f8"), pixels, h.labels, h.child, h.into]
    if picture.alpha is not None:
        arrays.append(_alpha(picture))
    return b"".join([len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in arrays)])


def pack_image(image: np.ndarray, picture: Picture) -> bytes:
    """Return ``(H, W, 4)`` levels of an answer, shown as the image that it was made from."""
    levels = display_for(picture.pixels).levels(image)
    out = np.full((*image.shape[:2], 4), 255, np.uint8)
    out[..., :3] = levels[..., None] if levels.ndim == 2 else levels
    if picture.alpha is not None:
        out[..., 3] = _alpha(picture)
    return out.tobytes()


def _alpha(picture: Picture) -> np.ndarray:
    """Return the opacity as 8 bits."""
    alpha: np.ndarray = picture.alpha  # type: ignore[assignment]
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
    return np.rint(alpha.astype(np.float64) / opaque * 255).clip(0, 255).astype(np.uint8)

"""Seven everyday uses, each in one short function; writes input and output side by side to OUT.

    python examples/everyday.py [OUT]

The photograph comes with the package (coffee, 600×400, CC0); the other images are synthetic. OUT is
out/everyday by default.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

import jumpset as js


def texture_removal() -> list[np.ndarray]:
    """Remove a texture from flat shapes: input, result, truth."""
    image, truth = js.datasets.textured(240, 320, seed=4)
    return [image, js.smooth(image, "gsf"), truth]


def detail_enhancement() -> list[np.ndarray]:
    """Return base + 2.5 × detail: the detail grows without halos, since the base layer keeps the edges."""
    image = js.datasets.coffee() / np.float32(255)
    base = js.smooth(image, "gsf", preset="detail")
    return [image, base, base + 2.5 * (image - base)]


def cartoon() -> list[np.ndarray]:
    """Draw flat colours and lines between them, from two region fusions with different weights."""
    image = js.datasets.coffee() / np.float32(255)
    flat = js.smooth(image, "region-fusion", weight=0.05)
    lines = _jumps(js.smooth(image, "region-fusion", weight=0.1))
    ink = 1.0 - 0.8 * ndimage.gaussian_filter(lines.astype(np.float32), 0.6).clip(0, 1)
    return [image, flat, flat * ink[..., None]]


def edge_extraction() -> list[np.ndarray]:
    """Keep the 3 % of the pixels with the largest gradients, after smoothing has removed all others."""
    image = js.datasets.coffee() / np.float32(255)
    flat = js.smooth(image, "l0-projection", fraction=0.03)
    size = np.sqrt(sum((np.diff(flat, axis=k, append=flat.take([-1], k)) ** 2).sum(-1) for k in (0, 1)))
    return [image, flat, 1.0 - (size / 0.15).clip(0, 1)]


def segmentation() -> list[np.ndarray]:
    """Label the connected regions of one colour, for ``skimage.measure.regionprops``."""
    image = js.datasets.coffee() / np.float32(255)
    flat = js.smooth(image, "region-fusion", weight=0.15)
    _, colours = np.unique(flat.reshape(-1, 3), axis=0, return_inverse=True)
    colours = colours.reshape(flat.shape[:2])
    labels, count = np.zeros_like(colours), 0
    for colour in range(colours.max() + 1):  # several regions may have one colour
        part, found = ndimage.label(colours == colour)
        labels[part > 0] = part[part > 0] + count
        count += found
    print(f"segmentation: {count} regions, the largest of {np.bincount(labels.ravel()).max()} pixels")
    shown = np.random.default_rng(0).random((count + 1, 3))[labels]
    return [image, flat, shown]


def depth_cleanup() -> list[np.ndarray]:
    """Remove noise and speckles from a depth map, guided by the colour image."""
    rng = np.random.default_rng(0)
    colour = js.datasets.shapes(240, 320, seed=7)
    truth = js.datasets.shapes(240, 320, seed=7, channels=1) * 0.2 + 0.8 * colour @ [0.3, 0.6, 0.1]
    measured = truth + 0.02 * rng.standard_normal(truth.shape)
    speckled = rng.random(truth.shape) < 0.03
    measured = np.where(speckled, rng.random(truth.shape), measured).clip(0, 1)
    clean = js.smooth(measured, "gsf", preset="depth", guidance=colour)
    return [measured, clean, truth]


def tone_mapping() -> list[np.ndarray]:
    """Compress a dynamic range of 1 : 10 000: split the log luminance, and compress only the base layer."""
    scene = js.datasets.textured(240, 320, seed=5, texture_std=0.04)[0].clip(0.02, 1)
    light = (
        10.0 ** np.linspace(-2, 2, 320)[None, :, None] * np.where(np.arange(240) < 120, 1, 0.1)[:, None, None]
    )
    hdr = scene * light
    luminance = hdr.mean(-1)
    log = np.log10(luminance)
    low, high = log.min(), log.max()
    base = js.smooth((log - low) / (high - low), "gsf", preset="detail") * (high - low) + low
    compressed = 10.0 ** (1.5 * (base - base.max()) / (base.max() - base.min()) + (log - base))
    mapped = (hdr / luminance[..., None]) * compressed[..., None]
    linear = hdr / np.quantile(luminance, 0.9)
    return [linear.clip(0, 1) ** (1 / 2.2), (base - low) / (high - low), mapped.clip(0, 1) ** (1 / 2.2)]


USES = (
    texture_removal,
    detail_enhancement,
    cartoon,
    edge_extraction,
    segmentation,
    depth_cleanup,
    tone_mapping,
)


def _jumps(flat: np.ndarray) -> np.ndarray:
    """Return the pixels that differ from their right or lower neighbour."""
    out = np.zeros(flat.shape[:2], dtype=bool)
    out[:, :-1] |= (flat[:, 1:] != flat[:, :-1]).any(-1)
    out[:-1] |= (flat[1:] != flat[:-1]).any(-1)
    return out


def _side_by_side(panels: list[np.ndarray]) -> np.ndarray:
    colour = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=-1) for p in panels]
    gap = np.ones((colour[0].shape[0], 6, 3))
    joined = [part for panel in colour for part in (panel, gap)][:-1]
    return np.rint(255 * np.concatenate(joined, axis=1).clip(0, 1)).astype(np.uint8)


def main() -> None:
    """Run all uses and print where their images are."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/everyday")
    out.mkdir(parents=True, exist_ok=True)
    for use in USES:
        path = out / f"{use.__name__}.png"
        js.io.write_picture(path, _side_by_side(use()))
        print(f"{path}: {(use.__doc__ or '').splitlines()[0]}")


if __name__ == "__main__":
    main()

"""Seven everyday uses, each one short function: before and after, side by side, in OUT.

    python examples/everyday.py [OUT]

The photograph ships with the package (coffee, 600×400, CC0); the other pictures are drawn. OUT is
out/everyday unless given.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

import jumpset as js


def texture_removal() -> list[np.ndarray]:
    """Flat shapes under a texture: the picture, smoothed, and the truth."""
    picture, truth = js.datasets.textured(240, 320, seed=4)
    return [picture, js.smooth(picture, "gsf"), truth]


def detail_enhancement() -> list[np.ndarray]:
    """Base layer + 2.5 × what it lacks: stronger texture without halos, since the base keeps its edges."""
    picture = js.datasets.coffee() / np.float32(255)
    base = js.smooth(picture, "gsf", preset="detail")
    return [picture, base, base + 2.5 * (picture - base)]


def cartoon() -> list[np.ndarray]:
    """Flat colours, with lines where they change: region fusion twice, coarse for colours, fine for lines."""
    picture = js.datasets.coffee() / np.float32(255)
    flat = js.smooth(picture, "region-fusion", weight=0.05)
    lines = _jumps(js.smooth(picture, "region-fusion", weight=0.1))
    ink = 1.0 - 0.8 * ndimage.gaussian_filter(lines.astype(np.float32), 0.6).clip(0, 1)
    return [picture, flat, flat * ink[..., None]]


def edge_extraction() -> list[np.ndarray]:
    """The 3 % of the pixels where the picture jumps most, after what is no edge is gone."""
    picture = js.datasets.coffee() / np.float32(255)
    flat = js.smooth(picture, "l0-projection", fraction=0.03)
    size = np.sqrt(sum((np.diff(flat, axis=k, append=flat.take([-1], k)) ** 2).sum(-1) for k in (0, 1)))
    return [picture, flat, 1.0 - (size / 0.15).clip(0, 1)]


def segmentation() -> list[np.ndarray]:
    """Connected regions of one colour as labels, as ``skimage.measure.regionprops`` takes them."""
    picture = js.datasets.coffee() / np.float32(255)
    flat = js.smooth(picture, "region-fusion", weight=0.15)
    _, colours = np.unique(flat.reshape(-1, 3), axis=0, return_inverse=True)
    colours = colours.reshape(flat.shape[:2])
    labels, count = np.zeros_like(colours), 0
    for colour in range(colours.max() + 1):  # one colour may be that of several regions
        part, found = ndimage.label(colours == colour)
        labels[part > 0] = part[part > 0] + count
        count += found
    print(f"segmentation: {count} regions, the largest of {np.bincount(labels.ravel()).max()} pixels")
    shown = np.random.default_rng(0).random((count + 1, 3))[labels]
    return [picture, flat, shown]


def depth_cleanup() -> list[np.ndarray]:
    """A depth map with noise and speckles, cleaned under the guidance of the colour picture."""
    rng = np.random.default_rng(0)
    colour = js.datasets.shapes(240, 320, seed=7)
    truth = js.datasets.shapes(240, 320, seed=7, channels=1) * 0.2 + 0.8 * colour @ [0.3, 0.6, 0.1]
    measured = truth + 0.02 * rng.standard_normal(truth.shape)
    speckled = rng.random(truth.shape) < 0.03
    measured = np.where(speckled, rng.random(truth.shape), measured).clip(0, 1)
    clean = js.smooth(measured, "gsf", preset="depth", guidance=colour)
    return [measured, clean, truth]


def tone_mapping() -> list[np.ndarray]:
    """A scene of 1 : 10 000: its log luminance is split, only the base is compressed."""
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
    """Pixels that differ from their right or lower neighbour."""
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
    """Run all and say where the pictures are."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/everyday")
    out.mkdir(parents=True, exist_ok=True)
    for use in USES:
        path = out / f"{use.__name__}.png"
        js.io.write_picture(path, _side_by_side(use()))
        print(f"{path}: {(use.__doc__ or '').splitlines()[0]}")


if __name__ == "__main__":
    main()

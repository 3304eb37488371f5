"""Score structure-texture on a folder of textured images; omit parts, halve and double parameters.

    python benchmarks/structure_texture.py --data DIR [--every N] [--ablation] [--sensitivity] [--photos DIR]
                                           [--synthetic] [--images OUT]

DIR holds `input/S3_T7.png` with its ground truth `truth/S3.png`. The scores are the PSNR of the joint mean
squared error of all channels and the volume SSIM, both of images rounded to 8 bits, as means over the images.
By default all images run with the default settings; `--every 5` takes every fifth image.

--photos     white noise of sigma 15/255 on each PNG of a folder, compared with scikit-image's non-local means
--synthetic  textures of other kinds on `js.datasets.shapes`: stripes, large grain, white, one colour
--images     writes image, structure and texture side by side for ten images
"""

import argparse
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy.ndimage import gaussian_filter

import jumpset as js

# The rows of the ablation, each with the part that it changes.
ABLATION = {
    "defaults": {},
    "one fusion as a pilot": {"_part": ("_FUSIONS", ((1.0, 4, False),))},
    "no second fusion": {"refusion": 0.0},
    "no cross-channel prediction": {"_part": ("predict", lambda z, *_: z)},
    "no second filter": {"_part": ("StructureTexture._refine", lambda _, s: s)},
    "no detection of detail": {"_part": ("_DETAIL", np.inf)},
    "separate components in the filter": {"coupling": 0.0},
    "joint components in the filter": {"coupling": 1.0},
    "single blocks instead of groups": {"group": 1},
    "white spectrum": {"_white": True},
    "equal variance of all colours": {"_plain": True},
}
SENSITIVE = ("weight", "fusion", "refusion", "margin", "coupling", "group", "radius", "stride")


def score(answer, truth):
    return js.metrics.psnr(answer, truth), js.metrics.ssim_volume(answer, truth)


def methods(changes):
    """Return a function from an image to its structure, with one part changed."""
    settings = {k: v for k, v in changes.items() if not k.startswith("_")}

    def smooth(image):
        name, value = changes.get("_part", (None, None))
        with patch(f"jumpset.smoothers.structure_texture.{name}", value) if name else nullcontext():
            texture = None
            if "_white" in changes or "_plain" in changes:
                texture = js.estimate_texture(image)
                if "_plain" in changes:  # equal variance in every colour direction
                    sigma = float(np.sqrt(np.mean(texture.strength**2)))
                    r = np.tensordot((texture.mixing**2).sum(0), texture.autocovariance, 1)
                    r /= (texture.mixing**2).sum()
                    middle = r.shape[0] // 2
                    r /= r[middle, middle]
                    texture = js.texture.Texture(sigma * np.eye(3), np.stack([r] * 3))
                if "_white" in changes:
                    middle = texture.autocovariance.shape[1] // 2
                    only = texture.autocovariance[:, middle : middle + 1, middle : middle + 1]
                    texture = js.texture.Texture(texture.mixing, np.pad(only, ((0, 0), (1, 1), (1, 1))))
            return js.smooth(image, "structure-texture", texture=texture, **settings)

    return smooth


def table(title, names, pairs, rows):
    print(f"\n{title}: {len(names)} images", flush=True)
    for label, smooth in rows.items():
        scores, seconds = [], []
        for image, truth in pairs:
            began = time.perf_counter()
            answer = smooth(image)
            seconds.append(time.perf_counter() - began)
            scores.append(score(answer, truth))
        psnr, ssim = np.mean(scores, axis=0)
        print(f"  {label:34s}{psnr:7.3f} dB{ssim:8.4f}{min(seconds):7.2f} … {max(seconds):.2f} s", flush=True)


def synthetic():
    """Yield images of flat shapes under textures of known kinds."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :320]
    fields = {
        "wide stripes": np.sin(0.7 * x + 0.2 * y) + 0.3 * rng.standard_normal(x.shape),
        "large grain": gaussian_filter(rng.standard_normal(x.shape), 4, mode="wrap"),
        "fine grain": gaussian_filter(rng.standard_normal(x.shape), 0.7, mode="wrap"),
        "white": rng.standard_normal(x.shape),
    }
    for name, field in fields.items():
        for colour in ([1, 1, 1], [1, 0.3, 0.1]):
            truth = js.datasets.shapes(256, 320, seed=7)
            texture = field[..., None] / field.std() * np.array(colour) * 12 / 255
            texture += 1 / 255 * rng.standard_normal(texture.shape)
            image = np.rint(255 * np.clip(truth + texture, 0, 1)).astype(np.uint8)
            yield (
                f"{name}, {'gray' if min(colour) == 1 else 'red'}",
                image,
                np.rint(255 * truth).astype(np.uint8),
            )


def photographs(folder):
    from skimage.restoration import denoise_nl_means

    print("\nwhite noise, sigma 15/255 (PSNR)")
    for k, path in enumerate(sorted(folder.glob("*.png"))):
        truth = js.io.read_picture(path).pixels
        noise = np.random.default_rng(k).normal(0, 15, truth.shape)
        noisy = np.rint(np.clip(truth + noise, 0, 255)).astype(np.uint8)
        means = denoise_nl_means(
            noisy / 255, patch_size=5, patch_distance=6, h=0.6 * 15 / 255, sigma=15 / 255, channel_axis=-1
        )
        answers = {
            "noisy": noisy,
            "non-local means": np.rint(255 * means.clip(0, 1)).astype(np.uint8),
            "collaborative, sigma known": js.smooth(noisy, "collaborative", sigma=15 / 255),
            "collaborative, blind": js.smooth(noisy, "collaborative"),
            "structure-texture, blind": js.smooth(noisy, "structure-texture"),
            "structure-texture of the photograph": js.smooth(truth, "structure-texture"),
        }
        print(
            "  " + path.name,
            *(f"{n} {js.metrics.psnr(a, truth):.2f}" for n, a in answers.items()),
            sep="\n    ",
        )


def side_by_side(names, pairs, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (image, truth) in zip(names, pairs, strict=True):
        structure = js.smooth(image, "structure-texture")
        texture = np.clip(image.astype(int) - structure + 128, 0, 255).astype(np.uint8)
        js.io.write_picture(
            folder / f"{name}.png", np.concatenate([image, structure, texture, truth], axis=1)
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--every", type=int, default=1)
    for flag in ("ablation", "sensitivity", "synthetic"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = parser.parse_args()
    if options.data:
        names = sorted(p.stem for p in (options.data / "input").glob("*.png"))
        names = names[:: options.every]
        pairs = [
            (
                js.io.read_picture(options.data / "input" / f"{n}.png").pixels,
                js.io.read_picture(options.data / "truth" / f"{n.split('_')[0]}.png").pixels,
            )
            for n in names
        ]
        js.smooth(pairs[0][0][:64, :64], "structure-texture")  # compiles
        if options.images:
            side_by_side(
                names[:: max(1, len(names) // 10)], pairs[:: max(1, len(names) // 10)], options.images
            )
        elif options.ablation:
            table("each part left out", names, pairs, {k: methods(v) for k, v in ABLATION.items()})
        elif options.sensitivity:
            defaults = js.methods()["structure-texture"].defaults
            rows = {"defaults": methods({})}
            for key in SENSITIVE:
                for factor in (0.5, 2.0):
                    value = type(defaults[key])(defaults[key] * factor)
                    value = min(value, 1.0) if key == "coupling" else value
                    rows[f"{key}={value:g}"] = methods({key: value})
            table("one parameter changed", names, pairs, rows)
        else:
            rows = {
                "input": lambda p: p,
                "region-fusion": lambda p: js.smooth(p, "region-fusion"),
                "structure-texture": methods({}),
            }
            table("defaults", names, pairs, rows)
    if options.synthetic:
        print("\nsynthetic textures (PSNR): input, region fusion, structure-texture")
        for name, image, truth in synthetic():
            row = [image, js.smooth(image, "region-fusion"), js.smooth(image, "structure-texture")]
            print(f"  {name:26s}", *(f"{js.metrics.psnr(a, truth):7.2f}" for a in row), flush=True)
    if options.photos:
        photographs(options.photos)


if __name__ == "__main__":
    main()

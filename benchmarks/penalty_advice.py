"""Measure which penalty gives contiguous zeros, over five kinds of images, two networks and three seeds.

    python benchmarks/penalty_advice.py [--out FILE.json] [--workers N] [--quick]

The experiment of ``examples/contiguous_zeros.py``, smaller and wider: a network with a ReLU at its end is
trained on noisy images alone (sigma 0.1, one pixel in 200 a bright speck), and each penalty fine-tunes it at
the weight at which the PSNR on held-out images is 0.7 dB below the best of L1, within 0.1 dB. Pairs of a
penalty and a setting that did not reach it within the tries are counted, and left out of the ranges.

The images: digits of scikit-learn, which must be installed; text of a scanned page (scikit-image); shaded
blobs; spots of fluorescence; slices of ellipses as in computed tomography. The networks: a residual one,
which corrects its input, and a bottleneck, which draws the image from 8×8 positions with 16 channels. Writes
the rows, and prints for each kind and network the median and the range over the seeds of "isolated pixels of
L1 / isolated pixels" and of the share of pixels whose support is wrong. Where L1 itself has fewer than ten
isolated pixels on the held-out images, there is no quotient.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import jumpset as js

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))
from contiguous_zeros import greatest_weight, psnr, train

SIDE, SIGMA, SPECKS = 64, 0.1, 0.005
BELOW_L1, TOLERANCE = 0.7, 0.1  # dB
FEW = 10  # isolated pixels of L1
L1_WEIGHTS = (0.06, 0.12, 0.24, 0.48)
PENALTIES = {
    "L1": (js.L1(), 0.3),
    "TotalVariation": (js.TotalVariation(), 0.5),
    "SparseTV": (js.SparseTV(ratio=0.25), 0.4),
    "SlidingGroups": (js.SlidingGroups(5), 0.05),
    "SlidingGroups, log": (js.SlidingGroups(3, phi="log", scale=0.2), 0.35),
}


@dataclass(frozen=True)
class Scale:
    """Size of one training."""

    train: int = 192
    held_out: int = 32
    steps: int = 120
    tries: int = 6


QUICK = Scale(train=16, held_out=4, steps=5, tries=2)


def digits(rng: np.random.Generator, held_out: bool) -> np.ndarray:
    """Four digits of 24×24 pixels; even numbers of the data set are held out."""
    from sklearn.datasets import load_digits

    small = load_digits().images[int(held_out) :: 2] / 16.0
    image = np.zeros((SIDE, SIDE))
    for y, x in ((0, 0), (0, 32), (32, 0), (32, 32)):
        tile = torch.from_numpy(small[rng.integers(len(small))])[None, None]
        large = nn.functional.interpolate(tile, size=(24, 24), mode="bilinear")[0, 0].numpy()
        y, x = y + rng.integers(9), x + rng.integers(9)
        image[y : y + 24, x : x + 24] = large
    return np.where(image > 0.1, image, 0.0)


def page(rng: np.random.Generator, held_out: bool) -> np.ndarray:
    """Dark on light text, inverted, without its background; the right third is held out."""
    from scipy.ndimage import uniform_filter
    from skimage import data

    scan = data.page() / 255.0
    ink = np.clip(3.0 * (uniform_filter(scan, 41) - scan - 0.1), 0.0, 1.0)
    ink = ink[:, 256:] if held_out else ink[:, :256]
    y, x = rng.integers(ink.shape[0] - SIDE + 1), rng.integers(ink.shape[1] - SIDE + 1)
    return ink[y : y + SIDE, x : x + SIDE]


def _ellipse(rng: np.random.Generator, low: float, high: float, margin: float = 0.15) -> np.ndarray:
    """Squared elliptic distance from a random centre, 1 on the outline."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    a, b = rng.uniform(low, high, 2)
    cy, cx = rng.uniform(margin, 1 - margin, 2)
    angle = rng.uniform(0, np.pi)
    u = np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)
    v = np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)
    return (u / a) ** 2 + (v / b) ** 2


def blobs(rng: np.random.Generator, held_out: bool) -> np.ndarray:  # noqa: ARG001
    """Three to six ellipses that are darker towards their outlines."""
    image = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(3, 7)):
        d = _ellipse(rng, 0.05, 0.18)
        image = np.maximum(image, np.where(d < 1, rng.uniform(0.4, 1.0) * (1 - 0.5 * d), 0.0))
    return image


def spots(rng: np.random.Generator, held_out: bool) -> np.ndarray:  # noqa: ARG001
    """Ten to thirty Gaussian spots, cut off at 5 percent."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(10, 31)):
        cy, cx = rng.uniform(2, SIDE - 2, 2)
        width = rng.uniform(1.0, 2.5)
        image += rng.uniform(0.3, 1.0) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    return np.where(image > 0.05, np.minimum(image, 1.0), 0.0)


def slices(rng: np.random.Generator, held_out: bool) -> np.ndarray:  # noqa: ARG001
    """A body with a bright rim, organs and cavities, all flat."""
    body = _ellipse(rng, 0.28, 0.42, margin=0.48)
    image = np.where(body < 1, 0.35, 0.0) + np.where((body < 1) & (body > 0.82), 0.45, 0.0)
    for _ in range(rng.integers(3, 7)):
        organ = (_ellipse(rng, 0.03, 0.12, margin=0.35) < 1) & (body < 0.7)
        image[organ] = rng.choice([0.0, 0.2, 0.5, 0.6, 0.7])
    return image


KINDS = {f.__name__: f for f in (digits, page, blobs, spots, slices)}


def make_images(kind: str, count: int, seed: int, held_out: bool) -> tuple[Tensor, Tensor]:
    """Return noisy images and the truth, ``(count, 1, SIDE, SIDE)``."""
    rng = np.random.default_rng([seed, held_out])
    truth = np.stack([KINDS[kind](rng, held_out) for _ in range(count)])[:, None]
    specks = (rng.random(truth.shape) < SPECKS) * rng.uniform(0.2, 0.8, truth.shape)
    noisy = truth + SIGMA * rng.standard_normal(truth.shape) + specks
    return torch.from_numpy(noisy).float(), torch.from_numpy(truth).float()


class Residual(nn.Module):
    """Adds a correction from two scales to the input."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.join = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.first(nn.functional.pixel_unshuffle(x, 2)).relu()
        coarse = self.down(fine).relu()
        joined = self.join(fine + coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)).relu()
        return (x + nn.functional.pixel_shuffle(self.last(joined), 2)).relu()


class Bottleneck(nn.Sequential):
    """Sixteen numbers for each 8×8 pixels, and an image from them."""

    def __init__(self, width: int = 32) -> None:
        super().__init__(
            nn.PixelUnshuffle(4),
            nn.Conv2d(16, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 16, 3, stride=2, padding=1),
            nn.Conv2d(16, 4 * width, 3, padding=1),
            nn.ReLU(),
            nn.PixelShuffle(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 16, 3, padding=1),
            nn.PixelShuffle(4),
            nn.ReLU(),
        )


NETWORKS = {"residual": Residual, "bottleneck": Bottleneck}


def measure(output: Tensor, truth: Tensor) -> dict[str, float]:
    """Return PSNR, share of zeros, wrong support, and the number of isolated support pixels."""
    sizes = np.concatenate([js.metrics.contiguity(one[0].numpy(), tol=0.0).component_sizes for one in output])
    return {
        "psnr": psnr(output, truth),
        "zeros": float((output == 0).float().mean()),
        "wrong": float(((output > 0) != (truth > 0)).float().mean()),
        "isolated": int((sizes == 1).sum()),
    }


def run_setting(kind: str, network: str, seed: int, scale: Scale) -> list[dict]:
    """Return one row per penalty."""
    torch.set_num_threads(1)
    x, _ = make_images(kind, scale.train, seed, held_out=False)
    tests, truth = make_images(kind, scale.held_out, seed, held_out=True)
    torch.manual_seed(seed)
    base = train(NETWORKS[network](), x, (4 if network == "bottleneck" else 1) * scale.steps, None, seed)

    def output(penalty: js.Penalty | None, weight: float) -> Tensor:
        net = base
        if penalty is not None:
            net = train(base, x, scale.steps, js.PenaltyLoss(penalty, weight), seed)
        with torch.no_grad():
            return net(tests)

    setting = {"kind": kind, "network": network, "seed": seed}
    target = max(psnr(output(js.L1(), w), truth) for w in L1_WEIGHTS) - BELOW_L1
    rows = [
        setting | {"name": "truth"} | measure(truth, truth) | {"psnr": None},
        setting | {"name": "no penalty"} | measure(output(None, 0.0), truth),
    ]
    for name, (penalty, start) in PENALTIES.items():
        found: dict[float, Tensor] = {}

        def score(weight: float, penalty: js.Penalty = penalty, found: dict = found) -> float:
            found[weight] = output(penalty, weight)
            return psnr(found[weight], truth)

        weight, _ = greatest_weight(score, start, target, scale.tries, TOLERANCE)
        row = measure(found[weight], truth)
        matched = abs(row["psnr"] - target) <= TOLERANCE
        rows.append(setting | {"name": name, "weight": weight, "matched": matched} | row)
    return rows


def table(rows: list[dict]) -> str:
    """Format two tables, of kinds and networks by penalties: quotients to L1, and wrong support."""
    of_l1 = {(r["kind"], r["network"], r["seed"]): r for r in rows if r["name"] == "L1"}
    kinds, networks = (tuple(dict.fromkeys(r[key] for r in rows)) for key in ("kind", "network"))
    settings = [((k,), n) for n in networks for k in kinds] + [(kinds, n) for n in networks]

    def chosen(name: str, kinds: tuple[str, ...], network: str) -> list[tuple[dict, dict]]:
        """Return the rows of a penalty that reached the PSNR, each with that of L1."""
        pairs = [(r, of_l1[r["kind"], r["network"], r["seed"]]) for r in rows if r["name"] == name]
        matched = [(r, l1) for r, l1 in pairs if r["matched"] and l1["matched"]]
        return [(r, l1) for r, l1 in matched if r["kind"] in kinds and r["network"] == network]

    def quotients(name: str, kinds: tuple[str, ...], network: str) -> list[float]:
        if name == "L1":
            return [l1["isolated"] for _, l1 in chosen(name, kinds, network)]
        found = [(r, l1) for r, l1 in chosen(name, kinds, network) if l1["isolated"] >= FEW]
        return [l1["isolated"] / max(r["isolated"], 1) for r, l1 in found]

    def wrong(name: str, kinds: tuple[str, ...], network: str) -> list[float]:
        return [100 * r["wrong"] for r, _ in chosen(name, kinds, network)]

    lines = []
    for title, values, digits in (
        ("isolated pixels of L1, and by how much fewer: median (range)", quotients, 0),
        ("pixels of wrong support, %: median (range)", wrong, 1),
    ):
        lines += [title, f"{'':18s}" + "".join(f"{name:>20s}" for name in PENALTIES)]
        for kinds, network in settings:
            cells = []
            for name in PENALTIES:
                found = values(name, kinds, network)
                spread = f"({min(found):.{digits}f}-{max(found):.{digits}f})" if found else ""
                cells.append(f"{np.median(found):.{digits}f} {spread}" if found else "-")
            first = kinds[0] if len(kinds) == 1 else "all"
            lines.append(f"{first:7s}{network:11s}" + "".join(f"{cell:>20s}" for cell in cells))
    asked = [r for r in rows if r["name"] in PENALTIES]
    missed = [f"{r['kind']} {r['network']} {r['seed']} {r['name']}" for r in asked if not r["matched"]]
    return "\n".join([*lines, f"{len(missed)} of {len(asked)} did not reach the PSNR: {', '.join(missed)}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/penalty_advice.json"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a minute; the numbers mean nothing")
    parser.add_argument("--table", action="store_true", help="print the table of the file alone")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(arguments.out.read_text())))
        return
    scale = QUICK if arguments.quick else Scale()
    began, rows = time.monotonic(), []
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    settings = [(k, n, s, scale) for s in range(arguments.seeds) for n in NETWORKS for k in KINDS]
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for done in pool.map(run_setting, *zip(*settings, strict=True)):
            rows += done
            arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
            print(
                *(done[0][k] for k in ("kind", "network", "seed")),
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    print(table(rows))


if __name__ == "__main__":
    main()

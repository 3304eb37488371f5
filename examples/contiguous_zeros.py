"""Compare how contiguous the zeros of a network's output are under different penalties, at equal PSNR.

    python examples/contiguous_zeros.py [--quick] [--out DIR] [--seed N] [--workers N]

A small autoencoder with a ReLU at its end reconstructs noisy gray images (blobs, strokes and digits on
black, Gaussian noise, bright specks). Its training uses no clean image, so only the penalty makes its output
sparse:

    loss = mean (g(x) − x)² + weight · R(g(x)) / pixels.

Each penalty fine-tunes the same pretrained network. Its weight is the largest at which the PSNR on the
held-out images of the table equals the target within 0.05 dB. The target is 0.7 dB below the best PSNR of L1,
so that the weight of L1 makes it sparse. The weight is found by steps of a factor of 2, and then by
regula falsi in its logarithm. A pixel counts as zero if it is exactly 0.

Prints the table and writes DIR/contiguous_zeros.json and .png; DIR is out/contiguous_zeros by default.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

import jumpset as js

SIDE, SIGMA, SPECKS = 64, 0.1, 0.005
BELOW_L1, TOLERANCE = 0.7, 0.05  # dB


@dataclass(frozen=True)
class Scale:
    """Size of the experiment."""

    train: int = 256  # images
    held_out: int = 64  # images that are not trained on, for the weight and the table
    steps: int = 200
    tries: int = 9  # weights per penalty


QUICK = Scale(train=32, held_out=8, steps=25, tries=4)

# Penalties, or functions from the step to a penalty, each with the weight at which the search begins.
AREA = 0.13  # of the marks; only TargetArea is given it
PENALTIES: dict[str, tuple[js.Penalty | Callable[[int], js.Penalty], float]] = {
    "L1": (js.L1(), 0.3),
    "LogSum": (js.penalties.LogSum(0.1), 1.2),
    "Cauchy": (js.penalties.Cauchy(0.1), 12.0),
    "GraphNet": (js.penalties.GraphNet(ratio=1.0), 0.27),
    "TotalVariation": (js.TotalVariation(), 0.55),
    "TotalVariation, upwind": (js.TotalVariation(scheme="upwind"), 0.6),
    "SparseTV": (js.SparseTV(ratio=0.25), 0.42),
    "TiledGroups, shifted": (js.penalties.TiledGroups(4).at_step, 1.1),
    "SparseGroup": (js.penalties.SparseGroup(js.SlidingGroups(5), ratio=1.0), 0.045),
    "SlidingGroups": (js.SlidingGroups(5), 0.053),
    "SlidingGroups, log": (js.SlidingGroups(3, phi="log", scale=0.2), 0.36),
    "SlidingGroups + TV": (
        js.SlidingGroups(3, phi="log", scale=0.2) + 0.5 * js.TotalVariation(),
        0.27,
    ),
    "Potts surrogate": (js.Potts(scale=0.15), 0.2),
    "TargetArea": (js.penalties.TargetArea(AREA, perimeter=0.05, scale=0.1), 24.0),
    "TV + Connectedness": (js.TotalVariation() + js.penalties.Connectedness(0.1, holes=0.0), 0.31),
}
LAYERS: dict[str, tuple[js.Penalty, float]] = {
    "L1": (js.L1(), 0.15),
    "LogSum": (js.penalties.LogSum(0.1), 0.45),
    "TiledGroups": (js.penalties.TiledGroups(4), 0.56),
    "SparseGroup": (js.penalties.SparseGroup(js.penalties.TiledGroups(4), ratio=0.5), 0.21),
    "SlidingGroups": (js.SlidingGroups(3), 0.052),
}
SHOWN = ("L1", "GraphNet", "TotalVariation", "SparseTV", "SlidingGroups", "SlidingGroups, log")


class Autoencoder(nn.Module):
    """Add a correction from two scales to the input and apply a ReLU, so that zeros are exact."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.join = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, x: Tensor, cut: bool = True) -> Tensor:
        fine = self.first(nn.functional.pixel_unshuffle(x, 2)).relu()
        coarse = self.middle(self.down(fine).relu()).relu()
        joined = self.join(fine + coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)).relu()
        signed = x + nn.functional.pixel_shuffle(self.last(joined), 2)
        return signed.relu() if cut else signed


def make_images(count: int, first: int) -> tuple[Tensor, Tensor]:
    """Return noisy images and the truth, ``(count, 1, SIDE, SIDE)``; ``first`` is the first seed."""
    truth = torch.from_numpy(np.stack([js.datasets.marks(SIDE, SIDE, seed=first + k) for k in range(count)]))
    generator = torch.Generator().manual_seed(first)
    noise = SIGMA * torch.randn(truth.shape, generator=generator)
    bright = 0.2 + 0.6 * torch.rand(truth.shape, generator=generator)
    specks = (torch.rand(truth.shape, generator=generator) < SPECKS) * bright
    return (truth + noise + specks)[:, None], truth[:, None]


def train(net: Autoencoder, x: Tensor, steps: int, penalty: js.PenaltyLoss | None, seed: int) -> Autoencoder:
    """Return a trained copy; the learning rate rises and falls in one cycle."""
    net = copy.deepcopy(net)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = x[torch.randint(len(x), (8,), generator=generator)]
        output = net(batch)
        loss = (output - batch).square().mean()
        if penalty is not None:
            loss = loss + penalty(output)
            penalty.step()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net


@torch.no_grad()
def apply(net: Autoencoder, x: Tensor, cut: bool = True) -> Tensor:
    return torch.cat([net(part, cut) for part in x.split(16)])


def psnr(output: Tensor, truth: Tensor) -> float:
    """Return the PSNR of the mean squared error over all images, for a range of 1."""
    error = float((output - truth).square().mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def measure(output: Tensor, truth: Tensor) -> dict[str, float]:
    """Return PSNR and contiguity: means over the images; ``isolated`` is a sum over them."""
    found = [js.metrics.contiguity(image[0].numpy(), tol=0.0) for image in output]
    support = sum(int(one.component_sizes.sum()) for one in found)
    isolated = sum(int((one.component_sizes == 1).sum()) for one in found)
    return {
        "psnr": psnr(output, truth),
        "zeros": float(np.mean([one.zero_fraction for one in found])),
        "wrong": float(((output > 0) != (truth > 0)).float().mean()),
        "isolated": isolated,
        "isolated_fraction": isolated / max(support, 1),
        "components": float(np.mean([one.n_components for one in found])),
        "perimeter": float(np.mean([one.perimeter for one in found])),
        "largest_zeros": float(np.mean([one.largest_zero_region for one in found])),
    }


def greatest_weight(
    score: Callable[[float], float], start: float, target: float, tries: int, tolerance: float = TOLERANCE
) -> tuple[float, bool]:
    """Find the largest weight whose score is the target, for a score that falls as the weight grows.

    Returns the tried weight whose score is nearest to the target, and whether it is within the tolerance.
    """
    tried: dict[float, float] = {}
    weight, low, high = start, None, None  # low: a weight that scores above the target; high: below
    for _ in range(tries):
        tried[weight] = score(weight) - target
        if abs(tried[weight]) <= tolerance:
            break
        if tried[weight] > 0:
            low = weight
        else:
            high = weight
        if low is None or high is None:
            weight *= 2.0 if high is None else 0.5
        else:
            share = tried[low] / (tried[low] - tried[high])
            weight = low * (high / low) ** min(max(share, 0.15), 0.85)
    best = min(tried, key=lambda w: abs(tried[w]))
    return best, abs(tried[best]) <= tolerance


@dataclass(frozen=True)
class Task:
    """What a worker needs: the pretrained network, and what determines the images."""

    scale: Scale
    seed: int
    net: Autoencoder

    def trained(self, penalty: js.Penalty | Callable[[int], js.Penalty], weight: float) -> Autoencoder:
        """Return the network after training with a penalty."""
        noisy, _, _ = data(self.scale, self.seed)
        return train(self.net, noisy, self.scale.steps, js.PenaltyLoss(penalty, weight), self.seed)


@cache
def data(scale: Scale, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy images for training, held-out noisy images, and the truth of the latter."""
    torch.set_num_threads(1)  # one thread per worker: machines of one kind give the same numbers
    start = 1_000_000 * seed
    noisy, _ = make_images(scale.train, start)
    return noisy, *make_images(scale.held_out, start + 100_000)


def psnr_of_l1(task: Task, weight: float) -> float:
    """Return the PSNR on the held-out images for one weight of L1."""
    _, x, truth = data(task.scale, task.seed)
    return psnr(apply(task.trained(js.L1(), weight), x), truth)


def run_penalty(task: Task, target: float, name: str) -> tuple[dict, Tensor]:
    """Return table row and outputs of one penalty."""
    _, x, truth = data(task.scale, task.seed)
    penalty, start = PENALTIES[name]
    outputs = {}

    def score(weight: float) -> float:
        outputs[weight] = apply(task.trained(penalty, weight), x)
        return psnr(outputs[weight], truth)

    weight, matched = greatest_weight(score, start, target, task.scale.tries)
    cost = milliseconds(penalty if isinstance(penalty, js.Penalty) else penalty(0))
    row = {"name": name, "weight": weight, "matched": matched, "cost_ms": cost}
    return row | measure(outputs[weight], truth), outputs[weight]


def run_layer(task: Task, target: float, name: str) -> tuple[dict, Tensor]:
    """Return both for the prox as the last layer of the network that was trained without a penalty."""
    _, x, truth = data(task.scale, task.seed)
    signed, (penalty, start) = apply(task.net, x, cut=False), LAYERS[name]
    prox = partial(penalty.prox, tol=1e-2) if isinstance(penalty, js.SlidingGroups) else penalty.prox
    outputs = {}

    def score(tau: float) -> float:
        outputs[tau] = prox(signed, tau).relu()
        return psnr(outputs[tau], truth)

    tau, matched = greatest_weight(score, start, target, task.scale.tries)
    row = {"name": f"prox of {name}", "weight": tau, "matched": matched}
    return row | measure(outputs[tau], truth), outputs[tau]


def milliseconds(penalty: js.Penalty) -> float:
    """Time value and gradient of a batch of (16, 1, 128, 128) on one thread; the minimum of ten."""
    x = torch.rand((16, 1, 128, 128), generator=torch.Generator().manual_seed(0)).requires_grad_()
    times = []
    for _ in range(11):
        began = time.perf_counter()
        penalty(x).backward()
        times.append(time.perf_counter() - began)
        x.grad = None
    return 1000 * min(times[1:])


def run(scale: Scale, seed: int, workers: int) -> tuple[float, list[dict], dict[str, Tensor]]:
    """Return the target, the table rows, and the outputs by name."""
    noisy, x, truth = data(scale, seed)
    torch.manual_seed(seed)
    net = train(Autoencoder(), noisy, scale.steps, None, seed)
    task = Task(scale, seed, net)
    outputs = {"input": x, "truth": truth, "no penalty": apply(net, x)}
    rows = [
        {"name": "truth"} | measure(truth, truth) | {"psnr": None},  # JSON has no infinity
        {"name": "no penalty"} | measure(outputs["no penalty"], truth),
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        target = max(pool.map(partial(psnr_of_l1, task), (0.1, 0.15, 0.2, 0.25))) - BELOW_L1
        # the layers first: the slowest takes as long as several penalties
        layers = pool.map(partial(run_layer, task, target), reversed(LAYERS))
        for row, output in pool.map(partial(run_penalty, task, target), PENALTIES):
            rows.append(row)
            outputs[row["name"]] = output
        for row, output in reversed(list(layers)):
            rows.append(row)
            outputs[row["name"]] = output
    return target, rows, outputs


def table(rows: list[dict]) -> str:
    """Format the table; a * marks a penalty that did not reach the target at any weight tried."""
    of_l1 = next(row for row in rows if row["name"] == "L1")["isolated"]
    head = f"{'':26s}{'weight':>9s}{'PSNR':>8s}{'zeros':>8s}{'wrong':>8s}{'isolated':>10s}{'L1 / it':>9s}"
    lines = [head + f"{'components':>12s}{'perimeter':>11s}{'largest zeros':>15s}{'ms':>7s}"]
    for row in rows:
        name = row["name"] + ("" if row.get("matched", True) else " *")
        weight = f"{row['weight']:.3g}" if "weight" in row else ""
        decibels = f"{row['psnr']:.2f}" if row["psnr"] is not None else ""
        cost = f"{row['cost_ms']:.2f}" if "cost_ms" in row else ""
        fewer = f"{of_l1 / row['isolated']:.1f}" if row["isolated"] and row["name"] != "truth" else ""
        lines.append(
            f"{name:26s}{weight:>9s}{decibels:>8s}{row['zeros']:8.3f}{row['wrong']:8.3f}{row['isolated']:10d}"
            f"{fewer:>9s}{row['components']:12.1f}{row['perimeter']:11.0f}{row['largest_zeros']:15.0f}{cost:>7s}"
        )
    return "\n".join(lines)


def gallery(outputs: dict[str, Tensor], names: tuple[str, ...], which: tuple[int, ...]) -> np.ndarray:
    """Draw the images ``which`` in rows, with a column per name; zeros are blue."""
    zoom, gap, label = 2, 6, 16
    names = tuple(name for name in names if name in outputs)
    side = SIDE * zoom
    page = Image.new("RGB", (len(names) * (side + gap) - gap, label + len(which) * (side + gap)), "white")
    draw = ImageDraw.Draw(page)
    for column, name in enumerate(names):
        draw.text((column * (side + gap), 2), name, fill="black")
        for row, k in enumerate(which):
            values = outputs[name][k, 0].numpy()
            gray = np.repeat(np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)[..., None], 3, -1)
            if name != "input":
                gray[values == 0] = (40, 70, 150)
            tile = Image.fromarray(gray).resize((side, side), Image.Resampling.NEAREST)
            page.paste(tile, (column * (side + gap), label + row * (side + gap)))
    return np.asarray(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one minute; the numbers mean nothing")
    parser.add_argument("--out", type=Path, default=Path("out/contiguous_zeros"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else Scale()

    began = time.monotonic()
    target, rows, outputs = run(scale, arguments.seed, arguments.workers)
    print(f"seed {arguments.seed}, target {target:.2f} dB, {time.monotonic() - began:.0f} s")
    print(table(rows))
    arguments.out.mkdir(parents=True, exist_ok=True)
    record = {"seed": arguments.seed, "target": target, "scale": asdict(scale), "rows": rows}
    (arguments.out / "contiguous_zeros.json").write_text(json.dumps(record, indent=1) + "\n")
    shown = gallery(outputs, ("input", "truth", *SHOWN), (0, 1, 2))
    js.io.write_picture(arguments.out / "contiguous_zeros.png", shown)


if __name__ == "__main__":
    main()

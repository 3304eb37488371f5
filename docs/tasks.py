"""Draw the panels of the page "Which method should I use?": images, PSNR and seconds of each task.

`make docs` runs this and keeps the panels in docs/generated/tasks; remove that folder to draw them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jumpset as js

OUT = Path(__file__).parent / "generated" / "tasks"
RATIO = 2.5  # factor of the detail


@dataclass(frozen=True)
class Task:
    """One section of the page."""

    key: str
    """The beginning of its file names."""
    images: Callable[[], tuple[np.ndarray, np.ndarray | None]]
    """The input, and the truth where it is known."""
    runs: dict[str, dict[str, Any]]
    """The settings of each method, which may include a preset."""
    show: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda image, result: result  # noqa: ARG005
    """The drawn image, from input and result."""


def _photograph() -> np.ndarray:
    return js.datasets.coffee()[90:250, 250:490] / np.float32(255)


def _noisy() -> tuple[np.ndarray, np.ndarray]:
    clean = _photograph()
    return js.datasets.add_noise(clean, 20 / 255, seed=0).clip(0, 1), clean


def _clip_art() -> tuple[np.ndarray, np.ndarray]:
    truth = js.datasets.shapes(160, 240, seed=1003)
    return js.datasets.jpeg(truth, quality=10), truth


def _colour() -> np.ndarray:
    return js.datasets.shapes(160, 240, seed=7)


def _depth() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    gray = js.datasets.shapes(160, 240, seed=7, channels=1)
    truth = 0.2 * gray + 0.8 * _colour() @ np.float32([0.3, 0.6, 0.1])
    measured = truth + 0.02 * rng.standard_normal(truth.shape)
    return np.where(rng.random(truth.shape) < 0.03, rng.random(truth.shape), measured).clip(0, 1), truth


TASKS = (
    Task(
        "texture",
        lambda: js.datasets.textured(160, 240, seed=4),
        {"structure-texture": {}, "rtv": {}, "gsf": {}, "fgs": {}, "jumpset-net": {}},
    ),
    Task(
        "noise",
        _noisy,
        {"collaborative": {"sigma": 20 / 255}, "tv": {"weight": 0.08}, "bilateral": {}, "region-fusion": {}},
    ),
    Task(
        "jpeg",
        _clip_art,
        {
            "dejpeg": {},
            "gsf": {"preset": "clip-art"},
            "l0": {"preset": "clip-art"},
            "region-fusion": {"preset": "clip-art"},
        },
    ),
    Task(
        "cartoon",
        lambda: (_photograph(), None),
        {"region-fusion": {"weight": 0.05}, "potts-descent": {"weight": 0.05}, "l0": {"weight": 0.05}},
    ),
    Task(
        "segmentation",
        lambda: (_photograph(), None),
        {"region-fusion": {"weight": 0.15}, "potts-descent": {"weight": 0.15}, "potts": {"weight": 0.15}},
        lambda image, result: np.where(_jumps(result)[..., None], np.float32(1), 0.5 * image),
    ),
    Task(
        "detail",
        lambda: (_photograph(), None),
        {"gsf": {"preset": "detail"}, "wls": {}, "guided": {}},
        lambda image, base: base + RATIO * (image - base),
    ),
    Task(
        "depth",
        _depth,
        {
            "gsf": {"preset": "depth", "guidance": _colour},
            "fgs": {"guidance": _colour},
            "guided": {"guidance": _colour},
        },
    ),
)


def write_panels() -> None:
    """Write a file to include for each task, unless it exists."""
    OUT.mkdir(parents=True, exist_ok=True)
    for task in TASKS:
        path = OUT / f"{task.key}.txt"
        if not path.exists():
            panels = _draw(task)
            figures = (
                f"   .. figure:: /generated/tasks/{task.key}-{name}.png\n"
                f"      :width: 240px\n\n      {caption}\n"
                for name, caption in panels.items()
            )
            path.write_text("\n".join([".. container:: panels\n", *figures]), encoding="utf-8")


def _draw(task: Task) -> dict[str, str]:
    """Draw the panels and return their captions."""
    image, truth = task.images()
    captions = {"input": "input"}
    if truth is not None:
        captions["input"] += f", {js.metrics.psnr(image, truth):.1f} dB"
    _save(task, "input", image)
    for name, settings in task.runs.items():
        made = {key: value() if callable(value) else value for key, value in settings.items()}
        method = js.method(name, **made)
        js.run(image, method, max_steps=2)  # compiles the kernels
        result = js.run(image, method)
        written = [
            f"{k}={v:.3g}" if isinstance(v, float) else str(v) for k, v in made.items() if k != "guidance"
        ]
        caption = " ".join([f":doc:`{name} </generated/methods/{name}>`", ", ".join(written)]).strip()
        if truth is not None:
            caption += f", {js.metrics.psnr(result.image, truth):.1f} dB"
        captions[name] = f"{caption}, {result.elapsed:.2f} s"
        _save(task, name, task.show(image, np.asarray(result.image)))
    return captions


def _jumps(flat: np.ndarray) -> np.ndarray:
    out = np.zeros(flat.shape[:2], dtype=bool)
    out[:, :-1] |= (flat[:, 1:] != flat[:, :-1]).any(-1)
    out[:-1] |= (flat[1:] != flat[:-1]).any(-1)
    return out


def _save(task: Task, name: str, image: np.ndarray) -> None:
    pixels = np.rint(255 * image.clip(0, 1)).astype(np.uint8)
    js.io.write_picture(OUT / f"{task.key}-{name}.png", pixels)


if __name__ == "__main__":
    write_panels()

"""The numbers of a report: scores against a truth, l0 energies, parameters, versions."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from jumpset.report._pictures import limits


@dataclass(frozen=True)
class Scores:
    """How near a picture is to its truth."""

    psnr: float
    """Decibels, from one mean squared error over all pixels and bands."""
    ssim: float
    """Mean of the bands."""
    ssim_volume: float
    """Of the array taken as a volume."""


def scores(image: np.ndarray, truth: np.ndarray, value_range: tuple[float, float] | None = None) -> Scores:
    """PSNR and both SSIMs of an array against a truth of the same shape and dtype."""
    from jumpset import metrics

    low, high = limits(image.dtype, value_range)
    return Scores(
        psnr(image, truth, value_range),
        metrics.ssim(image, truth, data_range=high - low),
        metrics.ssim_volume(image, truth, data_range=high - low),
    )


def psnr(image: np.ndarray, truth: np.ndarray, value_range: tuple[float, float] | None = None) -> float:
    """Peak signal-to-noise ratio in decibels, for the range of intensities [0, 1]."""
    from jumpset import metrics

    low, high = limits(image.dtype, value_range)
    return metrics.psnr(image, truth, data_range=high - low)


def energies(
    image: np.ndarray, picture: np.ndarray, method: Any, value_range: tuple[float, float] | None = None
) -> dict[str, float]:
    """``e_pix`` and ``e_edge`` at the method's weight; empty for a method without one."""
    from jumpset import metrics

    weight = getattr(method, "weight", None)
    if not isinstance(weight, (int, float)) or isinstance(weight, bool):
        return {}
    low, high = limits(image.dtype, value_range)
    u, f = ((a.astype(np.float64) - low) / (high - low) for a in (image, picture))
    neighbors = getattr(method, "neighbors", 4)
    return {
        "e_pix": metrics.energy_pix(u, f, weight),
        "e_edge": metrics.energy_edge(u, f, weight, neighbors=neighbors),
    }


def flat_share(image: np.ndarray) -> float:
    """The share of pixels whose gradient is exactly zero."""
    from jumpset import metrics

    height, width = image.shape[:2]
    values = image.astype(np.float64) if image.dtype.kind == "i" else image
    return 1.0 - metrics.gradient_count(values) / (height * width)


def parameters(method: Any) -> dict[str, str]:
    """The hyper-parameters of a method by name, as text; arrays by their shape."""
    if not dataclasses.is_dataclass(method):
        return {}
    return {f.name: _text(getattr(method, f.name)) for f in dataclasses.fields(method)}


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    names = {name: _version(name) for name in ("jumpset", "torch", "numpy", "numba")}
    return {
        "jumpset": names["jumpset"],
        "Python": platform.python_version(),
        **names,
        "platform": platform.platform(),
    }


def finite(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same with ``None`` for numbers that JSON cannot hold."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}


def _version(name: str) -> str:
    if name == "jumpset":  # its own, which is right also where the package is used without being installed
        from jumpset._core.version import __version__

        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _text(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"array of shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"

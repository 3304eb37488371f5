"""The numbers of a report: scores against a truth, l0 energies, parameters, versions."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from jumpset._core.version import __version__
from jumpset.io.display import limits

SCORES = ("PSNR, dB", "SSIM", "volume SSIM")
"""The heads of :func:`scores`."""


def scores(image: np.ndarray, truth: np.ndarray, value_range: tuple[float, float] | None = None) -> list[str]:
    """Compute scores of an array against a truth of the same shape and dtype, as text.

    They are the PSNR over all pixels and bands, the mean of the SSIM over the bands, and the SSIM of the
    array as a volume.
    """
    from jumpset import metrics

    low, high = limits(image.dtype, value_range)
    ssim, volume = (s(image, truth, data_range=high - low) for s in (metrics.ssim, metrics.ssim_volume))
    return [f"{psnr(image, truth, value_range):.2f}", f"{ssim:.4f}", f"{volume:.4f}"]


def psnr(image: np.ndarray, truth: np.ndarray, value_range: tuple[float, float] | None = None) -> float:
    """Compute the peak signal-to-noise ratio in decibels; the peak is intensity 1."""
    from jumpset import metrics

    low, high = limits(image.dtype, value_range)
    return metrics.psnr(image, truth, data_range=high - low)


def energies(
    image: np.ndarray, picture: np.ndarray, method: Any, value_range: tuple[float, float] | None = None
) -> dict[str, float]:
    """Compute ``e_pix`` and ``e_edge`` at the method's weight; empty for a method without one."""
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
    """Compute the fraction of pixels whose gradient is exactly zero."""
    from jumpset import metrics

    height, width = image.shape[:2]
    values = image.astype(np.float64) if image.dtype.kind == "i" else image
    return 1.0 - metrics.gradient_count(values) / (height * width)


def parameters(method: Any) -> dict[str, str]:
    """Return the hyper-parameters of a method by name, as text; arrays by their shape."""
    if not dataclasses.is_dataclass(method):
        return {}
    return {f.name: _text(getattr(method, f.name)) for f in dataclasses.fields(method)}


def versions() -> dict[str, str]:
    """Return the versions of the package, of Python and of the main libraries, and the platform."""
    return {
        "jumpset": __version__,
        "Python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "numpy", "numba")},
        "platform": platform.platform(),
    }


def finite(value: Any) -> Any:
    """Replace infinite and NaN numbers, which JSON cannot hold, by ``None``, also inside mappings."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(name: str) -> str:
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

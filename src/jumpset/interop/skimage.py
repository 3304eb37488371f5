"""Denoisers with the interface of scikit-image: functions of an image and a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from jumpset._core import checks
from jumpset._core.arrays import ValueRange, to_tensor
from jumpset._core.errors import InputError
from jumpset.kernels.regions.potts_1d import potts_lines
from jumpset.penalties import SlidingGroups, SparseTV
from jumpset.running.smooth import smooth
from jumpset.smoothers.tv import TV

Channels = Literal["joint", "separate"]


def denoise_tv(
    image: Any,
    weight: float = 0.1,
    *,
    channel_axis: int | None = None,
    value_range: ValueRange | None = None,
    isotropic: bool = True,
    channels: Channels = "joint",
    tol: float = 1e-4,
    max_steps: int = 10_000,
    spacing: tuple[float, ...] | None = None,
) -> Any:
    """Total variation denoising, ``argmin_u ½‖u − f‖² + weight · TV(u)``, to a stated accuracy.

    The same weight gives the same image as scikit-image's ``denoise_tv_chambolle`` run to convergence.

    Parameters
    ----------
    image
        An array with one to three spatial axes, e.g. ``(H, W)`` or a volume ``(D, H, W)``, and the channels
        where ``channel_axis`` says; or a ``(B, C, *spatial)`` tensor. Any bool, integer or
        float dtype; integers are scaled by their dtype's range, floats are expected in [0, 1].
    weight
        In intensities; larger is smoother.
    channel_axis
        The axis of the channels; ``None``: a gray image or volume.
    value_range
        As in :func:`jumpset.run`.
    isotropic
        Whether the directions share one root.
    channels
        ``"joint"``: channels share their edges. ``"separate"``: each channel separately.
    tol
        Duality gap at which an image is done, relative to its energy.
    max_steps
        Step limit.
    spacing
        Distances between pixels along each spatial axis, as in :class:`jumpset.smoothers.TV`.

    Returns
    -------
    array or tensor
        The result, of the kind, shape and dtype of ``image``.

    Raises
    ------
    InputError
        An image or a parameter that cannot be used.

    Notes
    -----
    L. Rudin, S. Osher, E. Fatemi, Physica D 1992; the solver is :class:`jumpset.smoothers.TV`.

    Examples
    --------
    >>> import jumpset as js
    >>> from jumpset.interop.skimage import denoise_tv
    >>> image = js.datasets.coffee()[:48, :64]
    >>> denoise_tv(image, weight=0.1, channel_axis=-1).shape
    (48, 64, 3)
    >>> denoise_tv(image[..., 0].reshape(4, 12, 64), spacing=(3.0, 1.0, 1.0)).shape  # a volume
    (4, 12, 64)
    """
    method = TV(
        weight=weight, isotropic=isotropic, channels=channels, tol=tol, max_steps=max_steps, spacing=spacing
    )
    axes = _axes_of(image, channel_axis)
    return smooth(image, method, axes=axes, alpha=False, value_range=value_range)


def denoise_sparse_tv(
    image: Any,
    weight: float = 0.1,
    *,
    ratio: float = 0.5,
    channel_axis: int | None = None,
    value_range: ValueRange | None = None,
    isotropic: bool = True,
    channels: Channels = "joint",
) -> Any:
    """Sparse total variation denoising: flat regions on a background that becomes exactly 0.

    ``argmin_u ½‖u − f‖² + weight (TV(u) + ratio ‖u‖₁)``.

    Parameters
    ----------
    image, channel_axis, value_range
        As in :func:`denoise_tv`.
    weight
        In intensities; larger is smoother and emptier.
    ratio
        Weight of a pixel's magnitude relative to an edge of that height.
    isotropic, channels
        Of the total variation, as in :func:`denoise_tv`.

    Returns
    -------
    array or tensor
        The result, of the kind, shape and dtype of ``image``.

    Raises
    ------
    InputError
        An image or a parameter that cannot be used.

    Notes
    -----
    R. Tibshirani et al., JRSS B 2005; the solver is :meth:`jumpset.SparseTV.prox`. Zeros have intensity 0,
    which for signed integers is the smallest value of the dtype.

    Examples
    --------
    >>> import jumpset as js
    >>> from jumpset.interop.skimage import denoise_sparse_tv
    >>> image = js.datasets.coffee()[:48, :64]
    >>> denoise_sparse_tv(image, weight=0.1, channel_axis=-1).shape
    (48, 64, 3)
    """
    checks.real("weight", weight, at_least=0.0)
    penalty = SparseTV(ratio=ratio, isotropic=isotropic, channels=channels)
    return _apply(image, channel_axis, value_range, lambda f: penalty.prox(f, weight))


def denoise_groups(
    image: Any,
    weight: float = 0.1,
    *,
    window: int | tuple[int, ...] = 5,
    channel_axis: int | None = None,
    value_range: ValueRange | None = None,
    channels: Channels = "joint",
    tol: float = 1e-4,
) -> Any:
    """Overlapping group shrinkage: whole regions become exactly 0, isolated bright pixels vanish.

    ``argmin_u ½‖u − f‖² + weight Σ_i ‖u_W(i)‖₂`` over all windows W(i) of one size.

    Parameters
    ----------
    image, channel_axis, value_range
        As in :func:`denoise_tv`.
    weight
        In intensities; larger is emptier. Noise of standard deviation σ vanishes from about
        2.5 σ / √(pixels of a window) on.
    window
        Pixels along each spatial axis.
    channels
        ``"joint"``: a group holds all channels of its window. ``"separate"``: each channel separately.
    tol
        Relative distance to the exact solution.

    Returns
    -------
    array or tensor
        The result, of the kind, shape and dtype of ``image``.

    Raises
    ------
    InputError
        An image or a parameter that cannot be used.

    Notes
    -----
    P.-Y. Chen, I. Selesnick, Signal Processing 2014; the solver is :meth:`jumpset.SlidingGroups.prox`.

    Examples
    --------
    >>> import jumpset as js
    >>> from jumpset.interop.skimage import denoise_groups
    >>> image = js.datasets.coffee()[:48, :64]
    >>> denoise_groups(image, weight=0.1, channel_axis=-1).shape
    (48, 64, 3)
    """
    checks.real("weight", weight, at_least=0.0)
    penalty = SlidingGroups(window=window, channels=channels)
    return _apply(image, channel_axis, value_range, lambda f: penalty.prox(f, weight, tol=tol))


def denoise_potts_1d(
    signal: np.ndarray,
    weight: float = 0.1,
    *,
    data: Literal["l2", "l1"] = "l2",
    sample_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the best piecewise constant fit of a signal exactly: change points and levels.

    ``argmin_u Σ_i w_i |u_i − f_i|^q + weight · (number of jumps of u)`` with q = 2 or 1 (no ½).

    Parameters
    ----------
    signal
        ``(n,)``, or ``(n, C)`` for C channels that jump together; float32 or float64, any range.
    weight
        Weight of a jump, in the unit of the signal (``"l1"``) or its square; larger is flatter.
    data
        ``"l2"``: the levels are means. ``"l1"``: they are medians, which are robust to outliers.
    sample_weights
        Optional ``(n,)``, at least 0; 0 for missing samples.

    Returns
    -------
    ndarray
        The result, with the shape and dtype of ``signal``.

    Raises
    ------
    InputError
        A signal or a parameter that cannot be used.

    Notes
    -----
    M. Storath, A. Weinmann, SIIMS 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from jumpset.interop.skimage import denoise_potts_1d
    >>> denoise_potts_1d(np.array([0.0, 0.1, 0.0, 1.0, 0.9, 1.1]), weight=0.1).round(2).tolist()
    [0.03, 0.03, 0.03, 1.0, 1.0, 1.0]
    """
    checks.real("weight", weight, at_least=0.0)
    checks.one_of("data", data, ("l2", "l1"))
    values = np.asarray(signal)
    if values.dtype not in (np.float32, np.float64) or values.ndim not in (1, 2) or not values.size:
        given = f"{values.dtype} of shape {values.shape}"
        raise InputError(
            "a signal is (n,) or (n, C) floats", given=given, do="convert with np.asarray(x, float)"
        )
    weights = None
    if sample_weights is not None:
        weights = np.asarray(sample_weights, dtype=np.float64)
        if weights.shape != values.shape[:1] or not (np.isfinite(weights) & (weights >= 0)).all():
            raise InputError(
                "sample_weights must be one number per sample, finite and not negative",
                given=f"shape {weights.shape}",
                do=f"pass ({len(values)},), 0 for missing samples",
            )
        weights = weights[None]
    if not np.isfinite(values).all():
        raise InputError(
            "the signal must be finite", given="NaN or infinity", do="give such samples weight 0"
        )
    line = values.reshape(1, len(values), -1)
    return potts_lines(line, float(weight), weights, data=data).reshape(values.shape)


def _apply(
    image: Any,
    channel_axis: int | None,
    value_range: ValueRange | None,
    prox: Callable[[Tensor], Tensor],
) -> Any:
    axes = _axes_of(image, channel_axis)
    tensor, layout = to_tensor(
        image, axes=axes, alpha=False, value_range=value_range, spatial_ndims=(1, 2, 3)
    )
    with torch.no_grad():
        return layout.restore(prox(tensor))


def _axes_of(image: Any, channel_axis: int | None) -> str | None:
    """The names of the axes as scikit-image counts them: all in space, but for that of the channels."""
    if isinstance(image, Tensor) or not hasattr(image, "ndim"):
        return None
    ndim = image.ndim - (channel_axis is not None)
    if channel_axis is not None:
        checks.integer("channel_axis", channel_axis, at_least=-image.ndim, at_most=image.ndim - 1)
    if not 1 <= ndim <= 3:
        raise InputError(
            "an image has one to three axes in space",
            given=f"shape {tuple(image.shape)}, channel_axis={channel_axis}",
            do="pass one image at a time, with channel_axis where there are channels",
        )
    if channel_axis is None and ndim == 3 and image.shape[-1] in (1, 3, 4):
        raise InputError(
            "an array with so few values along its last axis looks like an image with channels",
            given=f"shape {tuple(image.shape)}, channel_axis=None",
            do="pass channel_axis=-1, or for a volume of that shape jumpset.smooth(image, axes='zyx')",
        )
    names = [*"zyx"[-ndim:]]
    if channel_axis is not None:
        names.insert(channel_axis % image.ndim, "c")
    return "".join(names)

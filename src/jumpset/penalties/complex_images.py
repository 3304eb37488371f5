"""Penalties and proxes of complex images: real and imaginary part are two channels that share their edges.

For a function of single entries, ``ρ(|z|)`` of the modulus, whose prox keeps the phase. For coupled channels,
R of twice as many of them; for separate channels, the sum over the complex channels, each of two parts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from jumpset._core.errors import InputError
from jumpset.operators.namespaces import is_of_tensorflow, namespace


def is_complex(x: Any) -> bool:
    """Return whether an array of any library but TensorFlow has complex entries."""
    if isinstance(x, Tensor):
        return x.is_complex()
    return not is_of_tensorflow(x) and getattr(getattr(x, "dtype", None), "kind", "") == "c"


def value(penalty: Any, z: Any, mask: Any, weight_map: Any) -> Any:
    """Compute R of each complex image ``(B, C, *spatial)``; mask and weight map in its layout, or None."""
    if parts := penalty.complex_parts():
        return sum(w * value(p, z, mask, weight_map) for w, p in parts)
    if penalty.separable:
        return penalty._value(_modulus(z), mask, weight_map)
    xp, own = namespace(z), _own_channels(penalty, z)
    if own is None:
        maps = [m if m is None or m.shape[1] == 1 else xp.concat([m, m], axis=1) for m in (mask, weight_map)]
        return penalty._value(xp.concat([z.real, z.imag], axis=1), *maps)
    each = []
    for k in range(z.shape[1]):
        of_one = [m if m is None or m.shape[1] == 1 else m[:, k : k + 1] for m in (mask, weight_map)]
        each.append(value(own, z[:, k : k + 1], *of_one))
    return sum(each)


def prox(penalty: Any, z: Tensor, tau: Any, of_real: Callable[..., Tensor], **options: Any) -> Tensor:
    """Compute the proximal point of complex images, by ``of_real(penalty, v, tau, …)`` of real images."""
    for name in ("lower", "upper"):
        if options.get(name) is not None:
            given = repr(options[name])
            raise InputError(f"complex numbers have no {name} bound", given=given, do="leave it out")
    if hasattr(penalty, "merged"):
        factor, one = penalty._factor_and_penalty()
        return prox(one, z, factor * tau, of_real, **options)
    if penalty.separable:
        size = _modulus(z)
        return z * (of_real(penalty, size, tau, **options) / torch.where(size > 0, size, 1.0))
    if hasattr(penalty, "groups"):  # the prox of groups after that of the modulus
        (_, groups), (ratio, modulus) = penalty.complex_parts()
        return prox(groups, prox(modulus, z, ratio * tau, of_real), tau, of_real, **options)
    own = _own_channels(penalty, z)
    if own is None:
        twin = penalty
        if penalty.complex_parts():
            twin = copy.copy(penalty)
            object.__setattr__(twin, "_is_complex", True)
        return torch.complex(*of_real(twin, torch.cat([z.real, z.imag], 1), tau, **options).chunk(2, 1))
    each = []
    for k in range(z.shape[1]):
        given = options
        weights = options.get("weight_map")
        if weights is not None and weights.ndim == z.ndim and weights.shape[1] > 1:
            given = {**options, "weight_map": weights[:, k : k + 1]}
        each.append(prox(own, z[:, k : k + 1], tau, of_real, **given))
    return torch.cat(each, 1)


def _modulus(z: Any) -> Any:
    return z.abs() if isinstance(z, Tensor) else namespace(z).abs(z)


def _own_channels(penalty: Any, z: Any) -> Any:
    """Return the penalty of one complex channel if the channels are separate, None if they are coupled."""
    channels = getattr(penalty, "channels", None)
    if channels is None and getattr(penalty, "coupling", None) == "l2":
        channels = "joint"
    if channels is None or penalty.name in ("target-area", "tgv2", "latent-groups"):
        raise InputError(
            f"{type(penalty).__name__} takes real numbers",
            given=str(z.dtype).removeprefix("torch."),
            do="pass abs(x), or real and imaginary parts as two channels",
        )
    return None if channels == "joint" else replace(penalty, channels="joint")

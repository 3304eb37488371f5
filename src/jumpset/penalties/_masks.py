"""Masks of group penalties: pixels outside count as zeros, and the outline cuts windows."""

from __future__ import annotations

from typing import Any

from jumpset.operators.namespaces import namespace


def keep_inside(x: Any, mask: Any) -> Any:
    """Return ``x`` with zeros outside the mask."""
    xp = namespace(x)
    return x if mask is None else xp.where(mask, x, xp.zeros_like(x))


def inside_like(mask: Any, x: Any, channels: str) -> Any:
    """Return the mask as ones and zeros, ``(B, C, *spatial)``, or one channel if the channels are coupled.

    A pixel that is inside the mask in one channel is inside for a group of all channels.
    """
    xp = namespace(x)
    inside = xp.where(mask, xp.ones_like(x), xp.zeros_like(x))
    return xp.max(inside, axis=1, keepdims=True) if channels == "joint" else inside

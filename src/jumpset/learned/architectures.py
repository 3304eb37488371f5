"""The base class of networks, the networks by name, and their sizes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from jumpset._core import checks
from jumpset._core.errors import InputError

NETWORKS: dict[str, type[Network]] = {}
"""Every network by name; a subclass of :class:`Network` with a name is added on definition."""

SIZES: dict[str, dict[str, dict[str, Any]]] = {}
"""Sizes of each network: that of its paper (of our own: of the shipped weights), and a small one."""


class Network(nn.Module):
    """A network for ``(B, 3, H, W)`` images in [0, 1]; defining a subclass with a name registers it.

    The published size is the default of the constructor's arguments, which are whole numbers or sequences of
    whole numbers. Each argument of ``forward`` after the image is a tensor ``(B,)``.
    """

    name: ClassVar[str]
    """The name for :func:`build`, training, export and files of weights."""
    small: ClassVar[dict[str, Any]]
    """The arguments of a small size."""
    size_divisor: int = 1
    """Both sides of the input must be multiples of this number."""
    receptive_radius: int
    """Distance in pixels beyond which no input pixel affects an output pixel."""
    peak_channels: float
    """Channels of the largest activation, per pixel of the image."""
    predicts_mean: ClassVar[bool] = False
    """Whether a change of a channel's mean is part of the result; otherwise it is subtracted."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            return
        NETWORKS[cls.name] = cls
        defaults = {key: p.default for key, p in inspect.signature(cls).parameters.items()}
        published = {key: list(v) if isinstance(v, tuple) else v for key, v in defaults.items()}
        SIZES[cls.name] = {"published": published, "small": cls.small}


def build(name: str, sizes: Mapping[str, Any] | None = None) -> Network:
    """Build a network with random weights, drawn from torch's global generator.

    Parameters
    ----------
    name
        A key of :data:`jumpset.learned.SIZES`, e.g. ``"resnet"``.
    sizes
        Arguments of the constructor, e.g. ``SIZES["resnet"]["small"]``; default: the published ones.

    Returns
    -------
    Network
        The network, with random weights.

    Raises
    ------
    InputError
        An unknown name, or sizes that the network does not have.

    Examples
    --------
    >>> import jumpset as js
    >>> network = js.learned.build("vdcnn")
    >>> sum(p.numel() for p in network.parameters())
    668227
    """
    checks.one_of("network", name, NETWORKS)
    sizes = {} if sizes is None else sizes
    check_sizes(name, sizes)
    return NETWORKS[name](**sizes)


def check_sizes(name: str, sizes: Mapping[str, Any]) -> None:
    """Raise ``InputError`` unless the sizes are arguments of the network of that name."""
    known = SIZES[name]["published"]
    for key, value in sizes.items():
        if key not in known:
            raise InputError(
                f"network {name!r} has no size of that name", given=repr(key), do=checks.advise(key, known)
            )
        many = isinstance(known[key], list)
        if many and not (isinstance(value, (list, tuple)) and value):
            raise InputError(f"{key} must be a list", given=repr(value), do="pass one number per scale")
        for size in value if many else [value]:
            checks.integer(key, size, at_least=1)
    wanted = {**known, **sizes}
    for widths in [key for key in wanted if key.endswith("widths")]:
        blocks = widths.replace("widths", "blocks")
        if len(wanted[widths]) != len(wanted[blocks]):
            raise InputError(
                f"{widths} and {blocks} must have the same length",
                given=repr(dict(sizes)),
                do="pass one of each per scale",
            )

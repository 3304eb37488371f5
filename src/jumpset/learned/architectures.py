"""The networks by name, and the sizes they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from jumpset._core import checks
from jumpset._core.errors import InputError
from jumpset.learned.deep_wls import DeepWLSNetwork
from jumpset.learned.dejpeg import DeJPEGNetwork
from jumpset.learned.jess_net import JESSNetwork
from jumpset.learned.jumpset_net import JumpsetNetwork
from jumpset.learned.resnet import ResNetNetwork
from jumpset.learned.vdcnn import VDCNNNetwork

NETWORKS: dict[str, type[nn.Module]] = {
    "resnet": ResNetNetwork,
    "vdcnn": VDCNNNetwork,
    "jess-net": JESSNetwork,
    "deep-wls": DeepWLSNetwork,
    "jumpset-net": JumpsetNetwork,
    "dejpeg": DeJPEGNetwork,
}

SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "resnet": {
        "published": {"width": 64, "depth": 16, "head": 256},
        "small": {"width": 24, "depth": 8, "head": 64},
    },
    "vdcnn": {"published": {"width": 64, "depth": 18}, "small": {"width": 24, "depth": 12}},
    "jess-net": {
        "published": {"width": 64, "depth": 20, "edge": 1, "smooth": 3, "refine": 6},
        "small": {"width": 16, "depth": 8, "edge": 1, "smooth": 2, "refine": 3},
    },
    "deep-wls": {"published": {"width": 64}, "small": {"width": 32}},
    "jumpset-net": {
        "published": {
            "widths": [32, 64, 128],
            "blocks": [1, 2, 3],
            "guess_widths": [32, 64, 128],
            "guess_blocks": [2, 2, 3],
        },
        "small": {
            "widths": [16, 32, 64],
            "blocks": [1, 1, 2],
            "guess_widths": [16, 32, 64],
            "guess_blocks": [1, 1, 2],
        },
    },
    "dejpeg": {
        "published": {"widths": [32, 64, 128], "blocks": [2, 2, 3]},
        "small": {"widths": [16, 32, 64], "blocks": [1, 1, 2]},
    },
}
"""Of each network: the size of its paper (of ours: the one that is shipped), and a small one."""


def build(name: str, sizes: Mapping[str, Any] | None = None) -> nn.Module:
    """A network with fresh weights, drawn from torch's global generator.

    Parameters
    ----------
    name
        ``"resnet"``, ``"vdcnn"``, ``"jess-net"``, ``"deep-wls"``, ``"jumpset-net"`` or ``"dejpeg"``.
    sizes
        The arguments of its constructor, e.g. ``SIZES["resnet"]["small"]``; default: the published ones.

    Raises
    ------
    InputError
        An unknown name, or sizes that are not those of the network.
    """
    checks.one_of("network", name, NETWORKS)
    sizes = SIZES[name]["published"] if sizes is None else sizes
    check_sizes(name, sizes)
    return NETWORKS[name](**sizes)


def check_sizes(name: str, sizes: Mapping[str, Any]) -> None:
    """Raise ``InputError`` unless a network of that name comes in those sizes."""
    known = SIZES[name]["published"]
    for key, value in sizes.items():
        if key not in known:
            raise InputError(
                f"network {name!r} has no size of that name", given=repr(key), do=checks.advise(key, known)
            )
        many = isinstance(known[key], list)
        if many and not (isinstance(value, (list, tuple)) and value):
            raise InputError(f"{key} must be a list", given=repr(value), do="pass one number a scale")
        for size in value if many else [value]:
            checks.integer(key, size, at_least=1)
    wanted = {**known, **sizes}
    for widths in [key for key in wanted if key.endswith("widths")]:
        blocks = widths.replace("widths", "blocks")
        if len(wanted[widths]) != len(wanted[blocks]):
            raise InputError(
                f"{widths} and {blocks} must be as many",
                given=repr(dict(sizes)),
                do="pass one of each a scale",
            )

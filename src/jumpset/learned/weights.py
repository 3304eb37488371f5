"""Files of trained weights: safetensors, with what the network is and how it was trained beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jumpset._core.errors import FileError, InputError
from jumpset._core.files import atomic_write
from jumpset._core.optional import needs
from jumpset._core.version import __version__
from jumpset.learned.architectures import Network

SHIPPED = Path(__file__).parent / "shipped"
_FORMAT = 1
_OURS = ("format", "network", "sizes", "jumpset")  # of the metadata: what this file writes itself


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds."""

    network: str
    """The network's name."""
    sizes: dict[str, Any]
    """The arguments of its constructor."""
    tensors: dict[str, Tensor] = field(repr=False)
    """In float32."""
    metadata: dict[str, Any]
    """Whatever else was said when it was saved: data, steps, seed, licence, command."""


def save_weights(
    path: str | os.PathLike[str],
    network: str,
    sizes: Mapping[str, Any],
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, Any] | None = None,
    *,
    half: bool = True,
) -> None:
    """Write a network's weights as a whole.

    Parameters
    ----------
    path
        A file that ends in ``.safetensors``; it is replaced only by a complete one.
    network
        The network's name, e.g. ``"resnet"``.
    sizes
        The arguments of its constructor.
    state_dict
        Its weights.
    metadata
        What the file should tell about them, anything that JSON can hold: data, steps, seed, licence,
        command.
    half
        Store what has more than one axis in float16, which halves the file; biases and the statistics of
        batch norm stay in float32.

    Raises
    ------
    InputError
        Weights that are not finite (or not in float16), or metadata that JSON cannot hold.
    FileError
        A file that cannot be written.
    """
    with needs("jumpset[learned]"):
        from safetensors.torch import save

    target = checked_path(path)
    tensors = {}
    for key, value in state_dict.items():
        small = half and value.ndim > 1 and value.is_floating_point()
        kept = value.detach().to("cpu", torch.float16 if small else value.dtype, copy=True).contiguous()
        if not bool(torch.isfinite(kept).all()):
            raise InputError(
                "the weights are not finite",
                given=f"{key} after {'float16' if small else kept.dtype}",
                do="train with a smaller learning rate, or save with half=False",
            )
        tensors[key] = kept
    ours = {"format": _FORMAT, "network": network, "sizes": dict(sizes), "jumpset": __version__}
    try:
        texts = {key: json.dumps(value) for key, value in ({**(metadata or {}), **ours}).items()}
    except (TypeError, ValueError) as error:
        raise InputError(
            "metadata must be what JSON can hold", given=str(error), do="pass numbers, texts, lists"
        ) from None
    with atomic_write(target) as temporary:  # not save_file, which would not keep the permissions
        temporary.write_bytes(save(tensors, metadata=texts))


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a file that :func:`save_weights` wrote.

    Raises
    ------
    FileError
        A file that is missing, damaged, or not of this kind.
    """
    with needs("jumpset[learned]"):
        from safetensors import SafetensorError, safe_open

    source = checked_path(path)
    if not source.is_file():
        raise FileError(
            "there is no file of weights", given=source, do="check the path, or use weights='shipped'"
        )
    try:
        with safe_open(source, framework="pt") as file:
            found = {key: json.loads(text) for key, text in sorted((file.metadata() or {}).items())}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(
            "the file cannot be read as weights",
            given=f"{source} ({type(error).__name__})",
            do="train it anew, or copy it again",
        ) from error
    if any(key not in found for key in _OURS) or found["format"] != _FORMAT:
        raise FileError(
            "the file does not say which network it is for",
            given=source,
            do="use a file of js.training.train or save_weights",
        )
    floats = {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}
    other = {key: value for key, value in found.items() if key not in ("format", "network", "sizes")}
    return Weights(found["network"], found["sizes"], floats, other)


def model_card(weights: str | os.PathLike[str]) -> str:
    """What a file of weights says about itself, one line a fact.

    Parameters
    ----------
    weights
        The name of a shipped network, e.g. ``"jumpset-net"``, or a ``.safetensors`` file.

    Raises
    ------
    FileError
        A file that is missing, damaged, or not of this kind.

    Examples
    --------
    >>> import jumpset as js
    >>> print(js.learned.model_card("jumpset-net").splitlines()[0])
    network: jumpset-net
    """
    path = shipped(weights) if isinstance(weights, str) and shipped(weights).is_file() else weights
    found = load_weights(path)
    n_weights = sum(t.numel() for t in found.tensors.values())
    facts = {"network": found.network, "sizes": found.sizes, "numbers": n_weights, **found.metadata}
    return "\n".join(f"{key}: {_said(value)}" for key, value in facts.items())


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load_network(network: type[Network], source: Path) -> Network:
    """A network with the weights of a file, ready to be used: no gradients, batch norm at rest.

    Raises
    ------
    FileError
        As :func:`load_weights`, or the file is of another network, or its sizes or weights do not fit.
    """
    return network_of(network, load_weights(source), source)


def network_of(network: type[Network], found: Weights, source: Path) -> Network:
    """As :func:`load_network`, from what the file ``source`` holds."""
    name = network.name
    if found.network != name:
        raise FileError(
            f"the weights are not those of {name!r}",
            given=f"{found.network!r} in {source}",
            do="pass the network that they are of, or another file",
        )
    try:
        built = network(**found.sizes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FileError(
            f"the file's sizes are not those of {name!r}", given=f"{found.sizes}", do="train it anew"
        ) from error
    try:
        built.load_state_dict(found.tensors)
    except RuntimeError as error:
        raise FileError(
            f"the weights do not fit the network {name!r}",
            given=f"{source} ({str(error).splitlines()[-1].strip()})",
            do="use a file of js.training.train or save_weights",
        ) from None
    return built.eval().requires_grad_(False)


def shipped(name: str) -> Path:
    """Where the weights of a network lie that come with the package."""
    return SHIPPED / f"{name}.safetensors"


def chosen(name: str, weights: str | os.PathLike[str]) -> Path:
    """The file that ``weights`` names: that of the user, or, for ``"shipped"``, the package's."""
    return shipped(name) if weights == "shipped" else Path(weights)


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The path, if it ends as files of weights do."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise FileError("a file of weights ends in .safetensors", given=target, do="name it so")
    return target

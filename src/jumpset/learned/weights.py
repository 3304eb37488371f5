"""Files of trained weights: safetensors with metadata on the network and its training."""

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
from jumpset.learned.architectures import Network, check_sizes

SHIPPED = Path(__file__).parent / "shipped"
_FORMAT = 1
_LARGEST_WIDTH = 2**13
_RESERVED = ("format", "network", "sizes", "jumpset")  # the metadata that save_weights adds


@dataclass(frozen=True)
class Weights:
    """The content of a file of weights."""

    network: str
    """The network's name."""
    sizes: dict[str, Any]
    """The arguments of the network's constructor."""
    tensors: dict[str, Tensor] = field(repr=False)
    """Weights in float32."""
    metadata: dict[str, Any]
    """All other metadata: data, steps, seed, licence, command."""


def save_weights(
    path: str | os.PathLike[str],
    network: str,
    sizes: Mapping[str, Any],
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, Any] | None = None,
    *,
    half: bool = True,
) -> None:
    """Write the weights of a network to a file.

    Parameters
    ----------
    path
        A file that ends in ``.safetensors``; it is replaced only by a complete one.
    network
        The network's name, e.g. ``"resnet"``.
    sizes
        The arguments of the network's constructor.
    state_dict
        The weights.
    metadata
        Metadata for the file, anything that JSON can hold: data, steps, seed, licence, command.
    half
        Whether tensors with more than one axis are stored in float16, which halves the file; biases and the
        statistics of batch norm stay in float32.

    Raises
    ------
    InputError
        Weights that are not finite (or not finite in float16), or metadata that JSON cannot hold.
    FileError
        A file that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "mine.safetensors"
    >>> network = js.learned.build("vdcnn")
    >>> js.learned.save_weights(path, "vdcnn", js.learned.SIZES["vdcnn"]["small"], network.state_dict())
    >>> path.exists()
    True
    """
    with needs("jumpset[learned]"):
        from safetensors.torch import save

    target = safetensors_path(path)
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
            "JSON cannot hold the metadata", given=str(error), do="pass numbers, texts, lists"
        ) from None
    with atomic_write(target) as temporary:  # save_file would change the permissions
        temporary.write_bytes(save(tensors, metadata=texts))


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a file that :func:`save_weights` wrote.

    Parameters
    ----------
    path
        A ``.safetensors`` file.

    Returns
    -------
    Weights
        Network name, sizes, tensors and metadata.

    Raises
    ------
    FileError
        A file that is missing, damaged, or not a file of weights.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "mine.safetensors"
    >>> network = js.learned.build("vdcnn")
    >>> js.learned.save_weights(path, "vdcnn", js.learned.SIZES["vdcnn"]["small"], network.state_dict())
    >>> js.learned.load_weights(path).network
    'vdcnn'
    """
    with needs("jumpset[learned]"):
        from safetensors import SafetensorError
        from safetensors.torch import load

    source = safetensors_path(path)
    if not source.is_file():
        raise FileError(
            "there is no file of weights", given=source, do="check the path, or use weights='shipped'"
        )
    try:
        data = source.read_bytes()  # the library opens no file whose name is not UTF-8
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        found = {key: json.loads(text) for key, text in sorted(header.get("__metadata__", {}).items())}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(
            "the file cannot be read as weights",
            given=f"{source} ({type(error).__name__})",
            do="copy the file again, or train the network again",
        ) from error
    is_ours = all(key in found for key in _RESERVED) and found["format"] == _FORMAT
    if not (is_ours and isinstance(found["network"], str) and isinstance(found["sizes"], dict)):
        raise FileError(
            "the file does not name its network",
            given=source,
            do="use a file of js.training.train or save_weights",
        )
    floats = {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}
    other = {key: value for key, value in found.items() if key not in ("format", "network", "sizes")}
    return Weights(found["network"], found["sizes"], floats, other)


def model_card(weights: str | os.PathLike[str]) -> str:
    """The metadata of a file of weights, one line per entry.

    Parameters
    ----------
    weights
        The name of a shipped network, e.g. ``"jumpset-net"``, or a ``.safetensors`` file.

    Returns
    -------
    str
        Lines of key and value.

    Raises
    ------
    FileError
        A file that is missing, damaged, or not a file of weights.

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
    return "\n".join(f"{k}: {v if isinstance(v, str) else json.dumps(v)}" for k, v in facts.items())


def load_network(network: type[Network], source: Path) -> Network:
    """Build a network with the weights of a file, for inference: no gradients, batch norm in evaluation mode.

    Raises
    ------
    FileError
        As :func:`load_weights`, or the file is of another network, or its sizes or weights do not fit.
    """
    return build_network(network, load_weights(source), source)


def build_network(network: type[Network], found: Weights, source: Path) -> Network:
    """As :func:`load_network`, from the content of the file ``source``."""
    name = network.name
    if found.network != name:
        raise FileError(
            f"the weights are not those of {name!r}",
            given=f"{found.network!r} in {source}",
            do="use the weights with their network, or another file",
        )
    try:
        check_sizes(name, found.sizes)
        _check_size_of_file(found)
        built = network(**found.sizes)
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise FileError(
            f"the file's sizes are not those of {name!r}",
            given=f"{found.sizes}",
            do="train the network again",
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


def _check_size_of_file(found: Weights) -> None:
    """Raise ``ValueError`` for sizes that need more weights than there are, before a network is built.

    A number of layers or channels is either the length of an axis, or at most the number of tensors.
    """
    lengths = {n for tensor in found.tensors.values() for n in tensor.shape if n <= _LARGEST_WIDTH}
    values = [v for size in found.sizes.values() for v in (size if isinstance(size, list) else [size])]
    if len(values) > len(found.tensors) or any(v > len(found.tensors) and v not in lengths for v in values):
        raise ValueError("the sizes are those of a larger file")


def shipped(name: str) -> Path:
    """The file of a network's weights that comes with the package."""
    return SHIPPED / f"{name}.safetensors"


def weights_file(name: str, weights: str | os.PathLike[str]) -> Path:
    """The file that ``weights`` names: a path, or ``"shipped"`` for the file of the package."""
    return shipped(name) if weights == "shipped" else Path(weights)


def safetensors_path(path: str | os.PathLike[str]) -> Path:
    """The path, which must end in ``.safetensors``."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise FileError("a file of weights ends in .safetensors", given=target, do="change the suffix")
    return target

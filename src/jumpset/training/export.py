"""Export of a learned smoother to ONNX, for programs without Python or torch."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jumpset._core import checks
from jumpset._core.errors import FileError, MissingLibrary
from jumpset._core.files import atomic_write, check_target
from jumpset.learned import weights as files
from jumpset.learned.architectures import NETWORKS
from jumpset.learned.base import PADDING, admissible, pad_mirrored


def export_onnx(
    name: str, path: str | os.PathLike[str], *, weights: str | os.PathLike[str] = "shipped"
) -> None:
    """Write a learned smoother as an ONNX file.

    The input ``picture`` of the file is ``(batch, 3, height, width)`` float32 in [0, 1], of any size from
    1 × 1 on (the file contains the padding); ``jumpset-net`` has a second input, ``strength``, ``(batch,)``,
    the method's ``weight``, and is exported without region fusions (``fusion=False``); ``dejpeg`` is its
    network alone, without the projections. The output ``smoothed`` has the shape of the input. The file does
    not contain the method's tiles, the scaling of intensities outside [0, 1], and other numbers of channels:
    pass gray as three equal channels and average the result.

    Parameters
    ----------
    name
        A key of :data:`jumpset.learned.SIZES`, e.g. ``"resnet"``.
    path
        A file that ends in ``.onnx``; it is replaced only by a complete one.
    weights
        ``"shipped"``, or a ``.safetensors`` file that you have trained.

    Raises
    ------
    InputError
        An unknown name.
    MissingLibrary
        The packages of ``jumpset[onnx]`` are not installed.
    FileError
        Weights that are missing or of another network, or a path that cannot be written.

    Examples
    --------
    >>> import jumpset as js
    >>> js.training.export_onnx("jumpset-net", "smoother.onnx")  # doctest: +SKIP
    """
    checks.one_of("network", name, NETWORKS)
    target = Path(path)
    if target.suffix != ".onnx":
        raise FileError("the name of an ONNX file ends in .onnx", given=target, do="change the suffix")
    check_target(target)
    missing = [package for package in ("onnx", "onnxscript") if find_spec(package) is None]
    if missing:
        raise MissingLibrary(", ".join(missing), "jumpset[onnx]")
    network = files.load_network(NETWORKS[name], files.weights_file(name, weights))
    batch, height, width = (torch.export.Dim(n) for n in ("batch", "height", "width"))
    # sizes that differ from those of all layers
    inputs: dict[str, Tensor] = {"picture": torch.rand(2, 3, 37, 50)}
    shapes: dict[str, Any] = {"picture": {0: batch, 2: height, 3: width}}
    more = list(inspect.signature(network.forward).parameters)[1:]
    if more:
        inputs |= {key: torch.tensor([0.25, 0.5]) for key in more}
        shapes["more"] = ({0: batch},) * len(more)
    with _silenced():
        program = torch.onnx.export(
            _PaddedNetwork(network).eval(),
            tuple(inputs.values()),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(inputs),
            output_names=["smoothed"],
            verbose=False,
        )
    assert program is not None
    with atomic_write(target) as temporary:
        program.save(temporary, external_data=False)


class _PaddedNetwork(nn.Module):
    """The network with the padding of the method."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, *more: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        smoothed = self.network(pad_mirrored(picture, self.network.size_divisor), *more)
        change = smoothed[..., PADDING : PADDING + height, PADDING : PADDING + width] - picture
        return picture + admissible(change, picture, self.network)


@contextmanager
def _silenced() -> Iterator[None]:
    """Suppress the exporter's warnings about its deprecated calls and optional packages."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)

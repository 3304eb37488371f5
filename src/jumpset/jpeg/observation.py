"""A JPEG file as an observation of the image that was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from jumpset.jpeg.constraint import QuantizationConstraint
from jumpset.jpeg.tables import JPEGTables
from jumpset.operators.linear import Identity
from jumpset.operators.observations import LinearObservation


@dataclass(frozen=True)
class JPEGObservation(LinearObservation):
    """The observation of a JPEG file: the decoded image, subsampled chroma, and the quantisation constraint.

    f is the decoded image before values were clipped to [0, 1], A the file's subsampling of
    chroma. The constraint is :class:`QuantizationConstraint`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> import jumpset as js
    >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
    >>> js.io.write_picture(path, js.datasets.coffee()[:32, :48], quality=50)
    >>> f = torch.from_numpy(js.io.read_picture(path).pixels / 255.0).permute(2, 0, 1)[None].float()
    >>> js.jpeg.JPEGObservation.of(f, js.jpeg.jpeg_tables(path)).f.shape
    torch.Size([1, 3, 32, 48])
    """

    constraint: QuantizationConstraint
    """What the tables of the file allow."""

    is_constrained: ClassVar[bool] = True

    @classmethod
    def of(cls, image: Tensor, tables: JPEGTables) -> JPEGObservation:
        """The observation of ``(B, C, H, W)`` as it was read from a file with these tables."""
        constraint = QuantizationConstraint.of(image, tables)
        operator = tables.subsampling if image.shape[1] == 3 else Identity()
        return cls(constraint.unclipped, operator, constraint)

    def project(self, u: Tensor) -> Tensor:
        """U with its coefficients moved into their cells."""
        return self.constraint.project(u)

"""A benchmark that ships as a seed: pictures with known truths, drawn where they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from jumpset._core.checks import integer
from jumpset.datasets._corruptions import jpeg
from jumpset.datasets._marks import marks
from jumpset.datasets._ranges import from_unit
from jumpset.datasets._synthetic import shapes, textured
from jumpset.datasets.folders import thinned

_HEIGHT, _WIDTH = 288, 384
_TEXTURED, _COMPRESSED, _SPARSE = 12, 4, 4
_QUALITIES = (10, 20)


class PairLike(Protocol):
    """A picture with its ground truth, wherever it comes from."""

    @property
    def name(self) -> str:
        """Unique in its set."""
        ...

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Input and truth, uint8 arrays of one shape."""
        ...


@dataclass(frozen=True)
class SyntheticPair:
    """A picture of :func:`synthetic_pairs`."""

    kind: Literal["textured", "jpeg", "sparse"]
    seed: int

    @property
    def name(self) -> str:
        """Kind and seed."""
        return f"{self.kind}{self.seed}"

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw both, as uint8 arrays of one shape: (H, W, 3), or (H, W) of a sparse picture."""
        eight_bits = np.dtype(np.uint8)
        if self.kind == "textured":
            picture, truth = textured(_HEIGHT, _WIDTH, seed=self.seed)
        elif self.kind == "jpeg":
            truth = shapes(_HEIGHT, _WIDTH, seed=1000 + self.seed)
            picture = jpeg(truth, _QUALITIES[self.seed % len(_QUALITIES)])
        else:
            truth = marks(_HEIGHT, _WIDTH, seed=2000 + self.seed)
            picture = scattered(truth, 0.05, seed=self.seed)
        return from_unit(picture, eight_bits), from_unit(truth, eight_bits)


def scattered(picture: np.ndarray, share: float, seed: int) -> np.ndarray:
    """The picture with a share of its pixels, here and there, replaced by values from [0, 1)."""
    rng = np.random.default_rng([2, seed])
    hit = rng.random(picture.shape) < share
    return np.where(hit, rng.random(picture.shape, dtype=np.float32), picture)


def synthetic_pairs(limit: int | None = None) -> list[SyntheticPair]:
    """Twenty pictures of 288 × 384 pixels with their truths, the same everywhere.

    Twelve of flat shapes under a texture, as in NKS (the picture is :func:`textured`); four as JPEG of
    quality 10 and 20; four gray ones, empty but for a few :func:`marks`, of whose pixels one in twenty is
    replaced by a random value.

    Parameters
    ----------
    limit
        At most so many, spread evenly over the set.

    Raises
    ------
    InputError
        A limit below 1.
    """
    if limit is not None:
        integer("limit", limit, at_least=1)
    found = [SyntheticPair("textured", seed) for seed in range(_TEXTURED)]
    found += [SyntheticPair("jpeg", seed) for seed in range(_COMPRESSED)]
    found += [SyntheticPair("sparse", seed) for seed in range(_SPARSE)]
    return thinned(found, limit)

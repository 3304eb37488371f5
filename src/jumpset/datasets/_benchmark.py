"""A synthetic benchmark: images with ground truths, drawn from seeds when they are loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from jumpset._core.checks import integer
from jumpset.datasets._corruptions import jpeg
from jumpset.datasets._marks import marks
from jumpset.datasets._ranges import from_unit
from jumpset.datasets._synthetic import shapes, textured
from jumpset.datasets.folders import sample_evenly

_HEIGHT, _WIDTH = 288, 384
_COUNTS: dict[Literal["textured", "jpeg", "sparse"], int] = {"textured": 12, "jpeg": 4, "sparse": 4}
_QUALITIES = (10, 20)


class PairLike(Protocol):
    """An image with its ground truth.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.synthetic_pairs(1)[0]  # one of the classes with this interface
    >>> image, truth = pair.load()
    >>> image.shape == truth.shape
    True
    """

    @property
    def name(self) -> str:
        """Unique name within the set."""
        ...

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Input and truth, uint8 arrays of one shape."""
        ...


@dataclass(frozen=True)
class SyntheticPair:
    """An image of :func:`synthetic_pairs` with its ground truth.

    Examples
    --------
    >>> import jumpset as js
    >>> pair = js.datasets.SyntheticPair("jpeg", seed=3)
    >>> pair.name
    'jpeg3'
    """

    kind: Literal["textured", "jpeg", "sparse"]
    """What corrupted the image."""
    seed: int
    """The seed of the image."""

    @property
    def name(self) -> str:
        """Kind and seed."""
        return f"{self.kind}{self.seed}"

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw both as uint8 arrays of one shape: (H, W, 3), or (H, W) for the kind ``"sparse"``."""
        eight_bits = np.dtype(np.uint8)
        if self.kind == "textured":
            image, truth = textured(_HEIGHT, _WIDTH, seed=self.seed)
        elif self.kind == "jpeg":
            truth = shapes(_HEIGHT, _WIDTH, seed=1000 + self.seed)
            image = jpeg(truth, _QUALITIES[self.seed % len(_QUALITIES)])
        else:
            truth = marks(_HEIGHT, _WIDTH, seed=2000 + self.seed)
            image = add_impulse_noise(truth, 0.05, seed=self.seed)
        return from_unit(image, eight_bits), from_unit(truth, eight_bits)


def add_impulse_noise(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Replace a random share of the pixels by uniform values from [0, 1)."""
    rng = np.random.default_rng([2, seed])
    hit = rng.random(image.shape) < share
    return np.where(hit, rng.random(image.shape, dtype=np.float32), image)


def synthetic_pairs(limit: int | None = None) -> list[SyntheticPair]:
    """Twenty synthetic images of 288 × 384 pixels with their ground truths, the same on every machine.

    Twelve have flat shapes under a texture, as in NKS (:func:`textured`); four are JPEG of quality 10 and 20;
    four are gray and empty except for a few :func:`marks`, with one in twenty pixels replaced by a random
    value.

    Parameters
    ----------
    limit
        Largest number of pairs, which are spread evenly over the set.

    Returns
    -------
    list of SyntheticPair
        The pairs; ``load`` draws the images of one.

    Raises
    ------
    InputError
        A limit below 1.

    Examples
    --------
    >>> import jumpset as js
    >>> [pair.name for pair in js.datasets.synthetic_pairs(3)]
    ['textured3', 'textured10', 'sparse0']
    """
    if limit is not None:
        integer("limit", limit, at_least=1)
    found = [SyntheticPair(kind, seed) for kind, count in _COUNTS.items() for seed in range(count)]
    return sample_evenly(found, limit)

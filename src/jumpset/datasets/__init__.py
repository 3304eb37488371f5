"""Test and training images: a photograph, synthetic images with ground truth, corruptions, folders."""

from __future__ import annotations

from jumpset.datasets._benchmark import PairLike, SyntheticPair, synthetic_pairs
from jumpset.datasets._corruptions import add_noise, jpeg
from jumpset.datasets._marks import marks
from jumpset.datasets._pictures import coffee
from jumpset.datasets._structures import structure
from jumpset.datasets._synthetic import shapes, textured
from jumpset.datasets._textures import texture
from jumpset.datasets.folders import Pair, pairs
from jumpset.datasets.synthesis import batches, synthetic

__all__ = [
    "Pair",
    "PairLike",
    "SyntheticPair",
    "add_noise",
    "batches",
    "coffee",
    "jpeg",
    "marks",
    "pairs",
    "shapes",
    "structure",
    "synthetic",
    "synthetic_pairs",
    "texture",
    "textured",
]

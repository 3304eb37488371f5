"""Pictures to try things on: a photograph, synthetic ones with known answers, corruptions, and folders."""

from __future__ import annotations

from jumpset.datasets._corruptions import add_noise, jpeg
from jumpset.datasets._pictures import coffee
from jumpset.datasets._synthetic import shapes, textured
from jumpset.datasets.folders import Pair, pairs

__all__ = ["Pair", "add_noise", "coffee", "jpeg", "pairs", "shapes", "textured"]

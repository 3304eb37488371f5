"""Explanations of networks: contiguous masks that keep a decision, and scores of explanations."""

from jumpset.explain._curves import Curves as Curves
from jumpset.explain._curves import insertion_deletion as insertion_deletion
from jumpset.explain._mask import Explanation as Explanation
from jumpset.explain._mask import mask as mask

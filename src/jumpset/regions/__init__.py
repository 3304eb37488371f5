"""Partitions of images: the region tree, region fusion, and the best value of each region."""

from jumpset.regions.tree import RegionTree as RegionTree

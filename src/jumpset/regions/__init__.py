"""Partitions of images: the region tree, region fusion, the best value of each region, lower bounds."""

from jumpset.regions.bound import lower_bound as lower_bound
from jumpset.regions.tree import RegionTree as RegionTree

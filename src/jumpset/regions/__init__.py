"""What a partition is: the region tree, region fusion, the best value of each region."""

from jumpset.regions.tree import RegionTree as RegionTree

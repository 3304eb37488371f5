"""Partitions of images: the region tree, lower bounds, label images, few colours, tables, vector output."""

from jumpset.regions.bound import lower_bound as lower_bound
from jumpset.regions.geojson import to_geojson as to_geojson
from jumpset.regions.labels import adjacency as adjacency
from jumpset.regions.labels import boundaries as boundaries
from jumpset.regions.labels import label as label
from jumpset.regions.labels import merge_small as merge_small
from jumpset.regions.palette import Recolored as Recolored
from jumpset.regions.palette import recolor as recolor
from jumpset.regions.svg import to_svg as to_svg
from jumpset.regions.table import table as table
from jumpset.regions.tree import RegionTree as RegionTree

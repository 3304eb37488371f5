"""Grids of 4 and 8 neighbours: which pixels are joined, and what a boundary between them weighs."""

from __future__ import annotations

import math

# (rows, columns) from a pixel to its forward neighbours: right, down, down-right, down-left.
# The backward neighbours are the same edges seen from the other side.
OFFSETS = {4: ((0, 1), (1, 0)), 8: ((0, 1), (1, 0), (1, 1), (1, -1))}

# What an edge of each offset weighs. With 8 neighbours the weights of Storath & Weinmann (2014), whose
# boundary length is nearest to Euclidean.
LENGTHS = {4: (1.0, 1.0), 8: (math.sqrt(2) - 1, math.sqrt(2) - 1, 1 - math.sqrt(0.5), 1 - math.sqrt(0.5))}

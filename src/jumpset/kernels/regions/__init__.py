"""Compiled loops over partitions: merges, moves, splits, 1-D Potts problems."""

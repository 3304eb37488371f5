"""Choosing the weight of a penalty or of a method."""

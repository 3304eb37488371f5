"""Linear operators on images: differences, neighbourhoods, spectral solves."""

from jumpset.operators.gradient import divergence as divergence
from jumpset.operators.gradient import gradient as gradient

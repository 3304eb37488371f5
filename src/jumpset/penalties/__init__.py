"""R(x), one penalty a file: value, loss, gradient, and prox where one exists."""

from jumpset.penalties._base import Penalty as Penalty
from jumpset.penalties.l1 import L1 as L1
from jumpset.penalties.total_variation import TotalVariation as TotalVariation

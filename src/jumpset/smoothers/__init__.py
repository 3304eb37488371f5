"""One published smoother a file, each written as an iteration for :func:`jumpset.run`."""

from jumpset.smoothers.l0 import L0 as L0
from jumpset.smoothers.region_fusion import RegionFusion as RegionFusion
from jumpset.smoothers.tv import TV as TV

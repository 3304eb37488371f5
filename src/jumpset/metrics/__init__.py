"""Scores of a picture: PSNR, two variants of SSIM, edges, the l0 energies, how contiguous a support is.

Everything here takes NumPy arrays (scikit-image layout) and gives plain numbers.
"""

from __future__ import annotations

from jumpset.metrics._contiguity import Contiguity, contiguity
from jumpset.metrics._edges import edge_preservation
from jumpset.metrics._energies import energy_edge, energy_pix, gradient_count, jump_count
from jumpset.metrics._psnr import psnr
from jumpset.metrics._regions import count_regions
from jumpset.metrics._ssim import ssim, ssim_luma, ssim_volume

__all__ = [
    "Contiguity",
    "contiguity",
    "count_regions",
    "edge_preservation",
    "energy_edge",
    "energy_pix",
    "gradient_count",
    "jump_count",
    "psnr",
    "ssim",
    "ssim_luma",
    "ssim_volume",
]

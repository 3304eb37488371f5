"""Scores of images: PSNR, variants of SSIM, edge preservation, the l0 energies, contiguity of a support.

All functions take NumPy arrays (scikit-image layout) and return plain numbers.
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

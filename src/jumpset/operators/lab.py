"""CIELAB and its inverse (sRGB primaries, D65 white), extended below black, so that it is invertible."""

from __future__ import annotations

import torch

from jumpset._core.types import ColorImages

# Linear sRGB to XYZ (IEC 61966-2-1); white is the image of (1, 1, 1), so grays have a = b = 0 exactly.
_TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
_KNEE = 6.0 / 29.0


def rgb_to_lab(x: ColorImages) -> ColorImages:
    """Convert ``(B, 3, H, W)`` sRGB in [0, 1] to L in [0, 100], a and b within about ±100."""
    matrix = torch.tensor(_TO_XYZ, dtype=torch.float64, device=x.device)
    matrix = (matrix / matrix.sum(1, keepdim=True)).to(x.dtype)
    linear = torch.where(x > 0.04045, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92)
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear)
    f = torch.where(
        xyz > _KNEE**3, xyz.clamp(min=_KNEE**3) ** (1.0 / 3.0), xyz / (3.0 * _KNEE**2) + 4.0 / 29.0
    )
    fx, fy, fz = f.unbind(1)
    return torch.stack([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], 1)


def lab_to_rgb(x: ColorImages) -> ColorImages:
    """Invert :func:`rgb_to_lab`; colours outside sRGB are below 0 or above 1."""
    lightness, a, b = x.unbind(1)
    fy = (lightness + 16.0) / 116.0
    f = torch.stack([fy + a / 500.0, fy, fy - b / 200.0], 1)
    xyz = torch.where(f > _KNEE, f**3, 3.0 * _KNEE**2 * (f - 4.0 / 29.0))
    matrix = torch.tensor(_TO_XYZ, dtype=torch.float64, device=x.device)
    inverse = torch.linalg.inv(matrix / matrix.sum(1, keepdim=True)).to(x.dtype)
    linear = torch.einsum("ij,bjhw->bihw", inverse, xyz)
    knee = 0.04045 / 12.92
    return torch.where(linear > knee, 1.055 * linear.clamp(min=knee) ** (1.0 / 2.4) - 0.055, linear * 12.92)

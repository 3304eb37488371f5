"""The table of Tran, Bui & Xin (2026) on the 120 test images of NKS, for comparison."""

from __future__ import annotations

PUBLISHED_INPUT_PSNR = 28.04
"""PSNR of the inputs of that table; other samples of the set differ, so compare gains."""
# method: (PSNR in dB, SSIM of the array as a volume). The paper that introduced NKS gives ResNet 33.13
# and VDCNN 33.38: those two rows are in doubt.
PUBLISHED: dict[str, tuple[float, float]] = {
    "pnls": (33.86, 0.9623),
    "l0": (32.22, 0.9517),
    "potts": (33.67, 0.9594),
    "region-fusion": (33.19, 0.9586),
    "gsf": (33.89, 0.9649),
    "rtv": (33.59, 0.9592),
    "sg-wls": (33.48, 0.9576),
    "semi-sparsity": (32.97, 0.9528),
    "jess-net": (34.44, 0.9664),
    "resnet": (29.09, 0.9326),
    "vdcnn": (29.86, 0.9353),
    "deep-wls": (33.38, 0.9531),
    "dip": (29.30, 0.9033),
    "dip-tv": (33.80, 0.9605),
    "dip-l0": (34.98, 0.9641),
}

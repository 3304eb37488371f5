"""What objects with images print is one line."""

import numpy as np
import pytest
import torch

import jumpset as js

IMAGE = js.datasets.coffee()[80:112, 100:148]
MASK = np.ones(IMAGE.shape[:2], bool)


@pytest.mark.parametrize(
    ("make", "shows"),
    [
        (lambda: js.run(IMAGE, js.method("rtv")), "Result(uint8 (32, 48, 3), rtv, CONVERGED, 4 steps, "),
        (lambda: js.run(torch.rand(1, 1, 8, 9), js.method("fgs")), "Result(float32 (1, 1, 8, 9), fgs, "),
        (lambda: js.RegionTree(IMAGE), "RegionTree((32, 48, 3), uint8, "),
        (lambda: js.method("tv", mask=MASK), "TV(weight=0.1, "),
        (lambda: js.io.Picture(IMAGE, icc_profile=bytes(999)), "Picture(pixels=uint8 (32, 48, 3), alpha=None, icc_profile=999 bytes"),
        (lambda: js.auto_weight(js.datasets.add_noise(IMAGE / 255, 0.1, seed=0), "tv", n_trials=9), "curve=9 values"),
        (lambda: js.jpeg.JPEGTables(np.ones((8, 8)), np.ones((8, 8))), "JPEGTables(luma=float64 (8, 8), "),
        (lambda: js.operators.Mask(torch.ones(32, 48)) @ js.operators.Blur.gaussian(2), "mask=float32 (32, 48)"),
        (lambda: js.smoothers.TV(), "TV(weight=0.1, isotropic=True, channels='joint', tol=0.0001, max_steps=10000, mask=None, spacing=None)"),
    ],
)  # fmt: skip
def test_one_line(make, shows):
    text = repr(make())
    assert shows in text
    assert "\n" not in text
    assert len(text) < 260

"""PNLS: one pass against its definition in NumPy; colour space; group sizes on tiny images."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

import jumpset as js
from jumpset.kernels.filters.pnls import _haar, _unhaar, smooth_pass
from jumpset.operators.lab import lab_to_rgb, rgb_to_lab
from jumpset.smoothers import PNLS


def haar_matrix(n):
    """Return the orthonormal Haar matrix, rows from coarse to fine."""
    if n == 1:
        return np.ones((1, 1))
    top = np.kron(haar_matrix(n // 2), [1, 1])
    bottom = np.kron(np.eye(n // 2), [1, -1])
    return np.vstack([top, bottom]) / np.sqrt(2)


def plain_pass(u, *, patch, step, window, matches, pixels, threshold):
    """Compute one pass with matrices, transforming whole groups back."""
    C, H, W = u.shape
    ph, pw = min(patch, H), min(patch, W)
    sh, sw = min(window, H - ph + 1), min(window, W - pw + 1)
    Hq, Hn = haar_matrix(pixels), haar_matrix(matches)
    sums, weights = np.zeros_like(u), np.zeros((H, W))
    for y in [*range(0, H - ph, step), H - ph]:
        for x in [*range(0, W - pw, step), W - pw]:
            top = np.clip(y - sh // 2, 0, H - ph - sh + 1)
            left = np.clip(x - sw // 2, 0, W - pw - sw + 1)
            places = [(v, w) for v in range(top, top + sh) for w in range(left, left + sw)]
            here = u[:, y : y + ph, x : x + pw]
            places.sort(
                key=lambda p: (
                    -1 if p == (y, x) else ((u[:, p[0] : p[0] + ph, p[1] : p[1] + pw] - here) ** 2).sum()
                )
            )
            chosen = places[:matches]
            X = np.stack([u[:, v : v + ph, w : w + pw].reshape(C, -1) for v, w in chosen], -1)  # (C, P, n)
            for i in range(ph * pw):
                near = ((X - X[:, i : i + 1]) ** 2).sum((0, 2))
                near[i] = -1
                Y = X[:, np.argsort(near)[:pixels]]
                c = Hq @ Y @ Hn.T
                keep = np.sqrt((c**2).mean(0)) >= threshold
                if pixels > 1:
                    keep[pixels // 2 :, 1:] = False
                keep[0, 0] = True
                first = (Hq.T @ (c * keep) @ Hn)[:, 0]
                # the coefficients that involve the first row: the mean, and one of each level
                reach = [0] + [2**k for k in range(int(np.log2(pixels)))]
                weight = 1 / keep[reach].sum()
                for m, (v, w) in enumerate(chosen):
                    place = v + i // pw, w + i % pw
                    sums[(slice(None), *place)] += weight * first[:, m]
                    weights[place] += weight
    return sums / weights


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((3, 12, 15), {"patch": 4, "step": 3, "window": 5, "matches": 8, "pixels": 4}),
        ((1, 9, 11), {"patch": 3, "step": 2, "window": 7, "matches": 16, "pixels": 2}),
        ((2, 8, 8), {"patch": 4, "step": 4, "window": 3, "matches": 4, "pixels": 8}),
        ((1, 70, 6), {"patch": 2, "step": 2, "window": 3, "matches": 2, "pixels": 1}),
    ],
)
@pytest.mark.parametrize("threshold", [0.05, 0.3])
def test_pass_equals_its_definition(shape, settings, threshold):
    u = np.random.default_rng(0).random(shape)
    np.testing.assert_allclose(
        smooth_pass(u, threshold=threshold, **settings),
        plain_pass(u, threshold=threshold, **settings),
        atol=1e-12,
    )


@pytest.mark.parametrize("n", [1, 2, 8, 16])
def test_haar(n):
    x = np.random.default_rng(1).random(n)
    row = x.copy()
    _haar(row, np.empty(n))
    np.testing.assert_allclose(row, haar_matrix(n) @ x, atol=1e-14)
    _unhaar(row, np.empty(n))
    np.testing.assert_allclose(row, x, atol=1e-14)


def test_result_does_not_depend_on_threads():
    u = np.random.default_rng(2).random((3, 130, 40), dtype=np.float32)
    settings = {"patch": 4, "step": 4, "window": 5, "matches": 8, "pixels": 2, "threshold": 0.05}
    before, passes = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            passes.append(smooth_pass(u, **settings))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*passes)


def test_lab():
    rgb = np.random.default_rng(3).random((6, 7, 3))
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    lab = rgb_to_lab(tensor)
    np.testing.assert_allclose(
        lab[0].permute(1, 2, 0), rgb2lab(rgb), atol=0.02
    )  # scikit-image has four digits of the white point
    torch.testing.assert_close(lab_to_rgb(lab), tensor, rtol=0, atol=1e-12)
    outside = torch.tensor([-0.5, 0.0, 1.7], dtype=torch.float64).reshape(1, 3, 1, 1)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(outside)), outside, rtol=0, atol=1e-7)
    gray = torch.linspace(0, 1, 9, dtype=torch.float64).expand(1, 3, 1, 9)
    assert rgb_to_lab(gray)[:, 1:].abs().max() < 1e-12


def test_it_removes_texture():
    image, truth = js.datasets.textured(128, 160, seed=0)
    out = js.smooth(image, "pnls")
    assert js.metrics.psnr(out, truth, data_range=1) > js.metrics.psnr(image, truth, data_range=1) + 2.5


@pytest.mark.parametrize(
    "wrong", [{"window": 4}, {"matches": 12}, {"pixels": 3}, {"patch": 0}, {"stride": 0}, {"weight": -1}]
)
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        PNLS(**wrong)

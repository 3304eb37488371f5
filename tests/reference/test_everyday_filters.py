"""Bilateral, guided, rolling guidance and domain transform against their formulas, OpenCV and scikit-image."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.smoothers import FGS, Bilateral, DomainTransform, Guided, RollingGuidance

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def picture():
    """A small crop of a photograph, float32."""
    return js.datasets.coffee()[100:180, 150:240].astype(np.float32) / 255


def weighted_mean(f, g, space, differences):
    """The bilateral filter, pixel by pixel."""
    height, width = f.shape[:2]
    y, x = np.mgrid[:height, :width]
    out = np.empty_like(f)
    for j, i in np.ndindex(height, width):
        away = (y - j) ** 2 + (x - i) ** 2
        w = np.exp(-away / (2 * space**2) - ((g - g[j, i]) ** 2).sum(-1) / (2 * differences**2))
        w *= away <= np.floor(3 * space) ** 2
        out[j, i] = (w[..., None] * f).sum((0, 1)) / w.sum()
    return out


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_bilateral_equals_its_definition(bands, rng):
    f, g = rng.random((11, 9, bands)), rng.random((11, 9, 2))
    ours = js.smooth(f, Bilateral(0.3, radius=1.5))
    own = 0.3 * max(1.0, bands / 3) ** 0.5  # more than three bands count as three
    np.testing.assert_allclose(ours, weighted_mean(f, f, 1.5, own), atol=1e-12)
    ours = js.smooth(f, Bilateral(0.3, radius=1.5, guidance=g))
    np.testing.assert_allclose(ours, weighted_mean(f, g, 1.5, 0.3), atol=1e-12)


def test_bilateral_near_opencv(picture):
    """OpenCV adds the bands' magnitudes instead of squaring them, so a gray picture is compared."""
    gray = picture.mean(-1)
    ours = js.smooth(gray, "bilateral", weight=0.1, radius=2.0)
    theirs = cv2.bilateralFilter(gray, 13, 0.1, 2.0)
    np.testing.assert_allclose(ours[6:-6, 6:-6], theirs[6:-6, 6:-6], atol=2e-4)


def test_rolling_guidance_equals_its_definition(rng):
    f = rng.random((10, 12, 2))
    u = weighted_mean(f, f, 1.2, 1e9)
    for _ in range(2):
        u = weighted_mean(f, u, 1.2, 0.2)
    np.testing.assert_allclose(js.smooth(f, RollingGuidance(1.2, sigma=0.2, n_steps=3)), u, atol=1e-7)


def test_rolling_guidance_removes_the_small_and_keeps_the_large():
    y, x = np.mgrid[:40, :40]
    image = 0.2 + 0.6 * ((np.abs(x - 20) < 12) & (np.abs(y - 20) < 12))
    dotted = image + 0.15 * ((x % 5 == 0) & (y % 5 == 0))
    out = js.smooth(dotted, "rolling-guidance", weight=3.0, n_steps=8)
    undotted = js.smooth(image, "rolling-guidance", weight=3.0, n_steps=8)
    assert np.quantile(np.abs(out - undotted), 0.95) < 0.03  # but for the corners
    assert (out[15:25, 10] - out[15:25, 7]).min() > 0.4  # the border of the square, 8 | 9


def naive_guided(f, g, radius, weight):
    """Least squares in each window, then the means of the models."""
    height, width, bands = g.shape
    models = np.empty((height, width, bands + 1, f.shape[2]))

    def window(y, x):
        return np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]

    for y, x in np.ndindex(height, width):
        a, b = g[window(y, x)].reshape(-1, bands), f[window(y, x)].reshape(-1, f.shape[2])
        n = len(a)
        rows = np.hstack([a, np.ones((n, 1))])
        ridge = np.sqrt(n * weight) * np.eye(bands + 1)[:bands]
        models[y, x] = np.linalg.lstsq(
            np.vstack([rows, ridge]), np.vstack([b, np.zeros((bands, b.shape[1]))])
        )[0]
    out = np.empty_like(f)
    for y, x in np.ndindex(height, width):
        model = models[window(y, x)].mean((0, 1))
        out[y, x] = np.append(g[y, x], 1.0) @ model
    return out


@pytest.mark.parametrize("bands", [1, 2, 4])
@pytest.mark.parametrize("radius", [1, 3, 20])
def test_guided_equals_least_squares(bands, radius, rng):
    f, g = rng.random((9, 12, 2)), rng.random((9, 12, bands))
    ours = js.smooth(f, Guided(0.01, radius=radius, guidance=g))
    np.testing.assert_allclose(ours, naive_guided(f, g, radius, 0.01), atol=1e-9)


def test_guided_equals_opencv_inside(picture):
    ours = js.smooth(picture, "guided", weight=0.01, radius=4)
    theirs = cv2.ximgproc.guidedFilter(picture, picture, 4, 0.01)
    np.testing.assert_allclose(ours[8:-8, 8:-8], theirs[8:-8, 8:-8], atol=1e-4)


def test_guided_keeps_its_digits_in_float32(rng):
    f = rng.random((40, 40)) * 1e-3 + 0.9
    exact = js.smooth(f, "guided", weight=1e-7, radius=3)
    rounded = js.smooth(f.astype(np.float32), "guided", weight=1e-7, radius=3)
    np.testing.assert_allclose(rounded, exact, atol=2e-6)


def recursive(f, g, reach, differences, steps):
    """The domain transform, one line after the other."""
    u = f.copy()
    for t in range(1, steps + 1):
        sigma = reach * np.sqrt(3) * 2 ** (steps - t) / np.sqrt(4**steps - 1)
        for axis in (1, 0):
            lines, guide = np.moveaxis(u, axis, 0), np.moveaxis(g, axis, 0)
            d = 1 + reach / differences * np.abs(np.diff(guide, axis=0)).sum(-1)
            a = np.exp(-np.sqrt(2) / sigma) ** d
            for k in range(1, len(lines)):
                lines[k] = (1 - a[k - 1, :, None]) * lines[k] + a[k - 1, :, None] * lines[k - 1]
            for k in range(len(lines) - 2, -1, -1):
                lines[k] = (1 - a[k, :, None]) * lines[k] + a[k, :, None] * lines[k + 1]
    return u


def test_domain_transform_equals_its_definition(rng):
    f, g = rng.random((9, 13, 2)), rng.random((9, 13, 3))
    ours = js.smooth(f, DomainTransform(0.5, reach=4.0, n_steps=2, guidance=g))
    np.testing.assert_allclose(ours, recursive(f, g, 4.0, 0.5, 2), atol=1e-12)


def test_domain_transform_equals_opencv(picture):
    """OpenCV works in gray levels: its range width is 255 times ours."""
    levels = picture * 255
    ours = js.smooth(picture, "domain-transform", weight=0.4, reach=10.0)
    theirs = cv2.ximgproc.dtFilter(levels, levels, 10.0, 0.4 * 255, mode=cv2.ximgproc.DTF_RF, numIters=3)
    np.testing.assert_allclose(ours * 255, theirs, atol=0.5)


def test_fgs_equals_opencv(picture):
    guide = np.rint(picture * 255).astype(np.uint8)
    ours = js.smooth(picture, FGS(900.0, sigma=0.1, guidance=guide))
    theirs = cv2.ximgproc.fastGlobalSmootherFilter(guide, picture * 255, 900 * 8 / 21, 25.5)
    np.testing.assert_allclose(ours * 255, theirs, atol=0.01)


@pytest.mark.parametrize("name", ["bilateral", "guided", "domain-transform"])
def test_guidance(name, rng):
    f = rng.random((12, 13, 3))
    np.testing.assert_allclose(js.smooth(f, name, guidance=f), js.smooth(f, name), atol=1e-12)
    guide = np.zeros((12, 13), np.uint8)
    guide[:, 6:] = 255
    f = np.where(np.arange(13) < 6, 0.3, 0.6)[None].repeat(12, 0)
    out = js.smooth(f, name, guidance=guide)
    np.testing.assert_allclose(out, f, atol=0.02)
    batch = torch.from_numpy(rng.random((2, 1, 8, 9)))
    together = js.smooth(batch, name, guidance=guide[:8, :9])
    torch.testing.assert_close(together[1:], js.smooth(batch[1:], name, guidance=guide[:8, :9]))
    with pytest.raises(js.InputError, match="height and width"):
        js.smooth(f, name, guidance=guide[:3])


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (Bilateral, {"radius": 0}),
        (Guided, {"radius": 0}),
        (Guided, {"radius": 1.5}),
        (RollingGuidance, {"sigma": 0}),
        (RollingGuidance, {"n_steps": 0}),
        (DomainTransform, {"reach": 0}),
        (DomainTransform, {"n_steps": 0}),
    ],
)
def test_bad_parameters(cls, wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        cls(**wrong)

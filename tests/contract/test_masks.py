"""Missing pixels: every method and prox with a mask fills them, whatever they hold."""

import numpy as np
import pytest
import torch

import jumpset as js
from jumpset.penalties.solved_prox import SolvedProx

MASKED = [name for name, info in js.methods().items() if "mask" in info.defaults]
PROXES = [js.TotalVariation(), js.TotalVariation(isotropic=False), js.SparseTV(ratio=0.1),
          js.penalties.HuberTV(), js.penalties.VectorialTV()]  # fmt: skip
QUICK = {"tv": {"tol": 1e-2}}  # settings that make a method quick; the promises are the same for any setting
RNG = np.random.default_rng(1)


def scene(channels=3):
    """A drawn image with noise, a hole, a stripe at the border and scattered missing pixels; and the truth."""
    truth = np.zeros((40, 46, channels), np.float32) + 0.2
    truth[8:30, 10:34] = np.linspace(0.9, 0.5, channels, dtype=np.float32)
    mask = RNG.random(truth.shape[:2]) > 0.2
    mask[14:20, 14:24] = False
    mask[:, -3:] = False
    noisy = (truth + RNG.normal(0, 0.03, truth.shape)).astype(np.float32)
    return truth, noisy, mask


def smooth(image, name, **settings):
    return js.smooth(image, name, **QUICK.get(name, {}) | settings)


def rms(x):
    return float(np.sqrt(np.square(x).mean()))


def test_the_methods_with_a_mask():
    assert {"region-fusion", "potts", "potts-descent", "tv", "wls", "fgs", "guided", "gsf"} <= set(MASKED)


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("fill", [0.0, 7e4, np.nan, np.inf])
def test_what_lies_under_the_mask_has_no_influence(name, fill):
    _, noisy, mask = scene()
    expected = smooth(noisy, name, mask=mask)
    holes = np.where(mask[..., None], noisy, np.float32(fill))
    np.testing.assert_array_equal(smooth(holes, name, mask=mask), expected)
    if np.isnan(fill):
        np.testing.assert_array_equal(smooth(holes, name, missing="nan"), expected)


@pytest.mark.parametrize("name", MASKED)
def test_the_answer_fills_the_holes(name):
    truth, noisy, mask = scene()
    answer = smooth(noisy, name, mask=mask)
    inside = np.zeros_like(mask)
    inside[14:20, 14:24] = True  # far from the edges of the drawing
    assert rms((answer - truth)[inside]) < 0.06
    assert rms((answer - truth)[mask]) < 1.5 * rms((smooth(noisy, name) - truth)[mask]) + 0.01


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_without_holes_changes_nothing_but_rounding(name):
    _, noisy, _ = scene()
    settings = {"tol": 1e-6} if name == "tv" else {}
    full = smooth(noisy, name, mask=np.ones(noisy.shape[:2], bool), **settings)
    np.testing.assert_allclose(full, smooth(noisy, name, **settings), atol=2e-3)


@pytest.mark.parametrize("name", MASKED)
def test_masks_of_every_dtype_and_kind(name):
    _, noisy, mask = scene(1)
    image = noisy[..., 0]
    expected = smooth(image, name, mask=mask)
    for dtype in (np.uint8, np.int64, np.float32, np.float64):
        np.testing.assert_array_equal(smooth(image, name, mask=mask.astype(dtype)), expected)
    np.testing.assert_array_equal(smooth(image, name, mask=mask * np.uint8(255)), expected)
    np.testing.assert_array_equal(smooth(image, name, mask=torch.from_numpy(mask)), expected)


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_for_each_image_of_a_batch(name):
    _, noisy, mask = scene()
    batch = torch.from_numpy(noisy).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
    masks = torch.from_numpy(np.stack([mask, mask[:, ::-1]]))[:, None]
    together = smooth(batch, name, mask=masks)
    for k in range(2):
        alone = smooth(batch[k : k + 1], name, mask=masks[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((5, 5), bool), "mask does not fit the image"),
        (np.zeros((40, 46), bool), "mask excludes all pixels"),
        (np.full((40, 46), 255.0), "weights from 0 to 1"),
        (np.full((40, 46), "x"), "mask must be bool, integers or floats"),
    ],
)
def test_masks_that_cannot_be_used(name, mask, message):
    _, noisy, _ = scene()
    with pytest.raises(js.InputError, match=message):
        smooth(noisy, name, mask=mask)


def test_missing_pixels_need_a_method_with_a_mask():
    with pytest.raises(js.InputError, match="missing pixels need a method with a mask"):
        js.smooth(np.full((8, 8), np.nan), "rtv", missing="nan")
    with pytest.raises(js.InputError, match="unknown missing"):
        js.smooth(np.ones((8, 8)), "tv", missing="zero")


# --- the region tree ------------------------------------------------------------------------------------------


def test_the_tree_of_an_image_with_missing_pixels(tmp_path):
    truth, noisy, mask = scene()
    tree = js.RegionTree(noisy, mask=mask)
    holes = np.where(mask[..., None], noisy, np.float32(np.nan))
    for other in (js.RegionTree(holes, mask=mask), js.RegionTree(holes, missing="nan")):
        np.testing.assert_array_equal(tree.smooth(n_regions=2), other.smooth(n_regions=2))
    tree.save(tmp_path / "tree.npz")
    answer = tree.smooth(n_regions=2)
    np.testing.assert_array_equal(js.RegionTree.load(tmp_path / "tree.npz").smooth(n_regions=2), answer)
    label = tree.labels(n_regions=2)
    for k in (1, 2):  # the mean of the valid pixels of each region
        expected = noisy[mask & (label == k)].astype(np.float64).mean(0)
        np.testing.assert_allclose(answer[label == k][0], expected, atol=1e-5)
    assert rms((answer - truth)[14:20, 14:24]) < 0.02


# --- proxes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PROXES, ids=lambda p: f"{type(p).__name__}-{getattr(p, 'isotropic', '')}")
def test_the_prox_with_a_mask_is_the_minimiser(penalty):
    """Against descent on the same energy from many directions: no small change lowers it."""
    _, noisy, mask = scene()
    v = torch.from_numpy(noisy).permute(2, 0, 1)[None].double()
    m = torch.from_numpy(mask)
    u = penalty.prox(torch.where(m, v, torch.nan), 0.1, mask=mask, tol=1e-5)

    def energy(x):
        return float((0.5 * (x - v)[..., m].square()).sum() + 0.1 * penalty.value(x).sum())

    least = energy(u)
    generator = torch.Generator().manual_seed(0)
    for k in range(40):
        direction = torch.randn(u.shape, generator=generator, dtype=u.dtype)
        if k % 2:
            direction = direction * ~m  # only in the holes
        for step in (1e-3, 1e-2):
            assert energy(u + step * direction) >= least * (1 - 3e-5)
    for flat in (u.mean(), v[..., m].mean()):
        assert energy(u + 0.1 * (flat - u)) >= least * (1 - 3e-5)
    assert isinstance(penalty, SolvedProx)

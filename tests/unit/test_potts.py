"""Potts by ADMM: exact lines, refitted regions, missing pixels, outliers."""

import numpy as np
import pytest

import jumpset as js
from jumpset.kernels.regions.potts_1d import potts_line_plain
from jumpset.operators.pixel_lines import DIRECTIONS, pixel_lines
from jumpset.regions.partition import refit
from jumpset.smoothers import PottsADMM


@pytest.mark.parametrize("data", ["l2", "l1"])
@pytest.mark.parametrize("shape", [(1, 25), (25, 1)])
def test_a_line_is_solved_exactly(data, shape):
    rng = np.random.default_rng(0)
    image = np.floor(np.arange(25) / 7)[:, None] * [0.3, -0.2] + 0.5 + 0.1 * rng.standard_normal((25, 2))
    mask = (rng.random(25) > 0.2).astype(float)
    method = PottsADMM(weight=0.1, data=data, mask=mask.reshape(shape))
    result = js.run(image.reshape(*shape, 2), method)
    assert result.n_steps == 1
    known = np.where(mask[:, None] > 0, image, 0.0)
    expected = potts_line_plain(known, 0.1, mask, data)

    def energy(u):  # a missing sample between two segments may belong to either
        error = np.abs(u - image) ** (2 if data == "l2" else 1)
        return (mask[:, None] * error).sum() + 0.1 * (np.diff(u, axis=0) != 0).any(1).sum()

    assert energy(result.image.reshape(25, 2)) == pytest.approx(energy(expected), abs=1e-9)


@pytest.mark.parametrize("neighbors", [4, 8, 16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (2, 2), (5, 9), (9, 4)])
def test_lines_contain_every_edge_once(neighbors, shape):
    height, width = shape
    pixel = np.arange(height * width, dtype=float).reshape(*shape, 1)
    for line in pixel_lines((height, width), neighbors):
        lines, mass = line.gather(pixel), line.gather_mass(np.ones(shape))
        np.testing.assert_array_equal(line.scatter(lines), pixel)
        assert mass.sum() == height * width
        steps = {(a, b) for row, m in zip(lines[..., 0], mass, strict=True)
                 for a, b, here in zip(row[:-1], row[1:], m[1:], strict=True) if here}  # fmt: skip
        first, second = line.pairs(pixel[..., 0])
        assert steps == set(zip(first.ravel(), second.ravel(), strict=True))
    found = {line.direction for line in pixel_lines((height, width), neighbors)}
    possible = {(d, r) for d, r in DIRECTIONS[neighbors] if d < height and abs(r) < width}
    assert found == (possible or {(0, 1)})


@pytest.mark.parametrize("neighbors", [8, 16])
def test_lengths_are_nearly_euclidean(neighbors):
    """The cost of a straight boundary is its length within the known error of the weights, in all directions."""
    for angle in np.linspace(0, np.pi, 25):
        normal = np.array([np.cos(angle), np.sin(angle)])
        cost = sum(w * abs(normal @ d) for d, w in DIRECTIONS[neighbors].items())
        assert cost == pytest.approx(1.0, abs={8: 0.085, 16: 0.03}[neighbors])


@pytest.mark.parametrize("neighbors", [4, 8, 16])
@pytest.mark.parametrize("data", ["l2", "l1"])
def test_clean_regions_are_recovered(neighbors, data):
    clean = np.full((30, 34, 3), 0.2)
    y, x = np.mgrid[:30, :34]
    clean[(y - 14) ** 2 + (x - 15) ** 2 < 90] = [0.8, 0.5, 0.3]
    clean[20:, 20:] = [0.4, 0.9, 0.6]
    noisy = js.datasets.add_noise(clean, 0.1, seed=2)
    weight = 0.2 if data == "l2" else 0.6
    result = js.run(noisy, PottsADMM(weight=weight, neighbors=neighbors, data=data))
    assert result.status is js.Status.CONVERGED
    assert js.metrics.psnr(result.image, clean) > js.metrics.psnr(noisy, clean) + 10
    assert len(np.unique(result.image.reshape(-1, 3), axis=0)) < 20


def test_lower_than_region_fusion_and_slower_growth_is_lower():
    image = js.datasets.add_noise(js.datasets.shapes(40, 40, seed=3), 0.1, seed=4)
    energy = {
        name: js.metrics.energy_edge(js.smooth(image, method, weight=0.1, **more), image, 0.1, tol=1e-7)
        for name, method, more in [
            ("fusion", "region-fusion", {}),
            ("fast", "potts", {}),
            ("precise", "potts", {"preset": "precise"}),
        ]
    }
    assert energy["precise"] < energy["fast"] < energy["fusion"]


def test_missing_pixels_take_their_region():
    image = np.zeros((12, 14))
    image[:, 7:] = 1.0
    mask = np.random.default_rng(1).random((12, 14)) > 0.5
    out = js.smooth(np.where(mask, image, 0.6), "potts", weight=0.1, mask=mask)
    np.testing.assert_allclose(out[mask], image[mask], atol=1e-6)
    assert np.isin(out.round(5), [0.0, 1.0]).all()


def test_spikes_do_not_move_medians():
    image = np.full((16, 16), 0.2)
    image[:, 8:] = 0.7
    spiky = image.copy()
    spiky[np.random.default_rng(0).random((16, 16)) < 0.15] = 1.0
    out = js.smooth(spiky, "potts", weight=0.8, data="l1")
    np.testing.assert_allclose(out, image, atol=1e-6)


@pytest.mark.parametrize("data", ["l2", "l1"])
def test_refit(data):
    rng = np.random.default_rng(3)
    label, f = rng.integers(0, 4, (9, 8)), rng.random((9, 8, 2)).round(1)
    mass = rng.integers(0, 3, (9, 8)).astype(float)
    mass[label == 3] = 0.0
    out = refit(label, f, mass, data, otherwise=f)
    for k in range(4):
        values, w = f[label == k], mass[label == k].astype(int)
        if k == 3:
            expected = values.mean(0)
        else:
            copies = np.repeat(values, w, axis=0)
            expected = copies.mean(0) if data == "l2" else np.median(copies, axis=0)
        np.testing.assert_allclose(out[label == k], np.broadcast_to(expected, values.shape))


@pytest.mark.parametrize(
    "wrong", [{"neighbors": 6}, {"data": "l3"}, {"growth": 1.0}, {"coupling": 0.0}, {"tol": 0.0}]
)
def test_bad_parameters(wrong):
    with pytest.raises(js.InputError, match=next(iter(wrong))):
        PottsADMM(**wrong)
